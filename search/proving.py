"""The last step of a study: prove one image of the best front member that fits the proving budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gan.digest import json_digest
from gan.spec import GeneratorSpec
from search.circuit import NETWORK_NAME, circuit_inputs
from search.circuit_forms import CircuitForm, CircuitPlan, prove_plan
from search.engines import Engine
from search.errors import ConfigError, LostWorkerError
from search.pictures import save_image_grid
from search.planned import PLAN_FOLDER, CircuitPlanning, plan_generator
from search.weights import load_generator
from zk.cost import predict_cost
from zk.cost_model import CostModel
from zk.errors import ZkError
from zk.pipeline import ProofRun
from zk.plan import PlanGoal
from zk.types import Budget, Outcome, StageResult

CALIBRATION_SAMPLES = 4
"""EZKL's own calibration only confirms what the plan measured on many more samples."""
IMAGE_RANGE = 2.0
"""Greatest distance of two pixels, on [-1, 1]."""
PROOF_SIZES = ("proof_bytes", "public_value_bytes", "proof_file_bytes", "vk_bytes", "pk_bytes")


@dataclass(frozen=True, kw_only=True)
class ProvingPlan:
    """How, and within what, an image is proved.

    Attributes:
        budget: memory and wall clock of each stage; a candidate predicted above it is not tried.
        options: how the circuit is laid out.
        srs_folder: where structured reference strings are kept, one per logrows.
        label: class of the image.
        seed: seed of its latent.
        attempts: how many front members to try when stages fail; 0 proves nothing.
        plan_samples: images that a trained generator's circuit is planned on.
        mean_abs_error: bound on the mean distance of the circuit's images from the float ones, on [-1, 1].
        cost_model: predicts proving time and memory; None is the one shipped with :mod:`zk.cost`.
        bits: scale of the activations that training rounded to; 0 where it rounded nothing. Such images are not meant
            to be the float ones, so ``mean_abs_error`` does not bind them.
    """

    budget: Budget
    options: CircuitForm
    srs_folder: Path
    label: int = 0
    seed: int = 0
    attempts: int = 2
    plan_samples: int = 32
    mean_abs_error: float = 0.02
    cost_model: CostModel | None = None
    bits: int = 0

    def __post_init__(self) -> None:
        if self.attempts < 0 or self.label < 0:
            raise ConfigError(f"proving attempts and label must not be negative; got {self.attempts} and {self.label}")

    @property
    def planning(self) -> CircuitPlanning:
        """How the circuit of a trained generator is chosen; its samples are others than the proved one."""
        error = IMAGE_RANGE if self.bits else self.mean_abs_error
        goal = PlanGoal(memory_bytes=self.budget.memory_bytes, mean_abs_error=error)
        return CircuitPlanning(
            goal=goal,
            options=self.options,
            budget=self.budget,
            samples=self.plan_samples,
            seed=self.seed + 1,
            cost_model=self.cost_model,
            bits=self.bits,
        )


@dataclass(frozen=True)
class ProofAttempt:
    """One try: the trial's number, what came out, and the picture of the proved image if there is one."""

    trial: int
    run: ProofRun
    picture: Path | None


def fits(row: Mapping[str, Any], budget: Budget) -> bool:
    """Say whether the front row's predicted peak memory and proving time, planned if known, are within ``budget``."""
    seconds = row.get("planned_prove_seconds", row["predicted_prove_seconds"])
    return bool(_peak_bytes(row) <= budget.memory_bytes and seconds <= budget.wall_seconds)


def _peak_bytes(row: Mapping[str, Any]) -> float:
    return float(row.get("planned_peak_bytes", row["predicted_peak_bytes"]))


def prove_front(
    rows: Sequence[Mapping[str, Any]],
    folders: Mapping[int, Path],
    plan: ProvingPlan,
    circuits: Mapping[int, CircuitPlan],
    *,
    engine: Engine,
    say: Callable[[str], None] = print,
) -> list[ProofAttempt]:
    """Prove front members that fit, in the order given, until one counts as proved or the attempts are used up.

    ``circuits`` holds the plans that are known already, by trial. Each attempt is a job of ``engine`` that needs its
    predicted memory. Returns every attempt; an attempt that failed keeps its stages and their outcomes.
    """
    attempts: list[ProofAttempt] = []
    for row in rows:
        if len(attempts) == plan.attempts or (attempts and attempts[-1].run.counts_as_proved):
            break
        if fits(row, plan.budget):
            attempts.append(_attempt(row, folders, plan, circuits, engine, say))
    return attempts


def _attempt(
    row: Mapping[str, Any],
    folders: Mapping[int, Path],
    plan: ProvingPlan,
    circuits: Mapping[int, CircuitPlan],
    engine: Engine,
    say: Callable[[str], None],
) -> ProofAttempt:
    """Try to prove the trial of ``row``; workers that die are an outcome of the attempt, not an error."""
    number: int = row["trial"]
    started, memory = time.monotonic(), int(_peak_bytes(row))
    try:
        return engine.job(
            prove_trial, number, folders[number], plan, circuits.get(number), memory_bytes=memory, say=say
        )
    except LostWorkerError as error:
        refused = StageResult("proof", Outcome.REFUSED, time.monotonic() - started, 0, str(error))
        return ProofAttempt(number, ProofRun(stages=(refused,)), None)


def prove_trial(number: int, folder: Path, plan: ProvingPlan, circuit: CircuitPlan | None = None) -> ProofAttempt:
    """Prove one image of the trained generator in ``folder``; the proof's files go to its ``proof`` folder.

    What cannot be exported or read back is an outcome of the attempt, not an error.
    """
    spec, generator = load_generator(folder)
    target = folder / "proof"
    target.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        if circuit is None:
            circuit = plan_generator(spec, generator, folder / PLAN_FOLDER, plan.planning)
        run = _prove(spec, circuit, target, plan)
    except ZkError as error:
        refused = StageResult("proof", Outcome.REFUSED, time.monotonic() - started, 0, str(error))
        run = ProofRun(stages=(refused,))
    return ProofAttempt(number, run, _picture(run, spec.image_channels, spec.image_size, target))


def _prove(spec: GeneratorSpec, circuit: CircuitPlan, target: Path, plan: ProvingPlan) -> ProofRun:
    return prove_plan(
        circuit,
        circuit_inputs(spec, seed=plan.seed, label=plan.label % spec.num_classes),
        [
            circuit_inputs(spec, seed=plan.seed + 1, index=index, label=index % spec.num_classes)
            for index in range(CALIBRATION_SAMPLES)
        ],
        target / NETWORK_NAME,
        budget=plan.budget,
        srs_dir=plan.srs_folder,
    )


def _picture(run: ProofRun, channels: int, size: int, folder: Path) -> Path | None:
    if run.fidelity is None:
        return None
    path = folder / "proved_image.png"
    image = torch.tensor(run.fidelity.output).reshape(1, channels, size, size)
    save_image_grid(image, path, columns=1)
    return path


def proof_metrics(run: ProofRun, model: CostModel | None = None) -> dict[str, float]:
    """Return the figures of a proof run by name: seconds and true peak memory of every stage, sizes, errors.

    What ``model`` (None: the shipped one) predicted for the settled circuit stands beside them.
    """
    metrics: dict[str, float] = {}
    for stage in run.stages:
        metrics[f"proof.{stage.stage}_seconds"] = stage.wall_seconds
        metrics[f"proof.{stage.stage}_peak_rss_bytes"] = float(stage.peak_rss_bytes)
    metrics |= {f"proof.{name}": float(getattr(run, name)) for name in PROOF_SIZES if getattr(run, name)}
    if run.cost is not None:  # calibration may widen the tables and so change the height that was predicted
        metrics["proof.logrows"] = float(run.cost.logrows)
        metrics["proof.rows"] = float(run.cost.rows)
        predicted = predict_cost(run.cost, model)
        metrics["proof.predicted_peak_bytes"] = float(predicted.admission_bytes)
        metrics["proof.predicted_setup_seconds"] = predicted.seconds["setup"].middle
        metrics["proof.predicted_prove_seconds"] = predicted.seconds["prove"].middle
    if run.fidelity is not None:
        metrics["proof.max_abs_error"] = run.fidelity.max_abs_error
        metrics["proof.mean_abs_error"] = run.fidelity.mean_abs_error
    return metrics


def proof_conditions(plan: ProvingPlan) -> dict[str, str]:
    """Return what a proof is of, as tags: the image's class and seed, and a digest of how its circuit is planned."""
    digest = json_digest(str(plan.planning))[:16]
    return {"proof.label": str(plan.label), "proof.seed": str(plan.seed), "proof.planning": digest}


def proof_facts(run: ProofRun) -> dict[str, str]:
    """Return the verdicts of a proof run as tags."""
    failed = next((stage for stage in run.stages if not stage.ok), None)
    return {
        "proof.outcome": "ok" if failed is None else f"{failed.stage} {failed.outcome}",
        "proof.wiring": str(run.wiring),
        "proof.verified": str(run.verified).lower(),
        "proof.tampered_rejected": str(run.tampered_rejected).lower(),
        "proof.counts": str(run.counts_as_proved).lower(),
    }
