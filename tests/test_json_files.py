"""Damaged JSON ends in one kind of error."""

import os
from pathlib import Path

import pytest

from json_files import parse_json, read_json


def test_values_come_back(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text('{"name": "Größe", "sizes": [1, 2.5, null]}', encoding="utf-8")
    assert read_json(path) == {"name": "Größe", "sizes": [1, 2.5, None]}
    assert parse_json(path.read_bytes()) == parse_json(path.read_text(encoding="utf-8")) == read_json(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"nothing", b"\xff\xfe{", '{"a": 1}'.encode("utf-16"), b"[" * 200_000, b'{"a":' * 200_000]
)
def test_anything_else_is_a_value_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"nested too deeply|Expecting|codec|Invalid|Extra"):
        read_json(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json")


def test_what_is_endless_or_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("[1, 2]")
    assert read_json(path, most_bytes=6) == [1, 2]
    with pytest.raises(ValueError, match="more than 5 bytes"):
        read_json(path, most_bytes=5)
    with pytest.raises(ValueError, match="no plain file"):
        read_json(Path("/dev/zero"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no plain file"):
        read_json(tmp_path / "pipe")
