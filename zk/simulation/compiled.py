"""The graph of a compiled circuit, read from ezkl's file.

The file holds what tract and ezkl made of the ONNX graph: every rewrite (a concatenation before a product split in two
products, activations moved before a pixel shuffle, normalisations folded), every rescaling and rebase, and the
constants as they were rounded. Reading them is exact where retracing those rewrites from ONNX would be a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from zk.simulation.bincode import BincodeReader
from zk.simulation.errors import SimulationError
from zk.simulation.schema import DATA_FORMATS, HYBRID, KERNEL_FORMATS, LINEAR, NONLINEAR, Variants

_FAMILIES: dict[int, tuple[str, Variants]] = {0: ("", LINEAR), 1: ("lookup:", NONLINEAR), 2: ("hybrid:", HYBRID)}
_INPUT, _CONSTANT, _RESCALED, _REBASED = 3, 4, 6, 7


@dataclass(frozen=True)
class Operator:
    """What a node computes.

    Attributes:
        name: name of ezkl's variant, with the prefix "lookup:" or "hybrid:" of its family, or "Input", "Constant".
        fields: its parameters.
        multipliers: factor of each input, for inputs that are brought to one scale first; empty for none.
        divisor: the result is divided by this, rounding halves away from zero; 1.0 for no rebase.

    """

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    multipliers: tuple[int, ...] = ()
    divisor: float = 1.0


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        index: its number.
        operator: what it computes.
        inputs: numbers of the nodes that it reads.
        scale_bits: its integers stand for numbers times ``2**scale_bits``.
        shape: shape of its output, for a batch of one.

    """

    index: int
    operator: Operator
    inputs: tuple[int, ...]
    scale_bits: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class CompiledGraph:
    """Nodes in an order in which each follows its inputs, and the numbers of those that are inputs and outputs."""

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(data: bytes, *, input_scale_bits: int, param_scale_bits: int) -> CompiledGraph:
    """Read the graph from the bytes of a compiled circuit.

    Args:
        data: content of the file.
        input_scale_bits: of the settings that the circuit was compiled with; the file repeats it after the graph.
        param_scale_bits: the same.

    Raises:
        SimulationError: the bytes are not such a circuit, or were compiled with other scales.

    """
    reader = _GraphReader(data)
    try:
        nodes = reader.bin.sequence(reader.node)
    except RecursionError as error:
        raise SimulationError("operators must not be nested this deeply; the circuit is damaged") from error
    inputs = reader.bin.sequence(reader.bin.u64)
    outputs = reader.bin.sequence(reader.outlet)
    reader.bin.sequence(reader.bin.u32)  # data types of the outputs
    visibilities = [reader.visibility() for _ in range(3)]
    scales = (reader.bin.i32(), reader.bin.i32())
    if scales != (input_scale_bits, param_scale_bits):
        raise SimulationError(
            f"the circuit must be compiled with the given settings, at scales {input_scale_bits} and "
            f"{param_scale_bits}; after its graph and {visibilities} it has {scales}; give ezkl 23.0.5's own files"
        )
    known: set[int] = set()
    for node in nodes:
        if not known.issuperset(node.inputs):
            raise SimulationError(f"node {node.index} must follow its inputs {node.inputs}; the circuit is damaged")
        known.add(node.index)
    if not known.issuperset(inputs) or not known.issuperset(outputs):
        raise SimulationError("the circuit's inputs and outputs must be nodes; the file is damaged")
    return CompiledGraph(nodes, inputs, outputs)


@final
class _GraphReader:
    def __init__(self, data: bytes) -> None:
        self.bin = BincodeReader(data)
        self._fields: dict[str, Callable[[], Any]] = {
            "u32": self.bin.u32,
            "i32": self.bin.i32,
            "u64": self.bin.u64,
            "f32": self.bin.f32,
            "f64": self.bin.f64,
            "bool": self.bin.boolean,
            "text": self.bin.text,
            "u64s": lambda: self.bin.sequence(self.bin.u64),
            "pairs": lambda: self.bin.sequence(lambda: (self.bin.u64(), self.bin.u64())),
            "scale?": lambda: self.bin.option(self.bin.i32),
            "indices?": lambda: self.bin.option(self._indices),
            "data": lambda: self._choice(DATA_FORMATS),
            "kernel": lambda: self._choice(KERNEL_FORMATS),
        }

    def node(self) -> Node:
        key = self.bin.u64()
        if (kind := self.bin.u32()) != 0:
            raise SimulationError(f"node {key} must be a plain node; it is of kind {kind}, a subgraph (a loop)")
        try:
            operator = self._operator()
        except SimulationError as error:
            raise SimulationError(f"node {key}: {error}") from error
        scale = self.bin.i32()
        inputs = self.bin.sequence(self.outlet)
        shape = self.bin.sequence(self.bin.u64)
        index, _uses = self.bin.u64(), self.bin.u64()
        if index != key:
            raise SimulationError(f"node {key} must carry its own number; found {index}; this is not ezkl 23.0.5's")
        return Node(index, operator, inputs, scale, shape)

    def outlet(self) -> int:
        node, slot = self.bin.u64(), self.bin.u64()
        if slot != 0:
            raise SimulationError(f"a node must have one output; output {slot} of node {node} is read")
        return node

    def visibility(self) -> str:
        names = ("private", "public", "hashed", "polycommit", "fixed")
        kind = self._choice(names)
        if kind == "hashed":
            self.bin.boolean()
            self.bin.sequence(self.bin.u64)
        return kind

    def _choice(self, names: tuple[str, ...]) -> str:
        number = self.bin.u32()
        if number >= len(names):
            raise SimulationError(f"expected a number below {len(names)} for {names}; found {number}")
        return names[number]

    def _operator(self) -> Operator:
        kind = self.bin.u32()
        if kind in _FAMILIES:
            prefix, variants = _FAMILIES[kind]
            number = self.bin.u32()
            if number >= len(variants):
                raise SimulationError(f"operator {number} of family {kind} is unknown; ezkl 23.0.5 has none")
            name, fields = variants[number]
            return Operator(prefix + name, {key: self._fields[form]() for key, form in fields})
        if kind == _INPUT:
            self.bin.i32()
            datum, decomposed = self.bin.u32(), self.bin.boolean()
            return Operator("Input", {"datum": datum, "range_checked": decomposed})
        if kind == _CONSTANT:
            values = self._tensor(self.bin.felts)
            self._tensor(lambda: np.array(self.bin.sequence(self.bin.f32)))
            self.bin.boolean()
            return Operator("Constant", {"values": values})
        if kind == _RESCALED:
            return self._rescaled()
        if kind == _REBASED:
            return self._rebased()
        raise SimulationError(f"operator kind {kind} is unknown to ezkl's circuits that can run")

    def _rescaled(self) -> Operator:
        inner = self._operator()
        pairs = self.bin.sequence(lambda: (self.bin.u64(), self.bin.u128()))
        if inner.multipliers or inner.divisor != 1.0 or [place for place, _ in pairs] != list(range(len(pairs))):
            raise SimulationError("an operator must be rescaled once, before any rebase")
        return Operator(inner.name, inner.fields, tuple(factor for _, factor in pairs))

    def _rebased(self) -> Operator:
        inner, division = self._operator(), self._variant_of_hybrid()
        _target, _original, multiplier = self.bin.i32(), self.bin.i32(), self.bin.f64()
        if division.name != "hybrid:Div" or inner.divisor != 1.0 or division.fields["denom"] != multiplier:
            raise SimulationError(f"a rebase must be one division; found {division.name} by {multiplier}")
        return Operator(inner.name, inner.fields, inner.multipliers, multiplier)

    def _variant_of_hybrid(self) -> Operator:
        number = self.bin.u32()
        if number >= len(HYBRID):
            raise SimulationError(f"operator {number} of the hybrid family is unknown; ezkl 23.0.5 has none")
        name, fields = HYBRID[number]
        return Operator("hybrid:" + name, {key: self._fields[form]() for key, form in fields})

    def _tensor(self, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        values = read()
        shape = self.bin.sequence(self.bin.u64)
        self.bin.option(self.bin.i32)
        self.bin.option(self.visibility)
        if math.prod(shape) != values.size:
            raise SimulationError(f"a tensor of shape {shape} must have as many values; the circuit has {values.size}")
        try:
            return values.reshape(shape)
        except ValueError as error:  # with a side of 0 the others can be of any number and size
            raise SimulationError(f"a tensor of {values.size} values cannot have the shape {shape}: {error}") from error

    def _indices(self) -> NDArray[Any]:
        return self._tensor(self._places)

    def _places(self) -> NDArray[np.int64]:
        found = self.bin.sequence(self.bin.u64)
        if max(found, default=0) > np.iinfo(np.int64).max:
            raise SimulationError(f"indices must be less than 2**63; the circuit has {max(found)}")
        return np.array(found, np.int64)
