"""The two forms of a generator's circuit, direct and checked, behind one set of functions.

A direct circuit computes every product (:mod:`zk.planner`); a checked one claims and checks them (:mod:`zk.checked`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from atomic_files import copy
from zk.bundle_format import SETTINGS, VK
from zk.checked.circuit import build_checked
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedPlan, format_checked_plan
from zk.checked.planner import plan_checked
from zk.checked.prove import Proving
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.checked.simulate import CheckedSimulation, CheckedSimulator
from zk.cost_model import CostModel
from zk.errors import OptionError
from zk.pipeline import ProofRun, prove_sample
from zk.plan import Plan, PlanGoal, format_plan
from zk.planner import compiled_circuit, plan_circuit
from zk.simulate import Simulation
from zk.types import Budget, CircuitOptions

CircuitForm = CircuitOptions | CheckedOptions
CircuitPlan = Plan | CheckedPlan
BUNDLE = "bundle.zip"


class Simulator(Protocol):
    """Computes what a circuit outputs, on batches."""

    def run(self, inputs: Sequence[Tensor]) -> Simulation | CheckedSimulation:
        """Run N inputs, one tensor [N, ...] for each input of the network."""
        ...


def make_plan(
    network: Path,
    samples: Sequence[Tensor],
    folder: Path,
    *,
    goal: PlanGoal,
    form: CircuitForm,
    budget: Budget,
    model: CostModel | None,
    bits: int = 0,
) -> CircuitPlan:
    """Plan the circuit of a trained network in its form; the arguments are those of :func:`zk.planner.plan_circuit`.

    ``bits`` fixes the scale of the activations; 0 leaves it to the plan.
    """
    if isinstance(form, CheckedOptions):
        work, least = folder / "checked", bits or 1
        return plan_checked(
            network, samples, work, goal=goal, base=form, budget=budget, model=model, least_bits=least, pinned=bits > 0
        )
    goal = dataclasses.replace(goal, input_scales=(bits,)) if bits else goal
    return plan_circuit(network, samples, folder, goal=goal, base=form, budget=budget, model=model)


def plan_table(plan: CircuitPlan) -> str:
    """Lay out the candidates of a plan as text."""
    return format_checked_plan(plan) if isinstance(plan, CheckedPlan) else format_plan(plan)


def simulator_of(plan: CircuitPlan, folder: Path, budget: Budget) -> Simulator:
    """Build the chosen circuit for simulation.

    Raises:
        ZkError: it no longer fits the budget.
    """
    assert plan.best is not None
    if isinstance(plan, CheckedPlan):
        return CheckedSimulator(build_checked(plan.source, plan.best.options, folder, budget=budget))
    assert plan.onnx_path is not None
    return compiled_circuit(plan.onnx_path, folder, plan.best.options, budget)


def describe_plan(plan: CircuitPlan) -> tuple[dict[str, float], str]:
    """Return a chosen plan's figures, and its layout in words."""
    best = plan.best
    assert best is not None
    if isinstance(plan, CheckedPlan):
        assert plan.best is not None
        options, rows, height = plan.best.options, plan.best.rows, plan.best.options.logrows
        words = (
            f"checked, {options.activation_bits} bits, tables of {options.divisor}, {options.num_inner_cols} inner "
            f"columns, {len(plan.best.costs)} parts"
        )
    else:
        assert plan.best is not None
        assert plan.best.cost is not None
        direct, rows, height = plan.best.options, plan.best.cost.rows, plan.best.cost.logrows
        words = (
            f"{plan.best.form}, rebase at {direct.scale_rebase_multiplier} x {direct.input_scale_bits} bits, "
            f"{direct.decomp_legs} digits of base {direct.decomp_base}, {direct.num_inner_cols} inner columns"
        )
    metrics = {
        "planned_rows": float(rows),
        "planned_logrows": float(height),
        "planned_peak_bytes": float(best.predicted_peak_bytes),
        "planned_prove_seconds": best.predicted_prove_seconds,
    }
    return metrics, words


def prove_plan(
    plan: CircuitPlan,
    inputs: Sequence[Tensor],
    calibration: Sequence[Sequence[Tensor]],
    network: Path,
    *,
    budget: Budget,
    srs_dir: Path,
) -> ProofRun:
    """Prove one input of the planned circuit in the folder of ``network``, which receives the proved model.

    Raises:
        OptionError: no layout fulfils the plan's goal.
    """
    if plan.best is None:
        raise OptionError(
            f"some layout must fulfil the goal; none does: {plan.reasons}; raise the budget or the bounds"
        )
    folder = network.parent
    if isinstance(plan, CheckedPlan):
        return _prove_checked(plan, inputs, network, budget=budget, srs_dir=srs_dir)
    assert plan.onnx_path is not None
    copy(plan.onnx_path, network)
    return prove_sample(
        network,
        tuple(inputs),
        folder,
        options=plan.best.options,
        budget=budget,
        srs_dir=srs_dir,
        reference=plan.source,
        calibration_inputs=[tuple(sample) for sample in calibration],
    )


def _prove_checked(
    plan: CheckedPlan, inputs: Sequence[Tensor], network: Path, *, budget: Budget, srs_dir: Path
) -> ProofRun:
    assert plan.best is not None
    folder = network.parent
    if plan.source.resolve() != network.resolve():
        copy(plan.source, network)
    circuit = build_checked(network, plan.best.options, folder / "nodes", budget=budget)
    proving = Proving(workdir=folder / "parts", srs_dir=srs_dir, budget=budget)
    run = prove_checked(network, circuit, inputs, proving)
    if run.proof.complete:
        (folder / BUNDLE).unlink(missing_ok=True)
        config = {"checked": plan.best.options.to_json()}
        write_checked_bundle(run, circuit, folder / BUNDLE, onnx_path=network, proving=proving, config=config)
        first = run.proof.parts[0].folder
        for name in (SETTINGS, "proof.json", VK):
            copy(first / name, folder / name)
    return as_proof_run(run, plan)


def as_proof_run(run: CheckedRun, plan: CheckedPlan) -> ProofRun:
    """A checked run in the terms of a direct one: stages of all parts added up, the greatest peak of each."""
    parts = run.proof.parts
    options = plan.best.options if plan.best is not None else None
    return ProofRun(
        stages=run.merged_stages,
        verified=run.verified,
        inputs_match=run.inputs_match,
        tampered_rejected=run.tampered_rejected,
        tamper_reasons=run.tamper_reasons,
        wiring=run.wiring,
        wiring_reason=run.wiring_reason,
        proof_bytes=run.proof_bytes,
        public_value_bytes=run.public_value_bytes,
        proof_file_bytes=sum(
            (part.folder / "proof.json").stat().st_size for part in parts if (part.folder / "proof.json").exists()
        ),
        vk_bytes=run.vk_bytes,
        pk_bytes=sum(part.pk_bytes for part in parts),
        cost=run.cost,
        logrows=run.proof.logrows,
        input_scale_bits=None if options is None else options.activation_bits,
        fidelity=run.fidelity,
    )
