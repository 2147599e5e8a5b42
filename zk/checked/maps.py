"""Linear maps of a network over the integers, and their transposes over the field.

A map's transpose is what the verifier needs: a claim T is checked as ``<R, T> = <transpose(R), a> + <R, bias>`` for a
random tensor R. It is computed from the map's own definition by torch's reverse mode, which for a linear map is exactly
the transposed product. Field elements go through it in limbs, small enough that every float64 sum is exact.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.field import MODULUS
from zk.simulation.exact import FLOAT_LIMIT, contract, peak

EXACT_BITS = 53
"""float64 holds every integer up to 2**53; sums of magnitudes must stay below."""

_FIELD_BITS = 254
_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d}
_TRANSPOSED: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d}

KINDS = ("matrix", "left_matrix", "convolution", "transposed_convolution", "identity")

Operation = Callable[[Tensor, Tensor], Tensor]
Objects = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """``T = operation(a, weight) + bias`` with integer weights.

    Attributes:
        operation: linear in each operand, on float64 tensors.
        weight: int64.
        bias: int64, of a shape that broadcasts against the result; zeros if there is none.
        input_shape: shape of a.
        output_shape: shape of T.
        macs: multiply-accumulates.
        kind: one of :data:`KINDS`.
        facts: stride, padding, dilation and groups of a convolution, as ONNX attributes.
    """

    operation: Operation
    weight: Tensor
    bias: Tensor
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def reach(self, values_bound: int) -> int:
        """Bound on the magnitude of a result, for inputs up to ``values_bound`` in magnitude."""
        return self._own_norm * values_bound + int(self.bias.abs().max())

    @functools.cached_property
    def _own_norm(self) -> int:
        return self._norm(self.weight)

    @functools.cached_property
    def _own_weight(self) -> Tensor:
        return self.weight.double()

    def _norm(self, weight: Tensor) -> int:
        """Greatest sum of magnitudes of the weights behind one element of the result, at most a hundredth too great."""
        ones = torch.ones(self.input_shape, dtype=torch.float64)
        return int(float(self.operation(ones, weight.double().abs()).max()) * 1.01) + 1

    def forward(self, values: Tensor) -> Tensor:
        """Compute T exactly.

        Args:
            values: int64, of the input shape.

        Raises:
            SimulationError: results may reach 2**62.
        """
        if peak(values) * self._own_norm < FLOAT_LIMIT:  # as contract would, with what is known of the weight
            return self.operation(values.double(), self._own_weight).long() + self.bias
        return contract(values, self.weight, self._norm, self.operation).long() + self.bias

    def transpose(self, result: Objects) -> Objects:
        """Apply the transposed map to field elements; no bias.

        Args:
            result: integers 0 .. p-1, of the output shape.

        Returns:
            Integers 0 .. p-1, of the input shape.
        """
        weight = self.weight.double()
        norm = float(self._backward(torch.ones(self.output_shape, dtype=torch.float64), weight.abs()).max())
        bits = EXACT_BITS - 1 - max(0, math.ceil(math.log2(max(norm, 1.0))))
        if bits < 1:
            raise CheckedError(
                f"sums of weights must stay below 2**{EXACT_BITS}; they reach {norm:.3g}; lower the scale"
            )
        total = np.zeros(self.input_shape, object)
        mask = (1 << bits) - 1
        for start in range(0, _FIELD_BITS, bits):
            limb = ((result >> start) & mask).astype(np.float64)
            part = self._backward(torch.from_numpy(limb), weight)
            total = total + (part.long().numpy().astype(object) << start)
        return np.asarray(total % MODULUS, object)

    def bias_value(self, result: Objects) -> int:
        """Compute ``<R, bias>`` over the field."""
        if not self.bias.any():
            return 0
        bias = np.broadcast_to(self.bias.numpy(), self.output_shape).astype(object)
        return int((bias * result).sum() % MODULUS)

    def _backward(self, result: Tensor, weight: Tensor) -> Tensor:
        place = torch.zeros(self.input_shape, dtype=torch.float64, requires_grad=True)
        (found,) = torch.autograd.grad(self.operation(place, weight), place, result)
        return found


def matrix(weight: Tensor, bias: Tensor | None, input_shape: Sequence[int]) -> LinearMap:
    """A linear layer over the last axis; ``weight`` is [C, m], ``bias`` [m]."""
    shape = (*input_shape[:-1], weight.shape[1])
    macs = math.prod(input_shape) * weight.shape[1]
    return LinearMap(torch.matmul, weight, _bias(bias), tuple(input_shape), shape, macs, "matrix")


def left_matrix(weight: Tensor, input_shape: Sequence[int]) -> LinearMap:
    """``W a`` over the last two axes; ``weight`` is [m, C]."""
    shape = (*input_shape[:-2], weight.shape[0], input_shape[-1])
    macs = math.prod(input_shape) * weight.shape[0]

    def operation(a: Tensor, w: Tensor) -> Tensor:
        return torch.matmul(w, a)

    return LinearMap(operation, weight, _bias(None), tuple(input_shape), shape, macs, "left_matrix")


def convolution(
    weight: Tensor,
    bias: Tensor | None,
    input_shape: Sequence[int],
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> LinearMap:
    """A convolution of one or two sides; ``weight`` is [m, C / groups, K ...], ``padding`` (before, after) a side."""
    function = _CONVOLUTIONS[weight.ndim - 2]
    sides = [size for pair in reversed(list(padding)) for size in pair]

    def operation(a: Tensor, w: Tensor) -> Tensor:
        found: Tensor = function(F.pad(a, sides), w, stride=tuple(stride), dilation=tuple(dilation), groups=groups)
        return found

    facts = {
        "strides": list(stride),
        "pads": [before for before, _ in padding] + [after for _, after in padding],
        "dilations": list(dilation),
        "group": groups,
    }
    made = _spatial(operation, weight, bias, input_shape, per_output=math.prod(weight.shape[1:]))
    return replace(made, facts=facts)


def transposed_convolution(
    weight: Tensor,
    bias: Tensor | None,
    input_shape: Sequence[int],
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> LinearMap:
    """A transposed convolution; ``weight`` is [C, m / groups, K ...]."""
    function = _TRANSPOSED[weight.ndim - 2]

    def operation(a: Tensor, w: Tensor) -> Tensor:
        found: Tensor = function(a, w, stride=tuple(stride), dilation=tuple(dilation), groups=groups)
        for axis, ((before, after), more) in enumerate(zip(padding, output_padding, strict=True), 2):
            spare = max(0, more - after)
            found = F.pad(found, [0, 0] * (found.ndim - 1 - axis) + [0, spare]) if spare else found
            found = found.narrow(axis, before, found.shape[axis] - before - max(after - more, 0))
        return found

    made = _spatial(operation, weight, bias, input_shape, per_output=0)
    macs = math.prod(input_shape) * math.prod(weight.shape[1:])
    return replace(made, macs=macs, kind="transposed_convolution")


def identity(shape: Sequence[int]) -> LinearMap:
    """The map that changes nothing: a claim through it is a change of scale."""
    one = torch.ones((), dtype=torch.int64)
    return LinearMap(torch.mul, one, _bias(None), tuple(shape), tuple(shape), 0, "identity")


def _spatial(
    operation: Operation, weight: Tensor, bias: Tensor | None, input_shape: Sequence[int], *, per_output: int
) -> LinearMap:
    shape = operation(torch.zeros(tuple(input_shape), dtype=torch.float64), weight.double()).shape
    offset = _bias(None) if bias is None else bias.reshape(1, -1, *[1] * (weight.ndim - 2))
    macs = math.prod(shape) * per_output
    return LinearMap(operation, weight, offset, tuple(input_shape), tuple(shape), macs, "convolution")


def _bias(bias: Tensor | None) -> Tensor:
    return torch.zeros(1, dtype=torch.int64) if bias is None else bias
