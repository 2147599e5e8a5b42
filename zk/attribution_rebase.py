"""Rows that bring a product back to the base scale: measured for one element, then recognised in a node's cells."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper

PROBE_ELEMENTS = 8

_PRODUCTS = frozenset(
    ("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "Div", "Gemm", "MatMul", "Mul", "ReduceMean")
)
_CHEAP = frozenset(("Abs", "Add", "Erf", "HardSwish", "Relu", "Sigmoid", "Sub", "Tanh"))
"""Operators that by themselves take fewer cells than a rebase: one that takes more has rebased its input."""


def rebase_probe() -> Any:
    """Give a model that multiplies eight elements by three: one product and one rebase for each."""
    shape = [1, PROBE_ELEMENTS]
    slots = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    three = helper.make_tensor("three", TensorProto.FLOAT, [], [3.0])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "three"], ["y"])], "probe", slots[:1], slots[1:], [three])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def rebase_cells_per_element(probe_cells: int) -> int:
    """Cells of one rebase, from those of the probe without its input and output; 0 if nothing is ever rebased."""
    return max(probe_cells // PROBE_ELEMENTS - 1, 0)


def rebase_cells(op_type: str, elements: int, products: int, cells: int, per_element: int) -> int:
    """Cells of one rebase of each output element, if a node has enough beside its products; else 0.

    Args:
        op_type: ONNX operator.
        elements: output elements.
        products: products that the node lays out.
        cells: all cells of the node.
        per_element: cells of one rebase.

    Returns:
        An estimate: a node that rebases twice (a Gemm that the parser splits at a Concat) counts once, and operators
        whose own cells are not known count as 0.

    """
    rebased = elements * per_element
    return rebased if op_type in _PRODUCTS | _CHEAP and cells - products >= rebased else 0
