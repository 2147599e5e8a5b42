import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from gan.data import load_parquet_dataset
from gan.data.parquet import CIFAR10_NAMES
from gan.errors import DataError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(value: int, size: int = 32, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (size, size), (value, value // 2, 0) if mode == "RGB" else value).save(stream, "PNG")
    return stream.getvalue()


def make_table(count: int = 40, layout: str = "cifar10", offset: int = 0) -> pa.Table:
    """Row i holds a plain image of value ``offset + i`` and label i % 10."""
    column, size, mode = ("img", 32, "RGB") if layout == "cifar10" else ("image", 28, "L")
    cells = [{"bytes": png(offset + row, size, mode), "path": None} for row in range(count)]
    labels = pa.array([row % 10 for row in range(count)], pa.int64())
    return pa.table({column: pa.array(cells, IMAGE_TYPE), "label": labels})


def replace_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pq.write_table(make_table(40), tmp_path / "train.parquet")
    pq.write_table(make_table(20, offset=100), tmp_path / "test.parquet")
    return tmp_path


def test_cifar10_layout(root):
    dataset = load_parquet_dataset(root=root, layout="cifar10")
    assert (dataset.name, dataset.class_names, dataset.horizontal_flip) == ("cifar10_parquet", CIFAR10_NAMES, True)
    assert (len(dataset.train), len(dataset.test), dataset.image_size) == (40, 20, 32)
    assert dataset.train.labels.tolist() == [row % 10 for row in range(40)]
    assert dataset.train.images[:, 0, 0, 0].tolist() == list(range(40))
    assert dataset.test.images[:, 1, 31, 31].tolist() == [(100 + row) // 2 for row in range(20)]
    assert int(dataset.train.images[:, 2].max()) == 0


def test_mnist_layout_is_padded_or_kept(tmp_path):
    for split in ("train", "test"):
        pq.write_table(make_table(20, "mnist", offset=200), tmp_path / f"{split}.parquet")
    padded = load_parquet_dataset(root=tmp_path, layout="mnist")
    kept = load_parquet_dataset(root=str(tmp_path), layout="mnist", image_size=28)
    assert (padded.image_size, kept.image_size, padded.horizontal_flip) == (32, 28, False)
    assert padded.class_names == tuple("0123456789")
    assert torch.equal(padded.train.images[:, :, 2:30, 2:30], kept.train.images)
    assert int(padded.train.images[:, :, :2].max()) == 0
    assert kept.train.images[7].unique().tolist() == [207]
    assert padded.digest != kept.digest


def test_shards_are_read_in_order(root):
    table = pq.read_table(root / "train.parquet")
    expected = load_parquet_dataset(root=root, layout="cifar10").digest
    (root / "train.parquet").unlink()
    for index, (start, count) in enumerate([(0, 15), (15, 5), (20, 20)]):
        pq.write_table(table.slice(start, count), root / f"train-{index:05d}-of-00003.parquet", row_group_size=4)
    assert load_parquet_dataset(root=root, layout="cifar10").digest == expected
    subset = load_parquet_dataset(root=root, layout="cifar10", max_train=20, seed=3)
    assert [value % 10 for value in subset.train.images[:, 0, 0, 0].tolist()] == subset.train.labels.tolist()


def test_subset_decodes_only_what_it_keeps(root):
    dataset = load_parquet_dataset(root=root, layout="cifar10", max_train=20, max_test=20)
    assert dataset.train.labels.bincount().tolist() == [2] * 10
    kept = set(dataset.train.images[:, 0, 0, 0].tolist())
    table = pq.read_table(root / "train.parquet")
    cells = table.column("img").to_pylist()
    broken = [cell if row in kept else {"bytes": b"broken", "path": None} for row, cell in enumerate(cells)]
    pq.write_table(replace_column(table, "img", pa.array(broken, IMAGE_TYPE)), root / "train.parquet")
    assert load_parquet_dataset(root=root, layout="cifar10", max_train=20, max_test=20).digest == dataset.digest


def test_other_integer_and_binary_types_are_read(root):
    expected = load_parquet_dataset(root=root, layout="cifar10").digest
    table = pq.read_table(root / "train.parquet")
    large = pa.struct([("path", pa.string()), ("bytes", pa.large_binary())])
    table = replace_column(table, "img", pa.array(table.column("img").to_pylist(), large))
    table = replace_column(table, "label", table.column("label").cast(pa.uint8()).combine_chunks())
    pq.write_table(table.append_column("extra", pa.array(range(40))), root / "train.parquet")
    assert load_parquet_dataset(root=root, layout="cifar10").digest == expected


def with_label(row: int, value: int | None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        labels = table.column("label").to_pylist()
        labels[row] = value
        return replace_column(table, "label", pa.array(labels, pa.int64()))

    return change


def with_cell(row: int, cell: dict[str, object] | None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        cells = table.column("img").to_pylist()
        cells[row] = cell
        return replace_column(table, "img", pa.array(cells, IMAGE_TYPE))

    return change


def plain_bytes(table: pa.Table) -> pa.Table:
    return replace_column(table, "img", pa.array([b"x"] * len(table), pa.binary()))


def text_labels(table: pa.Table) -> pa.Table:
    return replace_column(table, "label", pa.array([str(row % 10) for row in range(len(table))]))


def huge_labels(table: pa.Table) -> pa.Table:
    return replace_column(table, "label", pa.array([2**64 - 1] * len(table), pa.uint64()))


def path_only(table: pa.Table) -> pa.Table:
    return replace_column(table, "img", pa.array([{"path": "x"}] * len(table), pa.struct([("path", pa.string())])))


BAD_TABLES = {
    "other image column": (
        lambda t: t.rename_columns(["image", "label"]),
        r"train.parquet must have one column 'img'; found the columns \['image', 'label'\]",
    ),
    "no label column": (lambda t: t.select(["img"]), r"one column 'label'; found the columns \['img'\]"),
    "image not a struct": (plain_bytes, r"'img' of .*train.parquet must be a struct.*found binary"),
    "struct without bytes": (path_only, r"must be a struct with binary field 'bytes'; found struct<path: string>"),
    "text label": (text_labels, r"'label' of .*train.parquet must be an integer; found string"),
    "label too large": (with_label(7, 10), r"\[0, 9\]; found 10 at row 7 of .*train.parquet"),
    "label negative": (with_label(0, -1), r"\[0, 9\]; found -1 at row 0 of .*train.parquet"),
    "label beyond int64": (huge_labels, r"labels must lie in \[0, 9\]; .*train.parquet"),
    "label null": (with_label(11, None), r"found null at row 11 of .*train.parquet"),
    "image null": (with_cell(5, None), r"found null at row 5 of .*train.parquet"),
    "bytes null": (with_cell(6, {"bytes": None, "path": "a"}), r"found null at row 6 of .*train.parquet"),
    "no image": (with_cell(38, {"bytes": b"no image", "path": None}), r"cannot decode row 38 of .*train.parquet"),
    "truncated": (with_cell(3, {"bytes": png(3)[:-30], "path": None}), r"cannot decode row 3 of .*train.parquet"),
    "other size": (
        with_cell(9, {"bytes": png(9, 16), "path": None}),
        r"32x32; found 16x16 in row 9 of .*train",
    ),
    "class missing": (lambda t: t.filter(pa.array([r % 10 != 4 for r in range(40)])), r"train split.*'deer' has 0"),
    "empty": (lambda t: t.slice(0, 0), r"train split.*'airplane' has 0"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_name_file_and_row(root, case):
    change, message = BAD_TABLES[case]
    pq.write_table(change(make_table(40)), root / "train.parquet")
    with pytest.raises(DataError, match=message):
        load_parquet_dataset(root=root, layout="cifar10")


def test_test_split_is_checked_too(root):
    pq.write_table(with_label(2, 99)(make_table(20)), root / "test.parquet")
    with pytest.raises(DataError, match=r"found 99 at row 2 of .*test.parquet"):
        load_parquet_dataset(root=root, layout="cifar10")


def test_missing_folder_and_files(root):
    with pytest.raises(DataError, match=r"found no folder at .*nowhere"):
        load_parquet_dataset(root=root / "nowhere", layout="cifar10")
    (root / "test.parquet").unlink()
    with pytest.raises(DataError, match=r"must hold test.parquet.*found \['train.parquet'\]"):
        load_parquet_dataset(root=root, layout="cifar10")


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1" + bytes(50) + b"PAR1"])
def test_unreadable_parquet(root, content):
    (root / "train.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"train.parquet must be a readable parquet file"):
        load_parquet_dataset(root=root, layout="cifar10")


def test_damaged_parquet_pages(root):
    data = bytearray((root / "train.parquet").read_bytes())
    data[4:400] = bytes(396)
    (root / "train.parquet").write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"train.parquet"):
        load_parquet_dataset(root=root, layout="cifar10")


def test_bad_arguments(root):
    with pytest.raises(DataError, match=r"layout must be one of \['cifar10', 'mnist'\]; found 'svhn'"):
        load_parquet_dataset(root=root, layout="svhn")
    with pytest.raises(DataError, match="image_size must be at least 1; found 0"):
        load_parquet_dataset(root=root, layout="cifar10", image_size=0)
    with pytest.raises(DataError, match=r"at least 3 image.*test split.*has 2.*min_images_per_class"):
        load_parquet_dataset(root=root, layout="cifar10", min_images_per_class=3)


def test_cache_hit_equals_decoding_and_notices_changes(root, tmp_path):
    cache = str(tmp_path / "cache")

    def load(**options):
        cached = load_parquet_dataset(root=root, layout="cifar10", cache_dir=cache, **options)
        assert cached.digest == load_parquet_dataset(root=root, layout="cifar10", **options).digest
        return cached.digest

    options = ({}, {"max_train": 20}, {"max_test": 19, "min_images_per_class": 1}, {"image_size": 16})
    found = [load(**chosen) for chosen in (*options, {"max_train": 20, "seed": 1}, {})]
    pq.write_table(make_table(40, offset=1), root / "train.parquet")
    found.append(load())
    pq.write_table(make_table(20, offset=101), root / "test.parquet")
    found.append(load())
    assert len(set(found)) == len(found) - 1
    assert len(list((tmp_path / "cache").iterdir())) == len(found) - 1


def test_pyarrow_is_needed_only_without_a_cache_hit(root, tmp_path, monkeypatch):
    cache = str(tmp_path / "cache")
    expected = load_parquet_dataset(root=root, layout="cifar10", cache_dir=cache).digest
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert load_parquet_dataset(root=root, layout="cifar10", cache_dir=cache).digest == expected
    with pytest.raises(DataError, match="needs pyarrow"):
        load_parquet_dataset(root=root, layout="cifar10")


@pytest.mark.parametrize(("layout", "means"), [("cifar10", (0.4913, 0.4821, 0.4465)), ("mnist", (0.1001,) * 3)])
def test_real_files(layout, means):
    if not (SHARED / layout / "train.parquet").is_file():
        pytest.skip(f"no parquet files of {layout} at {SHARED}")
    dataset = load_parquet_dataset(root=SHARED / layout, layout=layout, max_train=3000, max_test=500)
    assert (len(dataset.train), len(dataset.test), dataset.image_size) == (3000, 500, 32)
    found = dataset.train.images.double().mean((0, 2, 3)) / 255
    # Four standard errors of a mean over 3,000 images (image means deviate by 0.13 in CIFAR-10, 0.03 in MNIST).
    tolerance = 4 * (0.13 if layout == "cifar10" else 0.03) / 3000**0.5
    assert np.abs(found.numpy() - np.array(means)).max() < tolerance


def test_a_table_that_grows_when_it_is_read_is_refused(root):
    cells = [{"bytes": bytes(10**6), "path": None}] * 200
    table = pa.table({"img": pa.array(cells, IMAGE_TYPE), "label": pa.array([row % 10 for row in range(200)])})
    pq.write_table(table, root / "train.parquet", compression="zstd", use_dictionary=True)
    assert (root / "train.parquet").stat().st_size < 10**6
    with pytest.raises(DataError, match="must not grow when it is read"):
        load_parquet_dataset(root=root, layout="cifar10")
