"""Which operators have a checked form, and what EZKL makes of constant factors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from zk.checked.errors import CheckedError
from zk.checked.products import PRODUCTS
from zk.checked.program import RELU, Step, Value
from zk.lowering import Graph
from zk.lowering.graph import attributes_of

TABLES = frozenset({RELU, "HardSwish", "Sigmoid", "Tanh", "Erf"})
MOVES = frozenset(
    ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth", "Slice", "Gather",
     "Expand", "Resize")
)  # fmt: skip
ONE_TO_ONE = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth"})
"""Moves that keep every element: what is looked up behind them is looked up in front of them."""

SUMS = frozenset({"Add", "Sub", "ReduceSum", "Concat", "Neg"})
"""Of values at one scale; of real constants, too, which EZKL rounds to the activations' scale."""

KEEPING = (MOVES - {"Slice", "Gather"}) | SUMS | TABLES | {"LeakyRelu", "Mul"}
"""Operators whose result depends on every element of what they read."""

_TINY = 2.0**-120

LARGEST_SCALE = 10
"""EZKL divides what is declared above so many times the activations' scale: its rebase multiplier's greatest value."""


class ForeignScales(Protocol):
    """Finds the scale of what EZKL gives for a node that the compiler leaves to it."""

    def __call__(self, node: onnx.NodeProto, inputs: Sequence[Value], constants: Mapping[str, NDArray[Any]]) -> int:
        """Give the scale of the node's output in bits."""
        ...


def check_resize(node: onnx.NodeProto, source: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Refuse a Resize that does more than repeat elements: EZKL repeats them whatever the attributes say.

    Raises:
        CheckedError: interpolation, factors that are not whole, or other elements than the repeated ones.
    """
    facts = attributes_of(node)
    place = facts.get("coordinate_transformation_mode", "half_pixel")
    rounding = facts.get("nearest_mode", "round_prefer_floor")
    centred = place in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel") and rounding.startswith("round")
    repeats = centred or (place == "asymmetric" and rounding == "floor")
    whole = len(source) == len(target) and all(
        after % before == 0 for before, after in zip(source, target, strict=True)
    )
    if facts.get("mode", "nearest") != "nearest" or not repeats or not whole:
        raise CheckedError(f"Resize must repeat elements (nearest, whole factors); {node.name!r} does not")


def round_constant(constant: NDArray[Any], bits: int) -> NDArray[Any]:
    """Round a real constant to a multiple of ``2**-bits``, halves away from zero, that float32 holds.

    EZKL rounds constants itself, at a scale that depends on their neighbours; of these it makes the same numbers at
    every scale from ``bits`` on.
    """
    scaled = constant.astype(np.float64) * 2.0**bits
    whole = np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)
    return np.asarray((whole / 2.0**bits).astype(np.float32))


def round_factor(constant: NDArray[Any], bits: int) -> NDArray[Any]:
    """Round a constant to float64 integers at a scale of ``2**bits``.

    Raises:
        CheckedError: every element rounds to zero, and EZKL's parser would drop the product and its scale.
    """
    rounded = round_constant(constant, bits)
    if not rounded.any():
        raise CheckedError(
            f"a factor must not round to 0 at {bits} bits; {np.abs(constant).max():.3g} does; use more activation_bits"
        )
    return np.asarray(rounded.astype(np.float64) * 2.0**bits)


def uniform(constant: NDArray[Any]) -> float | None:
    """The number that every element equals, or None."""
    return float(constant.flat[0]) if np.all(constant == constant.flat[0]) else None


def power_shift(factor: float) -> int | None:
    """J where the factor is 2**-j, j >= 0: EZKL takes it for a change of scale, or drops it; else None."""
    mantissa, exponent = math.frexp(factor)
    return 1 - exponent if mantissa == 0.5 and factor <= 1 else None


def only_put_out(graph: Graph, name: str) -> bool:
    """Whether nothing but the network's outputs reads a value."""
    readers = graph.consumers(name)
    if not readers:
        return name in graph.outputs
    return all(node.op_type in ONE_TO_ONE and only_put_out(graph, node.output[0]) for node in readers)


def read_by_table(graph: Graph, name: str, direct: Collection[str]) -> bool:
    """Whether a table is asked for every element of a value; ``direct`` names nodes that are left to EZKL."""
    for node in graph.consumers(name):
        if node.name in direct:
            continue
        if node.op_type in TABLES or node.op_type == "LeakyRelu":
            if kept(graph, node.output[0], direct):
                return True
        elif node.op_type in ONE_TO_ONE and read_by_table(graph, node.output[0], direct):
            return True
    return False


def kept(graph: Graph, name: str, direct: Collection[str]) -> bool:
    """Whether every element of a value goes into an output or a claim, so that EZKL's parser drops none.

    It drops what nothing reads, also where that shows only after it has taken a piece of a concatenation from its
    source: a table that is read there alone is asked for nothing.
    """
    return name in graph.outputs or any(
        node.op_type in PRODUCTS or (node.op_type in KEEPING and kept(graph, node.output[0], direct))
        for node in graph.consumers(name)
        if node.name not in direct
    )


def check_scales(steps: Sequence[Step], bits: int) -> None:
    """Refuse a program in which EZKL would divide values on its own.

    Raises:
        CheckedError: a value's declared scale is too great for the activations' ``bits``.
    """
    highest = max((step.output.declared for step in steps), default=0)
    if highest > LARGEST_SCALE * bits:
        raise CheckedError(
            f"EZKL divides values declared above {LARGEST_SCALE * bits} bits on its own; one has {highest}; use more "
            "activation_bits"
        )


def repeated(constant: NDArray[Any], shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """A constant that broadcasts against a shape, as it is and then repeated along ever more axes."""
    yield constant
    filled = constant.reshape((1,) * (len(shape) - constant.ndim) + constant.shape)
    for axes in itertools.product((False, True), repeat=len(shape)):
        sizes = [size if wide else own for size, own, wide in zip(shape, filled.shape, axes, strict=True)]
        yield np.ascontiguousarray(np.broadcast_to(filled, sizes))


def nearly_zero(constant: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """A constant; zeros also as numbers that round to zero at every scale, each time others."""
    yield constant
    for number in itertools.count(1) if not constant.any() else ():
        yield np.full(constant.shape, number * _TINY, np.float32)


def nudged(constant: NDArray[Any], bits: int) -> Iterator[NDArray[Any]]:
    """A constant; its elements that are no multiples of ``2**-bits`` also a few units of their last place higher."""
    yield constant
    if not np.issubdtype(constant.dtype, np.floating):
        return
    moving = round_constant(constant, bits) != constant
    found = constant
    while moving.any():
        found = np.where(moving, np.nextafter(found, np.asarray(np.inf, found.dtype)), found).astype(constant.dtype)
        yield found
