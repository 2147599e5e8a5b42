"""From a lowered graph to a program: which products are claimed, at which scales, and what stays in EZKL's own form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from zk.checked.errors import CheckedError
from zk.checked.kinds import (
    MOVES,
    ONE_TO_ONE,
    RELU,
    SUMS,
    TABLES,
    check_resize,
    power_shift,
    round_factor,
    uniform,
)
from zk.checked.maps import LinearMap, identity
from zk.checked.options import CheckedOptions
from zk.checked.products import PRODUCTS, read_map
from zk.checked.program import Claim, Exact, Foreign, Lookup, Program, Raise, Step, Times, Value
from zk.lowering import Graph
from zk.lowering.graph import attributes_of

MIN_WEIGHT_BITS = 6
"""Where an input's scale would leave its product's weights fewer bits, it is divided down first."""


class ForeignScales(Protocol):
    """Finds the scale of what EZKL gives for a node that the compiler leaves to it."""

    def __call__(self, node: onnx.NodeProto, inputs: Sequence[Value], constants: Mapping[str, NDArray[Any]]) -> int:
        """Give the scale of the node's output in bits."""
        ...


def compile_program(graph: Graph, options: CheckedOptions, foreign_bits: ForeignScales) -> Program:
    """Compile a lowered graph.

    Args:
        graph: static shapes, float inputs; nodes in order of computation.
        options: layout.
        foreign_bits: gives the output scale of nodes that are left to EZKL.

    Raises:
        CheckedError: it cannot be expressed at these scales.
    """
    unknown = set(options.private_inputs) - set(graph.inputs)
    if unknown:
        raise CheckedError(f"private inputs must be among {graph.inputs}; found {sorted(unknown)}")
    return _Compiler(graph, options, foreign_bits).compile()


class _Compiler:
    def __init__(self, graph: Graph, options: CheckedOptions, foreign_bits: ForeignScales) -> None:
        self._graph = graph
        self._options = options
        self._foreign_bits = foreign_bits
        self._steps: list[Step] = []
        self._values: dict[str, Value] = {}
        self._claims = 0
        self._serial = 0

    def compile(self) -> Program:
        bits = self._options.activation_bits
        inputs = tuple(Value(name, self._graph.shape(name), bits, 0) for name in self._graph.inputs)
        self._values |= {value.name: value for value in inputs}
        for node in self._graph.nodes:
            self._node(node)
        outputs = tuple(self._level(self._values[name]) for name in self._graph.outputs)
        return Program(self._options, inputs, tuple(self._steps), outputs)

    def _node(self, node: onnx.NodeProto) -> None:
        if len(node.output) != 1:
            raise CheckedError(f"nodes must have one output; {node.op_type} {node.name!r} has {len(node.output)}")
        constants = {name: array for name in node.input if (array := self._graph.constant(name)) is not None}
        inputs = [self._values[name] for name in node.input if name and name not in constants]
        kind = node.op_type
        if node.name in self._options.direct:
            self._foreign(node, inputs, constants)
        elif kind in PRODUCTS:
            self._product(node, inputs, constants)
        elif kind in TABLES:
            self._put(node, self._look_up(kind, inputs[0]))
        elif kind == "LeakyRelu":
            self._leaky(node, inputs[0])
        elif kind in MOVES or kind in SUMS:
            self._exact(node, inputs, constants)
        elif kind == "Mul" and (len(inputs) == 2 or len(constants) == 1):
            self._times(node, inputs, constants)
        else:
            self._foreign(node, inputs, constants)

    # products

    def _product(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        options = self._options
        if len(inputs) == 2 and node.op_type == "MatMul":
            left, right = (self._divide_down(value, options.activation_bits) for value in inputs)
            if left.shape[:-2] != right.shape[:-2] or len(left.shape) < 2 or len(right.shape) < 2:
                raise CheckedError(
                    f"two computed matrices must have equal leading axes; {node.name!r} has {left.shape}, {right.shape}"
                )
            self._claim(node, None, (left, right), left.bits + right.bits)
            return
        if len(inputs) != 1:
            self._foreign(node, inputs, constants)
            return
        spare = options.table_bits - MIN_WEIGHT_BITS
        value = self._divide_down(inputs[0], options.activation_bits + max(spare, 0))
        weight_bits = options.table_bits + options.activation_bits - value.bits
        found = read_map(node, self._graph, value.shape, constants, weight_bits, weight_bits + value.bits)
        if found is None:
            self._foreign(node, inputs, constants)
            return
        self._claim(node, found, (value,), weight_bits + value.bits)

    def _claim(
        self, node: onnx.NodeProto, found: LinearMap | None, inputs: tuple[Value, ...], product_bits: int
    ) -> None:
        """Claim a product whose integers have scale ``product_bits``: divided, unless only outputs read it."""
        options = self._options
        name = node.output[0]
        divided = not self._only_put_out(name)
        shift = product_bits - options.activation_bits
        if shift > options.table_bits:
            raise CheckedError(
                f"{node.name!r} must be divided by at most 2**{options.table_bits}; it takes 2**{shift}; use more "
                "table_bits"
            )
        bits = options.activation_bits if divided else product_bits
        output = Value(name, self._graph.shape(name), bits, 0)
        in_range = self._range_shown(name) if divided else "output"
        lift = 1 << (options.table_bits - shift) if divided else 1
        self._append_claim(node.name or name, found, inputs, output, divided, lift, in_range)
        self._values[name] = output

    def _divide_down(self, value: Value, most_bits: int) -> Value:
        """Bring a value of more than ``most_bits`` down to the activations' scale by a claim of its own."""
        options = self._options
        if value.bits <= most_bits:
            return value
        shift = value.bits - options.activation_bits
        if shift > options.table_bits:
            raise CheckedError(
                f"{value.name!r} must be divided by at most 2**{options.table_bits}; it takes 2**{shift}"
            )
        output = Value(self._fresh(value.name), value.shape, options.activation_bits, 0)
        lift = 1 << (options.table_bits - shift)
        self._append_claim(value.name, identity(value.shape), (value,), output, True, lift, "lookup")
        return output

    def _copy(self, value: Value) -> Value:
        """Claim a value again, so that its declared scale is 0."""
        output = Value(self._fresh(value.name), value.shape, value.bits, 0)
        self._append_claim(value.name, identity(value.shape), (value,), output, False, 1, "table")
        return output

    def _append_claim(
        self,
        node: str,
        found: LinearMap | None,
        inputs: tuple[Value, ...],
        output: Value,
        divided: bool,
        lift: int,
        in_range: str,
    ) -> None:
        self._steps.append(Claim(self._claims, node, found, inputs, output, divided, lift, in_range))
        self._claims += 1

    def _only_put_out(self, name: str) -> bool:
        readers = self._graph.consumers(name)
        if not readers:
            return name in self._graph.outputs
        return all(node.op_type in ONE_TO_ONE and self._only_put_out(node.output[0]) for node in readers)

    def _range_shown(self, name: str) -> str:
        return "table" if self._read_by_table(name) else "lookup"

    def _read_by_table(self, name: str) -> bool:
        for node in self._graph.consumers(name):
            if node.name in self._options.direct:
                continue
            if node.op_type in TABLES or node.op_type == "LeakyRelu":
                return True
            if node.op_type in ONE_TO_ONE and self._read_by_table(node.output[0]):
                return True
        return False

    # element-wise steps

    def _look_up(self, function: str, value: Value, name: str | None = None) -> Value:
        bits = self._options.activation_bits
        if function == RELU:
            value = self._copy(value) if value.declared else value
        else:
            value = self._level(self._divide_down(value, bits))
            if value.bits != bits:
                raise CheckedError(f"{function} must read values at {bits} bits; {value.name!r} has {value.bits}")
        output = Value(name or self._fresh(value.name), value.shape, value.bits, value.declared)
        self._steps.append(Lookup(function, value, output))
        return output

    def _leaky(self, node: onnx.NodeProto, value: Value) -> None:
        """``a x + (1 - a) max(x, 0)``."""
        slope = float(attributes_of(node).get("alpha", 0.01))
        value = self._copy(value) if value.declared else value
        kept = self._times_constant(value, np.array(slope))
        positive = self._times_constant(self._look_up(RELU, value), np.array(1.0 - slope))
        shape = list(value.shape)
        add = onnx.helper.make_node("Add", [kept.name, positive.name], [node.output[0]], name=node.name)
        output = Value(node.output[0], tuple(shape), kept.bits, kept.declared)
        self._steps.append(Exact(add, (kept, positive), {}, output))
        self._put(node, self._divide_down(output, self._options.activation_bits))

    def _times(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        shape = self._graph.shape(node.output[0])
        if len(inputs) == 2:
            left, right = inputs
            output = Value(node.output[0], shape, left.bits + right.bits, left.declared + right.declared)
            self._steps.append(Times((left, right), None, output))
            self._put(node, output)
            return
        (constant,) = constants.values()
        value = inputs[0]
        shift = _power_shift(constant)
        if shift is not None and shape == value.shape:
            output = Value(node.output[0], shape, value.bits + shift, value.declared + shift)
            self._steps.append(Raise(value, output))
            self._put(node, output)
            return
        self._put(node, self._times_constant(value, constant, shape))

    def _times_constant(self, value: Value, constant: NDArray[Any], shape: tuple[int, ...] | None = None) -> Value:
        bits = self._options.activation_bits
        integers = np.sign(constant) * np.floor(np.abs(constant.astype(np.float64)) * 2.0**bits + 0.5)
        if _power_shift(integers / 2.0**bits) is not None:  # EZKL would take it for a change of scale
            shift = _power_shift(integers / 2.0**bits) or 0
            output = Value(self._fresh(value.name), value.shape, value.bits + shift, value.declared + shift)
            self._steps.append(Raise(value, output))
            return output
        output = Value(self._fresh(value.name), shape or value.shape, value.bits + bits, value.declared + bits)
        self._steps.append(Times((value,), np.asarray(integers, np.int64), output))
        return output

    def _exact(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        numbers = [array for array in constants.values() if np.issubdtype(array.dtype, np.floating)]
        moves = node.op_type in MOVES and (node.op_type != "Resize" or _is_repeat(node))
        if not moves and (node.op_type == "Resize" or any(array.any() for array in numbers)):
            self._foreign(node, inputs, constants)
            return
        if len({value.bits for value in inputs}) > 1 and node.op_type == "Concat":
            inputs = [self._divide_down(value, self._options.activation_bits) for value in inputs]
        offsets = {value.bits - value.declared for value in inputs}
        if len(offsets) > 1:
            inputs = [self._level(value) for value in inputs]
        shape = self._graph.shape(node.output[0])
        output = Value(
            node.output[0], shape, max(value.bits for value in inputs), max(value.declared for value in inputs)
        )
        renamed = self._renamed(node, inputs, constants)
        self._steps.append(Exact(renamed, tuple(inputs), dict(constants), output))
        self._put(node, output)

    def _foreign(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        level = [self._level(value) for value in inputs]
        renamed = self._renamed(node, level, constants)
        bits = self._foreign_bits(renamed, level, constants)
        output = Value(node.output[0], self._graph.shape(node.output[0]), bits, bits)
        self._steps.append(Foreign(renamed, tuple(level), dict(constants), output))
        self._put(node, output)

    # small parts

    def _level(self, value: Value) -> Value:
        """Raise the declared scale to what the integers mean."""
        if value.declared == value.bits:
            return value
        output = Value(self._fresh(value.name), value.shape, value.bits, value.bits)
        self._steps.append(Raise(value, output))
        return output

    def _put(self, node: onnx.NodeProto, value: Value) -> None:
        self._values[node.output[0]] = value

    def _renamed(
        self, node: onnx.NodeProto, inputs: Sequence[Value], constants: Mapping[str, NDArray[Any]]
    ) -> onnx.NodeProto:
        """Copy a node so that it reads the values that stand for its inputs now."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        names = iter(inputs)
        for position, name in enumerate(node.input):
            if name and name not in constants:
                copy.input[position] = next(names).name
        return copy

    def _fresh(self, name: str) -> str:
        self._serial += 1
        return f"{name}_s{self._serial}"

