import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from gan.data import Split
from gan.data.cache import cached_splits, files_digest
from gan.errors import DataError


class Builder:
    """Counts how often it builds."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple[Split, Split]:
        self.calls += 1
        images = torch.arange(4 * 48, dtype=torch.uint8).reshape(4, 3, 4, 4)
        labels = torch.tensor([0, 1, 1, 0])
        return Split(images, labels), Split(images[:2], labels[:2])


def fetch(folder: Path | None, builder: Builder, **key: object) -> tuple[Split, Split]:
    return cached_splits(folder, name="toy", key=key, build=builder)


def test_no_folder_builds_every_time_and_asks_for_no_key(tmp_path):
    builder = Builder()
    for _ in range(2):
        cached_splits(None, name="toy", key=lambda: pytest.fail("asked for a key"), build=builder)
    assert builder.calls == 2


def test_hit_returns_the_same_tensors(tmp_path):
    builder = Builder()
    built, found = fetch(tmp_path / "a" / "b", builder, x=1), fetch(tmp_path / "a" / "b", builder, x=1)
    assert builder.calls == 1
    for one, two in zip(built, found, strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)
    found[0].images[0] = 0  # writable, as built tensors are
    assert [path.suffix for path in (tmp_path / "a" / "b").iterdir()] == [".npz"]


def test_another_key_builds_anew(tmp_path):
    builder = Builder()
    fetch(tmp_path, builder, x=1)
    fetch(tmp_path, builder, x=2)
    assert builder.calls == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "no_digest", "altered", "pickle"])
def test_damaged_files_are_built_anew(tmp_path, damage):
    builder = Builder()
    fetch(tmp_path, builder, x=1)
    (path,) = tmp_path.iterdir()
    with np.load(path) as stored:
        arrays = dict(stored)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("no archive")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "no_digest":
        np.savez(path, **{name: value for name, value in arrays.items() if name != "digest"})
    elif damage == "pickle":
        np.savez(path, **{**arrays, "train_images": np.array([object()], dtype=object)})
    else:
        arrays["train_images"][0, 0, 0, 0] ^= 1
        np.savez(path, **arrays)
    train, _ = fetch(tmp_path, builder, x=1)
    assert builder.calls == 2
    assert int(train.images[0, 0, 0, 0]) == 0
    fetch(tmp_path, builder, x=1)
    assert builder.calls == 2


def test_failed_build_leaves_nothing(tmp_path):
    def fail() -> tuple[Split, Split]:
        raise DataError("row 3")

    with pytest.raises(DataError, match="row 3"):
        cached_splits(tmp_path, name="toy", key={}, build=fail)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("gan.data.cache.np.savez", refuse)
    with pytest.raises(DataError, match=r"cache_dir must be a writable folder.*disk full"):
        fetch(tmp_path, Builder())
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cache_dir must be a writable folder"):
        fetch(tmp_path / "file", Builder())


def test_files_digest_sees_names_contents_and_order(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    base = files_digest([one, two])
    assert base == files_digest([one, two])
    assert base != files_digest([two, one])
    two.write_bytes(b"3")
    assert base != files_digest([one, two])
    with pytest.raises(DataError, match=r"cannot read .*gone"):
        files_digest([tmp_path / "gone"])


def npy_header(text: str) -> bytes:
    padded = text.encode() + b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


HEADERS = {
    "giant": "{'descr': '|u1', 'fortran_order': False, 'shape': (1152921504606846976,), }",
    "negative": "{'descr': '|u1', 'fortran_order': False, 'shape': (-64,), }",
    "cut off": "{'descr': '|u1', 'fortran_order': False, 'shape': (1, ",
    "deep": "{'descr': '|u1', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + ", }",
}


@pytest.mark.parametrize("header", HEADERS)
def test_damaged_array_headers_are_built_anew(tmp_path, header):
    builder = Builder()
    fetch(tmp_path, builder)
    (path,) = tmp_path.iterdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_images.npy", npy_header(HEADERS[header]) + bytes(64))
    fetch(tmp_path, builder)
    assert builder.calls == 2


@pytest.mark.parametrize("name", ["train_images", "digest"])
def test_no_more_is_allocated_than_the_file_has(tmp_path, monkeypatch, name):
    """Sixteen gigabytes would be granted, and only then found to be missing."""
    builder = Builder()
    fetch(tmp_path, builder)
    (path,) = tmp_path.iterdir()
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    entries[f"{name}.npy"] = npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (17179869184,), }")
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    asked = []
    read_array = np.lib.format.read_array
    monkeypatch.setattr(np.lib.format, "read_array", lambda entry, **rest: asked.append(1) or read_array(entry, **rest))
    fetch(tmp_path, builder)
    assert builder.calls == 2
    assert len(asked) == (0 if name == "train_images" else 4)


def test_a_second_array_of_that_name_is_not_read(tmp_path):
    """numpy.load would take the entry without the ending, which nobody looked at."""
    builder = Builder()
    fetch(tmp_path, builder)
    (path,) = tmp_path.iterdir()
    other = io.BytesIO()
    np.save(other, np.zeros((4, 3, 4, 4), dtype=np.uint8))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images", other.getvalue())
    train, _ = fetch(tmp_path, builder)
    assert builder.calls == 1
    assert int(train.images.max()) > 0


@pytest.mark.timeout(20)
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(DataError, match=rf"cannot read .*{name}: it is no plain file"):
            files_digest([tmp_path / name])
    fetch(tmp_path / "cache", Builder())
    (path,) = (tmp_path / "cache").iterdir()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="cache_dir must be a writable folder.*no plain file"):
        fetch(tmp_path / "cache", Builder())
