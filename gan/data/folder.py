"""Any folder of class folders of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL
import torch

from gan.data.cache import cached_splits, files_digest
from gan.data.checks import assemble_dataset, check_class_counts, check_class_names, check_options
from gan.data.decode import MAX_PIXELS, ByteArray, decode_all, decode_rgb, square_array
from gan.data.splits import stratified_split, stratified_subset
from gan.data.types import ImageDataset, Split
from gan.errors import DataError
from plain_files import read_plain

_SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
_IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".jp2"}
)
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
_MOST_BYTES = 8 * MAX_PIXELS
"""The most bytes a picture's file may have: what its pixels need uncompressed, with four channels of 16 bits."""


def load_image_folder_dataset(
    *,
    root: str | os.PathLike[str],
    image_size: int = 32,
    test_fraction: float = 0.2,
    seed: int = 0,
    horizontal_flip: bool = False,
    max_train: int | None = None,
    max_test: int | None = None,
    min_images_per_class: int = 2,
    cache_dir: str | None = None,
    name: str | None = None,
) -> ImageDataset:
    """Load ``root/<class name>/.../<image>``: one class per folder in name order, images of any size and mode.

    Each image is cut to its largest centred square and resized (bicubic, antialiased). Hidden files are skipped.
    A link to a file is followed, wherever that lies, if it is a plain file; a link to a folder inside a class is not.

    Args:
        root: the folder of class folders.
        image_size: side of the images, pixels.
        test_fraction: part of each class that goes to the test split, in (0, 1).
        seed: seed of the split and of the subsets.
        horizontal_flip: say True where a mirrored image keeps its class.
        max_train: decode and keep a stratified subset of this many training images; None keeps all.
        max_test: the same for the test split.
        min_images_per_class: least number of images of each class in each split.
        cache_dir: folder for a cache of decoded images, keyed by all files' contents; None decodes every time.
        name: name of the dataset; None takes the folder's.

    Raises:
        DataError: a missing folder, fewer than two class folders, a folder that is split already, an image outside the
            class folders, a file that is no image, damaged, larger than any image needs or no plain file (a pipe or
            a device, even behind a link), a linked folder inside a class, a class with too few images, or a bad
            argument.

    """
    check_options(
        image_size=image_size,
        min_images_per_class=min_images_per_class,
        max_train=max_train,
        max_test=max_test,
        test_fraction=test_fraction,
    )
    folder = Path(root).expanduser()
    class_names, files, classes = _list_files(folder)
    labels = torch.tensor(classes, dtype=torch.int64)
    # Twice the minimum, because each of the two splits needs it.
    check_class_counts(labels, class_names, 2 * min_images_per_class, f"{folder} (train and test split together)")
    rows = _drawn_rows(
        labels, (max_train, max_test), test_fraction=test_fraction, seed=seed, least=min_images_per_class
    )

    def build() -> tuple[Split, Split]:
        decoded = [
            Split(_decode_files([files[row] for row in kept.tolist()], image_size), labels[kept]) for kept in rows
        ]
        return decoded[0], decoded[1]

    def key() -> dict[str, object]:
        return {
            "paths": [path.relative_to(folder).as_posix() for path in files],
            "files": files_digest(files),
            "image_size": image_size,
            "test_fraction": test_fraction,
            "seed": seed,
            "max": [max_train, max_test],
            "min_images_per_class": min_images_per_class,
            "pillow": PIL.__version__,
        }

    train, test = cached_splits(cache_dir, name="image_folder", key=key, build=build)
    return assemble_dataset(
        name=name or folder.resolve().name,
        where=str(folder),
        train=train,
        test=test,
        class_names=class_names,
        horizontal_flip=horizontal_flip,
        min_images_per_class=min_images_per_class,
    )


def _drawn_rows(
    labels: torch.Tensor, counts: tuple[int | None, int | None], *, test_fraction: float, seed: int, least: int
) -> list[torch.Tensor]:
    """Rows of the training and of the test split, each cut down to its count."""
    drawn = stratified_split(labels, test_fraction=test_fraction, seed=seed, min_per_class=least)
    return [
        rows[stratified_subset(labels[rows], count=count, seed=seed)] for rows, count in zip(drawn, counts, strict=True)
    ]


def _list_files(folder: Path) -> tuple[list[str], list[Path], list[int]]:
    """List class names, image files and their class indices, all in name order."""
    if not folder.is_dir():
        raise DataError(f"root must be a folder of class folders; found no folder at {folder}")
    entries = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
    stray = [path for path in entries if not path.is_dir() and path.suffix.lower() in _IMAGE_SUFFIXES]
    if stray:
        raise DataError(f"images must lie in a class folder; found {stray[0]} directly in root; move it")
    class_folders = [path for path in entries if path.is_dir()]
    class_names = [path.name for path in class_folders]
    if class_names and {name.lower() for name in class_names} <= _SPLIT_NAMES:
        raise DataError(
            f"root must hold class folders; found the split folders {class_names} in {folder}; "
            "give one of them as root, or merge them: the test split is drawn by test_fraction"
        )
    check_class_names(class_names, str(folder))
    files: list[Path] = []
    classes: list[int] = []
    for index, class_folder in enumerate(class_folders):
        found = _walk(class_folder)
        files += found
        classes += [index] * len(found)
    return class_names, files, classes


def _walk(class_folder: Path) -> list[Path]:
    """List the visible files below a class folder in name order; a linked folder inside it is refused."""
    found: list[Path] = []

    def fail(error: OSError) -> None:
        raise DataError(f"a class folder must be readable; {error.filename}: {error.strerror}") from error

    for parent, folders, names in os.walk(class_folder, onerror=fail):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for name in folders:
            if (Path(parent) / name).is_symlink():
                raise DataError(f"folders inside a class folder must not be links; found {Path(parent) / name}")
        found += [Path(parent) / name for name in names if not _is_hidden(name)]
    return sorted(found)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _decode_files(files: Sequence[Path], image_size: int) -> torch.Tensor:
    """Read and decode files to a uint8 ``[N, 3, image_size, image_size]`` tensor."""

    def decode(path: Path) -> ByteArray:
        try:
            data = read_plain(path, most_bytes=_MOST_BYTES)
        except (OSError, ValueError) as error:
            raise DataError(
                f"an image must be a readable plain file of at most {_MOST_BYTES:,} bytes; cannot read {path}: "
                f"{error}; replace or remove it"
            ) from error
        return square_array(decode_rgb(data, str(path)), image_size)

    return torch.from_numpy(np.ascontiguousarray(decode_all(files, decode, image_size)))
