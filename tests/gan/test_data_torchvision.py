"""No network here: the files are tiny, but laid out as the originals, and torchvision's own readers read them."""

import hashlib
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from gan.data import load_torchvision_dataset
from gan.data.parquet import CIFAR10_NAMES
from gan.data.torchvision_source import split_from_arrays
from gan.errors import DataError
from torchvision_compat import import_torchvision

import_torchvision()
from torchvision import datasets  # noqa: E402


def write_mnist(root: Path, train: int = 40, test: int = 20) -> None:
    """Write idx files in which image i is plain i and labelled i % 10."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for prefix, count in (("train", train), ("t10k", test)):
        images = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28)
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = bytes(row % 10 for row in range(count))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels)


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write batches in which image i has red i, green 2 i, blue 0; torchvision is told their checksums."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def write(name: str, content: object) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    def batch(count: int) -> dict[str, object]:
        rows = np.zeros((count, 3, 1024), dtype=np.uint8)
        rows[:, 0] = np.arange(count)[:, None]
        rows[:, 1] = 2 * np.arange(count)[:, None]
        return {"data": rows.reshape(count, 3072), "labels": [row % 10 for row in range(count)]}

    lists = {name: [[name, write(name, batch(count))]] for name, count in (("data_batch_1", 40), ("test_batch", 20))}
    checksum = write("batches.meta", {"label_names": list(CIFAR10_NAMES)})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", lists["data_batch_1"])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", lists["test_batch"])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": checksum})


@pytest.mark.parametrize("download", [False, True])
def test_mnist_files(tmp_path, download):
    write_mnist(tmp_path)
    dataset = load_torchvision_dataset(kind="mnist", root=tmp_path, download=download)
    assert (dataset.name, dataset.class_names, dataset.horizontal_flip) == ("mnist", tuple("0123456789"), False)
    assert (len(dataset.train), len(dataset.test), dataset.image_size) == (40, 20, 32)
    assert dataset.train.labels.tolist() == [row % 10 for row in range(40)]
    assert dataset.train.images[:, 2, 16, 16].tolist() == list(range(40))
    assert int(dataset.train.images[:, :, :2].max()) == 0
    kept = load_torchvision_dataset(kind="mnist", root=str(tmp_path), download=download, image_size=28)
    assert torch.equal(kept.train.images, dataset.train.images[:, :, 2:30, 2:30])


def test_cifar10_files(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    dataset = load_torchvision_dataset(kind="cifar10", root=tmp_path, download=False)
    assert (dataset.name, dataset.class_names, dataset.horizontal_flip) == ("cifar10", CIFAR10_NAMES, True)
    assert dataset.train.images.shape == (40, 3, 32, 32)
    assert dataset.train.images[:, 0, 5, 5].tolist() == list(range(40))
    assert dataset.train.images[:, 1, 31, 0].tolist() == [2 * row for row in range(40)]
    assert dataset.test.labels.tolist() == [row % 10 for row in range(20)]


def test_class_order_is_the_originals():
    assert (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ) == CIFAR10_NAMES


def test_subsets(tmp_path):
    write_mnist(tmp_path)
    dataset = load_torchvision_dataset(kind="mnist", root=tmp_path, max_train=20, max_test=20)
    assert dataset.train.labels.bincount().tolist() == [2] * 10
    values = dataset.train.images[:, 0, 16, 16].tolist()
    assert [value % 10 for value in values] == dataset.train.labels.tolist()


def test_damaged_cifar10_is_refused(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"CIFAR10 files must be readable in .*corrupted.*use download=True"):
        load_torchvision_dataset(kind="cifar10", root=tmp_path, download=False)


def test_damaged_mnist_is_refused(tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"MNIST files must be readable in "):
        load_torchvision_dataset(kind="mnist", root=tmp_path, download=False)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no folder at .*nowhere; use download=True"):
        load_torchvision_dataset(kind="mnist", root=tmp_path / "nowhere", download=False)
    with pytest.raises(DataError, match=r"MNIST files must be readable .*use download=True"):
        load_torchvision_dataset(kind="mnist", root=tmp_path, download=False)


def test_failed_download_is_mapped(tmp_path, monkeypatch):
    def refuse(self: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(datasets.CIFAR10, "download", refuse)
    with pytest.raises(DataError, match=r"CIFAR10.*no route to host.*check the network"):
        load_torchvision_dataset(kind="cifar10", root=tmp_path)


def test_bad_arguments(tmp_path):
    with pytest.raises(DataError, match=r"kind must be one of \['cifar10', 'mnist'\]; found 'imagenet'"):
        load_torchvision_dataset(kind="imagenet", root=tmp_path)
    write_mnist(tmp_path, train=19)
    with pytest.raises(DataError, match=r"train split.*class '9' has 1"):
        load_torchvision_dataset(kind="mnist", root=tmp_path)


def test_split_from_arrays_refuses_floats():
    with pytest.raises(DataError, match="images must be uint8"):
        split_from_arrays(np.zeros((2, 4, 4, 3)), [0, 1])


@pytest.mark.parametrize("download", [False, True])
def test_files_of_old_torchvision_releases_are_refused(tmp_path, download):
    write_mnist(tmp_path)
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(20, 28, 28, dtype=torch.uint8), torch.arange(20) % 10), processed / name)
    with pytest.raises(DataError, match=r"found .*MNIST/processed, .*remove that folder"):
        load_torchvision_dataset(kind="mnist", root=tmp_path, download=download)
