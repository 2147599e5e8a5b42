"""Four small composite networks of a layer benchmark: frozen descriptions and the plain modules they stand for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final, get_args

import torch
from torch import Tensor, nn

from evaluation.digests import json_digest
from evaluation.errors import SpecError
from evaluation.types import DatasetLike

CompositeKind: TypeAlias = Literal["relu", "poly", "mixed", "strided"]

KERNEL = 3
PADDING = 1


@final
class Square(nn.Module):
    """``x * x`` of every element: the activation that a circuit computes without a lookup."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Squares of ``inputs``, of any shape."""
        return inputs * inputs


@dataclass(frozen=True)
class CompositeSpec:
    """Two 3x3 convolutions (padding 1, with biases), each activated and halved, and one linear layer.

    ========= ======== ========= ======== ========= ======
    kind      stride   1st       pool     2nd       pool
    ========= ======== ========= ======== ========= ======
    relu      1        ReLU      maximum  ReLU      maximum
    poly      1        square    average  square    average
    mixed     1        square    average  ReLU      average
    strided   2        ReLU      none     ReLU      none
    ========= ======== ========= ======== ========= ======

    Attributes:
        kind: a row of the table.
        image_size: height and width of the images; a multiple of 4.
        num_classes: number of logits.
        channels: outputs of the two convolutions.

    Raises:
        SpecError: a field out of its range.
    """

    kind: CompositeKind
    image_size: int = 32
    num_classes: int = 10
    channels: tuple[int, int] = (32, 64)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(width) for width in self.channels))
        if self.kind not in get_args(CompositeKind):
            raise SpecError(f"kind must be one of {', '.join(get_args(CompositeKind))}; got {self.kind!r}")
        if self.image_size < 4 or self.image_size % 4:
            raise SpecError(
                f"image_size must be a positive multiple of 4, because the image is halved twice; "
                f"got {self.image_size}; resize the images"
            )
        if self.num_classes < 2:
            raise SpecError(f"num_classes must be at least 2; got {self.num_classes}")
        if len(self.channels) != 2 or min(self.channels) < 1:
            raise SpecError(f"channels must hold two positive numbers; got {self.channels}")

    @property
    def features(self) -> int:
        """Inputs of the linear layer."""
        return self.channels[1] * (self.image_size // 4) ** 2

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the spec."""
        return json_digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain values that say everything about the spec."""
        return {"network": type(self).__name__, **dataclasses.asdict(self), "channels": list(self.channels)}

    def for_dataset(self, dataset: DatasetLike) -> CompositeSpec:
        """Fit the network to the classes and the image size of a data set.

        Raises:
            SpecError: images that are not square or whose size is no multiple of 4.
        """
        num_classes, image_size = _dataset_shape(dataset)
        return dataclasses.replace(self, num_classes=num_classes, image_size=image_size)


def build_composite(spec: CompositeSpec, seed: int) -> nn.Sequential:
    """Build the untrained network with torch's default initialisation from ``seed``.

    The module takes images float [N, 3, S, S] in [-1, 1] and gives logits [N, C]. It is a plain sequence of standard
    layers and :class:`Square`. Global random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        first, second = spec.channels
        return nn.Sequential(
            _convolution(spec, 3, first),
            *_activation_and_pool(spec, 0),
            _convolution(spec, first, second),
            *_activation_and_pool(spec, 1),
            nn.Flatten(),
            nn.Linear(spec.features, spec.num_classes),
        )


def check_composite_fits(spec: CompositeSpec, dataset: DatasetLike) -> None:
    """Refuse a spec made for other classes or another image size than the data set's.

    Raises:
        SpecError: naming the field that differs.
    """
    for name, found in zip(("num_classes", "image_size"), _dataset_shape(dataset), strict=True):
        if getattr(spec, name) != found:
            raise SpecError(
                f"{name} of the composite spec must be the data set's {found}; got {getattr(spec, name)}; "
                "use spec.for_dataset(dataset)"
            )


def _convolution(spec: CompositeSpec, inputs: int, outputs: int) -> nn.Conv2d:
    stride = 2 if spec.kind == "strided" else 1
    return nn.Conv2d(inputs, outputs, KERNEL, stride=stride, padding=PADDING)


def _activation_and_pool(spec: CompositeSpec, position: int) -> list[nn.Module]:
    """What follows convolution ``position`` (0 or 1)."""
    squared = spec.kind == "poly" or (spec.kind == "mixed" and position == 0)
    activation: nn.Module = Square() if squared else nn.ReLU()
    if spec.kind == "strided":
        return [activation]
    return [activation, nn.MaxPool2d(2) if spec.kind == "relu" else nn.AvgPool2d(2)]


def _dataset_shape(dataset: DatasetLike) -> tuple[int, int]:
    height, width = dataset.train.images.shape[-2:]
    if height != width:
        raise SpecError(f"images must be square; got {height} x {width}")
    return len(dataset.class_names), int(height)
