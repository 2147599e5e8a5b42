"""The benchmark's Optuna study: a grid without repetition, resumed at the first cell that has no row."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from search.errors import StudyError
from search.layers.driver import runs_elsewhere, this_driver
from search.layers.points import Point
from zk.benchmark.row import LayerRow, RowOutcome

POINT = "point"
ROW = "row"
PROVED = "proved"
DRIVER = "driver"
COMMIT = "commit"


def known_rows(study: optuna.Study) -> dict[str, LayerRow]:
    """The newest row of each cell, by the cell's label."""
    return {label: LayerRow.from_json(json.loads(trial.user_attrs[ROW])) for label, trial in _newest(study).items()}


def close_left_over(study: optuna.Study) -> int:
    """End as failed the trials that a killed session left running; their cells have no row and are run again."""
    left = [trial for trial in _running(study) if not runs_elsewhere(trial.user_attrs.get(DRIVER))]
    for trial in left:
        study.tell(trial.number, state=TrialState.FAIL)
    return len(left)


def open_points(study: optuna.Study, points: Sequence[Point], again: Sequence[str]) -> tuple[Point, ...]:
    """Cells without a row, and those whose row ended in a way that ``again`` names; none that is in work elsewhere."""
    rows = known_rows(study)
    busy = {trial.params.get(POINT) for trial in _running(study) if runs_elsewhere(trial.user_attrs.get(DRIVER))}
    return tuple(
        point
        for point in points
        if point.label not in busy and (point.label not in rows or str(rows[point.label].outcome) in again)
    )


def commits(study: optuna.Study) -> dict[str, int]:
    """How many of the rows were measured at each commit, by commit; those of unknown ones are not counted."""
    attributes = [trial.user_attrs for trial in _newest(study).values()]
    found = [str(values[COMMIT]) for values in attributes if COMMIT in values]
    return {commit: found.count(commit) for commit in dict.fromkeys(found)}


def run_grid(
    study: optuna.Study,
    points: Sequence[Point],
    measure: Callable[[Trial, Point], LayerRow],
    *,
    grid: Sequence[Point],
    workers: int,
    seed: int,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Measure every one of ``points`` once, by Optuna's grid sampler.

    Args:
        study: two directions: seconds of proving and greatest memory, both minimised.
        points: cells to measure now.
        measure: gives a cell's row; called from ``workers`` threads.
        grid: all cells that the study may ever hold.
        workers: cells at once.
        seed: of the grid's order.
        facts: filed with every trial.
    """
    if not points:
        return
    by_label = {point.label: point for point in points}
    labels = tuple(point.label for point in grid)
    _check_choices(study, labels)

    taken, lock = set[str](), threading.Lock()
    first = len(study.get_trials(deepcopy=False))

    def objective(trial: Trial) -> tuple[float, float]:
        for name, value in {DRIVER: this_driver(), **(facts or {})}.items():
            trial.set_user_attr(name, value)
        point = by_label[trial.suggest_categorical(POINT, labels)]
        with lock:
            known = point.label in taken
            taken.add(point.label)
        if known or _measured_elsewhere(study, trial.number, point.label, first):
            raise optuna.TrialPruned(f"{point.label} is measured by another trial")
        row = measure(trial, point)
        trial.set_user_attr(ROW, json.dumps(row.to_json(), sort_keys=True))
        trial.set_user_attr("outcome", str(row.outcome))
        trial.set_constraint(PROVED, 0.0 if row.outcome is RowOutcome.PROVED else 1.0)
        if not row.measured or row.prove_seconds is None or row.peak_rss_bytes is None:
            raise optuna.TrialPruned(f"{row.outcome}: {row.message}")
        return row.prove_seconds, float(row.peak_rss_bytes)

    while left := [label for label in by_label if label not in taken]:
        # Threads may draw the same cell at once, hence the loop. The sampler takes failed trials of an equal grid for
        # visited, hence the session's number, which makes each grid its own.
        session = len(study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.GridSampler({POINT: left, "session": [session]}, seed=seed)
        study.optimize(objective, n_trials=len(left), n_jobs=min(workers, len(left)))


def _newest(study: optuna.Study) -> dict[str, FrozenTrial]:
    """The trial of the newest row of each cell, by the cell's label."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return {str(trial.params[POINT]): trial for trial in ended if ROW in trial.user_attrs}


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _measured_elsewhere(study: optuna.Study, number: int, label: str, first: int) -> bool:
    """Whether another process works on a cell since before trial ``number``, or has done since trial ``first``."""
    for trial in study.get_trials(deepcopy=False):
        if trial.params.get(POINT) != label or trial.number == number:
            continue
        if trial.state is TrialState.RUNNING:
            if trial.number < number and runs_elsewhere(trial.user_attrs.get(DRIVER)):
                return True
        elif trial.number >= first and ROW in trial.user_attrs:
            return True
    return False


def _check_choices(study: optuna.Study, labels: tuple[str, ...]) -> None:
    """Optuna wants the same choices in every trial of a study."""
    for trial in study.get_trials(deepcopy=False):
        found = trial.distributions.get(POINT)
        if isinstance(found, CategoricalDistribution) and tuple(found.choices) != labels:
            raise StudyError(
                f"study {study.study_name} was made with another list of experiments; choose another study.name"
            )
