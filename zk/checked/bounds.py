"""How far integers can reach: what holds modulo the field holds over the integers if nothing wraps."""

from __future__ import annotations

import math

import numpy as np

from zk.checked.errors import CheckedError
from zk.checked.kinds import SUMS
from zk.checked.products import PRODUCTS
from zk.checked.program import RELU, Claim, Exact, Foreign, Lookup, Program, Raise, Step, Times
from zk.field import MODULUS

PUBLIC_BITS = 62
"""The verifier refuses public inputs and outputs of 2**62 or more in magnitude."""

FOREIGN_BITS = 127
"""EZKL computes in 128-bit integers, and decomposes or looks up what its own operators give: far less than that."""

HIGHEST_POWER = 256
"""Of any integer but 0 and 1 it is beyond the field."""

MARGIN = 4


def check_bounds(program: Program) -> None:
    """Refuse a program in which a value, or a side of a claim, could reach a quarter of the field.

    Values that no claim reads count, too: an output of small magnitude could be one that went round the field.

    Raises:
        CheckedError: it could; fewer bits help.
    """
    bounds: dict[str, int] = {}
    options = program.options
    for value in program.inputs:
        bounds[value.name] = options.half_range if value.name in options.private_inputs else 1 << PUBLIC_BITS
    for step in program.steps:
        if isinstance(step, Claim):
            reach = max(_reach(step, bounds) * step.lift, options.divisor * (options.half_range + 1))
            bounds[step.output.name] = reach if step.in_range == "output" else options.half_range
        else:
            reach = bounds[step.output.name] = _bound(step, bounds)
        if reach * MARGIN >= MODULUS:
            name = step.node if isinstance(step, Claim) else step.output.name
            raise CheckedError(
                f"{name!r} must stay below a quarter of the field; it may reach 2**{reach.bit_length()}; "
                "use fewer bits, or private inputs, whose range is looked up"
            )


def _reach(claim: Claim, bounds: dict[str, int]) -> int:
    if claim.map is not None:
        return claim.map.reach(bounds[claim.inputs[0].name])
    left, right = claim.inputs
    return bounds[left.name] * bounds[right.name] * left.shape[-1]


def _bound(step: Step, bounds: dict[str, int]) -> int:
    if isinstance(step, Raise):
        return bounds[step.input.name]
    if isinstance(step, Lookup):
        reach = bounds[step.input.name]
        return reach if step.function == RELU else max(reach, 1 << step.input.declared) + 1
    if isinstance(step, Times):
        other = int(abs(step.constant).max()) if step.constant is not None else bounds[step.inputs[1].name]
        return bounds[step.inputs[0].name] * other
    if isinstance(step, Foreign):
        return _foreign_bound(step, bounds)
    assert isinstance(step, Exact)
    raised = [bounds[value.name] << (step.output.bits - value.bits) for value in step.inputs]
    if step.node.op_type in SUMS:
        raised += [
            math.ceil(float(np.abs(array).max(initial=0.0))) << step.output.bits
            for array in step.constants.values()
            if np.issubdtype(array.dtype, np.floating)
        ]
    if step.node.op_type in ("Add", "Sub"):
        return sum(raised) if len(raised) > 1 else 2 * raised[0]
    if step.node.op_type == "ReduceSum":
        return raised[0] * math.ceil(step.inputs[0].size / step.output.size)
    return max(raised)


def _foreign_bound(step: Foreign, bounds: dict[str, int]) -> int:
    """Bound of what EZKL computes itself; where that is a polynomial, nothing but its degree binds a prover."""
    kind, size = step.node.op_type, max(value.size for value in step.inputs)
    reaches = [bounds[value.name] for value in step.inputs]
    reals = [array for array in step.constants.values() if np.issubdtype(array.dtype, np.floating)]
    factors = [math.ceil(float(np.abs(array).max(initial=0.0))) for array in reals]
    if kind == "Pow" and any(float(array.min()) < 0 for array in reals):
        return 1 << FOREIGN_BITS  # a table, whose greatest entry is that of the least integer
    if (kind == "Pow" and factors) or kind == "ReduceProd":
        power = factors[0] if kind == "Pow" else size // step.output.size
        return int(max(reaches) ** min(power, HIGHEST_POWER))
    if kind in PRODUCTS:
        return math.prod([*reaches, *(factor + 1 for factor in factors), size]) << step.output.declared
    return max(1 << FOREIGN_BITS, *(reach * size for reach in reaches))
