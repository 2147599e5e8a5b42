"""What each step of a checked circuit costs, and what the network's own products would have cost directly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from zk.checked.circuit import CheckedCircuit, PartCircuit
from zk.checked.program import Claim, Exact, Foreign, Lookup, Raise, Step, Times
from zk.checked.rows import SPARE_ROWS, step_rows

DIRECT_REBASE_ROWS = 23
"""Rows at two inner columns that EZKL takes to divide one element (docs/circuits.md)."""


@dataclass(frozen=True)
class StepCost:
    """Rows of one step, or of all that share a purpose.

    Attributes:
        name: node of the network.
        kind: what is done: "check", "divide", "table", "sum", "product", "move", or an operator left to EZKL.
        shape: of the result; () for entries that are no tensor.
        rows: that it takes.
        macs: multiply-accumulates that a check stands for.
        direct_rows: what the product and its division would take if EZKL computed them; 0 for other kinds.
        part: circuit that it is in.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    rows: int
    macs: int
    direct_rows: int
    part: int


@dataclass(frozen=True)
class CheckedAttribution:
    """Costs of all steps; they add up to the rows that the settings ask for."""

    steps: tuple[StepCost, ...]

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(step.rows for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """Give the entries as JSON values."""
        return {"rows": self.rows, "steps": [{**vars(step), "shape": list(step.shape)} for step in self.steps]}


def attribute_checked(circuit: CheckedCircuit) -> CheckedAttribution:
    """Charge every step of a checked circuit."""
    return CheckedAttribution(
        tuple(entry for part in circuit.parts for entry in _part_costs(part, circuit.foreign.rows))
    )


def _part_costs(circuit: PartCircuit, foreign_rows: Any) -> list[StepCost]:
    part, inner = circuit.part, circuit.part.program.options.num_inner_cols
    found = []
    for step in part.steps:
        rows = step_rows(step, inner, foreign_rows)
        macs = step.macs if isinstance(step, Claim) else 0
        direct = _direct_rows(step, inner) if isinstance(step, Claim) else 0
        found.append(StepCost(_name(step), _kind(step), step.output.shape, rows, macs, direct, part.index))
    public = sum(value.size for value in (*part.public_inputs, *part.outputs)) + len(part.claims) + 1
    found.append(StepCost("(public values)", "output", (), math.ceil(public / inner), 0, 0, part.index))
    rest = circuit.rows - sum(step.rows for step in found)
    found.append(StepCost(f"(range lookups, {SPARE_ROWS} spare)", "range", (), rest, 0, 0, part.index))
    return found


def _direct_rows(claim: Claim, inner: int) -> int:
    rebase = math.ceil(DIRECT_REBASE_ROWS * 2 / inner) * claim.output.size if claim.divided else 0
    return math.ceil(claim.macs / inner) + rebase


def _name(step: Step) -> str:
    if isinstance(step, Claim):
        return step.node
    return step.node.name if isinstance(step, (Exact, Foreign)) else step.output.name


def _kind(step: Step) -> str:
    if isinstance(step, Claim):
        return "divide" if step.map is not None and step.map.kind == "identity" else "check"
    if isinstance(step, Lookup):
        return "table"
    if isinstance(step, Foreign):
        return str(step.node.op_type)
    if isinstance(step, Exact):
        return "sum" if step.node.op_type in ("Add", "Sub", "ReduceSum", "Neg") else "move"
    return "product" if isinstance(step, Times) else "scale" if isinstance(step, Raise) else "step"
