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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zk.bundle_format import MAX_PARTS
from zk.checked.circuit import build_checked
from zk.checked.errors import CheckedError
from zk.checked.layouts import INNER_COLUMNS, candidate_heights, cheaper_directly, part_costs
from zk.checked.options import CheckedOptions
from zk.checked.parts import even_cuts, possible_cuts
from zk.checked.plan import CheckedCandidate, CheckedPlan
from zk.checked.rows import step_rows
from zk.checked.simulate import CheckedSimulation, CheckedSimulator
from zk.cost import predict_cost
from zk.cost_model import CostModel
from zk.export import run_onnx
from zk.fidelity import FidelityReport, fidelity_report
from zk.plan import PlanGoal
from zk.types import Budget

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
    wanted = _Wanted(goal, base, logrows, least_bits, pinned)
    plan: CheckedPlan | None = None
    for parts in range(1, (1 if base.cuts else MAX_PARTS) + 1):
        found = _Parts(onnx_path, samples, workdir, parts, wanted, budget, model).plan()
        plan = found or plan
        if found is None or found.best is not None:
            break
    assert plan is not None  # in one part there is nothing to cut
    return plan


@dataclass(frozen=True)
class _Wanted:
    """What :func:`plan_checked` was asked for."""

    goal: PlanGoal
    base: CheckedOptions
    logrows: int | None
    least_bits: int
    pinned: bool


class _Parts:
    """The layouts of a network that is cut into one number of parts."""

    def __init__(
        self,
        onnx_path: Path,
        samples: Sequence[Tensor],
        workdir: Path,
        parts: int,
        wanted: _Wanted,
        budget: Budget,
        model: CostModel | None,
    ) -> None:
        self._onnx, self._workdir, self._wanted, self._budget, self._model = onnx_path, workdir, wanted, budget, model
        self._cut = functools.partial(_cut_evenly, onnx_path, workdir, parts, budget)
        self._sampled = functools.cache(lambda options: _sampled(onnx_path, samples, workdir, options, budget))
        self._samples = samples

    def plan(self) -> CheckedPlan | None:
        """Compare heights and columns; None if the network cannot be cut into so many parts."""
        base, least_bits = self._wanted.base, self._wanted.least_bits
        probe = self._cut(dataclasses.replace(base, activation_bits=PROBE_ACTIVATION_BITS, logrows=PROBE_LOGROWS))
        base_cut = self._cut(base)
        if probe is None or base_cut is None:
            return None
        reach, expected = self._reach(probe), _expected(self._onnx, self._samples)
        lowest = logrows_for(reach, least_bits)
        heights = candidate_heights(self._onnx, self._workdir, base_cut, self._wanted.logrows, self._budget, lowest)
        found: list[CheckedCandidate] = []
        reports: dict[tuple[int, int], FidelityReport] = {}
        for scaled in filter(None, (self._scaled(reach, logrows) for logrows in heights)):
            report = reports[scaled.logrows, scaled.activation_bits] = _fidelity(expected, self._sampled(scaled))
            found += self._candidates(scaled, report)
        if not found:
            return None
        found.sort(key=lambda candidate: (candidate.verdict != "", candidate.predicted_prove_seconds))
        chosen = found[0].options
        return CheckedPlan(
            candidates=tuple(found),
            best=found[0] if found[0].verdict == "" else None,
            fidelity=reports[chosen.logrows, chosen.activation_bits],
            foreign=build_checked(self._onnx, chosen, self._workdir, budget=self._budget).program.foreign,
            source=self._onnx,
        )

    def _reach(self, options: CheckedOptions) -> float:
        """Greatest magnitude that the samples ask a table for, with the margin."""
        return float(self._sampled(options).reach.max()) * self._wanted.goal.range_margin

    def _scaled(self, reach: float, logrows: int) -> CheckedOptions | None:
        """Give the scales for one height; None if at these the network cannot be cut into so many parts."""
        base = self._wanted.base
        first = self._cut(scales_for(reach, logrows, base))
        if first is None:
            return None
        # at other scales than the probe's, other values are divided and looked up
        asked = scales_for(max(self._reach(first), reach), logrows, base)
        if self._wanted.pinned:
            bits = min(self._wanted.least_bits, asked.activation_bits)
            asked = dataclasses.replace(asked, activation_bits=bits)
        return self._cut(asked)

    def _candidates(self, scaled: CheckedOptions, report: FidelityReport) -> list[CheckedCandidate]:
        """Draft one layout for each number of inner columns."""
        goal, least_bits, error = self._wanted.goal, self._wanted.least_bits, report.mean_abs_error
        broken = f"mean error {error:.4f} above {goal.mean_abs_error}" if error > goal.mean_abs_error else ""
        if scaled.activation_bits < least_bits:
            broken = f"tables leave activations {scaled.activation_bits} bits, below {least_bits}"
        layouts = [dataclasses.replace(scaled, num_inner_cols=inner) for inner in INNER_COLUMNS]
        return [self._draft(options, broken) for options in layouts]

    def _draft(self, options: CheckedOptions, broken: str) -> CheckedCandidate:
        """Predict the cost of one layout; ``broken`` is what its scales break already."""
        circuit = build_checked(self._onnx, options, self._workdir, budget=self._budget)
        costs = part_costs(circuit, self._workdir, self._budget)
        predicted = tuple(predict_cost(cost, self._model) for cost in costs)
        peak, most = max(found.admission_bytes for found in predicted), self._wanted.goal.memory_bytes
        if not broken and peak > most:
            broken = f"predicted memory {peak / 2**30:.1f} GiB above {most / 2**30:.1f}"
        return CheckedCandidate(options, costs, predicted, broken)


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
