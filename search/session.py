"""One session of a study, from data to report, on parts that are already built."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna

from evaluation import RealReference, TrainedClassifier, compute_reference, load_or_train
from evaluation.classifier import TrainingProgress
from evaluation.inception import INCEPTION_SPLITS
from gan.data import ImageDataset
from gan.digest import json_digest, tensors_digest
from gan.guide import Guide
from search.drivers import Driver, driver_signs
from search.endings import REPEATS, stored_record
from search.engine import StudyPlan, run_study
from search.errors import ConfigError
from search.filing import file_missing
from search.finalists import prove_best, score_front
from search.front_circuits import score_circuits
from search.guide import recipe_guide
from search.halving import Halving
from search.objective import Evaluator
from search.observer import StudyObserver
from search.proving import ProofAttempt
from search.samplers import go_on
from search.settings import SessionSettings
from search.signature import described
from search.storage import build_storage
from search.study import open_study
from search.teacher import check_start_of
from search.tracking import Tracker
from search.warm_start import enqueue_seeds
from search.watching import open_view
from zk.cost import shipped_cost_model
from zk.cost_model import cost_model_digest

SECONDS = "seconds"


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
            trials that ended, classification accuracy scores, scores of the circuits' images, proof.
    """

    study: optuna.Study
    dataset: ImageDataset
    judges: Judges
    attempts: list[ProofAttempt]
    seconds: dict[str, float]


def prepare(
    settings: SessionSettings,
    dataset: ImageDataset,
    *,
    sampler: optuna.samplers.BaseSampler,
    say: Callable[[str], None] = print,
) -> tuple[optuna.Study, Judges]:
    """Train or load the judges and open the study; nothing is recorded yet.

    Raises:
        ConfigError: training.start fits no candidate.
        StudyError: the stored study was made under another configuration.
        StorageUnreachable: its storage stayed out of reach.
    """
    check_start_of(settings.space, settings.start, num_classes=dataset.num_classes, image_size=dataset.image_size)
    judges = train_judges(settings, dataset, say=say)
    guide = recipe_guide(settings.recipe, dataset, device=settings.device, cache=settings.cache_folder, say=say)
    study = open_study(
        name=settings.name,
        storage=build_storage(settings.storage, patience=settings.patience, say=say),
        objectives=settings.objectives,
        sampler=sampler,
        signature=signature(settings, dataset, judges, guide),
        parts=signature_parts(settings, dataset, judges, guide),
    )
    return study, judges


def run_session(
    settings: SessionSettings,
    dataset: ImageDataset,
    study: optuna.Study,
    judges: Judges,
    *,
    tracker: Tracker,
    tags: Mapping[str, str],
    attachments: Sequence[Path] = (),
    say: Callable[[str], None] = print,
) -> SessionResult:
    """Run the study, then score and prove its front; ``attachments`` are filed with every trial."""
    plan = study_plan(settings, dataset)
    evaluate = candidate_evaluator(settings, dataset, judges)
    with open_view(settings.view, study, plan, train_images=len(dataset.train), say=say) as view:
        observer = StudyObserver(
            tracker,
            study_folder=settings.folder,
            objectives=settings.objectives,
            tags=dict(tags),
            attachments=tuple(attachments),
            view=view,
        )
        queued, outside = enqueue_seeds(study, settings.space, settings.seeds)
        for sentence in ([f"{queued} candidates queued to begin with"] if queued else []) + outside:
            view.say(sentence)
        engine = settings.engine.open(evaluate, most=settings.trials, device=settings.device, say=view.say)
        with Driver(study, say=view.say) as driver, closing(engine) as runner:
            go_on(study, drivers=len(driver_signs(study)))
            run_study(study, plan, runner, observer, driver)
    file_missing(study, tracker, tags, say)
    with timed(study, "classification_accuracy_scores"):
        score_front(study, settings, dataset, tracker, say=say)
    with timed(study, "circuit_scores"):
        circuits = score_circuits(
            study,
            settings,
            classifier=judges.classifier,
            judge=judges.judge,
            reference=judges.reference,
            tracker=tracker,
            say=say,
        )
    with timed(study, "proof"):
        attempts = prove_best(study, settings, tracker, circuits=circuits, say=say)
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
    records = (stored_record(trial) for trial in study.get_trials(deepcopy=False) if REPEATS not in trial.user_attrs)
    return {
        "classifiers": judges.classifier.report.train_seconds + judges.judge.report.train_seconds,
        "trials": sum(record["metrics"].get("trial_seconds", 0.0) for record in records if record is not None),
        **study.user_attrs.get(SECONDS, {}),
    }


def train_judges(settings: SessionSettings, dataset: ImageDataset, *, say: Callable[[str], None] = print) -> Judges:
    """Return classifier, judge and real figures for ``dataset``, from the cache where they are known."""
    _check_counts(settings, dataset)
    trained = []
    for role, (spec, recipe) in (("ZK classifier", settings.classifier), ("judge", settings.judge)):
        network = load_or_train(
            spec=spec.for_dataset(dataset),
            recipe=recipe,
            dataset=dataset,
            seed=settings.classifier_seed,
            device=settings.device,
            cache_dir=settings.cache_folder / "classifiers",
            progress=_show_progress(role),
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


def _check_counts(settings: SessionSettings, dataset: ImageDataset) -> None:
    """Refuse before any training what the metrics would refuse after it."""
    least = max(2 * dataset.num_classes, INCEPTION_SPLITS)
    for name, found in (("scores.samples", settings.evaluation.samples), ("test images", len(dataset.test))):
        if found < least:
            raise ConfigError(f"{name} must be at least {least} for {dataset.num_classes} classes; got {found}")


def _show_progress(role: str) -> Callable[[TrainingProgress], None]:
    def show(state: TrainingProgress) -> None:
        if sys.stderr.isatty():
            end = "\n" if state.step == state.total_steps else ""
            line = f"{role}: epoch {state.epoch} of {state.epochs}, {state.eta_seconds:.0f} s left"
            sys.stderr.write(f"\r\x1b[K{line}{end}")

    return show


def weights_digest(network: TrainedClassifier) -> str:
    """Return the sha256 of a network's weights: equal inputs give other weights on another machine."""
    return tensors_digest(network.module.state_dict())


def signature(settings: SessionSettings, dataset: ImageDataset, judges: Judges, guide: Guide | None) -> str:
    """Digest what makes trials of one study comparable."""
    parts: dict[str, Any] = {} if guide is None else {"guide": guide.digest}
    parts |= {
        "dataset": dataset.digest,
        "classifier": [judges.classifier.digest, weights_digest(judges.classifier)],
        "judge": [judges.judge.digest, weights_digest(judges.judge)],
        "horizontal_flip": dataset.horizontal_flip,
        "space": repr(settings.space),
        "recipe": settings.recipe.digest,
        "budget": asdict(settings.budget),
        "samples": settings.evaluation.samples,
        "scores_seed": settings.evaluation.seed,
        "circuit": settings.evaluation.circuit.digest,
        "limits": asdict(settings.evaluation.limits),
        "cost_model": cost_model_digest(settings.evaluation.cost_model or shipped_cost_model()),
    }
    return json_digest(parts)


def signature_parts(
    settings: SessionSettings, dataset: ImageDataset, judges: Judges, guide: Guide | None
) -> dict[str, Any]:
    """Return what :func:`signature` digests as plain values, so that a person can be told what changed."""
    return ({} if guide is None else {"guide": guide.digest[:12]}) | {
        "dataset": f"{dataset.name} {dataset.digest[:12]}",
        "classifier": weights_digest(judges.classifier)[:12],
        "judge": weights_digest(judges.judge)[:12],
        "search space": described(settings.space),
        "recipe": settings.recipe.form,
        "training budget": asdict(settings.budget),
        "samples": settings.evaluation.samples,
        "seed of the scores": settings.evaluation.seed,
        "circuit": settings.evaluation.circuit.digest[:12],
        "limits": asdict(settings.evaluation.limits),
        "cost model": cost_model_digest(settings.evaluation.cost_model or shipped_cost_model())[:12],
        "horizontal flip": dataset.horizontal_flip,
    }


def study_plan(settings: SessionSettings, dataset: ImageDataset) -> StudyPlan:
    """Return the plan of a study.

    Raises:
        ConfigError: candidates are to be compared at rungs, but the budget is not one of images.
    """
    return StudyPlan(
        space=settings.space,
        recipe=settings.recipe,
        budget=settings.budget,
        objectives=settings.objectives,
        image_size=dataset.image_size,
        num_classes=dataset.num_classes,
        trained=settings.trials,
        candidates=settings.candidates,
        seed=settings.seed,
        folder=settings.folder,
        halving=settings.halving or Halving(),
        rungs=_rungs(settings, dataset),
    )


def _rungs(settings: SessionSettings, dataset: ImageDataset) -> tuple[int, ...]:
    if settings.halving is None:
        return ()
    budget, batch_size = settings.budget, settings.recipe.batch_size
    steps = budget.step_limit(batch_size=batch_size, train_images=len(dataset.train))
    if steps is None or budget.seconds is not None:
        raise ConfigError(
            "halving compares candidates after equally many training images, so the budget must be in images, steps or "
            f"epochs; got {budget}; give training.budget.images=N training.budget.seconds=null, or leave halving out"
        )
    return settings.halving.rung_images(steps * batch_size)


def candidate_evaluator(settings: SessionSettings, dataset: ImageDataset, judges: Judges) -> Evaluator:
    """Return what every candidate is measured with."""
    return Evaluator(
        dataset=dataset,
        classifier=judges.classifier,
        judge=judges.judge,
        reference=judges.reference,
        settings=settings.evaluation,
        device=settings.device,
        teacher=settings.teacher,
        start=settings.start,
        continues=settings.continues,
        circuits=settings.cache_folder / "circuits",
        cache=settings.cache_folder,
    )
