"""The Optuna study: opening, asking, telling, and reading the front."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from search.errors import StudyError
from search.experimental import experimental_allowed
from search.objectives import Objective, objective_values
from search.record import TrialOutcome, TrialRecord
from search.storage import build_storage

_OBJECTIVES = "objectives"
RECORD = "record"
_SIGNATURE = "signature"
_UID = "uid"
_CONTINUES = "continues"
_QUEUED = "queued_again"  # kept by earlier versions with the study, now told by the mark of the continuation
_CREATION_SECONDS = 10.0


def open_study(
    *,
    name: str,
    storage: str | BaseStorage,
    objectives: Sequence[Objective],
    sampler: optuna.samplers.BaseSampler,
    signature: str,
) -> optuna.Study:
    """Create the study ``name`` in ``storage``, or continue it.

    ``storage`` is a URL or what :func:`search.storage.build_storage` made of one. ``signature`` is a digest
    of what makes trials comparable: data, classifier, budget, space. Of several drivers that open a new study at once,
    one makes it and the others wait for it.

    Raises:
        StudyError: the stored study has other objectives or another signature.
    """
    kept = build_storage(storage) if isinstance(storage, str) else storage
    try:
        study = optuna.create_study(
            study_name=name,
            storage=kept,
            sampler=sampler,
            directions=[StudyDirection[objective.direction.upper()] for objective in objectives],
        )
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=kept, sampler=sampler)
        _wait_for_creator(study)
    wanted = {_OBJECTIVES: [f"{o.direction} {o.metric}" for o in objectives], _SIGNATURE: signature}
    for key, value in wanted.items():
        found = study.user_attrs.get(key)
        if found is None:
            study.set_user_attr(key, value)
        elif found != value:
            raise StudyError(
                f"study {name} was made with other {key} ({found}) than now asked for ({value}); "
                "its trials would not be comparable: choose another study.name, or restore the configuration"
            )
    with experimental_allowed():
        study.set_metric_names([objective.metric for objective in objectives])
    if _UID not in study.user_attrs:  # last: it tells the others that the study is made
        study.set_user_attr(_UID, uuid.uuid4().hex)
    return study


def _wait_for_creator(study: optuna.Study) -> None:
    """Give whoever makes ``study`` the time to do so; one that was killed meanwhile leaves the rest to us."""
    deadline = time.monotonic() + _CREATION_SECONDS
    while _UID not in study.user_attrs and time.monotonic() < deadline:
        time.sleep(0.1)


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
        study.enqueue_trial(_parameters(trial), user_attrs={_CONTINUES: trial.number})
    return len(open_ones)


def _close(study: optuna.Study, trial: FrozenTrial, objectives: Sequence[Objective]) -> None:
    record = stored_record(trial)
    outcome = TrialOutcome.UNSCORED if record is None else TrialOutcome(record["outcome"])
    with suppress(UpdateFinishedTrialError):
        if record is not None and outcome is TrialOutcome.SCORED:
            study.tell(trial.number, objective_values(objectives, record["metrics"]), skip_if_finished=True)
        else:
            study.tell(trial.number, state=END_STATES[outcome], skip_if_finished=True)


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


def ended_as_recorded(trial: FrozenTrial) -> bool:
    """Say whether ``trial`` has a record and the state that belongs to it."""
    record = stored_record(trial)
    return record is not None and END_STATES[TrialOutcome(record["outcome"])] == trial.state


END_STATES = {
    TrialOutcome.SCORED: TrialState.COMPLETE,
    TrialOutcome.INFEASIBLE: TrialState.PRUNED,
    TrialOutcome.DIVERGED: TrialState.FAIL,
    TrialOutcome.UNSCORED: TrialState.FAIL,
}


def study_uid(study: optuna.Study) -> str:
    """Return what tells this study from any other of the same name, in this storage or another."""
    return str(study.user_attrs[_UID])


def file_record(trial: Trial, record: TrialRecord) -> None:
    """Keep the constraints and the summary of ``record`` with ``trial``."""
    for name, value in record.constraints.items():
        trial.set_constraint(name, value)
    trial.set_user_attr(RECORD, json.dumps(summary(record), sort_keys=True))


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
    """Return what :func:`file_record` kept with ``trial``, or None for a trial that never ended."""
    text = trial.user_attrs.get(RECORD)
    return None if text is None else dict(json.loads(text))


REPEATS = "repeats"


def scored_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials that repeat no earlier one, oldest first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in complete if REPEATS not in trial.user_attrs]


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return every trial that ended in any way, oldest first."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))


def front_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the feasible, non-dominated trials, the best first objective first; of equals, the oldest."""
    if not scored_trials(study):
        return []
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    best = [trial for trial in study.best_trials if REPEATS not in trial.user_attrs]
    return sorted(best, key=lambda trial: (sign * trial.values[0], trial.number))


def hypervolume_history(study: optuna.Study, objectives: Sequence[Objective]) -> list[float]:
    """Return the hypervolume of the front after each complete trial, against the objectives' reference point.

    Computed by Optuna; empty for fewer than two objectives, for which it is not defined there.
    """
    if len(objectives) < 2 or not scored_trials(study):
        return []
    with experimental_allowed():
        figure = optuna.visualization.plot_hypervolume_history(study, [objective.reference for objective in objectives])
    history = dict(zip(figure.data[0].x, figure.data[0].y, strict=True))
    return [float(history[trial.number]) for trial in scored_trials(study)]


Late = dict[str, dict[str, Any]]
_LATE = "late/"


def add_late_findings(study: optuna.Study, number: int, *, metrics: dict[str, float], facts: dict[str, str]) -> None:
    """Keep what was found out about trial ``number`` after it had ended: Optuna lets no ended trial change."""
    kept = late_findings(study).get(number, {"metrics": {}, "facts": {}})
    merged = {"metrics": {**kept["metrics"], **metrics}, "facts": {**kept["facts"], **facts}}
    study.set_user_attr(f"{_LATE}{number}", merged)


def late_findings(study: optuna.Study) -> dict[int, Late]:
    """Return the late findings by trial number, each with ``metrics`` and ``facts``."""
    attributes = study.user_attrs
    return {int(key.removeprefix(_LATE)): value for key, value in attributes.items() if key.startswith(_LATE)}
