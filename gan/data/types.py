"""The one shape that every data source yields: images and labels in memory, in two splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images on one device.

    Attributes:
        images: uint8 ``[N, 3, H, W]`` in [0, 255], H = W.
        labels: int64 ``[N]``, class indices from 0.

    Raises:
        DataError: a dtype, shape, length or device does not fit the above.

    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if (
            images.dtype != torch.uint8
            or images.ndim != 4
            or images.shape[1] != 3
            or images.shape[2] != images.shape[3]
        ):
            raise DataError(
                "images must be uint8 [N, 3, S, S]; "
                f"found {images.dtype} {list(images.shape)}; convert them before building a Split"
            )
        if labels.dtype != torch.int64 or labels.ndim != 1:
            raise DataError(f"labels must be int64 [N]; found {labels.dtype} {list(labels.shape)}; convert them first")
        if len(images) != len(labels):
            raise DataError(f"images and labels must be equally many; found {len(images)} and {len(labels)}")
        if images.device != labels.device:
            raise DataError(f"images and labels must share a device; found {images.device} and {labels.device}")

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    @property
    def device(self) -> torch.device:
        """The device that holds both tensors."""
        return self.images.device

    def to(self, device: torch.device | str) -> Split:
        """Return the same split with both tensors on ``device``."""
        return Split(images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A labelled image set with a train and a test split; the builders of this package return nothing else.

    Attributes:
        name: short name for records and file names, e.g. ``cifar10``.
        train: the split to learn from.
        test: the split to score against.
        class_names: name of class i at index i.
        digest: sha256 hex of :func:`content_digest`.
        horizontal_flip: whether a mirrored image keeps its class (False for digits and letters).

    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    digest: str
    horizontal_flip: bool

    @property
    def num_classes(self) -> int:
        """Number of classes C; labels are in [0, C)."""
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """Side length S of the square images, in pixels."""
        return int(self.train.images.shape[-1])

    def to(self, device: torch.device | str) -> ImageDataset:
        """Return the same dataset with every tensor on ``device``."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def content_digest(train: Split, test: Split, class_names: Sequence[str]) -> str:
    """Digest what a dataset holds, whatever file format it came from.

    Args:
        train: training split, on any device.
        test: test split, on any device.
        class_names: C names.

    Returns:
        sha256 hex over the class names and, for each split, the shape, dtype and bytes of labels and images.

    """
    sha = hashlib.sha256(json.dumps(list(class_names), separators=(",", ":")).encode())
    for split in (train, test):
        for tensor in (split.labels, split.images):
            header = {"dtype": str(tensor.dtype), "shape": list(tensor.shape)}
            sha.update(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).data)
    return sha.hexdigest()
