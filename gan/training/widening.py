"""A wider generator, or one of larger kernels, that makes the images of a trained one at first."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.generators.layers import LINEAR_OPERATORS, LinearOperator
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec

WIDENED = ("conv", "subpixel", "separable", "pointwise")
"""Families whose generators may become wider."""


def is_widened(spec: GeneratorSpec, given: GeneratorSpec) -> bool:
    """Whether ``spec`` has at least the channels and the kernel of ``given``, and only stages that may be widened."""
    plain = spec.mechanisms == Mechanisms(residual_blocks=spec.mechanisms.residual_blocks)
    larger = spec.kernel > given.kernel and spec.upsampling != "transposed"  # the others' are odd, and padded by half
    return (
        plain
        and (larger or spec.kernel == given.kernel)
        and spec.family in WIDENED
        and len(spec.widths) == len(given.widths)
        and all(own >= before for own, before in zip(spec.widths, given.widths, strict=True))
    )


def copy_widened(mine: nn.Module, theirs: nn.Module) -> None:
    """Copy the weights of ``theirs`` to ``mine``, a module of the same kind with as many or more channels.

    The first channels of ``mine`` become those of ``theirs`` and read nothing of the others, which keep the weights
    that they have: their outputs count for nothing at first, but the weights by which they are read get a gradient at
    once (after Chen et al. 2016, "Net2Net"; new channels instead of copies, which would have to be told apart). A
    larger kernel has the smaller one in its middle, and zeros about it.
    """
    with torch.no_grad():
        for own, given in zip(mine.modules(), theirs.modules(), strict=True):
            if isinstance(own, LINEAR_OPERATORS):
                assert isinstance(given, LINEAR_OPERATORS)
                _first_outputs(own, len(_first_outputs(given))).zero_()
            for target, source in zip(_tensors(own), _tensors(given), strict=True):
                _copy(target, source)


def _first_outputs(layer: LinearOperator, count: int | None = None) -> Tensor:
    """What the first outputs of a layer, or all, read: its weight [outputs, ...]."""
    weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
    return weight[:count]


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """Its own weights and running figures, in the order in which modules of a kind have them."""
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)


def _copy(target: Tensor, source: Tensor) -> None:
    """Put ``source`` in the first places of the first two axes, and in the middle of a kernel's.

    Rearrangements behind an operator keep channels first, so that the first ones stay the first.
    """
    starts = [0 if axis < 2 else (target.shape[axis] - size) // 2 for axis, size in enumerate(source.shape)]
    target[tuple(slice(start, start + size) for start, size in zip(starts, source.shape, strict=True))] = source
