"""scikit-learn's bundled handwritten digits: real images that need no download."""

from __future__ import annotations

import numpy as np
import torch

from gan.data.checks import assemble_dataset, check_options
from gan.data.pixels import grey_to_rgb, resize
from gan.data.splits import stratified_split, stratified_subset
from gan.data.types import ImageDataset, Split
from gan.errors import DataError

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
_MAX_GREY = 16.0


def load_digits_dataset(
    *,
    image_size: int = 32,
    test_fraction: float = 0.2,
    seed: int = 0,
    max_train: int | None = None,
    max_test: int | None = None,
    min_images_per_class: int = 2,
) -> ImageDataset:
    """Load the 1,797 handwritten 8x8 digits that ship with scikit-learn, resized, in three equal channels.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998
    (its test part, as bundled by ``sklearn.datasets.load_digits``). Grey values 0..16 become 0..255.

    Args:
        image_size: side of the images, pixels (bilinear).
        test_fraction: part of each class that goes to the test split, in (0, 1).
        seed: seed of the split and of the subsets.
        max_train: keep a stratified subset of this many training images; None keeps all.
        max_test: the same for the test split.
        min_images_per_class: least number of images of each class in each split.

    Raises:
        DataError: an argument out of range, a class left with too few images, or scikit-learn not installed.

    """
    check_options(
        image_size=image_size,
        min_images_per_class=min_images_per_class,
        max_train=max_train,
        max_test=max_test,
        test_fraction=test_fraction,
    )
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("the digits dataset needs scikit-learn, which is not installed; pip install it") from error
    bunch = load_digits()
    grey = torch.from_numpy(np.ascontiguousarray(bunch.images, dtype=np.float32))
    labels = torch.from_numpy(np.ascontiguousarray(bunch.target, dtype=np.int64))
    images = grey_to_rgb(resize(grey.unsqueeze(1) * (255.0 / _MAX_GREY), image_size).squeeze(1))
    train_rows, test_rows = stratified_split(
        labels, test_fraction=test_fraction, seed=seed, min_per_class=min_images_per_class
    )
    train_rows = train_rows[stratified_subset(labels[train_rows], count=max_train, seed=seed)]
    test_rows = test_rows[stratified_subset(labels[test_rows], count=max_test, seed=seed)]
    return assemble_dataset(
        name="digits",
        where="scikit-learn's digits",
        train=Split(images[train_rows], labels[train_rows]),
        test=Split(images[test_rows], labels[test_rows]),
        class_names=DIGIT_NAMES,
        horizontal_flip=False,
        min_images_per_class=min_images_per_class,
    )
