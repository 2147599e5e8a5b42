"""Choosing the layout of a checked circuit: the scales that samples fit, and the columns and height proved fastest.

Precision is nearly free here. A table fills a column anyway, so it is made as long as one; the activations' scale is
the finest at which the samples, with a margin, stay inside; weights get the table's bits. What is left to choose is the
height and the number of inner columns, by predicted time within the memory.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zk.bundle_format import MAX_PARTS
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.errors import CheckedError
from zk.checked.foreign import circuit_options
from zk.checked.height import least_logrows
from zk.checked.options import CheckedOptions
from zk.checked.parts import even_cuts, possible_cuts
from zk.checked.plan import CheckedCandidate, CheckedPlan
from zk.checked.rows import step_rows, with_rows
from zk.checked.simulate import CheckedSimulation, CheckedSimulator
from zk.circuit_cost import CircuitCost, circuit_cost, load_settings
from zk.cost import predict_cost
from zk.cost_model import CostModel
from zk.export import run_onnx
from zk.fidelity import FidelityReport, fidelity_report
from zk.plan import PlanGoal
from zk.stages import StageRunner
from zk.types import Budget

INNER_COLUMNS = (1, 2, 3)
"""From 4 on the constraints' degree doubles the memory."""

HEIGHTS = 3
"""How many heights from the least on are compared."""

LEAST_LOGROWS = 9
PROBE_ACTIVATION_BITS, PROBE_LOGROWS = 8, 17


def plan_checked(
    onnx_path: Path,
    samples: Sequence[Tensor],
    workdir: Path,
    *,
    goal: PlanGoal,
    base: CheckedOptions,
    budget: Budget,
    logrows: int | None = None,
    model: CostModel | None = None,
    least_bits: int = 1,
    pinned: bool = False,
) -> CheckedPlan:
    """Find the layout with the least predicted proving time that fulfils ``goal``.

    Args:
        onnx_path: trained model with a fixed batch and float32 inputs.
        samples: for each input a tensor [N, ...]; ranges and fidelity come from these N samples.
        workdir: receives drafts.
        goal: memory, error and margin to keep; its scales are not used.
        base: private inputs, salt, direct nodes and cuts. Without cuts, the network is cut into as few parts as fit
            the memory.
        budget: limits of each call of EZKL.
        logrows: the height to keep; None compares a few.
        model: predicts time and memory; None is the shipped one.
        least_bits: activations are at least at scale ``2**least_bits``, where ``logrows`` leaves the choice.
        pinned: activations are at that very scale, however much finer the tables would let them be.

    Raises:
        LoweringError: the model cannot be read or rewritten.
        CheckedError: it has no checked form, or there are no samples.
    """
    if not samples or not len(samples[0]):
        raise CheckedError("a plan needs samples for its ranges; got none; give at least one")
    base = dataclasses.replace(base, direct=cheaper_directly(onnx_path, workdir, base, budget))
    plan: CheckedPlan | None = None
    for parts in range(1, (1 if base.cuts else MAX_PARTS) + 1):
        found = _plan_parts(onnx_path, samples, workdir, parts, goal, base, logrows, budget, model, least_bits, pinned)
        plan = found or plan
        if found is None or found.best is not None:
            break
    assert plan is not None  # in one part there is nothing to cut
    return plan


def _plan_parts(
    onnx_path: Path,
    samples: Sequence[Tensor],
    workdir: Path,
    parts: int,
    goal: PlanGoal,
    base: CheckedOptions,
    logrows: int | None,
    budget: Budget,
    model: CostModel | None,
    least_bits: int,
    pinned: bool,
) -> CheckedPlan | None:
    """Compare heights and columns for one number of parts; None if it cannot be cut into so many."""
    cut = functools.partial(_cut_evenly, onnx_path, workdir, parts, budget)
    probe = cut(dataclasses.replace(base, activation_bits=PROBE_ACTIVATION_BITS, logrows=PROBE_LOGROWS))
    base_cut = cut(base)
    if probe is None or base_cut is None:
        return None
    sampled = functools.cache(lambda options: _sampled(onnx_path, samples, workdir, options, budget))
    reach = float(sampled(probe).reach.max()) * goal.range_margin
    expected = _expected(onnx_path, samples)
    heights = _heights(onnx_path, workdir, base_cut, logrows, budget, logrows_for(reach, least_bits))
    found: list[CheckedCandidate] = []
    reports: dict[tuple[int, int], FidelityReport] = {}
    for logrows in heights:
        first = cut(scales_for(reach, logrows, base))
        if first is None:
            continue
        # at other scales than the probe's, other values are divided and looked up
        asked = float(sampled(first).reach.max()) * goal.range_margin
        wanted = scales_for(max(asked, reach), logrows, base)
        if pinned:
            wanted = dataclasses.replace(wanted, activation_bits=min(least_bits, wanted.activation_bits))
        scaled = cut(wanted)
        if scaled is None:
            continue
        report = _fidelity(expected, sampled(scaled))
        reports[scaled.logrows, scaled.activation_bits] = report
        error = report.mean_abs_error
        broken = f"mean error {error:.4f} above {goal.mean_abs_error}" if error > goal.mean_abs_error else ""
        if scaled.activation_bits < least_bits:
            broken = f"tables leave activations {scaled.activation_bits} bits, below {least_bits}"
        found += [
            draft_candidate(
                onnx_path, workdir, dataclasses.replace(scaled, num_inner_cols=inner), goal, broken, budget, model
            )
            for inner in INNER_COLUMNS
        ]
    if not found:
        return None
    found.sort(key=lambda candidate: (candidate.verdict != "", candidate.predicted_prove_seconds))
    best = found[0] if found[0].verdict == "" else None
    chosen = found[0].options
    return CheckedPlan(
        candidates=tuple(found),
        best=best,
        fidelity=reports[(chosen.logrows, chosen.activation_bits)],
        foreign=build_checked(onnx_path, chosen, workdir, budget=budget).program.foreign,
        source=onnx_path,
    )


def _cut_evenly(
    onnx_path: Path, workdir: Path, parts: int, budget: Budget, options: CheckedOptions
) -> CheckedOptions | None:
    """Cut into so many parts, as even as they can be; None if there are too few places.

    The places are those of these very options: at other scales other values are divided, and other steps arise.
    """
    if parts == 1:
        return options
    program = build_checked(onnx_path, options, workdir, budget=budget).program
    if parts > len(possible_cuts(program)) + 1:
        return None
    weights = functools.partial(step_rows, inner=options.num_inner_cols, foreign_rows=lambda step: step.output.size)
    return dataclasses.replace(options, cuts=even_cuts(program, parts, weights))


def logrows_for(reach: float, activation_bits: int) -> int:
    """Least height whose tables hold a reach (a real number, margin included) at so many fractional bits."""
    return max(activation_bits + 1 + max(0, math.ceil(math.log2(max(reach, 2.0**-8) * 1.001))), activation_bits + 3)


def scales_for(reach: float, logrows: int, base: CheckedOptions) -> CheckedOptions:
    """The finest activations that stay inside the tables of a height.

    Args:
        reach: greatest magnitude that a table is asked for, as a real number, margin included.
        logrows: height.
        base: everything else.

    Raises:
        CheckedError: the reach leaves no fractional bit.
    """
    activation_bits = logrows - 1 - max(0, math.ceil(math.log2(max(reach, 2.0**-8) * 1.001)))
    if activation_bits < 1:
        raise CheckedError(f"activations reach {reach:.3g}: no table at logrows {logrows} holds them; raise logrows")
    return dataclasses.replace(base, activation_bits=min(activation_bits, logrows - 3, 20), logrows=logrows)


def draft_candidate(
    onnx_path: Path,
    workdir: Path,
    options: CheckedOptions,
    goal: PlanGoal,
    broken: str,
    budget: Budget,
    model: CostModel | None,
) -> CheckedCandidate:
    """Draft one layout and predict its cost; ``broken`` is what its scales break already."""
    circuit = build_checked(onnx_path, options, workdir, budget=budget)
    costs = part_costs(circuit, workdir, budget)
    predicted = tuple(predict_cost(cost, model) for cost in costs)
    peak = max(found.admission_bytes for found in predicted)
    if not broken and peak > goal.memory_bytes:
        broken = f"predicted memory {peak / 2**30:.1f} GiB above {goal.memory_bytes / 2**30:.1f}"
    return CheckedCandidate(options, costs, predicted, broken)


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
    heights = _heights(onnx_path, workdir, base, None, budget)
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


def _heights(
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


def _sampled(
    onnx_path: Path, samples: Sequence[Tensor], workdir: Path, options: CheckedOptions, budget: Budget
) -> CheckedSimulation:
    """Run the samples on a circuit's integers."""
    return CheckedSimulator(build_checked(onnx_path, options, workdir, budget=budget)).run(samples)


def _expected(onnx_path: Path, samples: Sequence[Tensor]) -> Tensor:
    """The float network's outputs [N, elements]."""
    rows = zip(*(tensor.unbind() for tensor in samples), strict=True)
    wanted = [run_onnx(onnx_path, tuple(tensor.float().numpy() for tensor in row)) for row in rows]
    return torch.from_numpy(np.stack([np.concatenate([part.ravel() for part in parts]) for parts in wanted])).double()


def _fidelity(expected: Tensor, found: CheckedSimulation) -> FidelityReport:
    """Over the samples that stay inside the tables: others leave them by the margin's choice; the sampler counts."""
    if not found.in_range.any():
        raise CheckedError("no sample stays inside the tables; give a margin or more table bits")
    return fidelity_report(expected[found.in_range], torch.cat(found.outputs, dim=1)[found.in_range])
