"""Parquet files that would take more memory than they have bytes, and what their pages declare."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gan.data import load_parquet_dataset, parquet
from gan.data.parquet_pages import unpacked_bytes
from gan.errors import DataError

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SLACK = 2**20


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def good_table(count: int = 40) -> pa.Table:
    cells = [{"bytes": png(row), "path": f"{row}.png"} for row in range(count)]
    return pa.table({"img": pa.array(cells, IMAGE_TYPE), "label": pa.array([row % 10 for row in range(count)])})


def repeated(value: bytes, count: int) -> pa.Table:
    """A table of one value, kept once and named by every row."""
    cells = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value]))
    images = pa.StructArray.from_arrays([cells, pa.nulls(count, pa.string())], ["bytes", "path"])
    return pa.table({"img": images, "label": pa.array(np.arange(count) % 10)})


def write(table: pa.Table, path: Path, **options: object) -> None:
    pq.write_table(table, path, **{"compression": "zstd", "store_schema": False, **options})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parquet, "_SLACK_BYTES", SLACK)
    for split in ("train", "test"):
        write(good_table(), tmp_path / f"{split}.parquet")
    return tmp_path


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    """What pyarrow allocates in this test."""
    before = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counting)
    yield counting
    pa.set_memory_pool(before)


def test_a_repeated_value_is_not_spread_before_its_size_is_known(root, pool):
    write(repeated(bytes(2**18), 128), root / "train.parquet")
    assert (root / "train.parquet").stat().st_size < 4000
    with pytest.raises(DataError, match=r"train.parquet must not grow when it is read.*more than 1,0\d\d,\d\d\d bytes"):
        load_parquet_dataset(root=root, layout="cifar10")
    assert pool.max_memory() < 6 * SLACK  # all rows at once: 32 SLACK


def test_what_the_pages_declare_counts_and_not_the_footer(root, pool):
    size = 16 * SLACK
    path = root / "train.parquet"
    write(pa.table({"img": pa.array([{"bytes": bytes(size), "path": None}]), "label": pa.array([0])}), path)
    found = pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    declared = varint(2 * found)
    content = bytearray(path.read_bytes())
    at = content.rindex(declared)
    content[at : at + len(declared)] = bytes([128 + 100] + [128] * (len(declared) - 2) + [0])
    path.write_bytes(content)
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == 50
    before = pool.max_memory()
    with pytest.raises(DataError, match="train.parquet must not grow when it is read"):
        load_parquet_dataset(root=root, layout="cifar10")
    assert pool.max_memory() <= max(before, size)


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def test_the_shards_of_a_split_share_one_limit_of_bytes(root):
    (root / "train.parquet").unlink()
    for shard in range(3):
        write(repeated(bytes(2**12), 128), root / f"train-{shard}.parquet")  # half of SLACK each
    with pytest.raises(DataError, match=r"train-[12].parquet must not grow when it is read"):
        load_parquet_dataset(root=root, layout="cifar10")


def test_a_split_has_a_limit_of_images(root, monkeypatch):
    assert parquet.MOST_IMAGES >= 60_000
    monkeypatch.setattr(parquet, "MOST_IMAGES", 40)
    expected = load_parquet_dataset(root=root, layout="cifar10").digest
    (root / "train.parquet").unlink()
    for shard, rows in enumerate((15, 25)):
        write(good_table().slice(15 * shard, rows), root / f"train-{shard}.parquet")
    assert load_parquet_dataset(root=root, layout="cifar10").digest == expected
    write(good_table(1), root / "train-2.parquet")
    with pytest.raises(DataError, match=r"at most 40 images, 0 of them from .*train-2.parquet on; found 1"):
        load_parquet_dataset(root=root, layout="cifar10")


def test_a_shard_without_images_is_no_fault(root):
    expected = load_parquet_dataset(root=root, layout="cifar10").digest
    (root / "train.parquet").rename(root / "train-1.parquet")
    write(good_table().slice(0, 0), root / "train-0.parquet")
    assert load_parquet_dataset(root=root, layout="cifar10").digest == expected


def test_two_fields_of_bytes_are_refused(root):
    cells = pa.StructArray.from_arrays([pa.array([b"a"] * 40), pa.array(["b"] * 40)], ["bytes", "bytes"])
    write(pa.table({"img": cells, "label": good_table().column("label")}), root / "train.parquet")
    with pytest.raises(DataError, match="must be a struct with binary field 'bytes'"):
        load_parquet_dataset(root=root, layout="cifar10")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_plain_file_is_named(root, kind):
    (root / "test.parquet").unlink()
    if kind == "pipe":
        os.mkfifo(root / "test-0.parquet")
    else:
        (root / "test-0.parquet").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"test-0.parquet must be a readable parquet file: it is no plain file"):
        load_parquet_dataset(root=root, layout="cifar10")


WRITERS: dict[str, dict[str, object]] = {
    "default": {},
    "uncompressed": {"compression": "none"},
    "snappy": {"compression": "snappy"},
    "no dictionary": {"use_dictionary": False},
    "no statistics": {"write_statistics": False},
    "second page format": {"data_page_version": "2.0"},
    "checksums": {"write_page_checksum": True},
    "page index": {"write_page_index": True},
    "small pages": {"data_page_size": 64, "write_batch_size": 4, "use_dictionary": False},
    "small groups": {"row_group_size": 3},
    "delta": {"use_dictionary": False, "column_encoding": {"label": "DELTA_BINARY_PACKED"}},
}


@pytest.mark.parametrize("writer", WRITERS)
def test_pages_of_every_writer_are_understood(root, writer):
    expected = load_parquet_dataset(root=root, layout="cifar10").digest
    path = root / "train.parquet"
    write(good_table(), path, **WRITERS[writer])
    assert load_parquet_dataset(root=root, layout="cifar10").digest == expected
    metadata = pq.ParquetFile(path).metadata
    with path.open("rb") as stream:
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(column)
                found = unpacked_bytes(stream, chunk)
                pages = 42 if writer == "small pages" else 2
                assert 0 <= chunk.total_uncompressed_size - found <= 400 * pages  # the headers


class Chunk:
    """A column chunk that begins its file."""

    def __init__(self, length: int, start: int = 0) -> None:
        self.data_page_offset, self.total_compressed_size, self.dictionary_page_offset = start, length, None


PAGE = bytes([0x15, 0, 0x15, 14, 0x15, 4, 0])
"""The header of a page of 2 bytes, 7 once uncompressed."""


def test_pages_are_added_up():
    assert unpacked_bytes(io.BytesIO((PAGE + b"ab") * 3), Chunk(27)) == 21


BAD_CHUNKS: dict[str, tuple[bytes, Callable[[bytes], Chunk], str]] = {
    "outside": (PAGE + b"ab", lambda data: Chunk(len(data) + 1), "must lie in its file"),
    "before": (PAGE + b"ab", lambda data: Chunk(len(data), -1), "must lie in its file"),
    "cut header": (PAGE[:-1], lambda data: Chunk(len(data)), "header must lie in its column chunk"),
    "cut page": (PAGE + b"a", lambda data: Chunk(len(data)), "must fill their column chunk"),
    "no sizes": (bytes([0x15, 0, 0]), lambda data: Chunk(len(data)), "type and sizes"),
    "negative size": (bytes([0x15, 0, 0x15, 1, 0x15, 0, 0]), lambda data: Chunk(len(data)), "type and sizes"),
    "size twice": (PAGE[:-1] + bytes([5, 4, 0, 0]), lambda data: Chunk(len(data)), "field 2 once"),
    "size of 33 bits": (bytes([0x15, 0, 0x15, *[128] * 4, 64, 0]), lambda data: Chunk(len(data)), "32 bits"),
    "endless integer": (bytes([0x15, *[128] * 20]), lambda data: Chunk(len(data)), "at most 64 bits"),
    "deep": (bytes([0x4C] + [0x1C] * 2000), lambda data: Chunk(len(data)), "structures deep"),
    "list": (bytes([0x49, 0x15, 0]), lambda data: Chunk(len(data)), "field of type 9"),
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_what_is_no_page_is_refused(case):
    data, chunk, message = BAD_CHUNKS[case]
    with pytest.raises(ValueError, match=message):
        unpacked_bytes(io.BytesIO(data), chunk(data))
