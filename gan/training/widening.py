"""A wider generator that makes the images of a trained one at first."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.generators.layers import LINEAR_OPERATORS
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec

WIDENED = ("conv", "subpixel", "separable", "pointwise")
"""Families whose generators may become wider."""


def is_widened(spec: GeneratorSpec, given: GeneratorSpec) -> bool:
    """Whether ``spec`` has at least the channels of ``given`` at every size, and only stages that may be widened."""
    plain = spec.mechanisms == Mechanisms(residual_blocks=spec.mechanisms.residual_blocks)
    return (
        plain
        and spec.family in WIDENED
        and len(spec.widths) == len(given.widths)
        and all(own >= before for own, before in zip(spec.widths, given.widths, strict=True))
    )


def copy_widened(mine: nn.Module, theirs: nn.Module) -> None:
    """Copy the weights of ``theirs`` to ``mine``, a module of the same kind that may have more channels.

    The first channels of ``mine`` become those of ``theirs`` and read nothing of the others, which keep the weights
    that they have: their outputs count for nothing at first, but the weights by which they are read get a gradient at
    once (after Chen et al. 2016, "Net2Net"; new channels instead of copies, which would have to be told apart).
    """
    with torch.no_grad():
        for own, given in zip(mine.modules(), theirs.modules(), strict=True):
            for target, source in zip(_tensors(own), _tensors(given), strict=True):
                _copy(target, source)
            if isinstance(own, LINEAR_OPERATORS):
                assert isinstance(given, LINEAR_OPERATORS)
                _ignore_new_inputs(own.weight, given.weight, turned=isinstance(own, nn.ConvTranspose2d))


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """Its own weights and running figures, in the order in which modules of a kind have them."""
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)


def _copy(target: Tensor, source: Tensor) -> None:
    """Put ``source`` in the first places of every axis; rearrangements behind an operator keep channels first."""
    target[tuple(slice(size) for size in source.shape)] = source


def _ignore_new_inputs(weight: Tensor, before: Tensor, *, turned: bool) -> None:
    """Set to zero what the first outputs read of inputs that ``before`` has not; ``turned``, inputs come first."""
    own, given = (weight.transpose(0, 1), before.transpose(0, 1)) if turned else (weight, before)
    own[: len(given), given.shape[1] :] = 0
