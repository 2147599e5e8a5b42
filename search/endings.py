"""How a trial ends: the record that is kept with it, and the state that Optuna is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from json_files import parse_json
from search.errors import StudyError
from search.objectives import Objective, objective_values
from search.record import TrialOutcome, TrialRecord

RECORD, OUTCOME = "record", "trial_outcome"
CANDIDATE = "candidate_digest"
REPEATS = "repeats"
"""Attribute of a trial that equals an earlier one: the number of that one."""
ERROR = "error"
"""Attribute of a trial at which a session ended with an error: its text."""
RESUMES = "resumes"
"""Attribute of a trial that takes up a stopped one: the number of that one."""

_NUMBER = (int, float)

END_STATES = {
    TrialOutcome.SCORED: (TrialState.COMPLETE,),
    # Complete, because Optuna's genetic samplers learn of constraints from complete trials only; with the objectives'
    # reference points as values, which add nothing to a front. Earlier versions ended them as pruned.
    TrialOutcome.INFEASIBLE: (TrialState.COMPLETE, TrialState.PRUNED),
    TrialOutcome.STOPPED: (TrialState.PRUNED,),
    TrialOutcome.DIVERGED: (TrialState.FAIL,),
    TrialOutcome.UNSCORED: (TrialState.FAIL,),
    TrialOutcome.LOST: (TrialState.FAIL,),
}


def tell_outcome(
    study: optuna.Study,
    number: int,
    outcome: TrialOutcome,
    objectives: Sequence[Objective],
    metrics: Mapping[str, float],
) -> bool:
    """End trial ``number`` as ``outcome`` says; gives False if the sampler then has nothing left to try."""
    state = END_STATES[outcome][0]
    values = None
    if outcome is TrialOutcome.SCORED:
        values = objective_values(objectives, metrics)
    elif outcome is TrialOutcome.INFEASIBLE:
        values = [objective.reference for objective in objectives]
    return tell_state(study, number, state, values)


def tell_state(study: optuna.Study, number: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
    """End trial ``number``, unless another driver has; gives False if the sampler then has nothing left to try."""
    try:
        study.tell(number, values, state=state, skip_if_finished=True)
    except UpdateFinishedTrialError:  # another driver was as quick
        return True
    except RuntimeError:
        # A sampler that has tried everything stops Optuna's own loop, which is not the one that runs here. By then the
        # trial has ended as told.
        if not study.get_trials(deepcopy=False)[number].state.is_finished():
            raise
        return False
    return True


def trial_outcome(trial: FrozenTrial) -> TrialOutcome | None:
    """Return how ``trial`` ended, or None if it never did."""
    if (found := trial.user_attrs.get(OUTCOME)) is not None:
        try:
            return TrialOutcome(found)
        except ValueError as error:
            raise StudyError(f"trial {trial.number} must have ended in a known way; {error}") from error
    record = stored_record(trial)  # of earlier versions
    return None if record is None else TrialOutcome(record["outcome"])


def ended_as_recorded(trial: FrozenTrial) -> bool:
    """Say whether ``trial`` has a record and the state that belongs to it."""
    outcome = trial_outcome(trial)
    return outcome is not None and trial.state in END_STATES[outcome]


def file_record(trial: Trial, record: TrialRecord) -> None:
    """Keep the constraints and the summary of ``record`` with ``trial``."""
    for name, value in record.constraints.items():
        trial.set_constraint(name, value)
    trial.set_user_attr(RECORD, json.dumps(summary(record), sort_keys=True))
    trial.set_user_attr(OUTCOME, str(record.outcome))


def copy_record(trial: Trial, other: FrozenTrial) -> None:
    """Give ``trial`` the record of ``other``, whose candidate is the same."""
    trial.set_user_attr(RECORD, other.user_attrs[RECORD])
    if OUTCOME in other.user_attrs:
        trial.set_user_attr(OUTCOME, other.user_attrs[OUTCOME])


def summary(record: TrialRecord) -> dict[str, Any]:
    """Return the part of a record that the study keeps, as plain JSON values."""
    return {
        "outcome": str(record.outcome),
        "reason": record.reason,
        "metrics": record.metrics,
        "facts": record.facts,
        "folder": str(record.folder),
        "candidate_digest": record.candidate.digest,
        "spec": json.loads(record.candidate.spec.to_json()),
    }


def stored_record(trial: FrozenTrial) -> dict[str, Any] | None:
    """Return what :func:`file_record` kept with ``trial``, or None for a trial that never ended.

    Raises:
        StudyError: what is kept is no such record.
    """
    text = trial.user_attrs.get(RECORD)
    if text is None:
        return None
    try:
        return _checked(parse_json(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"trial {trial.number} must keep a record that its study wrote; {error}") from error


def _checked(found: Any) -> dict[str, Any]:
    """Refuse what :func:`summary` does not give."""
    if not isinstance(found, dict):
        raise TypeError(f"it is a {type(found).__name__}")
    for name, empty in (("outcome", ""), ("reason", ""), ("metrics", {}), ("facts", {}), ("spec", {})):
        if not isinstance(found.setdefault(name, empty), type(empty)):
            raise TypeError(f"its {name} must be a {type(empty).__name__}; got {found[name]!r:.60}")
    TrialOutcome(found["outcome"])
    check_metrics(found["metrics"])
    return found


def check_metrics(metrics: Mapping[str, Any]) -> None:
    """Refuse metrics that are no numbers.

    Raises:
        TypeError: one is not.
    """
    if wrong := [name for name, value in metrics.items() if isinstance(value, bool) or not isinstance(value, _NUMBER)]:
        raise TypeError(f"its metric {wrong[0]!r:.60} must be a number; got {metrics[wrong[0]]!r:.60}")
