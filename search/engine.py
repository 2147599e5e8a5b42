"""The loop of a study: ask, evaluate, tell, until enough candidates are scored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import optuna
from optuna import TrialPruned
from optuna.trial import FrozenTrial, Trial

from gan.errors import SpecError
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe
from search.candidate import Candidate
from search.objective import CandidateEvaluator
from search.objectives import Objective, objective_values
from search.record import TrialOutcome, TrialRecord
from search.space import SearchSpace
from search.study import (
    RECORD,
    REPEATS,
    close_interrupted,
    ended_as_recorded,
    ended_trials,
    file_record,
    scored_trials,
    stored_record,
)


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What a study works through.

    Attributes:
        space: where candidates come from.
        recipe: the recipe whose searched fields the space replaces.
        budget: training budget of each candidate.
        objectives: what is optimised, in order.
        image_size: side of the images.
        num_classes: classes of the dataset.
        scored: number of scored trials to end with, those of earlier sessions included.
        candidates: most candidates to draw in all; infeasible ones cost no training but are counted here.
        seed: seed of every candidate's training.
        folder: where candidates keep their files.
    """

    space: SearchSpace
    recipe: TrainingRecipe
    budget: TrainingBudget
    objectives: Sequence[Objective]
    image_size: int
    num_classes: int
    scored: int
    candidates: int
    seed: int
    folder: Path


class Observer(Protocol):
    """Follows a study at its edge."""

    def trial_started(self, number: int, candidate: Candidate) -> TrainingHooks:
        """Hear of a trial and return the callbacks of its training."""

    def trial_ended(self, number: int, record: TrialRecord) -> None:
        """Hear how it ended."""

    def trial_rejected(self, number: int, reason: str) -> None:
        """Hear of a draw that is no legal spec."""

    def trial_repeated(self, number: int, original: int) -> None:
        """Hear of a draw that equals an earlier, scored one; its values are told again and nothing is trained."""


class CandidateFailed(Exception):
    """A candidate's training diverged or its images could not be scored; the trial ends as failed."""


def run_study(study: optuna.Study, plan: StudyPlan, evaluate: CandidateEvaluator, observer: Observer) -> None:
    """Work through ``plan``. May be called again after any interruption: finished trials are kept, open ones redone.

    An error that is no outcome of a candidate ends its trial as failed and is raised.
    """
    close_interrupted(study, plan.objectives)
    if _finished(study, plan):
        return

    def objective(trial: Trial) -> list[float]:
        return _one_trial(study, trial, plan, evaluate, observer)

    def stop_when_finished(study: optuna.Study, _: FrozenTrial) -> None:
        if _finished(study, plan):
            study.stop()

    study.optimize(objective, callbacks=[stop_when_finished], catch=(CandidateFailed,))


def _finished(study: optuna.Study, plan: StudyPlan) -> bool:
    return len(scored_trials(study)) >= plan.scored or len(ended_trials(study)) >= plan.candidates


def _one_trial(
    study: optuna.Study, trial: Trial, plan: StudyPlan, evaluate: CandidateEvaluator, observer: Observer
) -> list[float]:
    try:
        candidate = _draw(trial, plan)
    except SpecError as error:
        trial.set_user_attr("illegal", str(error))
        observer.trial_rejected(trial.number, str(error))
        raise TrialPruned(str(error)) from error
    trial.set_user_attr("candidate_digest", candidate.digest)
    if (original := _twin(study, candidate)) is not None:
        return _repeat(trial, original, plan, observer)
    started = time.monotonic()
    hooks = observer.trial_started(trial.number, candidate)
    record = evaluate(candidate, plan.folder / candidate.digest[:16], hooks)
    record.metrics["trial_seconds"] = time.monotonic() - started
    file_record(trial, record)
    observer.trial_ended(trial.number, record)
    if record.outcome is TrialOutcome.INFEASIBLE:
        raise TrialPruned(record.reason)
    if record.outcome is not TrialOutcome.SCORED:
        raise CandidateFailed(record.reason)
    return objective_values(plan.objectives, record.metrics)


def _draw(trial: Trial, plan: StudyPlan) -> Candidate:
    spec = plan.space.suggest_spec(trial, num_classes=plan.num_classes, image_size=plan.image_size)
    return Candidate(spec, plan.space.suggest_recipe(trial, plan.recipe), plan.budget, plan.seed)


def _twin(study: optuna.Study, candidate: Candidate) -> FrozenTrial | None:
    """Return the oldest trial that evaluated ``candidate`` to its end, preferably one that Optuna ended likewise."""
    same = [
        trial
        for trial in ended_trials(study)
        if trial.user_attrs.get("candidate_digest") == candidate.digest and RECORD in trial.user_attrs
    ]
    return next((trial for trial in same if ended_as_recorded(trial)), same[0] if same else None)


def _repeat(trial: Trial, original: FrozenTrial, plan: StudyPlan, observer: Observer) -> list[float]:
    """End ``trial`` as the record of its twin says, constraints included, without evaluating it again.

    A twin that was interrupted after its record had been filed does not count, so ``trial`` stands for it.
    """
    record = stored_record(original)
    if record is None:
        raise AssertionError("a twin has a record")
    for name, value in original.constraints.items():
        trial.set_constraint(name, value)
    trial.set_user_attr(RECORD, original.user_attrs[RECORD])
    if ended_as_recorded(original):
        trial.set_user_attr(REPEATS, original.number)
    observer.trial_repeated(trial.number, original.number)
    outcome = TrialOutcome(record["outcome"])
    if outcome is TrialOutcome.INFEASIBLE:
        raise TrialPruned(f"repeats trial {original.number}")
    if outcome is not TrialOutcome.SCORED:
        raise CandidateFailed(f"repeats trial {original.number}")
    return objective_values(plan.objectives, record["metrics"])
