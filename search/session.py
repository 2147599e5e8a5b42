"""One session of a study, from data to report, on parts that are already built."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import torch

from evaluation import RealReference, TrainedClassifier, classification_accuracy_score, compute_reference, load_or_train
from evaluation.classifier import ClassifierRecipe, ClassifierSpec, JudgeSpec
from gan.data import ImageDataset
from gan.digest import json_digest
from gan.training import TrainingBudget, TrainingRecipe
from search.engine import StudyPlan, run_study
from search.front import front_rows
from search.objective import EvaluationSettings, Evaluator, sampler_for
from search.objectives import Objective
from search.observer import StudyObserver
from search.proving import ProofAttempt, ProvingPlan, proof_facts, proof_metrics, prove_front
from search.space import SearchSpace
from search.study import add_late_findings, late_findings, open_study, stored_record
from search.tracking import Tracker
from search.weights import load_generator

SECONDS = "seconds"


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Everything a session needs, built.

    Attributes:
        name: of the study.
        storage: Optuna's storage URL.
        folder: of the study's candidates.
        trials: scored trials to end with.
        candidates: most draws in all.
        seed: of the study.
        space: what is searched.
        recipe: base recipe.
        budget: training budget of a candidate.
        objectives: what is optimised.
        evaluation: what candidates are measured with.
        classifier: ZK classifier and its recipe.
        judge: judge and its recipe.
        cas_images: generated images for the classification accuracy score; 0 leaves it out.
        cas_epochs: epochs of its two trainings; None for the classifier's.
        proving: the last step.
        cache_folder: of classifiers.
        device: where networks train.
    """

    name: str
    storage: str
    folder: Path
    trials: int
    candidates: int
    seed: int
    space: SearchSpace
    recipe: TrainingRecipe
    budget: TrainingBudget
    objectives: tuple[Objective, ...]
    evaluation: EvaluationSettings
    classifier: tuple[ClassifierSpec, ClassifierRecipe]
    judge: tuple[JudgeSpec, ClassifierRecipe]
    cas_images: int
    cas_epochs: int | None
    proving: ProvingPlan
    cache_folder: Path
    device: torch.device


@dataclass(frozen=True)
class Judges:
    """The two networks that score, and the real data's own figures."""

    classifier: TrainedClassifier
    judge: TrainedClassifier
    reference: RealReference


@dataclass(frozen=True)
class SessionResult:
    """What a session leaves.

    Attributes:
        study: the Optuna study.
        dataset: what it ran on.
        judges: what it was scored with.
        attempts: proofs tried in this session.
        seconds: wall clock of each part of the study so far, earlier sessions included: training the two classifiers,
            trials (from ask to tell, interrupted ones included once they were closed), classification accuracy scores,
            proof.
    """

    study: optuna.Study
    dataset: ImageDataset
    judges: Judges
    attempts: list[ProofAttempt]
    seconds: dict[str, float]


def run_session(
    settings: SessionSettings,
    dataset: ImageDataset,
    *,
    sampler: optuna.samplers.BaseSampler,
    tracker: Tracker,
    tags: Mapping[str, str],
    say: Callable[[str], None] = print,
) -> SessionResult:
    """Train or load the judges, run the study, then score and prove its front."""
    judges = train_judges(settings, dataset, say=say)
    study = open_study(
        name=settings.name,
        storage=settings.storage,
        objectives=settings.objectives,
        sampler=sampler,
        signature=signature(settings, dataset, judges),
    )
    observer = StudyObserver(
        tracker, study_folder=settings.folder, objectives=settings.objectives, tags=dict(tags), say=say
    )
    run_study(study, _plan(settings, dataset), _evaluator(settings, dataset, judges), observer)
    with timed(study, "classification_accuracy_scores"):
        score_front(study, settings, dataset, tracker, say=say)
    with timed(study, "proof"):
        attempts = prove_best(study, settings, tracker, say=say)
    return SessionResult(study, dataset, judges, attempts, seconds_by_part(study, judges))


@contextmanager
def timed(study: optuna.Study, part: str) -> Iterator[None]:
    """Add the wall clock of this block to what ``study`` has spent on ``part``."""
    started = time.monotonic()
    try:
        yield
    finally:
        spent = study.user_attrs.get(SECONDS, {})
        study.set_user_attr(SECONDS, {**spent, part: spent.get(part, 0.0) + time.monotonic() - started})


def seconds_by_part(study: optuna.Study, judges: Judges) -> dict[str, float]:
    """Return the wall clock of each part of ``study`` over all its sessions."""
    durations = (trial.duration for trial in study.get_trials(deepcopy=False))
    return {
        "classifiers": judges.classifier.report.train_seconds + judges.judge.report.train_seconds,
        "trials": sum(duration.total_seconds() for duration in durations if duration is not None),
        **study.user_attrs.get(SECONDS, {}),
    }


def train_judges(settings: SessionSettings, dataset: ImageDataset, *, say: Callable[[str], None] = print) -> Judges:
    """Return classifier, judge and real figures for ``dataset``, from the cache where they are known."""
    trained = []
    for role, (spec, recipe) in (("ZK classifier", settings.classifier), ("judge", settings.judge)):
        network = load_or_train(
            spec=spec.for_dataset(dataset),
            recipe=recipe,
            dataset=dataset,
            seed=settings.seed,
            device=settings.device,
            cache_dir=settings.cache_folder / "classifiers",
        )
        report = network.report
        say(
            f"{role}: {report.accuracy:.1%} of {report.test_images:,} real test images, Inception Score "
            f"{report.real_inception_score:.2f}, trained in {report.train_seconds:.0f} s ({network.digest[:12]})"
        )
        trained.append(network)
    reference = compute_reference(
        dataset=dataset,
        classifier=trained[0],
        samples=settings.evaluation.samples,
        seed=settings.evaluation.seed,
        cache_dir=settings.cache_folder / "classifiers",
    )
    return Judges(trained[0], trained[1], reference)


def signature(settings: SessionSettings, dataset: ImageDataset, judges: Judges) -> str:
    """Digest what makes trials of one study comparable."""
    parts = {
        "dataset": dataset.digest,
        "classifier": judges.classifier.digest,
        "judge": judges.judge.digest,
        "space": repr(settings.space),
        "recipe": settings.recipe.digest,
        "budget": asdict(settings.budget),
        "samples": settings.evaluation.samples,
        "scores_seed": settings.evaluation.seed,
        "circuit": settings.evaluation.circuit.digest,
        "limits": asdict(settings.evaluation.limits),
    }
    return json_digest(parts)


def _plan(settings: SessionSettings, dataset: ImageDataset) -> StudyPlan:
    return StudyPlan(
        space=settings.space,
        recipe=settings.recipe,
        budget=settings.budget,
        objectives=settings.objectives,
        image_size=dataset.image_size,
        num_classes=dataset.num_classes,
        scored=settings.trials,
        candidates=settings.candidates,
        seed=settings.seed,
        folder=settings.folder,
    )


def _evaluator(settings: SessionSettings, dataset: ImageDataset, judges: Judges) -> Evaluator:
    return Evaluator(
        dataset=dataset,
        classifier=judges.classifier,
        judge=judges.judge,
        reference=judges.reference,
        settings=settings.evaluation,
        device=settings.device,
    )


def candidate_folders(study: optuna.Study) -> dict[int, Path]:
    """Return the folder of each trial that has one."""
    records = ((trial.number, stored_record(trial)) for trial in study.get_trials(deepcopy=False))
    return {number: Path(record["folder"]) for number, record in records if record is not None}


def score_front(
    study: optuna.Study,
    settings: SessionSettings,
    dataset: ImageDataset,
    tracker: Tracker,
    *,
    say: Callable[[str], None] = print,
) -> None:
    """Give each front member that has none its classification accuracy score."""
    folders, late = candidate_folders(study), late_findings(study)
    for row in front_rows(study):
        number = row["trial"]
        if not settings.cas_images or "cas" in late.get(number, {"metrics": {}})["metrics"]:
            continue
        metrics = _cas_metrics(settings, dataset, folders[number])
        cas, real = metrics["cas"], metrics["cas_real"]
        say(f"trial {number:3d}  a classifier trained on its images scores {cas:.1%} (on real ones: {real:.1%})")
        add_late_findings(study, number, metrics=metrics, facts={})
        tracker.metrics(tracker.start_trial(number, {}), metrics)


def _cas_metrics(settings: SessionSettings, dataset: ImageDataset, folder: Path) -> dict[str, float]:
    spec, generator = load_generator(folder)
    network, recipe = settings.classifier
    if settings.cas_epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=settings.cas_epochs)
    result = classification_accuracy_score(
        sampler_for(spec, generator.to(settings.device), seed=settings.evaluation.seed),
        spec=network.for_dataset(dataset),
        recipe=recipe,
        dataset=dataset,
        images=settings.cas_images,
        seed=settings.seed,
        device=settings.device,
        cache_dir=settings.cache_folder / "classifiers",
    )
    return {
        "cas": result.accuracy,
        "cas_real": result.real_accuracy,
        "cas_images": float(result.images),
        "cas_real_images": float(result.real_images),
    }


def prove_best(
    study: optuna.Study, settings: SessionSettings, tracker: Tracker, *, say: Callable[[str], None] = print
) -> list[ProofAttempt]:
    """Prove one image of the best front member that fits, unless this study has a proof that counts already."""
    late = late_findings(study)
    if any(found["facts"].get("proof.counts") == "true" for found in late.values()):
        say("a proof of this study counts already; see its report")
        return []
    attempts = prove_front(front_rows(study), candidate_folders(study), settings.proving)
    for attempt in attempts:
        metrics, facts = proof_metrics(attempt.run), proof_facts(attempt.run)
        add_late_findings(study, attempt.trial, metrics=metrics, facts=facts)
        run = tracker.start_trial(attempt.trial, {})
        tracker.metrics(run, metrics)
        tracker.tags(run, facts)
        for path in proof_files(candidate_folders(study)[attempt.trial] / "proof"):
            tracker.artifact(run, path, "proof")
    return attempts


def proof_files(folder: Path) -> list[Path]:
    """Return the files of a proof worth keeping: all but keys, circuits and strings that can be made again."""
    kept = ("network.onnx", "settings.json", "proof.json", "vk.key", "proved_image.png", "witness.json")
    return [folder / name for name in kept if (folder / name).exists()]


def session_summary(result: SessionResult, rows: list[dict[str, Any]]) -> str:
    """Return trials, front, classifier and seconds as JSON for a results page."""
    report = result.judges.classifier.report
    judge = result.judges.judge.report
    named = [{**row, "einsum_ops": row["einsum_operations"]} if "einsum_operations" in row else row for row in rows]
    return json.dumps(
        {
            "trials": named,
            "front": [row for row in named if row["front"]],
            "classifier": {
                "digest": result.judges.classifier.digest,
                "accuracy": report.accuracy,
                "real_inception_score": report.real_inception_score,
                "judge_accuracy": judge.accuracy,
            },
            "seconds": sum(result.seconds.values()),
            "seconds_by_part": result.seconds,
        },
        indent=2,
    )
