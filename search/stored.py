"""Stored studies, opened for reading: asking creates nothing and changes nothing."""

from __future__ import annotations

import difflib
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from search.endings import RECORD
from search.errors import StudyError
from search.layers.study import ROW
from search.sqlite_files import first_rows, is_sqlite
from search.study import front_trials, objective_labels
from search.trial_rows import trial_state
from search.urls import safe_url

DEFAULT_STORAGE = "sqlite:///mlruns/optuna.db"
"""Where ``study.storage`` of ``conf/config.yaml`` keeps studies."""
STATES = ("scored", "stopped", "infeasible", "repeated", "illegal", "diverged", "unscored", "interrupted")
"""Order in which states are told; others follow."""
_MOST_NAMES = 20
_VERSIONS = ("alembic_version", "version_info")


def read_storage(storage: str) -> optuna.storages.RDBStorage:
    """Open the database at the URL ``storage`` without creating a file or a table.

    Raises:
        StudyError: there is none, it is not Optuna's, or it cannot be reached.
    """
    try:
        url = make_url(storage)
    except (SQLAlchemyError, ValueError) as error:
        raise StudyError(f"storage must be the URL of a database, such as {DEFAULT_STORAGE}") from error
    if url.get_backend_name() == "sqlite":
        _check_file(url)
    try:
        return optuna.storages.RDBStorage(storage, skip_table_creation=True)
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise StudyError(
            f"storage {_shown(url)} must be a readable database of Optuna studies; got: {reason}"
        ) from error


def _check_file(url: URL) -> None:
    path = Path((url.database or ":memory:").removeprefix("file:"))
    if not path.is_file():
        raise StudyError(
            f"storage {_shown(url)} must be an existing file; there is no {path}: run a study first (make search), or "
            "name another with storage=URL"
        )
    refused = f"storage {_shown(url)} must be a readable database of Optuna studies; "
    try:
        if not is_sqlite(path):
            raise StudyError(f"{refused}{path} is no SQLite file")
        versions = first_rows(path, _VERSIONS)
    except (OSError, sqlite3.Error) as error:
        raise StudyError(f"{refused}got: {error}") from error
    if None in versions:  # Optuna would write its own version there
        raise StudyError(f"{refused}{path} does not say of which version it is")


def _shown(url: URL) -> str:
    return safe_url(url.render_as_string(hide_password=True))


def load_stored(name: str, storage: str) -> optuna.Study:
    """Load the study ``name`` of candidates from the database at ``storage``.

    Raises:
        StudyError: there is no such database or study, or the study is of the layer benchmark.
    """
    opened = read_storage(storage)
    names = optuna.get_all_study_names(opened)
    if name not in names:
        raise StudyError(f"storage {_shown(make_url(storage))} has no study {name!r}; it has {_listed(names, name)}")
    study = optuna.load_study(study_name=name, storage=opened)
    trials = study.get_trials(deepcopy=False)
    if any(ROW in trial.user_attrs and RECORD not in trial.user_attrs for trial in trials):
        raise StudyError(
            f"study {name} must hold candidates; it holds cells of the layer benchmark: its page is made by "
            "python -m zk.benchmark report FOLDER"
        )
    return study


def _listed(names: list[str], wanted: str) -> str:
    """Some of ``names``, those that are like ``wanted`` first."""
    if not names:
        return "none"
    close = difflib.get_close_matches(wanted, names, n=3)
    ordered = [*close, *(name for name in names if name not in close)]
    left = len(ordered) - _MOST_NAMES
    return ", ".join(ordered[:_MOST_NAMES]) + (f" and {left} more" if left > 0 else "")


def study_rows(storage: str) -> list[dict[str, Any]]:
    """Return a row for every study of the database at ``storage``, in order of their making.

    ``states`` tells the numbers of trials by state; each of them is a column as well.

    Raises:
        StudyError: there is no such database.
    """
    opened, found = read_storage(storage), list[dict[str, Any]]()
    for name in optuna.get_all_study_names(opened):
        study = optuna.load_study(study_name=name, storage=opened)
        states = count_states(study)
        found.append(
            {
                "study": name,
                "trials": sum(states.values()),
                "states": ", ".join(f"{count} {state}" for state, count in states.items()),
                "front": len(front_trials(study)),
                "objectives": ", ".join(objective_labels(study)),
                **states,
            }
        )
    return found


def count_states(study: optuna.Study) -> dict[str, int]:
    """Return the number of trials of each state that occurs, running and waiting ones included."""
    counts = Counter(_state(trial) for trial in study.get_trials(deepcopy=False))
    known = [state for state in STATES if state in counts]
    return {state: counts[state] for state in (*known, *sorted(set(counts) - set(known)))}


def _state(trial: FrozenTrial) -> str:
    if not trial.state.is_finished():
        return trial.state.name.lower()
    if ROW in trial.user_attrs and RECORD not in trial.user_attrs:  # a cell of the layer benchmark has its own words
        return str(trial.user_attrs.get("outcome", trial.state.name.lower()))
    return trial_state(trial)
