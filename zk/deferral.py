"""Letting integers grow through a network, and dividing only where it pays.

Stock ezkl gives weights a scale, so every product raises the scale of its result, and a rebase (a division that costs
over 20 rows an element) brings it back. Here the weights become integers of scale zero instead: a product leaves the
scale that ezkl sees alone and multiplies the value by 2^bits, which the pass keeps account of for every tensor. A sum
of tensors aligns them, an additive constant is multiplied along, factors 2^j cost nothing at all. Where a table needs
the true value, the input of the product before it gets a free factor 2^-growth, which raises the scale that ezkl sees,
and ezkl rebases the product's result: one division an element, however many products came before. (A factor or a zero
behind the product would not do: ezkl's parser folds the one into the weights and drops the other.)

The weights are rounded to ``bits`` fractional bits here, as ezkl would round them at that parameter scale; the circuit
must then be laid out with a parameter scale of 0 and a rebase multiplier of 1.
"""

from __future__ import annotations

import numpy as np
import onnx

from zk.errors import LoweringError
from zk.lowering.graph import Array, Graph

PRODUCTS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
"""Operators that multiply by constant weights."""
_KEEPING = frozenset(
    ("Relu", "Abs", "Neg", "Identity", "Reshape", "Transpose", "Flatten", "Slice", "Squeeze", "Unsqueeze", "Gather",
     "DepthToSpace", "SpaceToDepth", "Split", "Expand", "Tile", "ReduceSum", "MaxPool", "Resize", "Upsample")
)  # fmt: skip
_MOVING = frozenset(("Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "DepthToSpace"))
_JOINING = frozenset(("Add", "Sub", "Max", "Min", "Concat", "Sum"))


def defer_rebases(model: onnx.ModelProto, *, bits: int, every: int | None = None) -> onnx.ModelProto:
    """Rewrite a lowered model so that it divides only before operators that need true values.

    Args:
        model: static shapes, constant weights.
        bits: fractional bits of the weights, 1 to 16.
        every: also divide after this many products in a row; None never does.

    Returns:
        A model whose outputs are those of ``model`` with its constants rounded.

    Raises:
        LoweringError: a table's input does not come from a product alone.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = Graph(copy)
    _Deferral(graph, bits, every).run()
    return graph.model()


class _Deferral:
    """The walk through a graph; ``growth[name]`` is log2 of the factor by which a tensor exceeds its true value."""

    def __init__(self, graph: Graph, bits: int, every: int | None) -> None:
        self._graph = graph
        self._bits = bits
        self._every = every
        self._growth: dict[str, int] = {}
        self._biases: dict[str, Array] = {}

    def run(self) -> None:
        for node in list(self._graph.nodes):
            if self._is_product(node):
                self._product(node)
            elif node.op_type == "Mul":
                self._multiply(node)
            elif node.op_type in _JOINING:
                self._join(node)
            elif node.op_type in _KEEPING:
                self._set(node, self._of(node.input[0]))
            else:
                self._look_up(node)
        for name in self._graph.outputs:
            self._restore_output(name)

    def _of(self, name: str) -> int:
        return self._growth.get(name, 0)

    def _set(self, node: onnx.NodeProto, growth: int) -> None:
        for name in node.output:
            self._growth[name] = growth

    def _is_product(self, node: onnx.NodeProto | None) -> bool:
        return node is not None and node.op_type in PRODUCTS and self._graph.constant(node.input[1]) is not None

    def _whole(self, value: Array, growth: int) -> str:
        """A constant times 2^growth, rounded to whole numbers."""
        return self._graph.add_constant(np.rint(value.astype(np.float64) * 2.0**growth).astype(np.float32))

    def _product(self, node: onnx.NodeProto) -> None:
        grown = self._of(node.input[0]) + self._bits
        weight = self._graph.constant(node.input[1])
        assert weight is not None
        node.input[1] = self._whole(weight, self._bits)
        bias = self._graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if bias is not None:
            self._biases[node.output[0]] = bias
            node.input[2] = self._whole(bias, grown)
        self._set(node, grown)
        if self._every is not None and grown >= self._every * self._bits and self._can_divide(node):
            self._divide(node)

    def _multiply(self, node: onnx.NodeProto) -> None:
        graph = self._graph
        constant = next((index for index in (0, 1) if graph.constant(node.input[index]) is not None), None)
        if constant is None:
            self._set(node, self._of(node.input[0]) + self._of(node.input[1]))
            return
        value, factor = node.input[1 - constant], graph.constant(node.input[constant])
        assert factor is not None
        number = graph.scalar(node.input[constant])
        exponent = _exponent(number) if number is not None else None
        if exponent is not None and graph.shape(node.output[0]) == graph.shape(value):
            self._set(node, self._of(value) - exponent)
            graph.replace(node, value)  # the account alone changes
            return
        node.input[constant] = self._whole(factor, self._bits)
        self._set(node, self._of(value) + self._bits)

    def _join(self, node: onnx.NodeProto) -> None:
        graph = self._graph
        constants = [graph.constant(name) for name in node.input]
        growth = max(self._of(name) for name, value in zip(node.input, constants, strict=True) if value is None)
        if any(value is not None and not _is_whole(value, growth) for value in constants):
            growth = max(growth, self._bits)
        for index, (name, value) in enumerate(zip(list(node.input), constants, strict=True)):
            if value is not None:
                node.input[index] = self._whole(value, growth)
            elif self._of(name) < growth:
                factor = np.array(2.0 ** (growth - self._of(name)), np.float32)
                node.input[index] = graph.emit("Mul", [name, factor], graph.shape(name))
                graph.insert_before(node)
        self._set(node, growth)

    def _look_up(self, node: onnx.NodeProto) -> None:
        for name in node.input:
            if name and self._graph.constant(name) is None and self._of(name):
                self._make_true(node, name)
        self._set(node, 0)

    def _make_true(self, reader: onnx.NodeProto, name: str) -> None:
        """Divide at the product that a tensor comes from, past operators that only move its elements."""
        moved, value = [name], name
        writer = self._graph.producer(value)
        while writer is not None and writer.op_type in _MOVING and self._is_first(reader, value):
            reader, value = writer, writer.input[0]
            moved.append(value)
            writer = self._graph.producer(value)
        if writer is None or not self._is_product(writer) or not self._can_divide(writer):
            raise LoweringError(
                f"a table must be fed by a product alone for its division to be deferred; {name!r} is not; "
                "lay the model out at ezkl's own scales"
            )
        if not self._is_first(reader, value):
            raise LoweringError(f"{value!r} must be read by the table first for its division to be deferred; it is not")
        self._divide(writer)
        for each in moved:
            self._growth[each] = 0

    def _is_first(self, reader: onnx.NodeProto, value: str) -> bool:
        """Whether no other reader of ``value`` has relied on its growth yet."""
        return all(other is reader or other.output[0] not in self._growth for other in self._graph.consumers(value))

    def _can_divide(self, product: onnx.NodeProto) -> bool:
        """Whether a factor before the product stays there: behind another product, ezkl's parser folds it away."""
        value = product.input[0]
        writer = self._graph.producer(value)
        while writer is not None and writer.op_type in _MOVING:
            writer = self._graph.producer(writer.input[0])
        return not self._is_product(writer)

    def _divide(self, product: onnx.NodeProto) -> None:
        name = product.output[0]
        factor = np.array(2.0 ** -self._of(name), np.float32)
        product.input[0] = self._graph.emit("Mul", [product.input[0], factor], self._graph.shape(product.input[0]))
        self._graph.insert_before(product)
        if name in self._biases:
            product.input[2] = self._graph.add_constant(self._biases[name])
        self._growth[name] = 0

    def _restore_output(self, name: str) -> None:
        growth = self._of(name)
        writer = self._graph.producer(name)
        if not growth or writer is None:
            return
        raw = f"{name}_grown"
        factor = np.array(2.0**-growth, np.float32)
        value = self._graph.emit("Mul", [raw, factor], self._graph.shape(name))
        for reader in self._graph.consumers(name):  # they keep the account of what has grown
            for index, read in enumerate(reader.input):
                reader.input[index] = raw if read == name else read
        self._graph.insert_after(writer, raw, value)


def _exponent(number: float) -> int | None:
    """The j of a number 2^j, or None."""
    mantissa, exponent = np.frexp(number)
    return int(exponent) - 1 if mantissa == 0.5 else None


def _is_whole(value: Array, growth: int) -> bool:
    scaled = value.astype(np.float64) * 2.0**growth
    return bool(np.array_equal(scaled, np.rint(scaled)))
