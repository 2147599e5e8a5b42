"""The frozen description of a generator, from which layers, ONNX graph and digest all follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gan.digest import json_digest, settled_form
from gan.errors import SpecError
from gan.mechanisms import STYLE_WIDTH, Mechanisms
from json_files import parse_json

FAMILIES = ("conv", "subpixel", "separable", "pointwise", "grouped", "mlp", "hybrid")
CONDITIONINGS = ("embedding", "one_hot", "conditional_batchnorm")
UPSAMPLINGS = ("transposed", "pixel_shuffle", "nearest", "none")
NORMALISATIONS = ("batch", "instance", "none")
ACTIVATIONS = ("relu", "leaky_relu", "hardswish", "silu", "tanh", "gelu", "mixed")
MIXED = ("relu", "leaky_relu")
"""What the hidden layers of ``activation=mixed`` take in turn."""

HEADS = ("tanh", "clamp")

_FAMILY_UPSAMPLINGS = {
    "conv": ("transposed", "nearest"),
    "subpixel": ("pixel_shuffle", "nearest"),
    "separable": ("pixel_shuffle", "nearest"),
    "pointwise": ("pixel_shuffle", "nearest"),
    "grouped": ("pixel_shuffle", "nearest"),
    "mlp": ("none",),
    "hybrid": ("pixel_shuffle", "nearest"),
}
_MAX_WIDTH = 8192
_MAX_STAGES = 6
_LATER_FIELDS = ("bias", "mechanisms")


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec:
    """A conditional generator: ``(latent [N, latent_dim], one_hot [N, num_classes]) -> [N, C, H, W] in [-1, 1]``.

    Image families start from a Linear layer that makes ``widths[0]`` channels at ``base_size``; every following width,
    and the output head unless :attr:`Mechanisms.full_size_head` is set, doubles the side. ``mlp`` uses ``widths`` as
    its hidden layers. ``hybrid`` uses all widths but the last as hidden layers and the last as channels at half the
    image size, before one upsampling head.

    Attributes:
        family: one of :data:`FAMILIES`.
        latent_dim: length of the standard normal latent vector.
        conditioning: how the class enters, one of :data:`CONDITIONINGS`.
        widths: channels (or hidden units) per stage, at least one.
        embed_dim: length of the class embedding; positive for ``embedding`` and 0 otherwise.
        blocks_per_stage: layers per stage, the upsampling one included (the others keep the resolution).
        kernel: side of the convolution kernel; 3 or 4 for ``transposed``, 1 for ``pointwise``, 0 for ``mlp``, else odd.
        upsampling: one of the ways that the family allows.
        normalisation: one of :data:`NORMALISATIONS`; ``instance`` normalises feature maps and leaves vectors alone.
        activation: one of :data:`ACTIVATIONS`, after every hidden layer; ``mixed`` takes :data:`MIXED` in turn.
        head: ``tanh``, or ``clamp`` to [-1, 1].
        groups: groups of every convolution in the ``grouped`` family, 1 otherwise.
        num_classes: number of classes, at least 2.
        image_size: side of the square output, in pixels.
        image_channels: channels of the output.
        bias: whether the layers before a normalisation have a bias of their own; the others always have one.
        mechanisms: additions to the row of stages.
    """

    family: str
    latent_dim: int
    conditioning: str
    widths: tuple[int, ...]
    embed_dim: int = 0
    blocks_per_stage: int = 1
    kernel: int = 3
    upsampling: str = "pixel_shuffle"
    normalisation: str = "batch"
    activation: str = "relu"
    head: str = "tanh"
    groups: int = 1
    num_classes: int = 10
    image_size: int = 32
    image_channels: int = 3
    bias: bool = True
    mechanisms: Mechanisms = Mechanisms()

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "mechanisms", Mechanisms.from_mapping(self.mechanisms))
        self._check_choices()
        self._check_numbers()
        self._check_combinations()

    def _check_choices(self) -> None:
        for name, allowed in (
            ("family", FAMILIES),
            ("conditioning", CONDITIONINGS),
            ("upsampling", UPSAMPLINGS),
            ("normalisation", NORMALISATIONS),
            ("activation", ACTIVATIONS),
            ("head", HEADS),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise SpecError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")

    def _check_numbers(self) -> None:
        for name, least in (
            ("latent_dim", 1),
            ("embed_dim", 0),
            ("blocks_per_stage", 1),
            ("kernel", 0),
            ("groups", 1),
            ("num_classes", 2),
            ("image_size", 1),
            ("image_channels", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MAX_WIDTH:
                raise SpecError(f"{name} must be an integer from {least} to {_MAX_WIDTH}; got {value!r}")
        if not 1 <= len(self.widths) <= _MAX_STAGES:
            raise SpecError(f"widths must name 1 to {_MAX_STAGES} stages; got {len(self.widths)}")
        for width in self.widths:
            if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= _MAX_WIDTH:
                raise SpecError(f"each width must be an integer from 1 to {_MAX_WIDTH}; got {width!r}")

    def _check_combinations(self) -> None:
        allowed = _FAMILY_UPSAMPLINGS[self.family]
        if self.upsampling not in allowed:
            raise SpecError(
                f"upsampling of family {self.family} must be one of {', '.join(allowed)}; got {self.upsampling!r}"
            )
        if (self.conditioning == "embedding") != (self.embed_dim > 0):
            raise SpecError(
                "embed_dim must be positive with conditioning=embedding and 0 otherwise; "
                f"got embed_dim={self.embed_dim} with conditioning={self.conditioning}"
            )
        if self.conditioning == "conditional_batchnorm" and self.normalisation != "batch":
            raise SpecError(
                f"conditioning=conditional_batchnorm needs normalisation=batch; got normalisation={self.normalisation}"
            )
        if not isinstance(self.bias, bool):
            raise SpecError(f"bias must be true or false; got {self.bias!r}")
        self._check_mechanisms()
        self._check_kernel()
        self._check_geometry()

    def _check_mechanisms(self) -> None:
        used = self.mechanisms
        if self.family in ("mlp", "hybrid") and used.on_feature_maps:
            raise SpecError(f"family {self.family} takes no {', '.join(used.on_feature_maps)}; choose an image family")
        if self.family == "mlp" and self.normalisation == "instance":
            raise SpecError("normalisation=instance needs feature maps; family mlp has none")
        if used.style_layers and (self.normalisation == "none" or self.conditioning == "conditional_batchnorm"):
            raise SpecError(
                "style_layers need a normalisation, and no conditioning=conditional_batchnorm, whose place they take; "
                f"got normalisation={self.normalisation}, conditioning={self.conditioning}"
            )

    def _check_kernel(self) -> None:
        usual = (3, 4) if self.upsampling == "transposed" else (1, 3, 5)
        allowed = {"pointwise": (1,), "mlp": (0,)}.get(self.family, usual)
        if self.kernel not in allowed:
            *others, last = map(str, allowed)
            listed = f"{', '.join(others)} or {last}" if others else last
            raise SpecError(
                f"kernel must be {listed} for family={self.family}, upsampling={self.upsampling}; got {self.kernel}"
            )
        if (self.family == "grouped") != (self.groups > 1):
            raise SpecError(f"groups must be above 1 in family grouped, else 1; got {self.groups} in {self.family}")
        if self.family == "mlp" and self.blocks_per_stage != 1:
            raise SpecError(f"blocks_per_stage must be 1 in family mlp; got {self.blocks_per_stage}")

    def _check_geometry(self) -> None:
        if self.image_size % 2**self.doublings or self.image_size < 2**self.doublings:
            raise SpecError(
                f"image_size must be a multiple of {2**self.doublings} for {self.doublings} doublings; "
                f"got {self.image_size}: use fewer widths or another image size"
            )
        if self.family == "hybrid" and len(self.widths) < 2:
            raise SpecError("family hybrid needs at least one hidden width before its channel width; got one width")
        if any(width % self.groups for width in self.widths):
            raise SpecError(f"widths must be multiples of groups={self.groups}; got {self.widths}")

    def activation_at(self, position: int) -> str:
        """Name of the activation of the hidden layer at ``position``, counted from 0."""
        return MIXED[position % len(MIXED)] if self.activation == "mixed" else self.activation

    @property
    def doublings(self) -> int:
        """How often the side doubles between the first feature map and the image."""
        return {"mlp": 0, "hybrid": 1}.get(self.family, len(self.widths) - self.mechanisms.full_size_head)

    @property
    def base_size(self) -> int:
        """Side of the first feature map, in pixels."""
        return int(self.image_size // 2**self.doublings)

    @property
    def input_dim(self) -> int:
        """Length of the vector that the first layer reads: the latent and, where concatenated, the class."""
        return self.latent_dim + {"embedding": self.embed_dim, "one_hot": self.num_classes}.get(self.conditioning, 0)

    @property
    def condition_dim(self) -> int:
        """Length of what a normalisation's affine map depends on; 0 where it depends on nothing."""
        if self.mechanisms.style_layers:
            return STYLE_WIDTH
        return self.num_classes if self.conditioning == "conditional_batchnorm" else 0

    @property
    def form(self) -> dict[str, Any]:
        """Canonical form, as digests are taken of it."""
        return settled_form(self, _LATER_FIELDS)

    @property
    def digest(self) -> str:
        """sha256 of the canonical form: equal specs, and only those, share it."""
        return json_digest(self.form)

    def to_json(self) -> str:
        """Return the spec as JSON, every field named."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> GeneratorSpec:
        """Read a spec back from :meth:`to_json`.

        Raises:
            SpecError: the text is no JSON object, has unknown fields, or describes an illegal spec.
        """
        try:
            value = parse_json(text)
        except ValueError as error:
            raise SpecError(f"a spec must be a JSON object; got {text[:60]!r}: {error}") from error
        return cls.from_mapping(value)

    @classmethod
    def from_mapping(cls, value: Any) -> GeneratorSpec:
        """Build a spec from a mapping of field names.

        Raises:
            SpecError: not a mapping, unknown or missing fields, or an illegal spec.
        """
        if not isinstance(value, Mapping):
            raise SpecError(f"a spec must be a mapping of field names; got {type(value).__name__}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise SpecError(f"unknown spec fields {unknown}; known are {sorted(known)}")
        try:
            return cls(**value)
        except TypeError as error:
            raise SpecError(f"the spec is incomplete: {error}") from error
