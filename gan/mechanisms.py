"""What a generator may have beside its row of stages: frozen, all of it off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gan.errors import SpecError

ATTENTIONS = ("none", "light", "full")
STYLE_WIDTH = 64
"""Units of every layer of the mapping network."""


@dataclass(frozen=True, kw_only=True)
class Mechanisms:
    """Additions to an image generator. ``mlp`` has no feature maps, so it takes ``spectral_norm`` and ``dropout`` only.

    Attributes:
        skip: every doubling adds its nearest-upsampled input through a 1x1 convolution.
        residual_blocks: pairs of convolutions around a shortcut (He et al. 2016), at the last feature map.
        attention: self-attention (Zhang et al. 2019) on the feature map after the first doubling: "light" has one
            eighth of the channels in queries, keys and values, "full" one half in values.
        style_layers: layers of a mapping network from latent and class to a style of :data:`STYLE_WIDTH` numbers,
            which scales and shifts every normalised feature map (Karras et al. 2019, without the noise); 0 for none.
        multi_scale: every feature map gives an image, and the sum of them, upsampled, is the image (Karras et al.
            2020, "skip" generator).
        feature_pyramid: every feature map is added to the next larger one through a 1x1 convolution before the head
            reads the sum (Lin et al. 2017, upside down).
        full_size_head: the last width is that of a feature map of the image's own size, from which a convolution makes
            the image; without it, the head doubles the side itself.
        wavelet: the head gives the four Haar sub-bands of the image at half its size.
        spectral_norm: every weight of a linear operator is divided by its greatest singular value (Miyato et al. 2018).
        linear_layers: Linear layers up to the first feature map; those before the last have four times its channels.
        dropout: probability that a hidden unit, or a channel of a feature map, is zeroed in training.
    """

    skip: bool = False
    residual_blocks: int = 0
    attention: str = "none"
    style_layers: int = 0
    multi_scale: bool = False
    feature_pyramid: bool = False
    full_size_head: bool = False
    wavelet: bool = False
    spectral_norm: bool = False
    linear_layers: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.attention not in ATTENTIONS:
            raise SpecError(f"attention must be one of {', '.join(ATTENTIONS)}; got {self.attention!r}")
        for name, least in (("residual_blocks", 0), ("style_layers", 0), ("linear_layers", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 8:
                raise SpecError(f"{name} must be an integer from {least} to 8; got {value!r}")
        for name in ("skip", "multi_scale", "feature_pyramid", "full_size_head", "wavelet", "spectral_norm"):
            if not isinstance(getattr(self, name), bool):
                raise SpecError(f"{name} must be true or false; got {getattr(self, name)!r}")
        if isinstance(self.dropout, bool) or not 0.0 <= self.dropout < 1.0:
            raise SpecError(f"dropout must be a probability below 1; got {self.dropout!r}")
        if self.multi_scale and self.feature_pyramid:
            raise SpecError("multi_scale and feature_pyramid both decide what the head reads; choose one")
        if self.wavelet and self.full_size_head:
            raise SpecError("wavelet and full_size_head are two heads; choose one")

    @property
    def on_feature_maps(self) -> tuple[str, ...]:
        """Names of those in use that need feature maps."""
        names = ("skip", "residual_blocks", "multi_scale", "feature_pyramid", "wavelet")
        used = [name for name in names if getattr(self, name)]
        used += ["attention"] if self.attention != "none" else []
        return (*used, *(["linear_layers"] if self.linear_layers > 1 else []))

    @classmethod
    def from_mapping(cls, value: Any) -> Mechanisms:
        """Build from a mapping of attribute names; an instance is returned as it is.

        Raises:
            SpecError: not a mapping, an unknown name, or a value out of range.
        """
        if isinstance(value, Mechanisms):
            return value
        if not isinstance(value, Mapping):
            raise SpecError(f"mechanisms must be a mapping of names; got {type(value).__name__}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise SpecError(f"unknown mechanisms {unknown}; known are {sorted(known)}")
        return cls(**value)
