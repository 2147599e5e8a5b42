"""The Optuna study: opening, asking, telling, and reading the front."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.endings import CANDIDATE, REPEATS, check_metrics, trial_outcome
from search.errors import StudyError
from search.experimental import experimental_allowed
from search.front_measures import running_hypervolume
from search.objectives import Objective, minimised, references
from search.record import TrialOutcome
from search.signature import changes
from search.storage import build_storage

_OBJECTIVES = "objectives"
_REFERENCES = "references"
_SIGNATURE, _PARTS = "signature", "signature_parts"
_UID = "uid"
_CREATION_SECONDS = 10.0


def open_study(
    *,
    name: str,
    storage: str | BaseStorage,
    objectives: Sequence[Objective],
    sampler: optuna.samplers.BaseSampler,
    signature: str,
    parts: Mapping[str, Any] | None = None,
) -> optuna.Study:
    """Create the study ``name`` in ``storage``, or continue it.

    ``storage`` is a URL or what :func:`search.storage.build_storage` made of one. ``signature`` is a digest of what
    makes trials comparable: data, classifier, budget, space; ``parts`` are the same as nested plain values, kept so
    that an error can say what changed. The study keeps the objectives' reference points as they are now: they decide no
    trial, so they may change from session to session. Of several drivers that open a new study at once, one makes it
    and the others wait for it.

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
    _hold_to(study, _OBJECTIVES, [f"{o.direction} {o.metric}" for o in objectives], "")
    earlier = study.user_attrs.get(_PARTS)
    parts = None if parts is None else json.loads(json.dumps(parts))  # as they come back: tuples are lists then
    known = {name: value for name, value in (parts or {}).items() if name in (earlier or {})}  # a part may be new
    _hold_to(study, _SIGNATURE, signature, "; ".join(changes(earlier, known)) if earlier and parts else "")
    if parts is not None and earlier is None:
        study.set_user_attr(_PARTS, dict(parts))
    references = [float(objective.reference) for objective in objectives]
    if study.user_attrs.get(_REFERENCES) != references:
        study.set_user_attr(_REFERENCES, references)
    with experimental_allowed():
        study.set_metric_names([objective.metric for objective in objectives])
    if _UID not in study.user_attrs:  # last: it tells the others that the study is made
        study.set_user_attr(_UID, uuid.uuid4().hex)
    return study


def _hold_to(study: optuna.Study, key: str, value: Any, difference: str) -> None:
    """Keep ``value`` with a new study, and refuse another than the kept one."""
    found = study.user_attrs.get(key)
    if found is None:
        study.set_user_attr(key, value)
    elif found != value:
        what = difference or f"other {key} ({found}) than now asked for ({value})"
        raise StudyError(
            f"study {study.study_name} was made with {'another configuration: ' if difference else ''}{what}; "
            "its trials would not be comparable: choose another study.name, or restore the configuration"
        )


def _wait_for_creator(study: optuna.Study) -> None:
    """Give whoever makes ``study`` the time to do so; one that was killed meanwhile leaves the rest to us."""
    deadline = time.monotonic() + _CREATION_SECONDS
    while _UID not in study.user_attrs and time.monotonic() < deadline:
        time.sleep(0.1)


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
    try:
        return None if found is None else [float(value) for value in found]
    except (TypeError, ValueError) as error:
        raise StudyError(f"study {study.study_name} must keep a number for each objective; {error}") from error


def stored_signature(study: optuna.Study) -> str | None:
    """Return the digest of what makes the trials of ``study`` comparable, or None if it keeps none."""
    found = study.user_attrs.get(_SIGNATURE)
    return None if found is None else str(found)


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
    """Return the late findings by trial number, each with ``metrics`` and ``facts``.

    Raises:
        StudyError: what is kept are no such findings.
    """
    found: dict[int, Late] = {}
    for key, value in study.user_attrs.items():
        if not key.startswith(_LATE):
            continue
        try:
            check_metrics(value["metrics"])
            found[int(key.removeprefix(_LATE))] = {"metrics": value["metrics"], "facts": dict(value["facts"])}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StudyError(f"{key} of study {study.study_name} must be findings of a trial; {error!r}") from error
    return found
