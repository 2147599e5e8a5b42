"""Choosing how a model becomes a circuit: the rewrites, scales and digits that prove it fastest in the memory there is.

No keys are made. Each candidate layout (:mod:`zk.plan_forms`) is drafted by ezkl (settings, compilation: seconds) and
run by the integer simulator (:mod:`zk.simulate`) on sample inputs, which tells how far its integers reach, hence how
many digits a check needs and how long its tables must be, and how far its outputs lie from the float model's. The
height follows from the predictions, and the best layouts are drafted again with fewer and more inner columns: fewer
waste less of a half-empty block, more have fewer blocks.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from zk.circuit_cost import CircuitCost, circuit_cost
from zk.cost import fastest_logrows, predict_cost
from zk.cost_model import CostModel
from zk.errors import OptionError, ZkError
from zk.export import run_onnx
from zk.fidelity import FidelityReport, fidelity_report
from zk.plan import Candidate, Plan, PlanGoal
from zk.plan_forms import Layout, planned_layouts
from zk.simulate import IntegerCircuit, read_circuit
from zk.stages import StageRunner
from zk.types import Budget, CircuitOptions

LEGS = (1, 2, 3, 4)
LARGEST_TABLE_BITS = 19
INNER_COLUMNS = (1, 3)
"""Tried for the best layouts beside ezkl's default of 2; from 4 on the constraints' degree doubles the memory."""
REFINED = 2
"""How many of the best layouts are drafted with other inner columns."""


def plan_circuit(
    onnx_path: Path,
    samples: Sequence[torch.Tensor],
    workdir: Path,
    *,
    goal: PlanGoal,
    base: CircuitOptions,
    budget: Budget,
    model: CostModel | None = None,
) -> Plan:
    """Find the layout with the least predicted proving time that fulfils ``goal``.

    Args:
        onnx_path: trained model with a fixed batch of one and float32 inputs.
        samples: for each input a tensor [N, ...]; ranges and fidelity come from these N samples.
        workdir: receives the forms of the model and a folder for each candidate.
        goal: what to keep.
        base: visibilities and whatever else the plan leaves alone; a height that it names is kept.
        budget: limits of each call of ezkl.
        model: predicts time and memory; None is the shipped one.

    Raises:
        LoweringError: the model cannot be read or rewritten.
    """
    scales = [(inputs, weights) for inputs in goal.input_scales for weights in goal.param_scales]
    layouts = planned_layouts(onnx_path, workdir, base, scales)
    expected = _float_outputs(onnx_path, samples)
    drafts = _Drafts(goal, base, budget, model)
    found = []
    for index, layout in enumerate(layouts):
        folder = workdir / f"candidate-{index}"
        found.append((drafts.first(layout, samples, expected, folder), layout))
    for candidate, layout in sorted(found, key=lambda pair: _order(pair[0]))[:REFINED]:
        if candidate.verdict == "":
            refined = (drafts.with_columns(candidate, layout, inner, workdir / "refined") for inner in INNER_COLUMNS)
            found += [(other, layout) for other in refined if other is not None]
    found.sort(key=lambda pair: _order(pair[0]))
    best, layout = found[0]
    candidates = tuple(candidate for candidate, _ in found)
    chosen = best if best.verdict == "" else None
    return Plan(candidates, chosen, layout.onnx_path if chosen else None, onnx_path)


class _Drafts:
    """Drafts layouts under one goal."""

    def __init__(self, goal: PlanGoal, base: CircuitOptions, budget: Budget, model: CostModel | None) -> None:
        self._goal = goal
        self._base = base
        self._budget = budget
        self._model = model

    def first(self, layout: Layout, samples: Sequence[torch.Tensor], expected: torch.Tensor, folder: Path) -> Candidate:
        """Simulate a layout, then draft it with the digits and the table that its integers need."""
        options, margin = layout.options, self._goal.range_margin
        try:
            simulation = compiled_circuit(layout.onnx_path, folder, options, self._budget).run(samples)
            bound = max(simulation.decomposed_peak, 1) * margin
            low, high = (round(end * margin) for end in simulation.looked_up)
            options = dataclasses.replace(options, lookup_range=(min(low, -1), max(high, 1)))
            fidelity = fidelity_report(expected, simulation.outputs[0].reshape(expected.shape))
            drafts = [self._lay_out(layout.onnx_path, folder, digits) for digits in _with_digits(options, bound)]
        except ZkError as refusal:
            return Candidate(layout.name, options, None, None, None, str(refusal))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        found = [self._candidate(layout.name, *draft, fidelity) for draft in drafts]
        return min(found, key=_order)

    def with_columns(self, candidate: Candidate, layout: Layout, inner: int, folder: Path) -> Candidate | None:
        """Draft a candidate with other inner columns, which change nothing that it computes; None if ezkl refuses."""
        options = dataclasses.replace(candidate.options, num_inner_cols=inner, logrows=self._base.logrows)
        try:
            options, cost = self._lay_out(layout.onnx_path, folder, options)
        except ZkError:
            return None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        assert candidate.fidelity is not None
        return self._candidate(candidate.form, options, cost, candidate.fidelity)

    def _lay_out(self, path: Path, folder: Path, options: CircuitOptions) -> tuple[CircuitOptions, CircuitCost]:
        settings = StageRunner(folder, options, self._budget).settings(path)
        height = options.logrows or fastest_logrows(
            settings,
            min_logrows=options.min_logrows,
            max_logrows=options.max_logrows,
            memory_bytes=self._goal.memory_bytes,
            model=self._model,
        )
        return dataclasses.replace(options, logrows=height), circuit_cost(settings, height)

    def _candidate(self, form: str, options: CircuitOptions, cost: CircuitCost, fidelity: FidelityReport) -> Candidate:
        predicted = predict_cost(cost, self._model)
        return Candidate(form, options, cost, predicted, fidelity, self._verdict(fidelity, predicted.admission_bytes))

    def _verdict(self, found: FidelityReport, peak_bytes: int) -> str:
        goal = self._goal
        if found.mean_abs_error > goal.mean_abs_error:
            return f"mean error {found.mean_abs_error:.4f} above {goal.mean_abs_error}"
        if peak_bytes > goal.memory_bytes:
            return f"predicted memory {peak_bytes / 2**30:.1f} GiB above {goal.memory_bytes / 2**30:.1f}"
        return ""


def _float_outputs(onnx_path: Path, samples: Sequence[torch.Tensor]) -> torch.Tensor:
    rows = zip(*(tensor.unbind() for tensor in samples), strict=True)
    found = [run_onnx(onnx_path, tuple(x.float().cpu().numpy() for x in row))[0].ravel() for row in rows]
    return torch.from_numpy(np.stack(found)).double()


def _order(found: Candidate) -> tuple[bool, float, float]:
    rows = found.cost.rows if found.cost is not None else math.inf
    return found.verdict != "", found.predicted_prove_seconds, rows


def compiled_circuit(onnx_path: Path, folder: Path, options: CircuitOptions, budget: Budget) -> IntegerCircuit:
    """Compile a model at ``options`` in ``folder`` and read it for the simulator.

    Raises:
        StageFailed: EZKL refuses it, or a stage leaves the budget.
        SimulationError: it has an operator that is not simulated.
    """
    runner = StageRunner(folder, options, budget)
    settings = runner.settings(onnx_path)
    return read_circuit(runner.compile(onnx_path), settings)


def _with_digits(options: CircuitOptions, bound: float) -> list[CircuitOptions]:
    """Options with each number of digits whose table is not too long; the fewest rows are not always the fastest."""
    found = []
    for legs in LEGS:
        bits = max(2, math.ceil(math.log2(bound) / legs))
        if bits <= LARGEST_TABLE_BITS:
            found.append(dataclasses.replace(options, decomp_base=1 << bits, decomp_legs=legs))
    if not found:
        raise OptionError(f"integers reach {bound:.3g}, beyond {max(LEGS)} digits of {LARGEST_TABLE_BITS} bits")
    return found[:2]
