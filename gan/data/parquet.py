"""CIFAR-10 and MNIST from parquet files in the Hugging Face hub's column layouts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
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
from gan.data.parquet_pages import unpacked_bytes
from gan.data.pixels import fit_image_size
from gan.data.splits import stratified_subset
from gan.data.types import ImageDataset, Split
from gan.errors import DataError
from plain_files import check_plain_file

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LABEL_COLUMN = "label"
_GROWTH, _SLACK_BYTES, _BATCH_ROWS = 8, 64 * 2**20, 128
"""How many times its files' size a split's tables may have in memory, and how much beyond; rows read at once."""
MOST_IMAGES = 500_000
"""The most images of a split: a dictionary makes rows that share an image almost free, in the file."""


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
        DataError: a missing folder or file, an unreadable file, a pipe or a device, a split of more than
            :data:`MOST_IMAGES` or of files that grow when they are read, a wrong or missing column, a null or
            out-of-range label, an image that is null, undecodable or of another size, too few images of a class, a bad
            argument, or pyarrow not installed. Names the file, and the row (from 0 in that file) where there is one.

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
    tables = _read_tables(files, layout)
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


def _read_tables(files: Sequence[Path], layout: _Layout) -> list[Any]:
    """Read the files of a split, within one limit of rows and one of bytes for all of them together."""
    rows_left, bytes_left = MOST_IMAGES, _GROWTH * sum(map(_plain_size, files)) + _SLACK_BYTES
    tables = []
    for path in files:
        tables.append(_read_table(path, layout, rows_left, bytes_left))
        rows_left -= tables[-1].num_rows
        bytes_left -= tables[-1].nbytes
    return tables


def _plain_size(path: Path) -> int:
    try:
        check_plain_file(path)  # pyarrow would wait for a pipe's writer
        return path.stat().st_size
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} must be a readable parquet file: {error}; fetch or write it again")


def _read_table(path: Path, layout: _Layout, most_rows: int, most_bytes: int) -> Any:
    """Read labels and encoded images of one file as a pyarrow table, after checking types and declared sizes."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError("reading parquet files needs pyarrow, which is not installed; pip install it") from error
    columns = [f"{layout.image_column}.bytes", LABEL_COLUMN]
    try:
        with pq.ParquetFile(path) as file:
            _check_schema(file.schema_arrow, layout, path)
            # A group without rows may be anything; pyarrow would open its pages on the way to those of the next.
            groups = [index for index in range(file.num_row_groups) if file.metadata.row_group(index).num_rows != 0]
            largest = _check_declared(file, groups, columns, path, most_rows, most_bytes)
            rows = min(_BATCH_ROWS, max(1, most_bytes // max(1, largest)))
            batches = file.iter_batches(batch_size=rows, row_groups=groups, columns=columns)
            return _read_batches(batches, path, most_bytes) if groups else file.schema_arrow.empty_table()
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:  # names that are no UTF-8, too
        raise _unreadable(path, error) from error


def _check_declared(
    file: Any, groups: list[int], columns: list[str], path: Path, most_rows: int, most_bytes: int
) -> int:
    """Refuse row groups that declare more rows or bytes than may be read; return the largest column chunk's bytes.

    No value has more bytes than that chunk, but a dictionary may give that value to every row.
    """
    found = [file.metadata.row_group(index) for index in groups]
    rows = [group.num_rows for group in found]
    if min(rows, default=0) < 0 or sum(rows) > most_rows:
        raise DataError(
            f"a split must have at most {MOST_IMAGES:,} images, {most_rows:,} of them from {path} on; "
            f"found {sum(rows):,} in that file; take fewer"
        )
    wanted = [index for index in range(len(file.schema)) if file.schema.column(index).path in columns]
    chunks = [group.column(index) for group in found for index in wanted]
    packed = sum(chunk.total_compressed_size for chunk in chunks)
    if packed > path.stat().st_size:
        raise ValueError(f"its column chunks must lie side by side; they have {packed:,} bytes")
    with path.open("rb") as stream:
        sizes = [unpacked_bytes(stream, chunk) for chunk in chunks]
    if sum(sizes) > most_bytes:
        raise _grows(path, most_bytes)
    return max(sizes, default=0)


def _read_batches(batches: Iterable[Any], path: Path, most_bytes: int) -> Any:
    """Collect a few rows at a time, and no further than to a size that images, compressed already, have."""
    import pyarrow as pa

    kept, found = [], 0
    for batch in batches:
        kept.append(batch)
        found += batch.nbytes
        if found > most_bytes:
            raise _grows(path, most_bytes)
    return pa.Table.from_batches(kept)


def _grows(path: Path, most_bytes: int) -> DataError:
    return DataError(
        f"{path} must not grow when it is read, as compressed images do not; it has more than {most_bytes:,} bytes"
    )


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
    if len(binary) != 1 or sum(f.name == "bytes" for f in fields) != 1:
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
        image = decode_rgb(data, where, exact_size=layout.native_size)
        return exact_array(image, layout.native_size, where)

    return decode_all(items, decode, layout.native_size)
