"""Exact integer arithmetic on tensors: float64 below 2**53, int64 up to 2**62, refused beyond.

float64 is the fastest type for products on every device. An operation whose result could reach 2**53 runs in int64
instead; the bound comes from the greatest magnitudes of its operands, measured each time. Mixing the two types in one
torch operation would round, so every operation here brings its operands to one type first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from zk.simulation.errors import SimulationError

FLOAT_LIMIT = 2**53
INT_LIMIT = 2**62


def peak(x: Tensor) -> int:
    """Greatest magnitude of an integer-valued tensor; 0 if it is empty."""
    if x.numel() == 0:
        return 0
    low, high = torch.aminmax(x)
    return max(-int(low), int(high))


def round_half_away(x: Tensor) -> Tensor:
    """Round a float64 tensor to integers, halves away from zero (Rust's ``f64::round``); exact for every value."""
    whole = torch.trunc(x)
    return whole + torch.sign(x) * ((x - whole).abs() >= 0.5)


def divide(x: Tensor, divisor: float) -> Tensor:
    """Divide integers and round halves away from zero, as ezkl does: through float64 dividend and quotient."""
    return round_half_away(x.double() / divisor)


def settle(x: Tensor) -> Tensor:
    """Give integers as float64 where they are below 2**53, else as int64."""
    return x.double() if x.dtype == torch.float64 or peak(x) < FLOAT_LIMIT else x


def common(tensors: Sequence[Tensor], bound: int = 0) -> list[Tensor]:
    """Give all as int64 if one is or ``bound``, which results stay below, is beyond float64; else as they are.

    Raises:
        SimulationError: the bound is 2**62 or more.

    """
    if bound >= INT_LIMIT:
        raise SimulationError(f"results must stay below 2**62; they may reach {bound}; lower the scales")
    if bound >= FLOAT_LIMIT or any(x.dtype == torch.int64 for x in tensors):
        return [x.long() for x in tensors]
    return list(tensors)


def add(left: Tensor, right: Tensor) -> Tensor:
    """Give ``left + right``."""
    left, right = common((left, right), peak(left) + peak(right))
    return left + right


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Give ``left * right``."""
    left, right = common((left, right), peak(left) * peak(right))
    return left * right


def total(x: Tensor, axes: tuple[int, ...], terms: int) -> Tensor:
    """Sum over ``axes``, which hold ``terms`` elements together and are kept with size 1."""
    (x,) = common((x,), peak(x) * terms)
    return x.sum(axes, keepdim=True)


def contract(
    x: Tensor, weight: Tensor, weigh: Callable[[Tensor], int], product: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Give ``product(x, weight)``, whose elements are sums of products.

    Every summation order is exact as long as the sum of magnitudes stays below 2**53. Where it could not, the weight,
    then ``x``, is split into limbs whose products do stay below, and these are added in int64.

    Args:
        x: integers.
        weight: integers.
        weigh: greatest sum of magnitudes of the weights of one element of the result (an L1 norm).
        product: computes it on float64 tensors; it must be linear in both.

    """
    reach = peak(x)
    bound = reach * weigh(weight)
    if bound < FLOAT_LIMIT:
        return product(x.double(), weight.double())
    common((), bound)
    shift = (FLOAT_LIMIT // max(reach * weigh(torch.ones_like(weight)), 1)).bit_length() - 1
    if shift < 1 or peak(weight) <= 1 << (shift - 1):
        low, high, shift = _split(x, max(reach.bit_length() // 2, 1))
        parts = contract(low, weight, weigh, product), contract(high, weight, weigh, product)
    else:
        low, high, shift = _split(weight, shift)
        parts = contract(x, low, weigh, product), contract(x, high, weigh, product)
    return parts[0].long() + (parts[1].long() << shift)


def _split(x: Tensor, shift: int) -> tuple[Tensor, Tensor, int]:
    """Give low and high with ``x = low + 2**shift * high`` and ``low`` in ``0 .. 2**shift - 1``."""
    whole = x.long()
    high = whole >> shift
    return whole - (high << shift), high, shift
