from pathlib import Path

import pytest
import torch

from evaluation import files
from evaluation.digests import json_digest, source_digest
from evaluation.errors import CacheFileError


def test_tensors_come_back(tmp_path: Path) -> None:
    files.save_tensors_atomically(tmp_path / "x.pt", {"a": torch.arange(3), "b": "text"})
    payload = files.load_tensors(tmp_path / "x.pt")
    assert payload["a"].tolist() == [0, 1, 2]
    assert payload["b"] == "text"


@pytest.mark.parametrize("damage", [b"", b"text", b"\x80garbage"])
def test_damaged_files_have_one_error(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "x.pt").write_bytes(damage)
    with pytest.raises(CacheFileError, match=r"x\.pt must be a torch file"):
        files.load_tensors(tmp_path / "x.pt")
    torch.save([1], tmp_path / "y.pt")
    with pytest.raises(CacheFileError, match="must hold a dictionary; got list"):
        files.load_tensors(tmp_path / "y.pt")


def test_json_digest_ignores_order_and_refuses_nan() -> None:
    assert json_digest({"a": 1, "b": [2]}) == json_digest({"b": [2], "a": 1})
    assert json_digest({"a": 1}) != json_digest({"a": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_digest(float("nan"))


def test_source_digest_sees_names_and_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("1")
    second.write_text("2")
    before = source_digest([first, second])
    assert source_digest([second, first]) == before
    second.write_text("3")
    assert source_digest([first, second]) != before
