"""Generator families: from a spec to the row of stages of each."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from gan.generators.layers import ChannelNorm, Stage, build_activation, build_head
from gan.spec import GeneratorSpec


def _norm(spec: GeneratorSpec, channels: int, *, flat: bool = False) -> ChannelNorm | None:
    if spec.normalisation == "none":
        return None
    conditional = spec.conditioning == "conditional_batchnorm"
    return ChannelNorm(channels, flat=flat, num_classes=spec.num_classes if conditional else 0)


def _hidden(spec: GeneratorSpec, operator: nn.Module, channels: int, rearrange: nn.Module | None = None) -> Stage:
    flat = isinstance(operator, nn.Linear) and rearrange is None
    return Stage(
        operator,
        rearrange=rearrange,
        norm=_norm(spec, channels, flat=flat),
        activation=build_activation(spec.activation),
    )


def _convolution(spec: GeneratorSpec, inputs: int, outputs: int) -> nn.Module:
    """Return a resolution-keeping convolution in the way of the family."""
    kernel = 3 if spec.upsampling == "transposed" else spec.kernel
    padding = kernel // 2
    if spec.family == "separable":
        return nn.Sequential(
            nn.Conv2d(inputs, inputs, kernel, padding=padding, groups=inputs, bias=False), nn.Conv2d(inputs, outputs, 1)
        )
    groups = spec.groups if outputs % spec.groups == 0 else 1
    return nn.Conv2d(inputs, outputs, kernel, padding=padding, groups=groups)


def _doubling(spec: GeneratorSpec, inputs: int, outputs: int) -> tuple[nn.Module, nn.Module | None]:
    """Return (operator, rearrangement) that double the side and give ``outputs`` channels."""
    if spec.upsampling == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, spec.kernel, stride=2, padding=1), None
    if spec.upsampling == "pixel_shuffle":
        return _convolution(spec, inputs, 4 * outputs), nn.PixelShuffle(2)
    upsample = nn.Upsample(scale_factor=2, mode="nearest")
    return nn.Sequential(upsample, _convolution(spec, inputs, outputs)), None


def _head(spec: GeneratorSpec, inputs: int) -> Stage:
    operator, rearrange = _doubling(spec, inputs, spec.image_channels)
    return Stage(operator, rearrange=rearrange, activation=build_head(spec.head))


def _keeping(spec: GeneratorSpec, channels: int) -> list[Stage]:
    return [_hidden(spec, _convolution(spec, channels, channels), channels) for _ in range(spec.blocks_per_stage - 1)]


def image_stages(spec: GeneratorSpec) -> list[Stage]:
    """Return the stages of ``conv``, ``subpixel``, ``separable``, ``pointwise`` and ``grouped``."""
    first, side = spec.widths[0], spec.base_size
    to_map = nn.Unflatten(1, (first, side, side))
    stages = [_hidden(spec, nn.Linear(spec.input_dim, first * side * side), first, to_map), *_keeping(spec, first)]
    for inputs, outputs in pairwise(spec.widths):
        operator, rearrange = _doubling(spec, inputs, outputs)
        stages += [_hidden(spec, operator, outputs, rearrange), *_keeping(spec, outputs)]
    return [*stages, _head(spec, spec.widths[-1])]


def mlp_stages(spec: GeneratorSpec) -> list[Stage]:
    """Return the stages of ``mlp``: Linear layers only, the last one reshaped into an image."""
    sizes = (spec.input_dim, *spec.widths)
    stages = [_hidden(spec, nn.Linear(inputs, outputs), outputs) for inputs, outputs in pairwise(sizes)]
    shape = (spec.image_channels, spec.image_size, spec.image_size)
    pixels = spec.image_channels * spec.image_size**2
    last = nn.Linear(spec.widths[-1], pixels)
    return [*stages, Stage(last, rearrange=nn.Unflatten(1, shape), activation=build_head(spec.head))]


def hybrid_stages(spec: GeneratorSpec) -> list[Stage]:
    """Return the stages of ``hybrid``: Linear layers up to a map at half size, then one convolutional head."""
    *hidden, channels = spec.widths
    side = spec.base_size
    sizes = (spec.input_dim, *hidden)
    stages = [_hidden(spec, nn.Linear(inputs, outputs), outputs) for inputs, outputs in pairwise(sizes)]
    to_map = nn.Unflatten(1, (channels, side, side))
    stages += [_hidden(spec, nn.Linear(hidden[-1], channels * side * side), channels, to_map)]
    return [*stages, *_keeping(spec, channels), _head(spec, channels)]
