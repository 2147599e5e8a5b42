"""Trials that a killed driver left open: closed, and queued again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from search.endings import RESUMES, ended_as_recorded, stored_record, tell_outcome
from search.objectives import Objective
from search.record import TrialOutcome

_CONTINUES = "continues"
_QUEUED = "queued_again"  # kept by earlier versions with the study, now told by the mark of the continuation


def close_interrupted(
    study: optuna.Study, objectives: Sequence[Objective], trials: Iterable[FrozenTrial] | None = None
) -> int:
    """Close the trials that a killed driver left RUNNING, and queue again what was interrupted in any way.

    Without ``trials`` it takes all: call it so only when no other driver works on the study. With them, the orphans of
    :mod:`search.drivers`, it takes those. A trial whose record was filed already ends as that record says, and one that
    another driver has ended meanwhile stays as it is. The parameters of any other go back into the queue once, with
    those of trials that ended as failed when their driver was interrupted: their checkpoints are found again by
    candidate digest, so only the work since then is repeated. Returns how many were queued.
    """
    chosen = None if trials is None else {trial.number for trial in trials}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if chosen is None or trial.number in chosen:
            _close(study, trial, objectives)
    open_ones = [trial for trial in needs_continuation(study) if chosen is None or trial.number in chosen]
    for trial in open_ones:
        resumed = {name: value for name, value in trial.user_attrs.items() if name == RESUMES}
        study.enqueue_trial(_parameters(trial), user_attrs={_CONTINUES: trial.number, **resumed})
    return len(open_ones)


def _close(study: optuna.Study, trial: FrozenTrial, objectives: Sequence[Objective]) -> None:
    record = stored_record(trial)
    outcome = TrialOutcome.UNSCORED if record is None else TrialOutcome(record["outcome"])
    tell_outcome(study, trial.number, outcome, objectives, {} if record is None else record["metrics"])


def needs_continuation(study: optuna.Study) -> list[FrozenTrial]:
    """Return the failed trials that have parameters, no record of a failure, and nobody to continue them; oldest first.

    The mark of a continuation is written with it in one transaction, so none can be queued without.
    """
    trials = study.get_trials(deepcopy=False)
    known = {trial.user_attrs.get(_CONTINUES) for trial in trials} | set(study.user_attrs.get(_QUEUED, []))
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and not ended_as_recorded(trial)
        and trial.number not in known
        and _parameters(trial)
    ]


def _parameters(trial: FrozenTrial) -> dict[str, Any]:
    """Return what ``trial`` drew and, if it was queued and stopped while drawing, what it was to draw."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
