"""An ONNX graph that rules can take apart: constants as arrays, shapes known, nodes spliced in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from zk.errors import LoweringError

Array = NDArray[Any]


class Graph:
    """A working copy of a model with static shapes.

    Rules read ``nodes``, ``shape`` and ``constant``, make new nodes with ``emit`` and put them in with ``replace``.
    Every value has one name; a name is written once.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            raise LoweringError(f"the shapes of a graph must agree; {error}; export it again") from error
        self._model = inferred
        self.nodes: list[onnx.NodeProto] = []
        self.inputs = [slot.name for slot in inferred.graph.input]
        self.outputs = [slot.name for slot in inferred.graph.output]
        self._constants = {slot.name: numpy_helper.to_array(slot) for slot in inferred.graph.initializer}
        self.inputs = [name for name in self.inputs if name not in self._constants]
        for node in inferred.graph.node:
            if node.op_type == "Constant":
                self._constants[node.output[0]] = _constant_value(node)
            else:
                self.nodes.append(node)
        self._shapes: dict[str, tuple[int, ...]] = {}
        slots = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
        for slot in slots:
            sizes = tuple(size.dim_value for size in slot.type.tensor_type.shape.dim)
            if slot.type.tensor_type.HasField("shape") and all(size > 0 for size in sizes):
                self._shapes[slot.name] = sizes
        self.opset_imports = list(inferred.opset_import)
        self.opset = next((slot.version for slot in inferred.opset_import if slot.domain in ("", "ai.onnx")), 0)
        self._pending: list[onnx.NodeProto] = []
        self._serial = 0

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value.

        Raises:
            LoweringError: the value has no static shape.
        """
        if name in self._constants:
            return tuple(self._constants[name].shape)
        if name not in self._shapes:
            raise LoweringError(f"every tensor must have a static shape; {name!r} has none; export with fixed sizes")
        return self._shapes[name]

    def constant(self, name: str) -> Array | None:
        """Value of a constant, or None if ``name`` is computed or an input."""
        return self._constants.get(name)

    def scalar(self, name: str) -> float | None:
        """The one number that a constant consists of, or None."""
        value = self._constants.get(name)
        if value is None or value.size == 0 or not np.issubdtype(value.dtype, np.floating):
            return None
        return float(value.flat[0]) if np.all(value == value.flat[0]) else None

    def of(self, *op_types: str) -> Iterator[onnx.NodeProto]:
        """Nodes of these operators; a snapshot, so that the caller may replace them."""
        yield from [node for node in self.nodes if node.op_type in op_types]

    def producer(self, name: str) -> onnx.NodeProto | None:
        """The node that writes a value, or None for inputs and constants."""
        return next((node for node in self.nodes if name in node.output), None)

    def consumers(self, name: str) -> list[onnx.NodeProto]:
        """Nodes that read a value."""
        return [node for node in self.nodes if name in node.input]

    def only_consumer(self, name: str) -> onnx.NodeProto | None:
        """The one node that reads a value, or None if several do, none does, or the value is an output of the graph."""
        readers = self.consumers(name)
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def is_alone(self, node: onnx.NodeProto, name: str) -> bool:
        """Whether ``node`` is the one reader of a value that is no output of the graph."""
        return self.only_consumer(name) is node

    def add_constant(self, value: Array, hint: str = "c") -> str:
        """Add a constant and give its name."""
        name = self._fresh(hint)
        self._constants[name] = value
        return name

    def emit(self, op_type: str, inputs: Sequence[str | Array], shape: Sequence[int], **attributes: Any) -> str:
        """Make a node with one output of the given shape, held until :meth:`replace`; arrays become constants."""
        names = [slot if isinstance(slot, str) else self.add_constant(slot) for slot in inputs]
        output = self._fresh(op_type.lower())
        node = onnx.helper.make_node(op_type, names, [output], name=output, **attributes)
        self._pending.append(node)
        self._shapes[output] = tuple(int(size) for size in shape)
        return output

    def emit_reshape(self, name: str, shape: Sequence[int]) -> str:
        """Make a Reshape."""
        return self.emit("Reshape", [name, np.array(shape, np.int64)], shape)

    def emit_slice(self, name: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Make a Slice of one axis."""
        shape = list(self.shape(name))
        shape[axis] = len(range(start, min(stop, shape[axis]), step))
        bounds = [np.array([value], np.int64) for value in (start, stop, axis, step)]
        return self.emit("Slice", [name, *bounds], shape)

    def replace(self, node: onnx.NodeProto, value: str) -> None:
        """Put the nodes that were emitted in the place of ``node``; ``value`` takes over the name of its output."""
        position = next(index for index, other in enumerate(self.nodes) if other is node)
        target = node.output[0]
        new, self._pending = self._pending, []
        if value in {name for other in new for name in other.output}:
            for other in new:
                _rename(other.output, value, target)
                _rename(other.input, value, target)
        else:  # an existing value stands for the output
            new.append(onnx.helper.make_node("Identity", [value], [target], name=self._fresh("identity")))
        self.nodes[position : position + 1] = new

    def insert_before(self, node: onnx.NodeProto) -> None:
        """Put the nodes that were emitted in front of ``node``."""
        position = next(index for index, other in enumerate(self.nodes) if other is node)
        self.nodes[position:position], self._pending = self._pending, []

    def insert_after(self, node: onnx.NodeProto, renamed: str, value: str) -> None:
        """Put the nodes that were emitted behind ``node``: they read its output as ``renamed``, others what they make.

        ``value`` is the name of the emitted value that takes over the name of the output.
        """
        position = next(index for index, other in enumerate(self.nodes) if other is node)
        target = node.output[0]
        self._shapes[renamed] = self.shape(target)
        _rename(node.output, target, renamed)
        new, self._pending = self._pending, []
        for other in new:
            _rename(other.output, value, target)
            _rename(other.input, value, target)
        self.nodes[position + 1 : position + 1] = new

    def make_constant(self, node: onnx.NodeProto, value: Array) -> None:
        """Put a constant in the place of a node with one output."""
        self._constants[node.output[0]] = value
        self.nodes = [other for other in self.nodes if other is not node]

    def prune(self) -> None:
        """Remove Identity nodes and what no output needs."""
        for node in self.of("Identity", "Dropout"):
            self._bypass(node)
        needed = set(self.outputs)
        kept: list[onnx.NodeProto] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        self.nodes = kept[::-1]

    def _bypass(self, node: onnx.NodeProto) -> None:
        source, target = node.input[0], node.output[0]
        if target in self.outputs:
            writer = self.producer(source)
            if writer is None or source in self.outputs or len(node.output) > 1:
                return
            source, target = target, source
            _rename(writer.output, target, source)
        for reader in self.nodes:
            if reader is not node:
                _rename(reader.input, target, source)
        self.nodes = [other for other in self.nodes if other is not node]

    def model(self) -> onnx.ModelProto:
        """Build the model: same inputs and outputs, unused constants left out, checked by onnx."""
        self.prune()
        used = {name for node in self.nodes for name in node.input} | set(self.outputs)
        graph = onnx.GraphProto(name=self._model.graph.name or "lowered")
        graph.input.extend(slot for slot in self._model.graph.input if slot.name in self.inputs)
        graph.output.extend(self._model.graph.output)
        graph.node.extend(self.nodes)
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in self._constants.items() if name in used
        )
        model = onnx.helper.make_model(graph, opset_imports=self._model.opset_import, producer_name="zkgan-search")
        model.ir_version = self._model.ir_version
        onnx.checker.check_model(model, full_check=True)
        return model

    def _fresh(self, hint: str) -> str:
        taken = set(self._constants) | set(self._shapes) | {node.name for node in (*self.nodes, *self._pending)}
        while True:
            self._serial += 1
            name = f"{hint}_l{self._serial}"
            if name not in taken:
                return name


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes of a node as Python values; strings decoded."""
    found = {slot.name: onnx.helper.get_attribute_value(slot) for slot in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def _rename(names: Any, old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new


def _constant_value(node: onnx.NodeProto) -> Array:
    values = attributes_of(node)
    if "value" in values:
        return np.asarray(numpy_helper.to_array(values["value"]))
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    for name, kind in kinds.items():
        if name in values:
            return np.asarray(values[name], kind)
    raise LoweringError(f"constants must be tensors or numbers; {node.name or node.output[0]!r} holds {sorted(values)}")
