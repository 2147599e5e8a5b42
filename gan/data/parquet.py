"""CIFAR-10 and MNIST from parquet files in the Hugging Face hub's column layouts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL
import torch
from torch import Tensor

from gan.data.cache import cached_splits, files_digest
from gan.data.checks import assemble_dataset, check_labels, check_options
from gan.data.decode import ByteArray, decode_all, decode_rgb, exact_array
from gan.data.digits import DIGIT_NAMES
from gan.data.pixels import fit_image_size
from gan.data.splits import stratified_subset
from gan.data.types import ImageDataset, Split
from gan.errors import DataError

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LABEL_COLUMN = "label"
_GROWTH, _SLACK_BYTES, _BATCH_ROWS = 8, 64 * 2**20, 128
"""How many times its file's size a table may have in memory, and how much beyond; rows that are read at once."""


@dataclass(frozen=True)
class _Layout:
    image_column: str
    native_size: int
    class_names: tuple[str, ...]
    horizontal_flip: bool


_CIFAR10 = _Layout("img", 32, CIFAR10_NAMES, True)
_MNIST = _Layout("image", 28, DIGIT_NAMES, False)


def load_parquet_dataset(
    *,
    root: str | os.PathLike[str],
    layout: Literal["cifar10", "mnist"],
    image_size: int = 32,
    max_train: int | None = None,
    max_test: int | None = None,
    seed: int = 0,
    min_images_per_class: int = 2,
    cache_dir: str | None = None,
) -> ImageDataset:
    """Load a folder with ``train.parquet`` and ``test.parquet`` (or the hub's shards ``train-*.parquet``, in order).

    Columns: ``img`` (cifar10) or ``image`` (mnist), a struct of encoded ``bytes`` and ``path``; ``label``, an integer.

    Args:
        root: the folder.
        layout: which columns, native size (32 or 28 pixels) and class names to expect.
        image_size: side of the images; 28 becomes 32 by zero padding, any other change is a bilinear resize.
        max_train: decode and keep a stratified subset of this many training images; None keeps all.
        max_test: the same for the test split.
        seed: seed of the subsets.
        min_images_per_class: least number of images of each class in each split.
        cache_dir: folder for a cache of decoded images; None decodes every time. A cache hit does without pyarrow.

    Raises:
        DataError: a missing folder or file, an unreadable file, a wrong or missing column, a null or out-of-range
            label, an image that is null, undecodable or of another size, too few images of a class, a bad argument,
            or pyarrow not installed. Names the file, and the row (from 0 in that file) where there is one.

    """
    check_options(
        image_size=image_size, min_images_per_class=min_images_per_class, max_train=max_train, max_test=max_test
    )
    layouts = {"cifar10": _CIFAR10, "mnist": _MNIST}
    if layout not in layouts:
        raise DataError(f"layout must be one of {sorted(layouts)}; found {layout!r}")
    shape = layouts[layout]
    folder = Path(root).expanduser()
    train_files, test_files = find_files(folder, "train"), find_files(folder, "test")

    def build() -> tuple[Split, Split]:
        train = _load_split(train_files, shape, image_size=image_size, count=max_train, seed=seed)
        return train, _load_split(test_files, shape, image_size=image_size, count=max_test, seed=seed)

    def key() -> dict[str, object]:
        return {
            "layout": layout,
            "image_size": image_size,
            "max": [max_train, max_test],
            "seed": seed,
            "train": files_digest(train_files),
            "test": files_digest(test_files),
            "pillow": PIL.__version__,
        }

    train, test = cached_splits(cache_dir, name=f"{layout}_parquet", key=key, build=build)
    return assemble_dataset(
        name=f"{layout}_parquet",
        where=str(folder),
        train=train,
        test=test,
        class_names=shape.class_names,
        horizontal_flip=shape.horizontal_flip,
        min_images_per_class=min_images_per_class,
    )


def find_files(folder: Path, split: str) -> tuple[Path, ...]:
    """Find a split's file, or its shards in name order.

    Raises:
        DataError: there is neither.
    """
    if not folder.is_dir():
        raise DataError(f"root must be a folder with train and test parquet files; found no folder at {folder}")
    single = folder / f"{split}.parquet"
    if single.is_file():
        return (single,)
    shards = tuple(sorted(folder.glob(f"{split}-*.parquet")))
    if not shards:
        present = sorted(path.name for path in folder.iterdir())[:20]
        raise DataError(f"root must hold {split}.parquet (or {split}-*.parquet); missing in {folder}; found {present}")
    return shards


def _load_split(files: Sequence[Path], layout: _Layout, *, image_size: int, count: int | None, seed: int) -> Split:
    """Read, check and decode one split; only the rows that are kept are decoded."""
    tables = [_read_table(path, layout) for path in files]
    per_file = [_read_labels(table, len(layout.class_names), path) for table, path in zip(tables, files, strict=True)]
    labels = torch.cat(per_file)
    kept = stratified_subset(labels, count=count, seed=seed)
    parts, start = [], 0
    for table, path, own in zip(tables, files, per_file, strict=True):
        rows = kept[(kept >= start) & (kept < start + len(own))] - start
        parts.append(_decode_rows(table, layout, path, rows.tolist()))
        start += len(own)
    images = torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])
    return Split(images=fit_image_size(images, image_size), labels=labels[kept])


def _read_table(path: Path, layout: _Layout) -> Any:
    """Read the two columns of one file as a pyarrow table, after checking their types."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError("reading parquet files needs pyarrow, which is not installed; pip install it") from error
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check_schema(schema, layout, path)
            return _bounded(file, [layout.image_column, LABEL_COLUMN], path)
    except (pa.ArrowException, OSError, UnicodeError) as error:  # names that are no UTF-8, too
        raise DataError(f"{path} must be a readable parquet file: {error}; fetch or write it again") from error


def _bounded(file: Any, columns: list[str], path: Path) -> Any:
    """Read columns a few rows at a time, and no further than to a size that images, compressed already, have."""
    import pyarrow as pa

    most = _GROWTH * path.stat().st_size + _SLACK_BYTES
    batches, found = [], 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
        batches.append(batch)
        found += batch.nbytes
        if found > most:
            raise DataError(
                f"{path} must not grow when it is read, as compressed images do not; it has more than {most:,} bytes"
            )
    return pa.Table.from_batches(batches) if batches else file.read(columns=columns)


def _check_schema(schema: Any, layout: _Layout, path: Path) -> None:
    """Check that the image column is a struct with binary ``bytes`` and the label column an integer."""
    import pyarrow as pa

    for column in (layout.image_column, LABEL_COLUMN):
        if schema.names.count(column) != 1:
            raise DataError(f"{path} must have one column {column!r}; found the columns {schema.names}")
    image_type, label_type = schema.field(layout.image_column).type, schema.field(LABEL_COLUMN).type
    fields = [image_type.field(i) for i in range(image_type.num_fields)] if pa.types.is_struct(image_type) else []
    binary = [
        f for f in fields if f.name == "bytes" and (pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type))
    ]
    if len(binary) != 1:
        raise DataError(
            f"column {layout.image_column!r} of {path} must be a struct with binary field 'bytes'; found {image_type}"
        )
    if not pa.types.is_integer(label_type):
        raise DataError(f"column {LABEL_COLUMN!r} of {path} must be an integer; found {label_type}")


def _read_labels(table: Any, num_classes: int, path: Path) -> Tensor:
    """Return the label column as int64 ``[N]``, checked for nulls and range."""
    import pyarrow as pa

    column = table.column(LABEL_COLUMN)
    if column.null_count > 0:
        row = column.to_pylist().index(None)
        raise DataError(f"labels must not be null; found null at row {row} of {path}; remove or label the row")
    try:
        values = column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise DataError(f"labels must lie in [0, {num_classes - 1}]; {path}: {error}") from error
    labels = torch.from_numpy(np.array(values, dtype=np.int64))
    check_labels(labels, num_classes, str(path))
    return labels


def _decode_rows(table: Any, layout: _Layout, path: Path, rows: list[int]) -> ByteArray:
    """Decode the given rows of one file to uint8 ``[len(rows), 3, S, S]``, S the layout's native size."""
    import pyarrow as pa

    column = table.column(layout.image_column)
    items = list(zip(rows, column.take(pa.array(rows, pa.int64())).to_pylist(), strict=True))

    def decode(item: tuple[int, dict[str, Any] | None]) -> ByteArray:
        row, cell = item
        where = f"row {row} of {path}"
        data = None if cell is None else cell["bytes"]
        if data is None:
            raise DataError(f"column {layout.image_column!r} must hold image bytes; found null at {where}")
        return exact_array(decode_rgb(data, where), layout.native_size, where)

    return decode_all(items, decode, layout.native_size)
