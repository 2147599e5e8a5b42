import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.data import load_image_folder_dataset
from gan.errors import DataError

MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK")


def colour_of(mode: str, value: int) -> int | tuple[int, ...]:
    return {
        "RGB": (value, value, value),
        "RGBA": (value, value, value, 255),
        "LA": (value, 255),
        "CMYK": (255 - value, 255 - value, 255 - value, 0),
    }.get(mode, value)


def write_class(folder: Path, value: int, count: int = 6) -> None:
    """Write plain images of one grey value in different modes, formats and sizes."""
    folder.mkdir(parents=True)
    for index in range(count):
        mode = MODES[index % len(MODES)]
        image = Image.new(mode, (9 + 20 * index, 60 - 9 * index))
        if mode == "P":
            image.putpalette([value] * 3)
        else:
            image.paste(colour_of(mode, value), (0, 0, *image.size))
        image.save(folder / f"{index}.{'tif' if mode == 'CMYK' else 'png'}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "greys"
    for name, value in (("dark", 20), ("light", 230), ("middle", 128)):
        write_class(folder / name, value)
    return folder


def test_any_size_and_mode(root):
    dataset = load_image_folder_dataset(root=root, image_size=16, test_fraction=0.34)
    assert (dataset.name, dataset.class_names, dataset.image_size) == ("greys", ("dark", "light", "middle"), 16)
    assert dataset.horizontal_flip is False
    assert dataset.train.labels.bincount().tolist() == [4, 4, 4]
    assert dataset.test.labels.bincount().tolist() == [2, 2, 2]
    wanted = np.array([20, 230, 128])
    for split in (dataset.train, dataset.test):
        values = split.images.numpy().astype(int)
        assert np.abs(values - wanted[split.labels.numpy()][:, None, None, None]).max() <= 1


def test_content_is_centred_and_antialiased(root):
    pixels = np.zeros((32, 96, 3), dtype=np.uint8)
    pixels[:, 32:64:2] = 255
    for index in range(6):
        Image.fromarray(pixels).save(root / "dark" / f"{index}.png")
        Image.fromarray(pixels).save(root / "dark" / f"{index}.tif")
    dataset = load_image_folder_dataset(root=root, image_size=8)
    dark = dataset.train.images[dataset.train.labels == 0].numpy().astype(int)
    assert dark.shape[1:] == (3, 8, 8)
    assert np.abs(dark[:, :, :, 2:6] - 127).max() <= 3


def test_seed_decides_the_split_and_subsets_are_stratified(root):
    for index in range(6, 12):
        for name in ("dark", "light", "middle"):
            Image.new("L", (8, 8), index * 20).save(root / name / f"more{index}.png")
    first, again, other = (load_image_folder_dataset(root=root, image_size=8, seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    subset = load_image_folder_dataset(root=root, image_size=8, max_train=9, max_test=6)
    assert subset.train.labels.bincount().tolist() == [3, 3, 3]
    assert subset.test.labels.bincount().tolist() == [2, 2, 2]


def test_hidden_files_are_skipped_and_sub_folders_are_read(root):
    expected = load_image_folder_dataset(root=root, image_size=8).digest
    for path in (".hidden", "dark/.DS_Store", "dark/Thumbs.db", "README.txt"):
        (root / path).write_text("no image")
    (root / ".git").mkdir()
    (root / "dark" / ".cache").mkdir()
    (root / "dark" / ".cache" / "x.png").write_text("no image")
    assert load_image_folder_dataset(root=root, image_size=8).digest == expected
    (root / "dark" / "more").mkdir()
    Image.new("L", (8, 8), 20).save(root / "dark" / "more" / "x.png")
    grown = load_image_folder_dataset(root=root, image_size=8)
    assert len(grown.train) + len(grown.test) == 19


def test_file_that_is_no_image_is_named(root):
    (root / "light" / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"cannot decode .*light/notes.txt"):
        load_image_folder_dataset(root=root)


def test_damaged_image_is_named(root):
    data = (root / "middle" / "1.png").read_bytes()
    (root / "middle" / "1.png").write_bytes(data[:-25])
    with pytest.raises(DataError, match=r"cannot decode .*middle/1.png"):
        load_image_folder_dataset(root=root)


def test_broken_link_is_named(root):
    os.symlink(root / "nowhere.png", root / "dark" / "link.png")
    with pytest.raises(DataError, match=r"cannot read .*dark/link.png"):
        load_image_folder_dataset(root=root)


def test_linked_folder_inside_a_class_is_refused(root):
    os.symlink(root / "light", root / "dark" / "loop")
    with pytest.raises(DataError, match=r"must not be links; found .*dark/loop"):
        load_image_folder_dataset(root=root)


def test_missing_root_and_too_few_classes(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"found no folder at .*nowhere"):
        load_image_folder_dataset(root=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"at least two classes; found 0"):
        load_image_folder_dataset(root=empty)
    write_class(tmp_path / "single" / "only", 5)
    with pytest.raises(DataError, match=r"at least two classes; found 1 in .*single"):
        load_image_folder_dataset(root=tmp_path / "single")


def test_image_outside_the_class_folders_is_refused(root):
    Image.new("L", (8, 8)).save(root / "stray.PNG")
    with pytest.raises(DataError, match=r"must lie in a class folder; found .*stray.PNG"):
        load_image_folder_dataset(root=root)


def test_folder_that_is_split_already_is_refused(root, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    root.rename(outer / "Train")
    (outer / "val").mkdir()
    with pytest.raises(DataError, match=r"found the split folders \['Train', 'val'\]"):
        load_image_folder_dataset(root=outer)


def test_class_with_too_few_images(root):
    for index in range(3):
        (root / "light" / f"{index}.png").unlink()
    with pytest.raises(DataError, match=r"at least 4 image.*greys.*'light' has 3.*min_images_per_class"):
        load_image_folder_dataset(root=root)
    dataset = load_image_folder_dataset(root=root, min_images_per_class=1)
    assert dataset.test.labels.bincount().tolist() == [1, 1, 1]


def test_bad_arguments_come_before_any_reading(tmp_path):
    with pytest.raises(DataError, match="test_fraction must lie strictly between 0 and 1; found 0"):
        load_image_folder_dataset(root=tmp_path / "nowhere", test_fraction=0.0)


def test_cache_hit_equals_decoding_and_notices_changes(root, tmp_path):
    options = {"root": root, "image_size": 8, "cache_dir": str(tmp_path / "cache")}
    first = load_image_folder_dataset(**options)
    assert load_image_folder_dataset(**options).digest == first.digest
    assert len(list((tmp_path / "cache").iterdir())) == 1
    Image.new("L", (8, 8), 77).save(root / "dark" / "0.png")
    assert load_image_folder_dataset(**options).digest != first.digest
    assert load_image_folder_dataset(**options, seed=5).digest != first.digest
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.timeout(20)
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_plain_file_is_named(root, tmp_path, kind, cached):
    if kind == "pipe":
        os.mkfifo(root / "dark" / "x.png")
    else:
        (root / "dark" / "x.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"cannot read .*dark/x.png: it is no plain file"):
        load_image_folder_dataset(root=root, image_size=8, cache_dir=str(tmp_path / "cache") if cached else None)


def test_a_file_larger_than_any_image_is_named(root, monkeypatch):
    monkeypatch.setattr("gan.data.folder._MOST_BYTES", 100_000)
    with (root / "dark" / "x.png").open("wb") as stream:
        stream.truncate(2**33)  # a file with a hole, which takes no room on the disk
    with pytest.raises(DataError, match=r"at most 100,000 bytes; cannot read .*dark/x.png"):
        load_image_folder_dataset(root=root, image_size=8)


def test_a_linked_file_is_followed(root, tmp_path):
    expected = load_image_folder_dataset(root=root, image_size=8).digest
    (root / "dark" / "0.png").rename(tmp_path / "elsewhere.png")
    (root / "dark" / "0.png").symlink_to(tmp_path / "elsewhere.png")
    assert load_image_folder_dataset(root=root, image_size=8).digest == expected
