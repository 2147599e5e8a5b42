"""A network as a list of steps over integers, each exact: what the prover computes and what the circuit shows.

Every value is a tensor of integers with two scales. ``bits`` says what they mean: real numbers times ``2**bits``.
``declared`` is the scale that EZKL keeps for the tensor, which its tables and sums go by. Multiplying by 2^-j raises
scales without touching an integer. ``declared`` is never above ``bits``; a table of ReLU needs it to be 0, other tables
need both equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from zk.checked.maps import LinearMap
from zk.checked.options import CheckedOptions

RELU = "Relu"
"""Looked up in EZKL's HardSwish table at scale 1, which is max(v, 0) at every integer."""


@dataclass(frozen=True)
class Value:
    """A tensor between two steps.

    Attributes:
        name: unique in the program.
        shape: static.
        bits: its integers are real numbers times ``2**bits``.
        declared: its scale in EZKL, in bits.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    declared: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Exact:
    """A move of elements or a sum of integers of equal scale. Operands of less scale are multiplied up."""

    node: onnx.NodeProto
    inputs: tuple[Value, ...]
    constants: Mapping[str, NDArray[Any]]
    output: Value


@dataclass(frozen=True, eq=False)
class Raise:
    """A multiplication by a 2^-j, which EZKL takes as a change of the declared scale: the integers stay."""

    input: Value
    output: Value


@dataclass(frozen=True, eq=False)
class Times:
    """An element-wise product: of two values, or of one and an integer constant at the activations' scale."""

    inputs: tuple[Value, ...]
    constant: NDArray[Any] | None
    output: Value


@dataclass(frozen=True, eq=False)
class Lookup:
    """An activation by table."""

    function: str
    input: Value
    output: Value


@dataclass(frozen=True, eq=False)
class Foreign:
    """An operator in EZKL's own form, values included."""

    node: onnx.NodeProto
    inputs: tuple[Value, ...]
    constants: Mapping[str, NDArray[Any]]
    output: Value


@dataclass(frozen=True, eq=False)
class Claim:
    """A product that the prover claims and one random combination checks.

    Attributes:
        index: position among the claims.
        node: name of the network's node, for reports.
        map: the linear map; None for a product of two computed matrices.
        inputs: one value, or the two matrices.
        output: what the network goes on with.
        divided: the claim is a quotient (``output``) and a remainder, ``divisor * q + e = lift * T``; else it is
            T itself.
        lift: power of two on the right side, which makes every division one by the tables' length.
        bound: the circuit holds the weights, as constants that its key binds; else the verifier computes with them.
        in_range: where it shows that every element of ``output`` is in the tables' range: "table" (a step looks all of
            them up), "output" (public, the verifier sees) or "lookup" (an extra lookup).
    """

    index: int
    node: str
    map: LinearMap | None
    inputs: tuple[Value, ...]
    output: Value
    divided: bool
    lift: int
    in_range: str
    bound: bool = False

    @property
    def factors(self) -> tuple[int, int]:
        """Rows and columns that the claim is folded into: the lengths of the two random vectors."""
        shape = self.output.shape
        if self.map is None or (self.bound and self.map.kind != "convolution"):
            columns = shape[-1]
        else:
            columns = math.prod(shape[2:]) if self.bound else _widest(self.output.size)
        return self.output.size // columns, columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the claim stands for."""
        if self.map is not None:
            return self.map.macs
        return self.output.size * self.inputs[0].shape[-1]


Step = Exact | Raise | Times | Lookup | Foreign | Claim


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled network.

    Attributes:
        options: its layout.
        inputs: the network's inputs.
        steps: in order of computation.
        outputs: the network's outputs, ``bits`` and ``declared`` equal.
        output_names: what the network calls them; as values they are named after the step that made them.
    """

    options: CheckedOptions
    inputs: tuple[Value, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]
    output_names: tuple[str, ...]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claimed products, in order."""
        return tuple(step for step in self.steps if isinstance(step, Claim))

    @property
    def foreign(self) -> tuple[str, ...]:
        """Nodes that EZKL computes in its own form, as "name (operator)"."""
        return tuple(f"{step.node.name} ({step.node.op_type})" for step in self.steps if isinstance(step, Foreign))

    @property
    def public_inputs(self) -> tuple[Value, ...]:
        """Inputs that are given out."""
        return tuple(value for value in self.inputs if value.name not in self.options.private_inputs)


def _widest(size: int) -> int:
    """The even divisor of ``size`` next below its root's double, else any divisor: the two vectors stay short."""
    best = 1
    for divisor in range(1, math.isqrt(size) + 1):
        if size % divisor == 0:
            best = divisor
    return size // best
