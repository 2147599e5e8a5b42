"""Reading a node with constant weights as a linear map over the integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.checked.maps import LinearMap, convolution, left_matrix, matrix, transposed_convolution
from zk.lowering import Graph
from zk.lowering.graph import attributes_of

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
LARGEST_WEIGHT_BITS = 40


def read_map(
    node: onnx.NodeProto,
    graph: Graph,
    input_shape: Sequence[int],
    constants: Mapping[str, NDArray[Any]],
    weight_factor: float,
    result_factor: float,
) -> LinearMap | None:
    """Read a product of one computed operand, its weights rounded to multiples of ``1 / weight_factor``.

    Args:
        node: of :data:`PRODUCTS`.
        graph: that it belongs to.
        input_shape: of the computed operand.
        constants: the node's constant operands.
        weight_factor: weights are multiplied by this and rounded.
        result_factor: the same for the bias: the weights' factor and the input's scale.

    Returns:
        The map, or None where the node has no such form (its bias or its weights are computed).
    """
    facts = attributes_of(node)
    if node.op_type == "MatMul":
        return _matmul(node, input_shape, constants, weight_factor)
    if node.input[1] not in constants or node.input[0] in constants:
        return None
    bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    if bias is not None and bias not in constants:
        return None
    offset = None if bias is None else _integers(constants[bias], result_factor)
    weight = constants[node.input[1]]
    if node.op_type == "Gemm":
        return _gemm(facts, weight, offset, input_shape, weight_factor)
    rounded = _integers(weight, weight_factor)
    sides = weight.ndim - 2
    if sides not in (1, 2) or facts.get("auto_pad", "NOTSET") != "NOTSET":
        return None
    pads = list(facts.get("pads", [0] * (2 * sides)))
    padding = list(zip(pads[:sides], pads[sides:], strict=True))
    common: dict[str, Any] = {
        "stride": facts.get("strides", [1] * sides),
        "padding": padding,
        "dilation": facts.get("dilations", [1] * sides),
        "groups": int(facts.get("group", 1)),
    }
    if node.op_type == "Conv":
        found = convolution(rounded, offset, input_shape, **common)
    else:
        if facts.get("output_shape"):
            return None
        more = facts.get("output_padding", [0] * sides)
        found = transposed_convolution(rounded, offset, input_shape, output_padding=more, **common)
    if found.output_shape != graph.shape(node.output[0]):
        raise CheckedError(
            f"{node.name!r} must give {graph.shape(node.output[0])}; its attributes give {found.output_shape}"
        )
    return found


def _matmul(
    node: onnx.NodeProto, input_shape: Sequence[int], constants: Mapping[str, NDArray[Any]], weight_factor: float
) -> LinearMap | None:
    left, right = node.input
    weight = constants[right if right in constants else left]
    if weight.ndim != 2 or len(input_shape) < 2:
        return None
    rounded = _integers(weight, weight_factor)
    return matrix(rounded, None, input_shape) if right in constants else left_matrix(rounded, input_shape)


def _gemm(
    facts: Mapping[str, Any],
    weight: NDArray[Any],
    bias: Tensor | None,
    input_shape: Sequence[int],
    weight_factor: float,
) -> LinearMap | None:
    if facts.get("transA", 0) or facts.get("alpha", 1.0) != 1.0 or facts.get("beta", 1.0) != 1.0:
        return None
    turned = weight.T if facts.get("transB", 0) else weight
    return matrix(_integers(np.ascontiguousarray(turned), weight_factor), bias, input_shape)


def _integers(values: NDArray[Any], factor: float) -> Tensor:
    scaled = values.astype(np.float64) * factor
    if np.abs(scaled).max(initial=0.0) >= 2.0**LARGEST_WEIGHT_BITS:
        raise CheckedError(
            f"weights must stay below 2**{LARGEST_WEIGHT_BITS}; at {factor:g} times their size they reach "
            f"{np.abs(scaled).max():.3g}; lower the scales"
        )
    return torch.from_numpy(np.rint(scaled).astype(np.int64))
