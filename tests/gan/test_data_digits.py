import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gan.data import load_digits_dataset
from gan.errors import DataError


@pytest.fixture(scope="module")
def digits():
    return load_digits_dataset()


def test_counts_shapes_and_names(digits):
    assert digits.name == "digits"
    assert digits.class_names == tuple("0123456789")
    assert digits.horizontal_flip is False
    assert digits.image_size == 32
    assert len(digits.train) + len(digits.test) == 1797
    total = torch.tensor(np.bincount(load_digits().target))
    test_counts = digits.test.labels.bincount()
    assert torch.equal(digits.train.labels.bincount() + test_counts, total)
    assert ((test_counts - 0.2 * total).abs() <= 0.5).all()


def test_images_are_grey_and_use_the_whole_range(digits):
    images = digits.train.images
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    assert (int(images.min()), int(images.max())) == (0, 255)


def test_values_at_native_size_are_the_source_scaled():
    dataset = load_digits_dataset(image_size=8)
    source = load_digits()
    expected = {
        (np.round(image * 255 / 16).astype(np.uint8).tobytes(), int(label))
        for image, label in zip(source.images, source.target, strict=True)
    }
    found = [
        (image[0].numpy().tobytes(), int(label))
        for split in (dataset.train, dataset.test)
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    assert set(found) == expected


def test_split_depends_on_the_seed_only(digits):
    assert load_digits_dataset().digest == digits.digest
    assert load_digits_dataset(seed=1).digest != digits.digest


def test_no_image_is_in_both_splits(digits):
    train = {image.numpy().tobytes() for image in digits.train.images}
    assert not any(image.numpy().tobytes() in train for image in digits.test.images)


def test_subsets():
    dataset = load_digits_dataset(max_train=100, max_test=40)
    assert (len(dataset.train), len(dataset.test)) == (100, 40)
    assert dataset.train.labels.bincount().tolist() == [10] * 10
    assert dataset.test.labels.bincount().tolist() == [4] * 10


def test_bad_arguments():
    with pytest.raises(DataError, match="test_fraction must lie strictly between"):
        load_digits_dataset(test_fraction=1.5)
    with pytest.raises(DataError, match=r"at least 2 image.*train split.*digits"):
        load_digits_dataset(max_train=10)
