"""From a lowered graph to a program: which products are claimed, at which scales, and what stays in EZKL's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from zk.checked.bound import check_bindable
from zk.checked.errors import CheckedError
from zk.checked.kinds import (
    MOVES,
    SUMS,
    TABLES,
    check_resize,
    check_scales,
    only_put_out,
    power_shift,
    read_by_table,
    round_factor,
    uniform,
)
from zk.checked.maps import LinearMap, identity
from zk.checked.options import CheckedOptions
from zk.checked.products import PRODUCTS, read_map
from zk.checked.program import RELU, Claim, Exact, Foreign, Lookup, Program, Raise, Step, Times, Value
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
        check_scales(self._steps, bits)
        return Program(self._options, inputs, tuple(self._steps), outputs)

    def _node(self, node: onnx.NodeProto) -> None:
        if len(node.output) != 1:
            raise CheckedError(f"nodes must have one output; {node.op_type} {node.name!r} has {len(node.output)}")
        constants = {name: array for name in node.input if (array := self._graph.constant(name)) is not None}
        inputs = [self._values[name] for name in node.input if name and name not in constants]
        if not inputs:
            raise CheckedError(f"nodes must depend on the network's inputs; {node.op_type} {node.name!r} does not")
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
        if len(inputs) == 2 and node.op_type == "MatMul" and _pairwise(inputs[0].shape, inputs[1].shape):
            left, right = (self._divide_down(value, options.activation_bits) for value in inputs)
            product = left.bits + right.bits
            divided = not only_put_out(self._graph, node.output[0])
            lift = self._lift(node.name, product - options.activation_bits) if divided else 1
            self._claim(node, None, (left, right), options.activation_bits if divided else product, divided, lift)
            return
        if len(inputs) != 1:
            self._foreign(node, inputs, constants)
            return
        value = self._divide_down(inputs[0], options.activation_bits + max(options.logrows - MIN_WEIGHT_BITS, 0))
        divided = not only_put_out(self._graph, node.output[0])
        # divided by the tables' length, a product has the activations' scale; undivided, a power of two
        factor = float(options.divisor if divided else 1 << (options.logrows - 1)) * 2.0**options.activation_bits
        found = read_map(node, self._graph, value.shape, constants, factor / 2.0**value.bits, factor)
        if found is None:
            self._foreign(node, inputs, constants)
            return
        if options.weights == "bound":
            check_bindable(node.name, found)
        bits = options.activation_bits if divided else options.activation_bits + options.logrows - 1
        self._claim(node, found, (value,), bits, divided, 1)

    def _claim(
        self,
        node: onnx.NodeProto,
        found: LinearMap | None,
        inputs: tuple[Value, ...],
        bits: int,
        divided: bool,
        lift: int,
    ) -> None:
        name = node.output[0]
        output = Value(name, self._graph.shape(name), bits, 0)
        shown = "table" if read_by_table(self._graph, name, self._options.direct) else "lookup"
        self._append_claim(node.name or name, found, inputs, output, divided, lift, shown if divided else "output")
        self._values[name] = output

    def _lift(self, name: str, shift: int) -> int:
        """Power of two that makes a division by about ``2**shift`` one by the tables' length."""
        if shift >= self._options.logrows:
            raise CheckedError(
                f"{name!r} must be divided by less than 2**{self._options.logrows}; it takes 2**{shift}; raise logrows "
                "or lower activation_bits"
            )
        return 1 << (self._options.logrows - shift)

    def _divide_down(self, value: Value, most_bits: int, in_range: str = "lookup") -> Value:
        """Bring a value of more than ``most_bits`` down to the activations' scale by a claim of its own."""
        options = self._options
        if value.bits <= most_bits:
            return value
        lift = self._lift(value.name, value.bits - options.activation_bits)
        output = Value(self._fresh(value.name), value.shape, options.activation_bits, 0)
        self._append_claim(value.name, identity(value.shape), (value,), output, True, lift, in_range)
        return output

    def _narrowed(self, values: Sequence[Value], more_bits: int = 0) -> list[Value]:
        """Divide factors down, the one of most bits first, until one claim can divide their product."""
        options, found = self._options, list(values)
        most = options.activation_bits + options.logrows - 1 - more_bits
        while sum(value.bits for value in found) > most:
            widest = max(range(len(found)), key=lambda index: found[index].bits)
            if found[widest].bits <= options.activation_bits:
                break
            found[widest] = self._divide_down(found[widest], options.activation_bits)
        return found

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
        bound = self._options.weights == "bound" and found is not None and found.kind != "identity"
        self._steps.append(Claim(self._claims, node, found, inputs, output, divided, lift, in_range, bound))
        self._claims += 1

    # element-wise steps

    def _look_up(self, function: str, value: Value) -> Value:
        value = self._readable(function, value)
        output = Value(self._fresh(value.name), value.shape, value.bits, value.declared)
        self._steps.append(Lookup(function, value, output))
        return output

    def _readable(self, function: str, value: Value) -> Value:
        """Bring a value to the scales that a table reads."""
        bits = self._options.activation_bits
        value = self._divide_down(value, bits, "table")
        if function == RELU:
            return self._copy(value) if value.declared else value
        if value.bits != bits:
            raise CheckedError(f"{function} must read values at {bits} bits; {value.name!r} has {value.bits}")
        return self._level(value)

    def _leaky(self, node: onnx.NodeProto, value: Value) -> None:
        """``a x + (1 - a) max(x, 0)``; the first term is left out where a rounds to 0."""
        bits = self._options.activation_bits
        slope = float(attributes_of(node).get("alpha", 0.01))
        value = self._readable(RELU, value)
        positive = self._look_up(RELU, value)
        if abs(slope) * 2.0**bits >= 0.5:
            terms = self._scaled(value, np.array(slope)), self._scaled(positive, np.array(1.0 - slope))
            add = onnx.helper.make_node("Add", [term.name for term in terms], [node.output[0]], name=node.name)
            scales = max(term.bits for term in terms), max(term.declared for term in terms)
            output = Value(node.output[0], value.shape, *scales)
            self._steps.append(Exact(add, terms, {}, output))
            positive = self._divide_down(output, bits)
        self._put(node, positive)

    def _times(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        shape = self._graph.shape(node.output[0])
        if len(inputs) == 1:
            (constant,) = constants.values()
            self._put(node, self._scaled(inputs[0], constant, shape))
            return
        left, right = self._narrowed(inputs)
        output = Value(node.output[0], shape, left.bits + right.bits, left.declared + right.declared)
        self._steps.append(Times((left, right), None, output))
        self._put(node, output)

    def _scaled(self, value: Value, constant: NDArray[Any], shape: tuple[int, ...] | None = None) -> Value:
        """Multiply by a constant at the activations' scale; by 2^-j exactly."""
        bits = self._options.activation_bits
        shape = value.shape if shape is None else shape
        factor = uniform(constant)
        shift = None if factor is None else power_shift(factor)
        integers = round_factor(constant, bits) if shift is None else constant
        if shift is None and (factor := uniform(integers)) is not None:
            shift = power_shift(factor / 2.0**bits)
        if factor is not None:
            value = self._expanded(value, shape)
        if shift == 0:
            return value
        if shift is not None:
            output = Value(self._fresh(value.name), shape, value.bits + shift, value.declared + shift)
            self._steps.append(Raise(value, output))
            return output
        (value,) = self._narrowed([value], bits)
        output = Value(self._fresh(value.name), shape, value.bits + bits, value.declared + bits)
        self._steps.append(Times((value,), integers.astype(np.int64), output))
        return output

    def _expanded(self, value: Value, shape: tuple[int, ...]) -> Value:
        if value.shape == shape:
            return value
        output = Value(self._fresh(value.name), shape, value.bits, value.declared)
        size = f"{output.name}_shape"
        node = onnx.helper.make_node("Expand", [value.name, size], [output.name], name=output.name)
        self._steps.append(Exact(node, (value,), {size: np.array(shape, np.int64)}, output))
        return output

    def _exact(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        bits = self._options.activation_bits
        shape = self._graph.shape(node.output[0])
        if node.op_type == "Resize":
            check_resize(node, inputs[0].shape, shape)
        reals = node.op_type in SUMS and any(np.issubdtype(array.dtype, np.floating) for array in constants.values())
        if reals and any(value.bits < bits for value in inputs):
            self._foreign(node, inputs, constants)
            return
        if len({value.bits for value in inputs}) > 1 and node.op_type == "Concat":
            inputs = [self._divide_down(value, bits) for value in inputs]
        if reals or len({value.bits - value.declared for value in inputs}) > 1:
            inputs = [self._level(value) for value in inputs]
        scales = max(value.bits for value in inputs), max(value.declared for value in inputs)
        output = Value(node.output[0], shape, *scales)
        self._steps.append(Exact(self._renamed(node, inputs, constants), tuple(inputs), dict(constants), output))
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


def _pairwise(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    return len(left) >= 2 and len(right) >= 2 and left[:-2] == right[:-2]
