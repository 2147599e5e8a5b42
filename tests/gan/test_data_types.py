import subprocess
import sys

import pytest
import torch

from gan.data import ImageDataset, Split, content_digest
from gan.data.checks import assemble_dataset, check_options
from gan.errors import CheckpointError, DataError, GanError, SpecError, TrainingError


def make_split(labels: list[int], size: int = 4) -> Split:
    images = torch.arange(len(labels) * 3 * size * size).remainder(251).to(torch.uint8).reshape(-1, 3, size, size)
    return Split(images=images, labels=torch.tensor(labels, dtype=torch.int64))


def assemble(train: list[int], test: list[int], names: tuple[str, ...], minimum: int = 1) -> ImageDataset:
    return assemble_dataset(
        name="toy",
        where="/some/place",
        train=make_split(train),
        test=make_split(test),
        class_names=names,
        horizontal_flip=True,
        min_images_per_class=minimum,
    )


def test_error_tree():
    assert issubclass(SpecError, GanError)
    assert issubclass(SpecError, ValueError)
    assert issubclass(DataError, GanError)
    assert issubclass(DataError, ValueError)
    assert issubclass(TrainingError, GanError)
    assert issubclass(TrainingError, RuntimeError)
    assert issubclass(CheckpointError, GanError)
    assert not issubclass(CheckpointError, ValueError)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64), r"images must be uint8.*float32"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), r"\[2, 1, 4, 4\]"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), r"\[2, 3, 4, 5\]"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int32), r"labels must be int64.*int32"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), "equally many; found 2 and 3"),
    ],
)
def test_split_refuses_other_shapes(images, labels, message):
    with pytest.raises(DataError, match=message):
        Split(images=images, labels=labels)


def test_split_refuses_two_devices():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8, device="meta")
    with pytest.raises(DataError, match="share a device; found meta and cpu"):
        Split(images=images, labels=torch.zeros(2, dtype=torch.int64))


def test_dataset_properties_and_move():
    dataset = assemble([0, 1, 2, 0], [2, 1, 0], ("a", "b", "c"))
    assert (dataset.num_classes, dataset.image_size, len(dataset.train), len(dataset.test)) == (3, 4, 4, 3)
    moved = dataset.to("meta")
    assert {moved.train.device.type, moved.test.device.type, moved.train.labels.device.type} == {"meta"}
    assert (moved.digest, moved.class_names, moved.name) == (dataset.digest, dataset.class_names, "toy")
    assert dataset.train.device.type == "cpu"


def test_digest_sees_pixels_labels_names_and_split_membership():
    train, test, names = make_split([0, 1, 0]), make_split([1, 0]), ("a", "b")
    base = content_digest(train, test, names)
    assert len(base) == 64
    assert base == content_digest(make_split([0, 1, 0]), make_split([1, 0]), ["a", "b"])
    pixels = train.images.clone()
    pixels[2, 1, 3, 3] ^= 1
    changed = [
        content_digest(Split(pixels, train.labels), test, names),
        content_digest(make_split([0, 0, 1]), test, names),
        content_digest(train, test, ("a", "c")),
        content_digest(train, test, ("b", "a")),
        content_digest(test, train, names),
        content_digest(Split(train.images.reshape(12, 3, 2, 2), torch.zeros(12, dtype=torch.int64)), test, names),
    ]
    assert len({base, *changed}) == 7
    empty = make_split([])
    assert content_digest(train, empty, names) != content_digest(empty, train, names)


def test_digest_does_not_depend_on_memory_layout():
    train, test = make_split([0, 1, 0]), make_split([1, 0])
    strided = Split(train.images.to(memory_format=torch.channels_last), train.labels)
    assert content_digest(strided, test, ("a", "b")) == content_digest(train, test, ("a", "b"))


@pytest.mark.parametrize(
    ("train", "test", "names", "minimum", "message"),
    [
        ([0, 0], [0, 0], ("a",), 1, r"at least two classes; found 1 in /some/place"),
        ([0, 1], [0, 1], ("a", "a"), 1, "must be distinct"),
        ([0, 1, 2], [0, 1], ("a", "b"), 1, r"\[0, 1\]; found 2 at row 2 of the train split of /some/place"),
        ([0, 1], [1, -1], ("a", "b"), 1, r"found -1 at row 1 of the test split"),
        ([0, 0, 1], [0, 0, 1, 1], ("a", "b"), 2, r"at least 2 image.*train split.*class 'b' has 1"),
        ([0, 0, 1, 1], [1, 1], ("a", "b"), 2, r"at least 2 image.*test split.*class 'a' has 0"),
        ([0, 1], [], ("a", "b"), 1, r"test split.*class 'a' has 0"),
    ],
)
def test_assemble_refuses_bad_content(train, test, names, minimum, message):
    with pytest.raises(DataError, match=message):
        assemble(train, test, names, minimum)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0, "min_images_per_class": 1}, "image_size must be at least 1; found 0"),
        ({"image_size": 8, "min_images_per_class": 0}, "min_images_per_class must be at least 1; found 0"),
        ({"image_size": 8, "min_images_per_class": 1, "max_train": 0}, "max_train must be at least 1; found 0"),
        ({"image_size": 8, "min_images_per_class": 1, "max_test": -3}, "max_test must be at least 1; found -3"),
        ({"image_size": 8, "min_images_per_class": 1, "test_fraction": 0.0}, "test_fraction.*found 0.0"),
        ({"image_size": 8, "min_images_per_class": 1, "test_fraction": 1.0}, "test_fraction.*found 1.0"),
        ({"image_size": 8, "min_images_per_class": 1, "test_fraction": float("nan")}, "test_fraction.*found nan"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(DataError, match=message):
        check_options(**options)


def test_package_imports_without_optional_libraries():
    code = (
        "import sys\n"
        "blocked = ('pyarrow', 'sklearn', 'torchvision', 'mlflow', 'optuna', 'hydra', 'ezkl')\n"
        "for name in blocked: sys.modules[name] = None\n"
        "import gan.data\n"
        "from gan.errors import DataError\n"
        "for call in (lambda: gan.data.load_digits_dataset(),\n"
        "             lambda: gan.data.load_torchvision_dataset(kind='mnist', root='.', download=False)):\n"
        "    try: call()\n"
        "    except DataError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert "needs scikit-learn" in lines[0]
    assert "needs torchvision" in lines[1]
