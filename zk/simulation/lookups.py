"""Activations that ezkl looks up in a table: ``round(scale * f(x / scale))``, in float64, halves away from zero.

The last bits of ``f`` differ between libraries, yet the rounded integers are ezkl's: at scales up to 2**20 no entry of
tanh and erf comes closer to a half than 6e-9, and none of the sigmoid up to 2**14 closer than 6e-10, over a hundred
times the rounding errors there. Beyond, the sigmoid's entries around zero come within a rounding error of halves, so
its exponential is taken from the C library, like ezkl's. HardSwish does hit halves, but uses only operations that every
machine rounds alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zk.simulation.errors import SimulationError
from zk.simulation.exact import round_half_away

LARGEST_SCALE = 2.0**20
_LARGEST_SIGMOID_SCALE = 2.0**14


def _hardswish(x: Tensor, scale: float) -> Tensor:
    middle = x * (x + 3.0) / 6.0
    return torch.where(x <= -3.0, torch.zeros_like(x), torch.where(x >= 3.0, x, middle)) * scale


def _sigmoid(x: Tensor, scale: float) -> Tensor:
    if scale <= _LARGEST_SIGMOID_SCALE:
        return scale / (1.0 + torch.exp(-x))
    values, places = torch.unique(x, return_inverse=True)
    exponentials = [math.exp(min(-value, 700.0)) for value in values.tolist()]
    return scale / (1.0 + torch.tensor(exponentials, dtype=x.dtype, device=x.device))[places]


FUNCTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "Erf": lambda x, scale: torch.erf(x) * scale,
    "HardSwish": _hardswish,
    "Sigmoid": _sigmoid,
    "Tanh": lambda x, scale: torch.tanh(x) * scale,
}


def look_up(name: str, x: Tensor, scale: float) -> Tensor:
    """Apply a table's function to integers at ``scale``; the result has the same scale.

    Raises:
        SimulationError: the scale is beyond 2**20, where the last bits of the function begin to matter.

    """
    if scale > LARGEST_SCALE:
        raise SimulationError(f"tables must have scales up to {LARGEST_SCALE:.0f}; found {scale}; lower the scales")
    return round_half_away(FUNCTIONS[name](x / scale, scale))
