"""CIFAR-10 and MNIST in their original files, downloaded and read by torchvision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import torch

import torchvision_compat
from gan.data.checks import assemble_dataset, check_options
from gan.data.digits import DIGIT_NAMES
from gan.data.parquet import CIFAR10_NAMES
from gan.data.pixels import fit_image_size, grey_to_rgb
from gan.data.splits import stratified_subset
from gan.data.types import ImageDataset, Split
from gan.errors import DataError


def load_torchvision_dataset(
    *,
    kind: Literal["cifar10", "mnist"],
    root: str | os.PathLike[str] = ".cache/data",
    download: bool = True,
    image_size: int = 32,
    max_train: int | None = None,
    max_test: int | None = None,
    seed: int = 0,
    min_images_per_class: int = 2,
) -> ImageDataset:
    """Load CIFAR-10 (Krizhevsky 2009) or MNIST (LeCun et al. 1998) through torchvision.

    Args:
        kind: which of the two.
        root: folder of the original files, in torchvision's arrangement.
        download: fetch them into ``root`` where they are missing.
        image_size: side of the images; MNIST's 28 becomes 32 by zero padding, any other change is a bilinear resize.
        max_train: keep a stratified subset of this many training images; None keeps all.
        max_test: the same for the test split.
        seed: seed of the subsets.
        min_images_per_class: least number of images of each class in each split.

    Raises:
        DataError: a bad argument, files that are missing, damaged or not to be had, too few images of a class, or
            torchvision not installed, or a folder ``MNIST/processed`` of the files of old torchvision releases, which
            are archives of torch that torchvision would load unchecked.

    """
    check_options(
        image_size=image_size, min_images_per_class=min_images_per_class, max_train=max_train, max_test=max_test
    )
    classes = {"cifar10": ("CIFAR10", CIFAR10_NAMES, True), "mnist": ("MNIST", DIGIT_NAMES, False)}
    if kind not in classes:
        raise DataError(f"kind must be one of {sorted(classes)}; found {kind!r}")
    class_name, class_names, horizontal_flip = classes[kind]
    folder = Path(root).expanduser()

    def load(is_train: bool, count: int | None) -> Split:
        source = _open(class_name, folder, is_train=is_train, download=download)
        return _subset(split_from_arrays(source.data, source.targets), count, seed, image_size)

    return assemble_dataset(
        name=kind,
        where=str(folder),
        train=load(True, max_train),
        test=load(False, max_test),
        class_names=class_names,
        horizontal_flip=horizontal_flip,
        min_images_per_class=min_images_per_class,
    )


def split_from_arrays(images: Any, labels: Any) -> Split:
    """Turn torchvision's ``data`` and ``targets`` into a split.

    Args:
        images: uint8 array or tensor, ``[N, H, W, 3]`` colour or ``[N, H, W]`` grey, H = W.
        labels: N integers, as a sequence, array or tensor.

    Raises:
        DataError: other dtypes or shapes.

    """
    pixels = torch.as_tensor(images)
    if pixels.ndim == 3:
        pixels = grey_to_rgb(pixels)
    elif pixels.ndim == 4:
        pixels = pixels.permute(0, 3, 1, 2).contiguous()
    return Split(images=pixels, labels=torch.as_tensor(labels, dtype=torch.int64))


def _subset(split: Split, count: int | None, seed: int, image_size: int) -> Split:
    rows = stratified_subset(split.labels, count=count, seed=seed)
    return Split(images=fit_image_size(split.images[rows], image_size), labels=split.labels[rows])


def _open(class_name: str, folder: Path, *, is_train: bool, download: bool) -> Any:
    """Open one torchvision dataset, mapping its failures."""
    try:
        torchvision_compat.import_torchvision()
        from torchvision import datasets
    except ImportError as error:
        raise DataError("this dataset needs torchvision, which is not installed; pip install it") from error
    if not download and not folder.is_dir():
        raise DataError(f"root must be a folder with the {class_name} files; no folder at {folder}; use download=True")
    processed = folder / class_name / "processed"
    if class_name == "MNIST" and os.path.lexists(processed):
        raise DataError(
            f"MNIST must be in its original files, in {folder / class_name / 'raw'}; found {processed}, which old "
            "torchvision releases wrote and new ones load unchecked; remove that folder"
        )
    try:
        return getattr(datasets, class_name)(root=str(folder), train=is_train, download=download)
    # torchvision raises RuntimeError on missing or damaged files, URLError (an OSError) without a network, and
    # ValueError, EOFError or pickle errors from half-written files.
    except Exception as error:
        advice = "check the network" if download else "use download=True"
        raise DataError(
            f"the {class_name} files must be readable in {folder}; {type(error).__name__}: {error}; "
            f"{advice}, or remove damaged files and try again"
        ) from error
