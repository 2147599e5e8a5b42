"""Checks that every source passes through before a dataset exists."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan.data.types import ImageDataset, Split, content_digest
from gan.errors import DataError


def check_options(
    *,
    image_size: int,
    min_images_per_class: int,
    max_train: int | None = None,
    max_test: int | None = None,
    test_fraction: float | None = None,
) -> None:
    """Check the arguments that the builders share, before any file is read.

    Raises:
        DataError: ``image_size``, ``min_images_per_class``, ``max_train`` or ``max_test`` is below 1, or
            ``test_fraction`` is not strictly between 0 and 1.

    """
    counts = {"image_size": image_size, "min_images_per_class": min_images_per_class}
    counts |= {k: v for k, v in (("max_train", max_train), ("max_test", max_test)) if v is not None}
    for name, value in counts.items():
        if value < 1:
            raise DataError(f"{name} must be at least 1; found {value}")
    if test_fraction is not None and not 0.0 < test_fraction < 1.0:
        raise DataError(f"test_fraction must lie strictly between 0 and 1; found {test_fraction}")


def check_class_names(class_names: Sequence[str], where: str) -> None:
    """Check that there are at least two classes with distinct names.

    Raises:
        DataError: fewer than two classes, or a name twice.

    """
    if len(class_names) < 2:
        raise DataError(f"a dataset must have at least two classes; found {len(class_names)} in {where}: {class_names}")
    if len(set(class_names)) != len(class_names):
        raise DataError(f"class names must be distinct; found {list(class_names)} in {where}")


def check_labels(labels: Tensor, num_classes: int, where: str) -> None:
    """Check that every label of an int64 ``[N]`` tensor lies in [0, num_classes).

    Raises:
        DataError: a label outside the range; names the first such row.

    """
    bad = ((labels < 0) | (labels >= num_classes)).nonzero()
    if len(bad) > 0:
        row = int(bad[0])
        raise DataError(
            f"labels must lie in [0, {num_classes - 1}]; found {int(labels[row])} at row {row} of {where}; "
            "correct the label or choose the layout that has this many classes"
        )


def check_class_counts(labels: Tensor, class_names: Sequence[str], minimum: int, where: str) -> None:
    """Check that every class has at least ``minimum`` images among int64 ``[N]`` labels.

    Raises:
        DataError: a class has fewer; names the rarest one.

    """
    counts = torch.bincount(labels, minlength=len(class_names))
    rarest = int(counts.argmin())
    if int(counts[rarest]) < minimum:
        raise DataError(
            f"every class must have at least {minimum} image(s) in {where}; class {class_names[rarest]!r} has "
            f"{int(counts[rarest])}; add images, remove the class or lower min_images_per_class"
        )


def assemble_dataset(
    *,
    name: str,
    where: str,
    train: Split,
    test: Split,
    class_names: Sequence[str],
    horizontal_flip: bool,
    min_images_per_class: int,
) -> ImageDataset:
    """Check two splits, digest them and make the dataset; every builder ends here.

    Args:
        name: short name of the dataset.
        where: the source, for error messages (a folder or file).
        train: training split.
        test: test split.
        class_names: C names, in label order.
        horizontal_flip: whether mirroring keeps the class.
        min_images_per_class: least number of images of each class in each split. Two is what a mean over pairs
            of images of one class needs.

    Raises:
        DataError: fewer than two classes, a label out of range, or a class with too few images.

    """
    check_class_names(class_names, where)
    for split_name, split in (("train", train), ("test", test)):
        place = f"the {split_name} split of {where}"
        check_labels(split.labels, len(class_names), place)
        check_class_counts(split.labels, class_names, min_images_per_class, place)
    return ImageDataset(
        name=name,
        train=train,
        test=test,
        class_names=tuple(class_names),
        digest=content_digest(train, test, class_names),
        horizontal_flip=horizontal_flip,
    )
