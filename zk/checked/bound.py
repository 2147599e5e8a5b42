"""Products whose weights the circuit holds: the transposed product of the challenge is computed inside.

The verification key binds the constants, and the verifier needs no weights for its challenge. It costs the weights'
number of multiplications, and a convolution of one channel where there is one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zk.checked.errors import CheckedError
from zk.checked.layout import ClaimSpans, Span
from zk.checked.maps import LinearMap
from zk.checked.program import Claim

EXACT_FLOAT_BITS = 24
"""Constants travel as float32: integers up to 2**24, times a power of two."""

_LOW_BITS = 12
BINDABLE = frozenset({"matrix", "left_matrix", "convolution"})


class Builder(Protocol):
    """What writes nodes into the graph (:class:`zk.checked.emit.Emitter`)."""

    def fresh(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and name its output."""
        ...

    def asked(self, span: Span, shape: Sequence[int]) -> str:
        """Cut a piece from the asked column."""
        ...

    def reshape(self, source: str, shape: Sequence[int], name: str | None = None) -> str:
        """Add a Reshape."""
        ...

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant as it is."""
        ...

    def integers(self, values: NDArray[Any]) -> str:
        """Add integer constants at the activations' scale."""
        ...


def check_bindable(node: str, found: LinearMap) -> None:
    """Refuse maps and weights that the circuit cannot hold.

    Raises:
        CheckedError: a transposed convolution, or weights beyond float32.
    """
    if found.kind not in BINDABLE:
        raise CheckedError(f"bound weights must be those of {sorted(BINDABLE)}; {node!r} is a {found.kind}")
    if int(found.weight.abs().max()) >= 1 << EXACT_FLOAT_BITS:
        raise CheckedError(
            f"bound weights must stay below 2**{EXACT_FLOAT_BITS}; those of {node!r} do not; lower logrows"
        )


def bound_input_side(builder: Builder, claim: Claim, spans: ClaimSpans) -> str:
    """``transposed(r s) a`` with the weights as constants."""
    assert claim.map is not None
    rows, columns = claim.factors
    source, shape, weight = claim.inputs[0].name, claim.inputs[0].shape, claim.map.weight.numpy()
    r = builder.asked(spans.transposed, (1, rows))
    s = None if spans.columns is None else builder.asked(spans.columns, (columns, 1))
    if claim.map.kind == "matrix":
        folded = builder.integers(weight)
        folded = folded if s is None else builder.fresh("MatMul", [folded, s])
        values = builder.reshape(source, (rows, shape[-1]))
        return builder.fresh("MatMul", [r, builder.fresh("MatMul", [values, folded])])
    if claim.map.kind == "left_matrix":
        batch = rows // weight.shape[0]
        left = builder.fresh("MatMul", [builder.reshape(r, (batch, weight.shape[0])), builder.integers(weight)])
        values = builder.reshape(source, (batch * shape[-2], columns))
        values = values if s is None else builder.fresh("MatMul", [values, s])
        size = batch * shape[-2]
        return builder.fresh("MatMul", [builder.reshape(left, (1, size)), builder.reshape(values, (size, 1))])
    return _convolved(builder, claim, r, s)


def bound_offset(builder: Builder, claim: Claim, span: Span, spans: ClaimSpans) -> str:
    """The bias's share: ``sum r b`` times the sum of s; of a matrix, whose columns are channels, the reverse."""
    assert claim.map is not None
    rows, columns = claim.factors
    r = builder.asked(span, (1, rows))
    s = None if spans.columns is None else builder.asked(spans.columns, (columns, 1))
    along_rows = claim.map.kind == "convolution"
    bias = np.resize(claim.map.bias.numpy().ravel(), rows if along_rows else columns)
    low = bias % (1 << _LOW_BITS)
    parts = [part.reshape(-1, 1) for part in (low, bias - low) if part.any()]  # each fits float32
    halves = [builder.integers(part) for part in parts]
    if along_rows:
        folded = _added(builder, [builder.fresh("MatMul", [r, half]) for half in halves])
        return folded if s is None else builder.fresh("MatMul", [folded, _sum(builder, s, 0)])
    if s is not None:
        halves = [builder.fresh("MatMul", [builder.reshape(s, (1, columns)), half]) for half in halves]
    return builder.fresh("MatMul", [_sum(builder, r, 1), _added(builder, halves)])


def _added(builder: Builder, terms: Sequence[str]) -> str:
    return functools.reduce(lambda left, right: builder.fresh("Add", [left, right]), terms)


def _sum(builder: Builder, source: str, axis: int) -> str:
    return builder.fresh("ReduceSum", [source, builder.constant(np.array([axis], np.int64))], keepdims=1)


def _convolved(builder: Builder, claim: Claim, r: str, s: str | None) -> str:
    """Fold the kernels with r to one output channel, each tap's window of the input with s, and multiply the two.

    EZKL's convolution with a computed kernel would bring range checks along.
    """
    assert claim.map is not None
    batch, channels, *sides = claim.inputs[0].shape
    weight, groups = claim.map.weight.numpy(), int(claim.map.facts["group"])
    outputs, kernel = weight.shape[0], weight.shape[2:]
    flat = builder.integers(weight.reshape(groups, outputs // groups, -1))
    by_group = builder.reshape(r, (batch, groups, outputs // groups))
    folded = builder.fresh("MatMul", [builder.fresh("Transpose", [by_group], perm=[1, 0, 2]), flat])
    kernels = builder.fresh("Transpose", [folded], perm=[1, 0, 2])
    seen = []
    for tap in np.ndindex(*kernel):
        windows, values, shape = tap_windows(claim.map, tap), claim.inputs[0].name, [batch, channels, *sides]
        for axis, window in windows:
            values = _every(builder, values, shape, axis + 2, window)
        size = math.prod(window.count for _, window in windows)
        values = builder.reshape(values, (batch * channels, size))
        seen.append(builder.fresh("MatMul", [values, _positions(builder, claim, s, windows, size)]))
    count = batch * channels * len(seen)
    stacked = builder.reshape(builder.fresh("Concat", seen, axis=1), (count, 1))
    return builder.fresh("MatMul", [builder.reshape(kernels, (1, count)), stacked])


@dataclass(frozen=True)
class Window:
    """Positions along one side at which a tap meets the input: ``count`` results from ``target`` on, stride apart."""

    source: int
    target: int
    count: int
    stride: int


def tap_windows(found: LinearMap, tap: tuple[int, ...]) -> list[tuple[int, Window]]:
    """Where one tap of a convolution's kernel meets the input: (side, window) for each side.

    Raises:
        CheckedError: nowhere.
    """
    windows = []
    for axis, offset in enumerate(tap):
        stride, dilation = found.facts["strides"][axis], found.facts["dilations"][axis]
        reach = offset * dilation - found.facts["pads"][axis]  # input position of result 0
        size, results = found.input_shape[axis + 2], found.output_shape[axis + 2]
        first = max(0, math.ceil(-reach / stride))
        last = min(results - 1, (size - 1 - reach) // stride)
        if last < first:
            raise CheckedError(f"every tap must meet the input; tap {tap} of a kernel on {size} positions does not")
        windows.append((axis, Window(first * stride + reach, first, last - first + 1, stride)))
    return windows


def _positions(builder: Builder, claim: Claim, s: str | None, windows: list[tuple[int, Window]], size: int) -> str:
    """The elements of s that belong to a tap's window."""
    if s is None:
        return builder.constant(np.ones((1, 1), np.float32))
    grid = builder.reshape(s, claim.output.shape[2:])
    there = [(axis, window.target, window.target + window.count) for axis, window in windows]
    return builder.reshape(_cut(builder, grid, there), (size, 1))


def _every(builder: Builder, source: str, shape: list[int], axis: int, window: Window) -> str:
    """Cut a window out of one axis, and change its size in ``shape``.

    Slices of another step than one take rows, and EZKL's parser stumbles over some. Slices of step one and reshapes
    take none.
    """
    start, count, stride = window.source, window.count, window.stride
    before, behind = shape[:axis], shape[axis + 1 :]
    last = start + (count - 1) * stride
    whole = count if stride == 1 or last + stride <= shape[axis] else count - 1
    pieces = []
    if whole:
        run = _cut(builder, source, [(axis, start, start + whole * stride)])
        if stride > 1:
            split = builder.reshape(run, (*before, whole, stride, *behind))
            run = builder.reshape(_cut(builder, split, [(axis + 1, 0, 1)]), (*before, whole, *behind))
        pieces.append(run)
    if whole < count:
        pieces.append(_cut(builder, source, [(axis, last, last + 1)]))
    shape[axis] = count
    return pieces[0] if len(pieces) == 1 else builder.fresh("Concat", pieces, axis=axis)


def _cut(builder: Builder, source: str, pieces: Sequence[tuple[int, int, int]]) -> str:
    """Slice: (axis, start, stop) for each axis that is cut."""
    axes, starts, stops = (builder.constant(np.array(column, np.int64)) for column in zip(*pieces, strict=True))
    return builder.fresh("Slice", [source, starts, stops, axes])
