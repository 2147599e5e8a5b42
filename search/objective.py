"""Evaluating one candidate: circuit first, then training, then scores."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from atomic_files import write_text
from evaluation import EvaluationError, RealReference, Scores, TrainedClassifier, evaluate_sampler
from gan.data import ImageDataset
from gan.errors import DamagedCheckpointError
from gan.generators import build_generator
from gan.guide import Guide
from gan.sampling import GeneratorSampler
from gan.spec import GeneratorSpec
from gan.training import (
    CHECKPOINT_NAME,
    Start,
    Teacher,
    TrainingHooks,
    TrainingIntervals,
    TrainingOutcome,
    TrainingRecipe,
    TrainingResult,
    earlier_checkpoint,
    train_generator,
    trains_in_bf16,
)
from search.candidate import CANDIDATE_NAME, Candidate
from search.circuit import CIRCUIT_METRICS, NETWORK_NAME, export_generator
from search.circuit_cache import cached_measurement
from search.circuit_forms import CircuitForm
from search.constraints import CircuitLimits, constraint_values, violations
from search.guide import GUIDE_WEIGHTS, recipe_guide
from search.pictures import save_class_grid
from search.record import TrialOutcome, TrialRecord
from search.weights import WEIGHTS_DIGEST, save_generator, weights_sha256
from zk.cost_model import CostModel
from zk.types import Budget

SAMPLES_NAME = "samples.png"
DAMAGED_NAME = "checkpoint.damaged.pt"
CIRCUIT_FOLDER = "circuit"


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What every candidate of a study is measured with.

    Attributes:
        samples: generated images per score.
        seed: seed of the sampled latents and of the metrics.
        circuit: how the circuit is laid out.
        limits: which circuits are accepted.
        circuit_budget: memory and wall clock of each settings or compile stage.
        intervals: how often training records, samples and saves.
        cost_model: predicts proving time and memory; None is the one shipped with :mod:`zk.cost`.
    """

    samples: int
    seed: int
    circuit: CircuitForm
    limits: CircuitLimits
    circuit_budget: Budget
    intervals: TrainingIntervals
    cost_model: CostModel | None = None


class CandidateEvaluator(Protocol):
    """Finds out everything about a candidate, or about its first ``until_images`` training images."""

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        """Measure, train and score ``candidate``; files go to ``folder``, where an earlier call's are continued."""


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Evaluates candidates on one dataset with one classifier and judge; ``device`` is where training runs.

    ``teacher`` is for recipes that distil, ``start`` for those that begin from a generator; trainings that the study in
    the folder ``continues`` ended sooner go on.
    ``circuits`` is the folder of circuit figures that are known already, ``cache`` the one of guides.
    """

    dataset: ImageDataset
    classifier: TrainedClassifier
    judge: TrainedClassifier
    reference: RealReference
    settings: EvaluationSettings
    device: torch.device
    teacher: Teacher | None = None
    start: Start | None = None
    continues: Path | None = None
    circuits: Path | None = None
    cache: Path | None = None

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        """Measure the circuit of ``candidate``; if it is accepted, train and score it. Files go to ``folder``.

        With ``until_images`` training pauses there, and the scores are those of the generator so far; a later call goes
        on from its checkpoint.
        """
        settings = self.settings
        write_text(folder / CANDIDATE_NAME, candidate.to_json())
        figures = cached_measurement(
            candidate.spec,
            folder / CIRCUIT_FOLDER,
            options=settings.circuit,
            budget=settings.circuit_budget,
            model=settings.cost_model,
            kept=self.circuits,
        )
        metrics = dict(figures.metrics)
        constraints = constraint_values(metrics, settings.limits, compiled=figures.compiled)
        if broken := violations(constraints):
            reason = figures.reason or f"over the limit: {', '.join(broken)}"
            return TrialRecord(candidate, TrialOutcome.INFEASIBLE, reason, metrics, constraints, folder)
        if not (network := folder / CIRCUIT_FOLDER / NETWORK_NAME).exists():  # its figures were known
            export_generator(build_generator(candidate.spec), candidate.spec, network)
        guide = recipe_guide(candidate.recipe, self.dataset, device=self.device, cache=self.cache)
        result = self._train(candidate, folder, hooks, until_images, guide)
        metrics |= training_metrics(result)
        facts = hardware_facts(candidate.recipe, self.device)
        if guide is not None:
            facts[GUIDE_WEIGHTS] = guide.digest
        if (folder / DAMAGED_NAME).exists():
            facts["checkpoint"] = "one could not be read; trained from the one before, or anew"
        if result.outcome is TrainingOutcome.DIVERGED:
            return TrialRecord(candidate, TrialOutcome.DIVERGED, result.message, metrics, constraints, folder, facts)
        save_generator(folder, candidate.spec, result.generator)
        facts[WEIGHTS_DIGEST] = weights_sha256(folder)
        try:
            scores = self._score(candidate.spec, result.generator, folder)
        except EvaluationError as error:
            return TrialRecord(candidate, TrialOutcome.UNSCORED, str(error), metrics, constraints, folder, facts)
        return TrialRecord(
            candidate,
            TrialOutcome.SCORED,
            "",
            metrics | score_metrics(scores),
            constraints,
            folder,
            facts | score_facts(scores),
        )

    def _train(
        self,
        candidate: Candidate,
        folder: Path,
        hooks: TrainingHooks,
        until_images: int | None,
        guide: Guide | None,
    ) -> TrainingResult:
        """Train from the checkpoint; one that cannot be read is put aside for the one before it, or a new start."""
        train = functools.partial(
            train_generator,
            candidate.spec,
            candidate.recipe,
            candidate.budget,
            self.dataset,
            seed=candidate.seed,
            device=self.device,
            folder=folder,
            intervals=self.settings.intervals,
            hooks=hooks,
            teacher=self.teacher if candidate.recipe.distillation is not None else None,
            guide=guide,
            start=self.start,
            earlier=() if self.continues is None else sorted(self.continues.glob(f"*/{CHECKPOINT_NAME}")),
            until_images=until_images,
        )
        path = folder / CHECKPOINT_NAME
        for instead in (earlier_checkpoint(path), None):
            try:
                return train()
            except DamagedCheckpointError:
                path.replace(path.with_name(DAMAGED_NAME))
                if instead is not None and instead.exists():
                    instead.replace(path)
        return train()

    def _score(self, spec: GeneratorSpec, generator: nn.Module, folder: Path) -> Scores:
        sampler = sampler_for(spec, generator, seed=self.settings.seed)
        save_class_grid(sampler, num_classes=spec.num_classes, path=folder / SAMPLES_NAME)
        return evaluate_sampler(
            sampler,
            reference=self.reference,
            classifier=self.classifier,
            judge=self.judge,
            samples=self.settings.samples,
            seed=self.settings.seed,
        )


def known_metrics() -> frozenset[str]:
    """Return the names of the metrics that every scored trial has."""
    scores = {field.name for field in fields(Scores) if field.type in ("float", "int")}
    training = {"train_seconds", "train_steps", "train_images", "last_finite_step", "trial_seconds"}
    return frozenset(scores | training | CIRCUIT_METRICS)


def sampler_for(spec: GeneratorSpec, generator: nn.Module, *, seed: int) -> GeneratorSampler:
    """Return the sampler of ``generator`` whose images depend on ``seed`` and the sample index alone."""
    return GeneratorSampler(generator, latent_dim=spec.latent_dim, num_classes=spec.num_classes, seed=seed)


def hardware_facts(recipe: TrainingRecipe, device: torch.device) -> dict[str, str]:
    """Return what training repeats itself under, as short strings: device, this process's threads, precision."""
    precision = "bfloat16" if trains_in_bf16(recipe, device) else "float32"
    return {"device": device.type, "threads": str(torch.get_num_threads()), "precision": precision}


def training_metrics(result: TrainingResult) -> dict[str, float]:
    """Return the figures of a training run by name."""
    return {
        "train_seconds": result.seconds,
        "train_steps": float(result.steps),
        "train_images": float(result.images),
        "last_finite_step": float(result.last_finite_step),
    }


def score_metrics(scores: Scores) -> dict[str, float]:
    """Return the numeric scores by name."""
    return {name: float(value) for name, value in scores.as_flat_dict().items() if not isinstance(value, str)}


def score_facts(scores: Scores) -> dict[str, str]:
    """Return what the scores were computed with, as short strings."""
    return {name: value for name, value in scores.as_flat_dict().items() if isinstance(value, str)}
