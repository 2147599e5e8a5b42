"""How many rows a part takes in EZKL's real layout.

EZKL's settings give those of a dry layout, which assigns a committed column again for every slice that is cut from it.
The real layout finds it assigned and takes a fraction; but as many columns are made, and paid for, as the settings ask
for. So the settings get the real number. Were it too small, key generation would fail; it never truncates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zk.checked.bound import tap_windows
from zk.checked.layout import Layout
from zk.checked.parts import Part
from zk.checked.program import Claim, Exact, Foreign, Lookup, Step, Times

SPARE_ROWS = 16
ForeignRows = Callable[[Foreign], int]


def part_rows(part: Part, layout: Layout, foreign_rows: ForeignRows) -> int:
    """Rows of a part, all blocks together: what was counted in keys, and a few to spare."""
    inner = part.program.options.num_inner_cols
    total = sum(step_rows(step, inner, foreign_rows) for step in part.steps)
    claims = {claim.index: spans for claim, spans in zip(part.claims, layout.claims, strict=True)}
    ranged = [layout.remainders.size, *(value.size for value in part.ranged)]
    ranged += [claims[claim.index].result.size for claim in part.claims if claim.in_range == "lookup"]
    public = sum(value.size for value in (*part.public_inputs, *part.outputs))
    total += sum(2 * math.ceil(size / inner) for size in ranged) + len(ranged) + 2
    return total + math.ceil((public + len(part.claims) + 1) / inner) + SPARE_ROWS


def step_rows(step: Step, inner: int, foreign_rows: ForeignRows) -> int:
    """Rows of one step, the check of a claim included."""

    def over(size: int) -> int:
        return math.ceil(size / inner)

    if isinstance(step, Claim):
        rows, columns = step.factors
        side = rows * (over(columns) if columns > 1 else 0) + over(rows)
        found = side * (2 if step.divided else 1) + 6
        if step.map is not None and not step.bound:
            return found + over(step.inputs[0].size)
        if step.map is not None:
            return found + _bound_rows(step, over)
        left, right = step.inputs
        batch = math.prod(left.shape[:-2])
        height, depth = left.shape[-2:]
        folded = over(right.shape[-1]) if columns > 1 else 0
        return found + batch * depth * (over(height) + folded) + over(batch * depth)
    if isinstance(step, (Lookup, Times)):
        return over(step.output.size)
    if isinstance(step, Foreign):
        return foreign_rows(step)
    if isinstance(step, Exact):
        return _exact_rows(step, over)
    return 0


def _exact_rows(step: Exact, over: Callable[[int], int]) -> int:
    kind = step.node.op_type
    if kind in ("Add", "Sub"):
        raised = sum(value.size for value in step.inputs if value.declared < step.output.declared)
        return over(step.output.size) + over(raised)
    if kind == "ReduceSum":
        return step.output.size * over(step.inputs[0].size // step.output.size)
    if kind == "Concat":
        return over(step.output.size) if step.constants else 0
    if kind == "Resize":
        return over(step.inputs[0].size)
    return over(step.output.size) if kind == "Neg" else 0


def with_rows(settings: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Settings that ask for as many rows as the part takes."""
    inner = int(settings["run_args"]["num_inner_cols"])
    return {**settings, "num_rows": rows, "total_assignments": rows * inner}


def _bound_rows(claim: Claim, over: Callable[[int], int]) -> int:
    """Rows of the transposed product inside the circuit, the bias's share included."""
    assert claim.map is not None
    rows, columns = claim.factors
    shape, weight = claim.inputs[0].shape, claim.map.weight
    bias = 3 * (over(rows) + over(columns)) if claim.map.bias.any() else 0
    if claim.map.kind == "matrix":
        return weight.shape[0] * over(columns) + rows * over(shape[-1]) + over(rows) + bias
    if claim.map.kind == "left_matrix":
        batch = rows // weight.shape[0]
        depth = shape[-2]
        return batch * depth * (over(weight.shape[0]) + over(columns) + 1) + bias
    taps = [tap_windows(claim.map, tap) for tap in np.ndindex(*weight.shape[2:])]
    folded = shape[1] * len(taps) * over(weight.shape[0] // int(claim.map.facts["group"]))
    seen = sum(over(math.prod(window.count for _, window in windows)) for windows in taps)
    return shape[0] * (folded + shape[1] * seen) + over(shape[0] * shape[1] * len(taps)) + 1 + bias
