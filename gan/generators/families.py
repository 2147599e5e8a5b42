"""Generator families: from a spec to the row of stages of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import pairwise

from torch import nn

from gan.generators.attention import SelfAttention
from gan.generators.haar import InverseHaar
from gan.generators.layers import ChannelNorm, Stage, build_activation, build_head
from gan.generators.structures import FeaturePyramid, MultiScale, Residual, Row, Shortcut
from gan.spec import GeneratorSpec

Positions = Iterator[int]
"""Counts the hidden layers, whose activations may take turns."""


def _norm(spec: GeneratorSpec, channels: int, *, flat: bool = False) -> ChannelNorm | None:
    if spec.normalisation == "none" or (flat and spec.normalisation == "instance"):
        return None
    return ChannelNorm(
        channels,
        flat=flat,
        kind=spec.normalisation,
        condition_dim=spec.condition_dim,
        condition_bias=spec.mechanisms.style_layers > 0,
    )


def _biased(spec: GeneratorSpec, *, flat: bool = False) -> bool:
    """Whether a layer has a bias: always without a normalisation behind it, which would take it away again."""
    return spec.bias or _norm(spec, 1, flat=flat) is None


def _hidden(
    spec: GeneratorSpec,
    operator: nn.Module,
    channels: int,
    positions: Positions,
    rearrange: nn.Module | None = None,
    *,
    activated: bool = True,
) -> Stage:
    flat = isinstance(operator, nn.Linear) and rearrange is None
    share = spec.mechanisms.dropout
    return Stage(
        operator,
        rearrange=rearrange,
        norm=_norm(spec, channels, flat=flat),
        activation=build_activation(spec.activation_at(next(positions))) if activated else None,
        dropout=(nn.Dropout(share) if flat else nn.Dropout2d(share)) if share else None,
    )


def _convolution(spec: GeneratorSpec, inputs: int, outputs: int, *, bias: bool) -> nn.Module:
    """Return a resolution-keeping convolution in the way of the family."""
    kernel = 3 if spec.upsampling == "transposed" else spec.kernel
    padding = kernel // 2
    if spec.family == "separable":
        return nn.Sequential(
            nn.Conv2d(inputs, inputs, kernel, padding=padding, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=bias),
        )
    groups = spec.groups if outputs % spec.groups == 0 else 1
    return nn.Conv2d(inputs, outputs, kernel, padding=padding, groups=groups, bias=bias)


def _doubling(spec: GeneratorSpec, inputs: int, outputs: int, *, bias: bool) -> tuple[nn.Module, nn.Module | None]:
    """Return (operator, rearrangement) that double the side and give ``outputs`` channels."""
    if spec.upsampling == "transposed":
        odd = spec.kernel % 2
        return nn.ConvTranspose2d(inputs, outputs, spec.kernel, 2, padding=1, output_padding=odd, bias=bias), None
    if spec.upsampling == "pixel_shuffle":
        return _convolution(spec, inputs, 4 * outputs, bias=bias), nn.PixelShuffle(2)
    upsample = nn.Upsample(scale_factor=2, mode="nearest")
    return nn.Sequential(upsample, _convolution(spec, inputs, outputs, bias=bias)), None


def _head_operator(spec: GeneratorSpec, inputs: int) -> tuple[nn.Module, nn.Module | None]:
    if spec.mechanisms.full_size_head:
        return _convolution(spec, inputs, spec.image_channels, bias=True), None
    if spec.mechanisms.wavelet:
        return _convolution(spec, inputs, 4 * spec.image_channels, bias=True), InverseHaar()
    return _doubling(spec, inputs, spec.image_channels, bias=True)


def _head(spec: GeneratorSpec, inputs: int) -> Stage:
    operator, rearrange = _head_operator(spec, inputs)
    return Stage(operator, rearrange=rearrange, activation=build_head(spec.head))


def _keeping(spec: GeneratorSpec, channels: int, positions: Positions) -> list[Stage]:
    return [_kept(spec, channels, positions) for _ in range(spec.blocks_per_stage - 1)]


def _kept(spec: GeneratorSpec, channels: int, positions: Positions, *, activated: bool = True) -> Stage:
    operator = _convolution(spec, channels, channels, bias=_biased(spec))
    return _hidden(spec, operator, channels, positions, activated=activated)


def _larger(spec: GeneratorSpec, inputs: int, outputs: int, positions: Positions) -> nn.Module:
    """Return a hidden stage that doubles the side."""
    operator, rearrange = _doubling(spec, inputs, outputs, bias=_biased(spec))
    stage = _hidden(spec, operator, outputs, positions, rearrange)
    if not spec.mechanisms.skip:
        return stage
    upsample = nn.Upsample(scale_factor=2, mode="nearest")
    return Shortcut(stage, nn.Sequential(upsample, nn.Conv2d(inputs, outputs, 1, bias=False)))


def _levels(spec: GeneratorSpec) -> list[Row]:
    """Return one row of stages for each size of the feature map."""
    used, positions = spec.mechanisms, itertools.count()
    first, side = spec.widths[0], spec.base_size
    sizes = (spec.input_dim, *([4 * first] * (used.linear_layers - 1)))
    flat = [_flat(spec, inputs, outputs, positions) for inputs, outputs in pairwise(sizes)]
    operator = nn.Linear(sizes[-1], first * side * side, bias=_biased(spec))
    to_map = nn.Unflatten(1, (first, side, side))
    levels: list[list[nn.Module]] = [
        [*flat, _hidden(spec, operator, first, positions, to_map), *_keeping(spec, first, positions)]
    ]
    for inputs, outputs in pairwise(spec.widths):
        levels.append([_larger(spec, inputs, outputs, positions), *_keeping(spec, outputs, positions)])
    if used.attention != "none":
        place = min(1, len(levels) - 1)
        levels[place].append(SelfAttention(spec.widths[place], used.attention))
    last = spec.widths[-1]
    for _ in range(used.residual_blocks):
        halves = [_kept(spec, last, positions), _kept(spec, last, positions, activated=False)]
        levels[-1].append(Residual(Row(halves)))
    return [Row(level) for level in levels]


def image_stages(spec: GeneratorSpec) -> list[nn.Module]:
    """Return the stages of ``conv``, ``subpixel``, ``separable``, ``pointwise`` and ``grouped``."""
    levels, last = _levels(spec), spec.widths[-1]
    if spec.mechanisms.multi_scale:
        operator, rearrange = _head_operator(spec, last)
        head = operator if rearrange is None else nn.Sequential(operator, rearrange)
        levels = levels if spec.mechanisms.full_size_head else [*levels, Row([])]
        smaller = [nn.Conv2d(width, spec.image_channels, 1) for width in spec.widths[: len(levels) - 1]]
        images = MultiScale(levels, [*smaller, head])
        return [images, Stage(nn.Identity(), activation=build_head(spec.head))]
    if spec.mechanisms.feature_pyramid:
        laterals = [nn.Conv2d(width, last, 1) for width in spec.widths]
        return [FeaturePyramid(levels, laterals), _head(spec, last)]
    return [*(stage for level in levels for stage in level.stages), _head(spec, last)]


def _flat(spec: GeneratorSpec, inputs: int, outputs: int, positions: Positions) -> Stage:
    return _hidden(spec, nn.Linear(inputs, outputs, bias=_biased(spec, flat=True)), outputs, positions)


def mlp_stages(spec: GeneratorSpec) -> list[nn.Module]:
    """Return the stages of ``mlp``: Linear layers only, the last one reshaped into an image."""
    sizes, positions = (spec.input_dim, *spec.widths), itertools.count()
    stages = [_flat(spec, inputs, outputs, positions) for inputs, outputs in pairwise(sizes)]
    shape = (spec.image_channels, spec.image_size, spec.image_size)
    pixels = spec.image_channels * spec.image_size**2
    last = nn.Linear(spec.widths[-1], pixels)
    return [*stages, Stage(last, rearrange=nn.Unflatten(1, shape), activation=build_head(spec.head))]


def hybrid_stages(spec: GeneratorSpec) -> list[nn.Module]:
    """Return the stages of ``hybrid``: Linear layers up to a map at half size, then one convolutional head."""
    *hidden, channels = spec.widths
    side, positions = spec.base_size, itertools.count()
    sizes = (spec.input_dim, *hidden)
    stages = [_flat(spec, inputs, outputs, positions) for inputs, outputs in pairwise(sizes)]
    to_map = nn.Unflatten(1, (channels, side, side))
    operator = nn.Linear(hidden[-1], channels * side * side, bias=_biased(spec))
    stages += [_hidden(spec, operator, channels, positions, to_map)]
    return [*stages, *_keeping(spec, channels, positions), _head(spec, channels)]
