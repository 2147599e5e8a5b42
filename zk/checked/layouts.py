"""Which layouts of a checked circuit there are to choose from, and what each would cost: nothing is simulated here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.foreign import circuit_options
from zk.checked.height import least_logrows
from zk.checked.options import CheckedOptions
from zk.checked.rows import with_rows
from zk.circuit_cost import CircuitCost, circuit_cost, load_settings
from zk.cost import predict_cost
from zk.cost_model import CostModel
from zk.stages import StageRunner
from zk.types import Budget

INNER_COLUMNS = (1, 2, 3)
"""From 4 on the constraints' degree doubles the memory."""

HEIGHTS = 3
"""How many heights from the least on are compared."""

LEAST_LOGROWS = 9


def draft_layouts(
    onnx_path: Path, workdir: Path, base: CheckedOptions, *, budget: Budget, model: CostModel | None
) -> tuple[CircuitCost, ...]:
    """Figures of each part of :func:`cheapest_layout`."""
    options = cheapest_layout(onnx_path, workdir, base, budget=budget, model=model)
    return part_costs(build_checked(onnx_path, options, workdir, budget=budget), workdir, budget)


def cheapest_layout(
    onnx_path: Path, workdir: Path, base: CheckedOptions, *, budget: Budget, model: CostModel | None
) -> CheckedOptions:
    """The layout that is predicted to be proved fastest; the scale of its activations is not planned.

    Raises:
        LoweringError: the model cannot be read or rewritten.
        CheckedError: it has no checked form.
    """

    def seconds(options: CheckedOptions) -> float:
        costs = part_costs(build_checked(onnx_path, options, workdir, budget=budget), workdir, budget)
        return sum(predict_cost(cost, model).seconds["prove"].middle for cost in costs)

    base = dataclasses.replace(base, direct=cheaper_directly(onnx_path, workdir, base, budget))
    heights = candidate_heights(onnx_path, workdir, base, None, budget)
    layouts = [
        dataclasses.replace(
            base, logrows=logrows, num_inner_cols=inner, activation_bits=min(base.activation_bits, logrows - 3)
        )
        for logrows in heights
        for inner in INNER_COLUMNS
    ]
    return min(layouts, key=seconds)


def cheaper_directly(onnx_path: Path, workdir: Path, base: CheckedOptions, budget: Budget) -> tuple[str, ...]:
    """Products that take fewer rows if EZKL computes them: where there are fewer multiplications than inputs.

    Checking reads every input once, whatever the product does with them; and a direct product must be divided by a
    claim all the same. So these are few: convolutions that skip most of their input.
    """
    program = build_checked(onnx_path, base, workdir, budget=budget).program
    found = []
    for claim in program.claims:
        if claim.map is None or claim.map.kind == "identity" or claim.node in base.direct:
            continue
        divided = claim.output.size if claim.divided else 0
        if claim.macs + divided < claim.inputs[0].size:
            found.append(claim.node)
    return (*base.direct, *found)


def part_costs(circuit: CheckedCircuit, workdir: Path, budget: Budget) -> tuple[CircuitCost, ...]:
    """Figures of each part, from settings alone."""
    costs = []
    options = circuit_options(circuit.program.options)
    for part in circuit.parts:
        runner = StageRunner(workdir / f"draft-{part.part.index}", options, budget)
        onnx = runner.file("checked.onnx")
        onnx.write_bytes(part.model)
        runner.settings(onnx)
        settings = load_settings(runner.file("settings.json"))
        costs.append(circuit_cost(with_rows(settings, part.rows)))
    return tuple(costs)


def candidate_heights(
    onnx_path: Path,
    workdir: Path,
    base: CheckedOptions,
    logrows: int | None,
    budget: Budget,
    lowest: int = LEAST_LOGROWS,
) -> list[int]:
    """The asked height, or a few from the least at which the columns fit; none below ``lowest``."""
    if logrows is not None:
        return [logrows]
    least = max(least_logrows(build_checked(onnx_path, base, workdir, budget=budget)), LEAST_LOGROWS, lowest)
    return list(range(least, least + HEIGHTS))
