"""From a lowered graph to a program: which products are claimed, at which scales, and what stays in EZKL's own form."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from zk.checked.bound import check_bindable
from zk.checked.errors import CheckedError
from zk.checked.kinds import (
    LARGEST_SCALE,
    MOVES,
    SUMS,
    TABLES,
    ForeignScales,
    check_resize,
    check_scales,
    nearly_zero,
    nudged,
    only_put_out,
    read_by_table,
    repeated,
    round_constant,
)
from zk.checked.layernorm import layer_norm
from zk.checked.maps import LinearMap
from zk.checked.options import CheckedOptions
from zk.checked.products import LARGEST_WEIGHT_BITS, PRODUCTS, read_map
from zk.checked.program import RELU, Exact, Foreign, Program, Times, Value
from zk.checked.record import Record
from zk.lowering import Graph
from zk.lowering.graph import attributes_of

MIN_WEIGHT_BITS = 10
"""Where an input's scale would leave its product's weights fewer bits, it is divided down first.

Squares have twice the activations' scale. Multiplied as they are, they would leave a convolution's weights a handful of
bits, and the error of that is far above what the activations' own rounding costs.
"""

UNDIVIDED_WEIGHT_BITS = 15
"""Weights of a product that is given out undivided have at least so many bits: no table bounds it, and they cost
nothing, as they are in the verifier's vectors only."""

UNDIVIDED_BITS = LARGEST_WEIGHT_BITS - 4
"""Scale of an undivided product, unless the tables ask for more: its bias is a weight at that scale."""


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
        self._values: dict[str, Value] = {}
        self._record = Record(options, (name for node in graph.nodes for name in (*node.input, *node.output)))

    def compile(self) -> Program:
        bits = self._options.activation_bits
        inputs = tuple(Value(name, self._graph.shape(name), bits, 0) for name in self._graph.inputs)
        self._values |= {value.name: value for value in inputs}
        levelled: dict[str, Value] = {}
        for node in self._graph.nodes:
            self._node(node)
            for name in set(self._graph.outputs) & set(node.output):  # at once: a part may end behind its output
                levelled[name] = self._record.level(self._values[name])
        outputs = tuple(levelled.get(name) or self._record.level(self._values[name]) for name in self._graph.outputs)
        check_scales(self._record.steps, bits)
        return Program(self._options, inputs, tuple(self._record.steps), outputs, tuple(self._graph.outputs))

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
            self._put(node, self._record.look_up(kind, inputs[0]))
        elif kind == "LeakyRelu":
            self._leaky(node, inputs[0])
        elif kind == "LayerNormalization" and len(inputs) == 1 and node.input[0] not in constants:
            given_out = only_put_out(self._graph, node.output[0])
            found = layer_norm(node, inputs[0], constants, self._record, self._options, self._foreign_bits, given_out)
            self._put(node, found)
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
            left, right = (self._record.divide_down(value, options.activation_bits) for value in inputs)
            product = left.bits + right.bits
            divided = not only_put_out(self._graph, node.output[0])
            lift = self._record.lift(node.name, product - options.activation_bits) if divided else 1
            self._claim(node, None, (left, right), options.activation_bits if divided else product, divided, lift)
            return
        if len(inputs) != 1:
            self._foreign(node, inputs, constants)
            return
        divided = not only_put_out(self._graph, node.output[0])
        bits, logrows = options.activation_bits, options.logrows
        # divided by the tables' length, a product has the activations' scale; undivided, a power of two
        if divided:
            value = self._record.divide_down(inputs[0], max(bits + logrows - MIN_WEIGHT_BITS, bits))
            scale, factor = bits, options.divisor * 2.0**bits
        else:
            least = bits + logrows - 1
            largest = max(least, min(LARGEST_SCALE * bits, UNDIVIDED_BITS))
            value = self._record.divide_down(inputs[0], max(largest - UNDIVIDED_WEIGHT_BITS, bits))
            scale = max(least, min(value.bits + UNDIVIDED_WEIGHT_BITS, largest))
            factor = 2.0**scale
        found = read_map(node, self._graph, value.shape, constants, factor / 2.0**value.bits, factor)
        if found is None:
            self._foreign(node, inputs, constants)
            return
        if options.weights == "bound":
            check_bindable(node.name, found)
        self._claim(node, found, (value,), scale, divided, 1)

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
        self._record.claim(node.name or name, found, inputs, output, divided, lift, shown if divided else "output")
        self._values[name] = output

    # element-wise steps

    def _leaky(self, node: onnx.NodeProto, value: Value) -> None:
        """``a x + (1 - a) max(x, 0)``; the first term is left out where a rounds to 0."""
        bits = self._options.activation_bits
        slope = float(attributes_of(node).get("alpha", 0.01))
        value = self._record.readable(RELU, value)
        positive = self._record.look_up(RELU, value)
        if abs(slope) * 2.0**bits >= 0.5:
            terms = self._record.scaled(value, np.array(slope)), self._record.scaled(positive, np.array(1.0 - slope))
            add = onnx.helper.make_node("Add", [term.name for term in terms], [node.output[0]], name=node.name)
            scales = max(term.bits for term in terms), max(term.declared for term in terms)
            output = Value(node.output[0], value.shape, *scales)
            self._record.steps.append(Exact(add, terms, {}, output))
            positive = self._record.divide_down(output, bits)
        self._put(node, positive)

    def _times(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        shape = self._graph.shape(node.output[0])
        if len(inputs) == 1:
            (constant,) = constants.values()
            self._put(node, self._record.scaled(inputs[0], constant, shape))
            return
        left, right = self._record.narrowed(inputs)
        output = Value(node.output[0], shape, left.bits + right.bits, left.declared + right.declared)
        self._record.steps.append(Times((left, right), None, output))
        self._put(node, output)

    def _exact(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        bits = self._options.activation_bits
        shape = self._graph.shape(node.output[0])
        if node.op_type == "Expand":
            self._put(node, self._record.expanded(inputs[0], shape))
            return
        if node.op_type == "Resize":
            check_resize(node, inputs[0].shape, shape)
        reals = node.op_type in SUMS and any(np.issubdtype(array.dtype, np.floating) for array in constants.values())
        if reals and any(value.bits < bits for value in inputs):
            self._foreign(node, inputs, constants)
            return
        if len({value.bits for value in inputs}) > 1 and node.op_type == "Concat":
            inputs = [self._record.divide_down(value, bits) for value in inputs]
        if reals or len({value.bits - value.declared for value in inputs}) > 1:
            inputs = [self._record.level(value) for value in inputs]
        scales = max(value.bits for value in inputs), max(value.declared for value in inputs)
        output = Value(node.output[0], shape, *scales)
        if reals:
            kind = nearly_zero if node.op_type == "Concat" else functools.partial(repeated, shape=shape)
            constants = {name: self._record.own(kind(round_constant(array, bits))) for name, array in constants.items()}
        self._record.steps.append(Exact(*self._renamed(node, inputs, constants), output))
        self._put(node, output)

    def _foreign(self, node: onnx.NodeProto, inputs: list[Value], constants: Mapping[str, NDArray[Any]]) -> None:
        level = [self._record.level(value) for value in inputs]
        bits = self._options.activation_bits
        constants = {name: self._record.own(nudged(array, bits)) for name, array in constants.items()}
        step = self._renamed(node, level, constants)
        bits = self._foreign_bits(*step)
        output = Value(node.output[0], self._graph.shape(node.output[0]), bits, bits)
        self._record.steps.append(Foreign(*step, output))
        self._put(node, output)

    # small parts

    def _put(self, node: onnx.NodeProto, value: Value) -> None:
        self._values[node.output[0]] = value

    def _renamed(
        self, node: onnx.NodeProto, inputs: Sequence[Value], constants: Mapping[str, NDArray[Any]]
    ) -> tuple[onnx.NodeProto, tuple[Value, ...], dict[str, NDArray[Any]]]:
        """Copy a node so that it reads the values that stand for its inputs now, and constants of its own.

        EZKL scales a constant of one reader otherwise than one of several.
        """
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        values, own = iter(inputs), {name: self._record.fresh(name) for name in constants}
        for position, name in enumerate(node.input):
            if name:
                copy.input[position] = own[name] if name in own else next(values).name
        return copy, tuple(inputs), {own[name]: array for name, array in constants.items()}


def _pairwise(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    return len(left) >= 2 and len(right) >= 2 and left[:-2] == right[:-2]
