"""Files are written whole or not at all, whatever the disk says, at any byte."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atomic_files import copy, replacing, write_bytes, write_text
from tests.faults.disk import full_after

OLD, NEW = b"the old content", bytes(range(200))


@pytest.mark.parametrize("size", range(0, len(NEW), 7))
def test_a_disk_that_is_full_at_any_byte_keeps_the_old_file(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with full_after(size), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        write_bytes(path, NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_has_room_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "file"
    with full_after(len(NEW)):
        write_bytes(path, NEW)
    assert path.read_bytes() == NEW
    write_text(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"
    copy(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    assert os.listdir(path.parent) == ["file"]


def test_a_body_that_raises_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(NEW[:50])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path.read_bytes(), os.listdir(tmp_path)) == (OLD, ["file"])


def test_a_body_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("place", ["a file/below", "/proc/never"])
def test_where_nothing_can_be_written_it_is_said(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(OLD)
    with pytest.raises(OSError, match=r"Not a directory|File exists|No such file"):
        write_bytes(tmp_path / place, NEW)
    assert (tmp_path / "a file").read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "file").write_bytes(OLD)
    folder.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            write_bytes(folder / "file", NEW)
        assert (folder / "file").read_bytes() == OLD
    finally:
        folder.chmod(0o700)


def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from atomic_files import write_bytes\n"
        "contents = [bytes([n]) * 3_000_000 for n in range(2)]\n"
        "print('on', flush=True)\n"
        "while True:\n"
        "    for content in contents: write_bytes(Path(sys.argv[1]), content)\n"
    )
    whole = {OLD} | {bytes([n]) * 3_000_000 for n in range(2)}
    for pause in (0.01, 0.03, 0.07):
        command = [sys.executable, "-c", code, str(path), str(Path(__file__).resolve().parents[1])]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(pause)
            writer.kill()
        assert path.read_bytes() in whole
