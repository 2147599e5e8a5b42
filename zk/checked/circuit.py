"""From an ONNX file to its checked circuit: lowered, compiled to a program, cut, and written as one graph a part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from zk.checked.bounds import check_bounds
from zk.checked.compiler import compile_program
from zk.checked.emit import emit_model
from zk.checked.foreign import ForeignNodes
from zk.checked.layout import Layout, lay_out
from zk.checked.options import CheckedOptions
from zk.checked.parts import Part, split_program
from zk.checked.program import Program
from zk.checked.rows import part_rows
from zk.checked.rules import BOUND_RULES, CHECKED_RULES
from zk.lower import load_model
from zk.lowering import Graph, lower
from zk.types import Budget


@dataclass(frozen=True, eq=False)
class PartCircuit:
    """One part, ready for EZKL.

    Attributes:
        part: what it computes.
        layout: of its columns.
        model: bytes of the ONNX graph that EZKL compiles.
        rows: that it takes.
    """

    part: Part
    layout: Layout
    model: bytes
    rows: int

    @property
    def digest(self) -> bytes:
        """SHA-256 of the graph."""
        return hashlib.sha256(self.model).digest()

    @property
    def salt(self) -> list[int]:
        """Salt cells of each committed column, the asked one (which has none) included."""
        return [*(column.salt for column in self.part.columns), 0]


@dataclass(frozen=True, eq=False)
class CheckedCircuit:
    """A network in checked form.

    Attributes:
        program: the whole.
        parts: its circuits.
        foreign: what computes the operators that were left to EZKL.
        digest: SHA-256 over the integers of all maps and the graphs of all parts, which the verifier's vectors depend
            on.
    """

    program: Program
    parts: tuple[PartCircuit, ...]
    foreign: ForeignNodes
    digest: bytes


def build_checked(onnx_path: Path, options: CheckedOptions, workdir: Path, *, budget: Budget) -> CheckedCircuit:
    """Build the checked circuit of a network.

    Args:
        onnx_path: static shapes, float32 inputs.
        options: layout.
        workdir: receives circuits of single nodes where operators are left to EZKL.
        budget: limits of each call of EZKL.

    Raises:
        LoweringError: the model cannot be read or lowered.
        CheckedError: it has no checked form at these options.
    """
    foreign = ForeignNodes(options, workdir / "nodes", budget)
    program = compile_program(lowered_graph(onnx_path, options), options, foreign.scale)
    check_bounds(program)
    return circuit_of(program, foreign, options.cuts)


def lowered_graph(onnx_path: Path, options: CheckedOptions) -> Graph:
    """Read a network and rewrite it as the checked form wants it."""
    rules = CHECKED_RULES if options.weights == "public" else BOUND_RULES
    return Graph(lower(load_model(onnx_path), rules).model)


def circuit_of(program: Program, foreign: ForeignNodes, cuts: Sequence[int] = ()) -> CheckedCircuit:
    """Cut a program and write the graph of every part."""
    parts = []
    for part in split_program(program, cuts):
        layout = lay_out(part)
        model = emit_model(part, layout).SerializeToString(deterministic=True)
        parts.append(PartCircuit(part, layout, model, part_rows(part, layout, foreign.rows)))
    hasher = hashlib.sha256(program.options.digest.encode())
    for circuit in parts:
        hasher.update(circuit.digest)
    for claim in program.claims:
        if claim.map is not None:
            hasher.update(claim.map.weight.numpy().tobytes() + claim.map.bias.numpy().tobytes())
    return CheckedCircuit(program, tuple(parts), foreign, hasher.digest())


def write_model(circuit: PartCircuit, path: Path) -> None:
    """Write a part's graph, checked once more by onnx."""
    onnx.checker.check_model(onnx.load_from_string(circuit.model))
    path.write_bytes(circuit.model)
