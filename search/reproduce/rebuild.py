"""The parts of a trial made again, by the functions that a study makes them with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from evaluation import EvaluationError, evaluate_sampler
from gan.data import ImageDataset
from gan.generators import Generator
from gan.guide import Guide
from gan.spec import GeneratorSpec
from gan.training import ConsoleProgress, TrainingBudget, TrainingHooks, TrainingResult, train_generator
from search.candidate import Candidate
from search.circuit import measure_spec
from search.constraints import constraint_values, violations
from search.errors import RecordError
from search.guide import GUIDE_WEIGHTS
from search.objective import CIRCUIT_FOLDER, sampler_for, score_metrics
from search.reproduce.record import RecordedTrial
from search.session import Judges, weights_digest
from search.settings import SessionSettings
from search.weights import load_generator


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Compute with ``count`` threads in this block, as sums depend on their number; None leaves it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def available_device(recorded: str | None) -> torch.device | None:
    """Return the recorded device, or the CPU where this machine has none such; None where none was recorded.

    Raises:
        RecordError: it is neither.
    """
    if recorded is None:
        return None
    if recorded not in ("cpu", "cuda"):
        raise RecordError(f"the recorded device must be cpu or cuda; got {recorded[:40]!r}")
    return torch.device(recorded if recorded != "cuda" or torch.cuda.is_available() else "cpu")


def circuit_figures(spec: GeneratorSpec, settings: SessionSettings, folder: Path) -> tuple[dict[str, float], str]:
    """Measure the untrained circuit of ``spec``: figures and constraints by their recorded names, seconds left out.

    The text says why the study would have refused it; it is empty if it would not have.
    """
    evaluation = settings.evaluation
    figures = measure_spec(
        spec,
        folder / CIRCUIT_FOLDER,
        options=evaluation.circuit,
        budget=evaluation.circuit_budget,
        model=evaluation.cost_model,
    )
    metrics = dict(figures.metrics)
    constraints = constraint_values(metrics, evaluation.limits, compiled=figures.compiled)
    metrics.pop("circuit_seconds", None)
    refusal = ", ".join(violations(constraints))
    return metrics | {f"constraint.{name}": value for name, value in constraints.items()}, refusal


def repeated_budget(candidate: Candidate, steps: int) -> tuple[TrainingBudget, list[str]]:
    """Return the budget to train again with, and what is to be said about it.

    Seconds buy another number of steps at every run, so a budget that counts them becomes the recorded ``steps``.
    """
    if candidate.budget.seconds is None:
        return candidate.budget, []
    said = [f"the recorded budget counts seconds, which no run repeats: trained for the recorded {steps:,} steps"]
    if candidate.recipe.follows_the_budget:
        said.append(
            "the recipe's schedule followed the clock then and follows the steps now: other weights are to be expected"
        )
    return TrainingBudget(steps=steps), said


def train_again(
    candidate: Candidate,
    budget: TrainingBudget,
    settings: SessionSettings,
    dataset: ImageDataset,
    *,
    label: str,
    until_images: int | None = None,
    guide: Guide | None = None,
) -> TrainingResult:
    """Train ``candidate`` from its first step, to the end of ``budget`` or to the rung of ``until_images``.

    No checkpoint is written or read: the end of an earlier training would be taken for this one's.
    """
    progress = ConsoleProgress(label, sys.stderr)
    try:
        return train_generator(
            candidate.spec,
            candidate.recipe,
            budget,
            dataset,
            seed=candidate.seed,
            device=settings.device,
            intervals=settings.evaluation.intervals,
            hooks=TrainingHooks(on_record=progress),
            teacher=settings.teacher if candidate.recipe.distillation is not None else None,
            guide=guide,
            start=settings.start if candidate.recipe.start else None,
            until_images=until_images,
        )
    finally:
        progress.close()


def load_trained(folder: Path, settings: SessionSettings, *, channels_last: bool) -> Generator:
    """Load the generator in ``folder`` as its training left it: device and order in memory, which sums depend on."""
    generator = load_generator(folder)[1].to(settings.device)
    if channels_last:
        generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub omits this
    return generator


def score_again(
    spec: GeneratorSpec, generator: nn.Module, settings: SessionSettings, judges: Judges
) -> tuple[dict[str, float], str]:
    """Score ``generator``'s float images: figures by name, and why there are none."""
    evaluation = settings.evaluation
    try:
        scores = evaluate_sampler(
            sampler_for(spec, generator, seed=evaluation.seed),
            reference=judges.reference,
            classifier=judges.classifier,
            judge=judges.judge,
            samples=evaluation.samples,
            seed=evaluation.seed,
        )
    except EvaluationError as error:
        return {}, str(error)
    return score_metrics(scores), ""


def weights_distance(one: nn.Module, other: nn.Module) -> float:
    """Return the greatest difference of two equally built networks' weights; NaN where any is NaN."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    distances = [(a.cpu().double() - b.cpu().double()).abs().max() for a, b in pairs if a.numel()]
    return float(torch.stack(distances).max()) if distances else 0.0


def check_dataset(trial: RecordedTrial, dataset: ImageDataset) -> None:
    """Refuse other data than the recorded.

    Raises:
        RecordError: the digests differ, or none was recorded.
    """
    wanted = trial.run.tags.get("dataset_digest")
    if wanted != dataset.digest:
        raise RecordError(
            f"the dataset of {trial.name} must have the recorded digest {wanted}; {dataset.name} has {dataset.digest}; "
            "give dataset.root= of the recorded data"
        )


def guide_lines(trial: RecordedTrial, guide: Guide | None) -> list[str]:
    """Say whether the guide of a training has the recorded weights; without a guide there is nothing to say."""
    if guide is None:
        return []
    recorded = trial.run.tags.get(GUIDE_WEIGHTS)
    if recorded is None:
        return ["guide: the record does not say which weights it had"]
    if recorded != guide.digest:
        return [
            f"guide: recorded weights {recorded[:12]}, these are {guide.digest[:12]}: trained anew, so other images "
            "are selected and other weights are to be expected"
        ]
    return [f"guide: the recorded weights, {recorded[:12]}"]


def judge_lines(trial: RecordedTrial, judges: Judges) -> list[str]:
    """Say for both scoring networks whether they have the recorded digest and weights."""
    tags, lines = trial.run.tags, []
    for role, network, key in (
        ("ZK classifier", judges.classifier, "classifier"),
        ("judge", judges.judge, "judge"),
    ):
        recorded, weights = tags.get(f"{key}_digest"), tags.get(f"{key}_weights")
        if recorded not in (None, network.digest):
            lines.append(f"{role}: recorded digest {recorded}, this is {network.digest}: other code or configuration")
        elif weights is None:
            lines.append(f"{role}: the record does not say which weights it had")
        elif weights != (found := weights_digest(network)):
            lines.append(f"{role}: recorded weights {weights[:12]}, these are {found[:12]}: trained anew elsewhere")
        else:
            lines.append(f"{role}: the recorded weights, {weights[:12]}")
    return lines
