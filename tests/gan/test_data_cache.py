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
