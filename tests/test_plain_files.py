"""What is no plain file is refused, not waited for."""

import os
from pathlib import Path

import pytest

from plain_files import check_plain_file, open_plain, read_plain


def test_plain_files_are_read_through_links_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        check_plain_file(tmp_path / name)
        assert read_plain(tmp_path / name, most_bytes=3) == b"abc"
        with open_plain(tmp_path / name) as stream:
            assert stream.read(2) == b"ab"
    with open_plain(tmp_path / "file", follow=False) as stream:
        assert stream.read() == b"abc"
    with pytest.raises(OSError, match="link"):
        open_plain(tmp_path / "link", follow=False)
    with pytest.raises(ValueError, match="more than 2 bytes"):
        read_plain(tmp_path / "file", most_bytes=2)


def test_pipes_devices_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero", "."):
        with pytest.raises(ValueError, match="no plain file"):
            read_plain(tmp_path / name, most_bytes=9)
        with pytest.raises(ValueError, match="no plain file"):
            check_plain_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "none")
