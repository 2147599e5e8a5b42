"""The Optuna study: opening, asking, telling, and reading the front."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from search.errors import StudyError
from search.experimental import experimental_allowed
from search.front_measures import running_hypervolume
from search.objectives import Objective, minimised, objective_values, references
from search.record import TrialOutcome, TrialRecord
from search.storage import build_storage

_OBJECTIVES = "objectives"
_REFERENCES = "references"
RECORD = "record"
OUTCOME = "trial_outcome"
CANDIDATE = "candidate_digest"
RESUMES = "resumes"
"""Attribute of a trial that takes up a stopped one: the number of that one."""
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
    of what makes trials comparable: data, classifier, budget, space. The study keeps the objectives' reference points
    as they are now: they decide no trial, so they may change from session to session. Of several drivers that open a
    new study at once, one makes it and the others wait for it.

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
    references = [float(objective.reference) for objective in objectives]
    if study.user_attrs.get(_REFERENCES) != references:
        study.set_user_attr(_REFERENCES, references)
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


def ended_as_recorded(trial: FrozenTrial) -> bool:
    """Say whether ``trial`` has a record and the state that belongs to it."""
    outcome = trial_outcome(trial)
    return outcome is not None and trial.state in END_STATES[outcome]


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
        return TrialOutcome(found)
    record = stored_record(trial)  # of earlier versions
    return None if record is None else TrialOutcome(record["outcome"])


def study_uid(study: optuna.Study) -> str:
    """Return what tells this study from any other of the same name, in this storage or another."""
    return str(study.user_attrs[_UID])


def objective_labels(study: optuna.Study) -> list[str]:
    """Return direction and metric of each objective, ``maximize accuracy``."""
    names = study.metric_names or [f"value {place}" for place in range(len(study.directions))]
    return [f"{direction.name.lower()} {name}" for direction, name in zip(study.directions, names, strict=True)]


def stored_references(study: optuna.Study) -> list[float] | None:
    """Return the objectives' reference point that ``study`` keeps, or None for a study made before it kept one."""
    found = study.user_attrs.get(_REFERENCES)
    return None if found is None else [float(value) for value in found]


def stored_signature(study: optuna.Study) -> str | None:
    """Return the digest of what makes the trials of ``study`` comparable, or None if it keeps none."""
    found = study.user_attrs.get(_SIGNATURE)
    return None if found is None else str(found)


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
    """Return what :func:`file_record` kept with ``trial``, or None for a trial that never ended."""
    text = trial.user_attrs.get(RECORD)
    return None if text is None else dict(json.loads(text))


REPEATS = "repeats"


def scored_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the scored trials that repeat no earlier one, oldest first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [
        trial
        for trial in complete
        if REPEATS not in trial.user_attrs and trial_outcome(trial) in (None, TrialOutcome.SCORED)
    ]


def trained_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the last trial of each candidate that was scored, or trained to a rung and stopped; oldest first."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    trained = (TrialOutcome.SCORED, TrialOutcome.STOPPED)
    found = {}
    for trial in ended:
        if REPEATS not in trial.user_attrs and CANDIDATE in trial.user_attrs and trial_outcome(trial) in trained:
            found[trial.user_attrs[CANDIDATE]] = trial
    return sorted(found.values(), key=lambda trial: trial.number)


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return every trial that ended in any way, oldest first."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))


def front_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the feasible, non-dominated trials, the best first objective first; of equals, the oldest."""
    if not scored_trials(study):
        return []
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    scored = {trial.number for trial in scored_trials(study)}
    best = [trial for trial in study.best_trials if trial.number in scored]
    return sorted(best, key=lambda trial: (sign * trial.values[0], trial.number))


def hypervolume_history(study: optuna.Study, objectives: Sequence[Objective]) -> list[float]:
    """Return the hypervolume of the front after each scored trial, against the objectives' reference point."""
    values = [minimised(objectives, trial.values) for trial in scored_trials(study)]
    points = np.array(values, dtype=np.float64).reshape(len(values), len(objectives))
    return [float(volume) for volume in running_hypervolume(points, references(objectives))]


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
