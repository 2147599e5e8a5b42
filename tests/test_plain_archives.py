"""Archives that would grow are refused before anything in them is read."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from plain_archives import check_plain


def test_what_torch_and_numpy_write_is_plain(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", a=np.zeros(1000))
    check_plain(tmp_path / "a.pt")
    check_plain(tmp_path / "a.npz")


def test_a_compressed_entry_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000))
    with pytest.raises(ValueError, match=r"must not be compressed; 'a.npy' is"):
        check_plain(tmp_path / "a.npz")
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as plain, zipfile.ZipFile(tmp_path / "b.pt", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="must not be compressed"):
        check_plain(tmp_path / "b.pt")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match="no zip archive"):
        check_plain(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError):
        check_plain(tmp_path / "none.pt")
