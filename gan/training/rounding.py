"""Roundings that training sees and gradients pass through: Bengio et al. 2013, the straight-through estimator."""

from __future__ import annotations

import torch
from torch import Tensor


def straight_through(rounded: Tensor, values: Tensor) -> Tensor:
    """Return ``rounded``, exactly, with the gradient of ``values``."""
    return rounded.detach() + (values - values.detach())


def fixed_point(values: Tensor, bits: int) -> Tensor:
    """Round to multiples of ``2**-bits``, halves up, as a checked circuit divides."""
    scale = 2.0**bits
    return straight_through(torch.floor(values * scale + 0.5) / scale, values)


def integer(weight: Tensor, bits: int) -> Tensor:
    """Round to ``2**bits - 1`` symmetric levels up to the greatest magnitude (Jacob et al. 2018, section 3)."""
    levels = 2 ** (bits - 1) - 1
    scale = (weight.abs().amax() / levels).clamp(min=torch.finfo(weight.dtype).tiny)
    return straight_through(torch.round(weight / scale) * scale, weight)


def binary(weight: Tensor, axis: int) -> Tensor:
    """``+-m`` with m the mean magnitude of each output channel (Rastegari et al. 2016, equation 6)."""
    rest = _others(weight, axis)
    signs = torch.where(weight >= 0, 1.0, -1.0).to(weight.dtype)
    return straight_through(signs * weight.abs().mean(rest, keepdim=True), weight)


def ternary(weight: Tensor, axis: int) -> Tensor:
    """``-m, 0, m`` for each output channel: zero below 0.7 of the mean magnitude, m the mean of what is left.

    Source: Li and Liu 2016, "Ternary weight networks", equations 5 and 6.
    """
    rest = _others(weight, axis)
    size = weight.abs()
    kept = (size > 0.7 * size.mean(rest, keepdim=True)).to(weight.dtype)
    scale = (size * kept).sum(rest, keepdim=True) / kept.sum(rest, keepdim=True).clamp(min=1.0)
    return straight_through(torch.sign(weight) * kept * scale, weight)


def _others(weight: Tensor, axis: int) -> list[int]:
    return [place for place in range(weight.ndim) if place != axis % weight.ndim]
