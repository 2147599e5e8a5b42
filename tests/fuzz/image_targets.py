"""Readers of pictures and of data sets."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from gan.data.cache import cached_splits
from gan.data.parquet import load_parquet_dataset
from gan.data.types import Split
from tests.fuzz.scene import Scene, put


def pictures(_scene: Scene) -> list[bytes]:
    picture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    return [encoded(picture, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]


def encoded(picture: Image.Image, kind: str) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind)
    return target.getvalue()


def table(rows: int = 20) -> bytes:
    cell = encoded(Image.fromarray(np.zeros((32, 32, 3), np.uint8)), "PNG")
    images = pa.array([{"bytes": cell, "path": None}] * rows)
    table = pa.table({"img": images, "label": pa.array([row % 10 for row in range(rows)], pa.int64())})
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


TABLE = table()


def read_table(data: bytes, folder: Path) -> object:
    put(data, folder, "train.parquet")
    put(TABLE, folder, "test.parquet")
    return load_parquet_dataset(root=folder, layout="cifar10")


def splits() -> tuple[Split, Split]:
    images, labels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1])
    return Split(images, labels), Split(images, labels)


def cache_files(scene: Scene) -> list[bytes]:
    folder = scene.folder / "cache"
    cached_splits(str(folder), name="fuzz", key={}, build=splits)
    return [path.read_bytes() for path in folder.glob("*.npz")]


def read_cache(data: bytes, folder: Path) -> object:
    name = hashlib.sha256(json.dumps({"format": 1}, separators=(",", ":")).encode()).hexdigest()[:32]
    put(data, folder, f"fuzz-{name}.npz")
    found = cached_splits(str(folder), name="fuzz", key={}, build=splits)
    assert torch.equal(found[0].images, splits()[0].images), "a damaged cache was believed"
    return found
