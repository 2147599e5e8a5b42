"""Frozen descriptions of the two kinds of network: the ZK classifier and the judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from evaluation.digests import json_digest
from evaluation.errors import SpecError
from evaluation.types import DatasetLike

Variant: TypeAlias = Literal["avgpool", "strided", "global_pool"]


@dataclass(frozen=True)
class ClassifierSpec:
    """A plain convolutional network that is cheap in a circuit.

    Each stage is ``blocks_per_stage`` times [3x3 convolution, BatchNorm, ReLU], and halves the image:

    * ``avgpool``: by 2x2 average pooling after each stage; all remaining positions enter the linear layer;
    * ``strided``: by stride 2 in the first convolution of each stage;
    * ``global_pool``: by average pooling between the stages; the last one ends in a global average.

    Attributes:
        variant: how the image is reduced.
        widths: channels of each stage.
        blocks_per_stage: convolutions in each stage.
        patch_size: space-to-depth factor before the first convolution (1: none). Moving pixels into channels is free
            in a circuit.
        whitened_stem: the first convolution whitens the patches of the training images (see
            :mod:`evaluation.classifier.whitening`), is not trained and has a bias in place of its BatchNorm.
        num_classes: number of logits.
        image_size: height and width of the images.
    """

    variant: Variant = "avgpool"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks_per_stage: int = 1
    patch_size: int = 1
    whitened_stem: bool = False
    num_classes: int = 10
    image_size: int = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", _as_widths(self.widths))
        if self.variant not in get_args(Variant):
            raise SpecError(f"variant must be one of {', '.join(get_args(Variant))}; got {self.variant!r}")
        _check_common(self)
        for name in ("blocks_per_stage", "patch_size"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be positive; got {getattr(self, name)}")
        if self.image_size % self.reduction:
            raise SpecError(
                f"image_size must be a multiple of {self.reduction} (patch_size times 2 for each halving); "
                f"got {self.image_size}; use fewer widths or a smaller patch_size"
            )
        if self.whitened_stem and (self.widths[0] % 2 or self.widths[0] > 2 * 27 * self.patch_size**2):
            raise SpecError(
                f"the first of widths must be even and at most {54 * self.patch_size**2} for a whitened stem; "
                f"got {self.widths[0]}"
            )

    @property
    def smallest_size(self) -> int:
        """The smallest image that the network takes."""
        return self.reduction if self.takes_any_size else self.image_size

    @property
    def reduction(self) -> int:
        """The factor by which the stages and the patches shrink the image; ``image_size`` is a multiple of it."""
        halvings = len(self.widths) - 1 if self.variant == "global_pool" else len(self.widths)
        return int(self.patch_size * 2**halvings)

    @property
    def takes_any_size(self) -> bool:
        """Whether the network also runs on images smaller than ``image_size``."""
        return self.variant == "global_pool"

    def for_dataset(self, dataset: DatasetLike) -> ClassifierSpec:
        """Fit the network to the classes and the image size of a data set."""
        num_classes, image_size = _dataset_shape(dataset)
        return dataclasses.replace(self, num_classes=num_classes, image_size=image_size)


@dataclass(frozen=True)
class JudgeSpec:
    """A whitened 2x2 stem, then stages of two 3x3 convolutions, a 2x2 maximum between them, and GELU (Jordan 2024).

    Another architecture than the ZK classifier (depth, activation, pooling) and stronger, so that a generator tuned to
    the one is held to account by the other. It is trained on real images only. K. Jordan, "94 % on CIFAR-10 in 3.29
    seconds on a single GPU", section 3.1.

    Attributes:
        widths: channels of each stage; every stage halves the image, rounding down.
        stem_channels: outputs of the first convolution, which whitens 2x2 patches and is not trained: half of them are
            eigenvectors, half their negatives.
        num_classes: number of logits.
        image_size: height and width of the images.
    """

    widths: tuple[int, ...] = (32, 128, 192)
    stem_channels: int = 24
    num_classes: int = 10
    image_size: int = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", _as_widths(self.widths))
        _check_common(self)
        if self.stem_channels not in range(2, 25, 2):
            raise SpecError(f"stem_channels must be even and lie in [2, 24]; got {self.stem_channels}")
        if self.image_size < self.smallest_size:
            raise SpecError(
                f"image_size must be at least {self.smallest_size} for {len(self.widths)} stages; "
                f"got {self.image_size}; use fewer widths"
            )

    @property
    def smallest_size(self) -> int:
        """The smallest image that leaves one position after the stem and the halvings."""
        return int(2 ** len(self.widths) + 1)

    @property
    def whitened_stem(self) -> bool:
        """The judge's stem always whitens."""
        return True

    @property
    def takes_any_size(self) -> bool:
        """Whether the network also runs on images smaller than ``image_size``."""
        return True

    def for_dataset(self, dataset: DatasetLike) -> JudgeSpec:
        """Fit the network to the classes and the image size of a data set."""
        num_classes, image_size = _dataset_shape(dataset)
        return dataclasses.replace(self, num_classes=num_classes, image_size=image_size)


NetworkSpec: TypeAlias = ClassifierSpec | JudgeSpec


def spec_to_dict(spec: NetworkSpec) -> dict[str, Any]:
    """Plain values that say everything about the spec, its kind included."""
    return {"kind": type(spec).__name__, **dataclasses.asdict(spec), "widths": list(spec.widths)}


def spec_digest(spec: NetworkSpec) -> str:
    """SHA-256 (64 hex digits) of the spec."""
    return json_digest(spec_to_dict(spec))


def check_spec_fits(spec: NetworkSpec, dataset: DatasetLike) -> None:
    """Refuse a spec made for other classes or another image size than the data set's.

    Raises:
        SpecError: naming the field that differs.
    """
    for name, found in zip(("num_classes", "image_size"), _dataset_shape(dataset), strict=True):
        if getattr(spec, name) != found:
            raise SpecError(
                f"{name} of the classifier spec must be the data set's {found}; got {getattr(spec, name)}; "
                "use spec.for_dataset(dataset)"
            )


def _dataset_shape(dataset: DatasetLike) -> tuple[int, int]:
    height, width = dataset.train.images.shape[-2:]
    if height != width:
        raise SpecError(f"images must be square; got {height} x {width}")
    return len(dataset.class_names), int(height)


def _as_widths(widths: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(width) for width in widths)


def _check_common(spec: NetworkSpec) -> None:
    if not spec.widths or min(spec.widths) < 1:
        raise SpecError(f"widths must hold at least one positive number; got {spec.widths}")
    if spec.num_classes < 2:
        raise SpecError(f"num_classes must be at least 2; got {spec.num_classes}")
    if spec.image_size < 1:
        raise SpecError(f"image_size must be positive; got {spec.image_size}")
