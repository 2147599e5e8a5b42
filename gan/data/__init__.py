"""Data: every source yields the same in-memory dataset, and batches are drawn from it on its device."""

from gan.data.batches import BatchSource
from gan.data.digits import load_digits_dataset
from gan.data.folder import load_image_folder_dataset
from gan.data.parquet import load_parquet_dataset
from gan.data.pixels import to_bytes, to_signed_unit
from gan.data.torchvision_source import load_torchvision_dataset
from gan.data.types import ImageDataset, Split, content_digest

__all__ = [
    "BatchSource",
    "ImageDataset",
    "Split",
    "content_digest",
    "load_digits_dataset",
    "load_image_folder_dataset",
    "load_parquet_dataset",
    "load_torchvision_dataset",
    "to_bytes",
    "to_signed_unit",
]
