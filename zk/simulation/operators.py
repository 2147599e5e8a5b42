"""What each operator of a circuit computes on integers, and which values it makes the circuit check.

Tensors have a leading axis for the samples, of size 1 where a value does not depend on the input, in front of the axes
that the circuit knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zk.simulation import lookups
from zk.simulation.compiled import Node
from zk.simulation.errors import SimulationError
from zk.simulation.exact import add, common, divide, multiply, settle, total
from zk.simulation.guard import RangeGuard
from zk.simulation.linear import convolve, deconvolve, einsum

Fields = Mapping[str, Any]
Rule = Callable[[Sequence[Tensor], Fields, RangeGuard], Tensor]


def evaluate(node: Node, inputs: Sequence[Tensor], guard: RangeGuard) -> Tensor:
    """Compute one node, rescaling of its inputs and rebase of its result included.

    Args:
        node: neither an input nor a constant.
        inputs: integers ``[N or 1, *shape]`` of the nodes that it reads, float64 or, from 2**53 on, int64.
        guard: is told of every value that the circuit looks up or decomposes.

    Returns:
        Integers ``[N or 1, *node.shape]``, of the same types.

    Raises:
        SimulationError: the operator is not supported, or its result would not be exact.

    """
    operator = node.operator
    if (rule := RULES.get(operator.name)) is None:
        supported = ", ".join(RULES)
        raise SimulationError(f"node {node.index}: {operator.name} is not simulated; supported are {supported}")
    try:
        if operator.multipliers:
            inputs = [
                x if factor == 1 else settle(multiply(x, torch.tensor(factor, dtype=x.dtype, device=x.device)))
                for x, factor in zip(inputs, operator.multipliers, strict=True)
            ]
        found = rule(inputs, operator.fields, guard)
        if operator.divisor != 1.0:
            found = _division(found, operator.divisor, guard)
        found = settle(found)
    except (SimulationError, RuntimeError) as error:  # torch's own: a shape that no rule expected
        raise SimulationError(f"node {node.index} ({operator.name}): {error}") from error
    if found.shape[1:] != node.shape:
        raise SimulationError(
            f"node {node.index} ({operator.name}) must have shape {node.shape}; found {tuple(found.shape[1:])}"
        )
    return found


def _division(x: Tensor, divisor: float, guard: RangeGuard) -> Tensor:
    """Divide; the circuit takes the quotient as a hint and checks it and its remainder."""
    if divisor < 1.0 or divisor != int(divisor):
        raise SimulationError(f"divisors must be whole; found {divisor}")
    quotient = divide(x, divisor)
    guard.divided(x, quotient, divisor)
    return quotient


def _aligned(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Give both one type and the greater rank, with axes of size 1 after the samples' axis."""
    rank = max(left.ndim, right.ndim)
    left, right = (x.reshape(x.shape[0], *[1] * (rank - x.ndim), *x.shape[1:]) for x in common((left, right)))
    return left, right


def _leaky_relu(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    (x,) = inputs
    guard.decompose(x)
    if fields["slope"] == 0.0:
        return x.clamp(min=0)
    one = torch.full_like(x, 1 << int(fields["scale"]))
    slope = divide(torch.full((), fields["slope"] * 2.0 ** fields["scale"], dtype=torch.float64), 1.0)
    return multiply(x, one.masked_fill(x < 0, int(slope)))


def _absolute(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    guard.decompose(inputs[0])
    return inputs[0].abs()


def _greater_of(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    left, right = _aligned(*inputs)
    guard.decompose(add(left, -right))
    return torch.maximum(left, right)


def _lesser_of(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    left, right = _aligned(*inputs)
    guard.decompose(add(left, -right))
    return torch.minimum(left, right)


def _square_mean(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    count = math.prod(inputs[0].shape[axis + 1] for axis in fields["axes"])
    return _division(_sum([multiply(inputs[0], inputs[0])], fields, guard), float(count), guard)


def _sum(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    axes = tuple(axis + 1 for axis in fields["axes"])
    return total(inputs[0], axes, math.prod(inputs[0].shape[axis] for axis in axes))


def _power(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    (x,) = inputs
    found = x
    for _ in range(int(fields["exponent"]) - 1):
        found = multiply(found, x)
    return found


def _windows(x: Tensor, fields: Fields) -> Tensor:
    """Windows of a pool, zeros beyond the edge: x [N, 1, C, ...] to [N, 1, C, ..., window]."""
    if fields["data_format"] != "NCHW":
        raise SimulationError(f"axes must be NCHW; found {fields['data_format']}")
    x = F.pad(x, [side for pair in reversed(fields["padding"]) for side in pair])
    sides = len(fields["kernel"])
    for axis, (size, step) in enumerate(zip(fields["kernel"], fields["stride"], strict=True), x.ndim - sides):
        x = x.unfold(axis, size, step)
    return x.flatten(-sides)


def _sum_pool(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    windows = _windows(inputs[0], fields)
    found = total(windows, (-1,), windows.shape[-1]).squeeze(-1)
    return _division(found, float(windows.shape[-1]), guard) if fields["normalized"] else found


def _max_pool(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    return _greatest(_windows(inputs[0], fields), guard)


def _greatest(windows: Tensor, guard: RangeGuard) -> Tensor:
    """Maximum over the last axis; the circuit sorts and checks that each step plus one is positive."""
    ordered = windows.sort(-1).values
    guard.decompose(ordered.diff(dim=-1) + 1)
    return ordered[..., -1]


def _reduce_max(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    (x,) = inputs
    axes = [axis + 1 for axis in fields["axes"]]
    moved = torch.movedim(x, axes, list(range(-len(axes), 0))).flatten(-len(axes))
    return _greatest(moved, guard).reshape([1 if axis in axes else size for axis, size in enumerate(x.shape)])


def _reduce_min(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    return -_reduce_max([-inputs[0]], fields, guard)


def _concatenate(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    samples = max(x.shape[0] for x in inputs)
    return torch.cat([x.expand(samples, *x.shape[1:]) for x in common(inputs)], int(fields["axis"]) + 1)


def _downsample(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    (x,) = inputs
    axis, stride = int(fields["axis"]) + 1, int(fields["stride"])
    if not 1 <= stride < 2**31:
        raise SimulationError(f"strides must be positive; found {stride} (a flip, which ezkl does not compute)")
    return x.index_select(axis, torch.arange(int(fields["modulo"]), x.shape[axis], stride, device=x.device))


def _resize(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    (x,) = inputs
    for axis, factor in enumerate(fields["scale_factor"], 1):
        x = x.repeat_interleave(int(factor), axis) if factor != 1 else x
    return x


def _gather(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
    (x,) = inputs
    if (indices := fields["indices"]) is None:
        raise SimulationError("indices must be constants; found values that depend on the input")
    axis = int(fields["dim"]) + 1
    found = x.index_select(axis, torch.as_tensor(indices.reshape(-1), device=x.device))
    return found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _look_up(name: str) -> Rule:
    def rule(inputs: Sequence[Tensor], fields: Fields, guard: RangeGuard) -> Tensor:
        guard.look_up(inputs[0])
        return lookups.look_up(name, inputs[0].double(), float(fields["scale"]))

    return rule


RULES: dict[str, Rule] = {
    "Abs": _absolute,
    "LeakyReLU": _leaky_relu,
    "MultiBroadcastTo": lambda x, fields, _: x[0].expand(x[0].shape[0], *fields["shape"]),
    "Einsum": lambda x, fields, _: einsum(fields["equation"], x),
    "Conv": lambda x, fields, _: convolve(fields, x),
    "DeConv": lambda x, fields, _: deconvolve(fields, x),
    "Downsample": _downsample,
    "Add": lambda x, _fields, _guard: add(*_aligned(*x)),
    "Sub": lambda x, _fields, _guard: add(*_aligned(x[0], -x[1])),
    "Neg": lambda x, _fields, _guard: -x[0],
    "Mult": lambda x, _fields, _guard: multiply(*_aligned(*x)),
    "Identity": lambda x, _fields, _guard: x[0],
    "Reshape": lambda x, fields, _: x[0].reshape(x[0].shape[0], *fields["shape"]),
    "MoveAxis": lambda x, fields, _: torch.movedim(x[0], fields["source"] + 1, fields["destination"] + 1),
    "Pad": lambda x, fields, _: F.pad(x[0], [side for pair in reversed(fields["padding"]) for side in pair]),
    "Sum": _sum,
    "MeanOfSquares": _square_mean,
    "Pow": _power,
    "Concat": _concatenate,
    "Slice": lambda x, fields, _: x[0].narrow(fields["axis"] + 1, fields["start"], fields["end"] - fields["start"]),
    "Resize": _resize,
    "hybrid:SumPool": _sum_pool,
    "hybrid:MaxPool": _max_pool,
    "hybrid:ReduceMax": _reduce_max,
    "hybrid:ReduceMin": _reduce_min,
    "hybrid:Max": _greater_of,
    "hybrid:Min": _lesser_of,
    "hybrid:Gather": _gather,
    **{f"lookup:{name}": _look_up(name) for name in lookups.FUNCTIONS},
}
"""Operators that are simulated, by the name that a compiled circuit gives them."""
