"""Trials of one and the same candidate."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from search.candidate import Candidate
from search.endings import (
    CANDIDATE,
    ERROR,
    RECORD,
    REPEATS,
    RESUMES,
    copy_record,
    ended_as_recorded,
    stored_record,
    tell_outcome,
    trial_outcome,
)
from search.objectives import Objective
from search.study import ended_trials

ATTEMPTS = 3
"""Sessions that may end with an error at one candidate before it is recorded as lost, so that others get their turn."""


def trial_of(study: optuna.Study, number: int) -> FrozenTrial:
    """Return trial ``number`` as it is stored now."""
    return study.get_trials(deepcopy=False)[number]


def twin_of(study: optuna.Study, candidate: Candidate, resumes: int | None = None) -> FrozenTrial | None:
    """Return the trial that tells how ``candidate`` ended, preferably one that Optuna ended likewise.

    Of several it is the last: what was stopped and then taken up ended as the trial that took it up. For a trial that
    itself takes up the stopped trial ``resumes``, only others that took it up count.
    """
    same = [
        trial
        for trial in ended_trials(study)
        if trial.user_attrs.get(CANDIDATE) == candidate.digest
        and RECORD in trial.user_attrs
        and resumes in (None, trial.user_attrs.get(RESUMES))
    ]
    whole = [trial for trial in same if ended_as_recorded(trial) and REPEATS not in trial.user_attrs]
    return next(iter(whole[::-1] or same), None)


def open_twin(study: optuna.Study, candidate: Candidate, number: int) -> int | None:
    """Return the trial before ``number`` that is in work on ``candidate``, here or with another driver."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    same = (trial.number for trial in running if trial.user_attrs.get(CANDIDATE) == candidate.digest)
    return next((other for other in same if other < number), None)


def earlier_trials(study: optuna.Study, candidate: Candidate, number: int) -> list[FrozenTrial]:
    """Return the trials before ``number`` that trained ``candidate``, oldest first."""
    trials = study.get_trials(deepcopy=False)[:number]
    return [trial for trial in trials if trial.user_attrs.get(CANDIDATE) == candidate.digest]


def given_up(study: optuna.Study, candidate: Candidate, number: int) -> str:
    """Return why ``candidate`` is not tried again in trial ``number``; empty where it is."""
    errors = [
        str(trial.user_attrs[ERROR]) for trial in earlier_trials(study, candidate, number) if ERROR in trial.user_attrs
    ]
    return (
        f"{len(errors)} sessions ended with an error at it, the last: {errors[-1]}" if len(errors) >= ATTEMPTS else ""
    )


def taken_up(study: optuna.Study, number: int) -> bool:
    """Say whether a trial was queued or begun that takes up the stopped trial ``number``."""
    return any(trial.user_attrs.get(RESUMES) == number for trial in study.get_trials(deepcopy=False))


def repeat_outcome(study: optuna.Study, trial: Trial, original: FrozenTrial, objectives: Sequence[Objective]) -> bool:
    """End ``trial`` as the record of its twin says, constraints included; gives what ``tell_outcome`` gives.

    A twin that was interrupted after its record had been filed does not count, so ``trial`` stands for it.
    """
    outcome, record = trial_outcome(original), stored_record(original)
    if outcome is None or record is None:
        raise AssertionError("a twin has a record")
    for name, value in original.constraints.items():
        trial.set_constraint(name, value)
    if ended_as_recorded(original):
        trial.set_user_attr(REPEATS, original.number)
    copy_record(trial, original)
    return tell_outcome(study, trial.number, outcome, objectives, record["metrics"])
