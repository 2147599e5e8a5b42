"""The benchmark's images: CIFAR-10 where it is at hand, else the embedded digits."""

from __future__ import annotations

from pathlib import Path

from gan.data import ImageDataset, load_digits_dataset, load_parquet_dataset


def cifar10_or_digits(*, root: str, image_size: int = 32, cache_dir: str | None = None) -> ImageDataset:
    """Load ``train.parquet`` and ``test.parquet`` from ``root`` if they are there, else scikit-learn's digits.

    Args:
        root: folder of the two files.
        image_size: sides of the images, in pixels.
        cache_dir: where decoded images are kept; None decodes them each time.

    Raises:
        gan.errors.DataError: the files are there and cannot be used.
    """
    if (Path(root) / "train.parquet").exists():
        return load_parquet_dataset(root=root, layout="cifar10", image_size=image_size, cache_dir=cache_dir)
    print(f"no train.parquet in {root}: the networks are trained on the embedded digits (dataset.root=FOLDER)")
    return load_digits_dataset(image_size=image_size)
