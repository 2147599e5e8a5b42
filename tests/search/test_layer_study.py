"""The benchmark's study: the grid is measured once, filtered, resumed, and told from what was only predicted."""

import json
import threading
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial, TrialState

from search.errors import ConfigError, StudyError
from search.layers.driver import runs_elsewhere, this_driver
from search.layers.points import Point, select_points, whole_grid
from search.layers.session import in_order
from search.layers.study import (
    COMMIT,
    DRIVER,
    POINT,
    close_left_over,
    commits,
    known_rows,
    open_points,
    run_grid,
)
from zk.benchmark.row import LayerRow, RowOutcome

NAMES = ["ReLU", "Dense", "CNN"]
CATEGORIES = {"ReLU": "core", "Dense": "core", "CNN": "composite"}
GRID = whole_grid(NAMES)


def row_of(point: Point, outcome: RowOutcome = RowOutcome.PROVED) -> LayerRow:
    return LayerRow(
        point.experiment,
        "core",
        point.scale_bits,
        point.variant,
        outcome,
        prove_seconds=float(point.scale_bits),
        peak_rss_bytes=100,
    )


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(
        study_name="s", storage=f"sqlite:///{tmp_path}/o.db", directions=["minimize", "minimize"], load_if_exists=True
    )


def run(study: optuna.Study, points: tuple[Point, ...], measure=None, workers: int = 1) -> list[str]:
    seen, lock = [], threading.Lock()

    def note(trial: Trial, point: Point) -> LayerRow:
        with lock:
            seen.append(point.label)
        return measure(point) if measure else row_of(point)

    run_grid(study, points, note, grid=GRID, workers=workers, seed=0)
    return seen


def test_every_point_is_measured_once(study: optuna.Study) -> None:
    points = select_points(CATEGORIES, scales=[10, 7])
    assert len(points) == 12
    assert sorted(run(study, points)) == sorted(point.label for point in points)
    assert open_points(study, points, ()) == ()
    rows = in_order(known_rows(study), NAMES)
    assert [row.key for row in rows[:4]] == [
        ("ReLU", 10, "stock"),
        ("ReLU", 10, "ours"),
        ("ReLU", 7, "stock"),
        ("ReLU", 7, "ours"),
    ]


def test_filters_narrow_a_session_and_a_later_one_goes_on(study: optuna.Study) -> None:
    narrow = select_points(CATEGORIES, scales=[7], only_categories=["core"], variants=["ours"])
    assert [point.label for point in narrow] == ["ReLU/7/ours", "Dense/7/ours"]
    run(study, narrow)
    everything = select_points(CATEGORIES, scales=[10, 7])
    rest = open_points(study, everything, ())
    assert len(rest) == 10
    assert sorted(run(study, rest, workers=2)) == sorted(point.label for point in rest)
    assert len(known_rows(study)) == 12


def test_predicted_rows_are_pruned_and_run_again_only_when_asked(study: optuna.Study) -> None:
    points = select_points(CATEGORIES, scales=[7], only_experiments=["CNN"])

    def measure(point: Point) -> LayerRow:
        return row_of(point, RowOutcome.PREDICTED if point.variant == "stock" else RowOutcome.PROVED)

    run(study, points, measure)
    states = {trial.params[POINT]: trial.state for trial in study.trials}
    assert states == {"CNN/7/stock": TrialState.PRUNED, "CNN/7/ours": TrialState.COMPLETE}
    assert open_points(study, points, ()) == ()
    again = open_points(study, points, ("predicted",))
    assert [point.label for point in again] == ["CNN/7/stock"]
    run(study, again)
    assert known_rows(study)["CNN/7/stock"].outcome is RowOutcome.PROVED  # the newest row counts


def test_what_is_not_wired_never_leads(study: optuna.Study) -> None:
    points = select_points(CATEGORIES, scales=[7, 10], only_experiments=["ReLU"], variants=["ours"])

    def measure(point: Point) -> LayerRow:
        return row_of(point, RowOutcome.VERIFIED_ONLY if point.scale_bits == 7 else RowOutcome.PROVED)

    run(study, points, measure)
    assert [trial.params[POINT] for trial in study.best_trials] == ["ReLU/10/ours"]


def test_a_killed_session_leaves_its_cell_open(study: optuna.Study) -> None:
    points = select_points(CATEGORIES, scales=[7], only_experiments=["Dense"])

    def die(point: Point) -> LayerRow:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study, points, die)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        assert POINT in trial.params
    close_left_over(study)
    assert study.get_trials(states=(TrialState.RUNNING,)) == []
    assert open_points(study, points, ()) == points
    assert sorted(run(study, points)) == sorted(point.label for point in points)


def driver(**changed: object) -> str:
    return json.dumps({**json.loads(this_driver()), **changed})


def in_work(study: optuna.Study, label: str, driver: str) -> Trial:
    study.enqueue_trial({POINT: label})
    trial = study.ask({POINT: CategoricalDistribution([point.label for point in GRID])})
    trial.set_user_attr(DRIVER, driver)
    return trial


def test_a_cell_in_work_elsewhere_is_left_to_it(study: optuna.Study) -> None:
    started = psutil.Process(1).create_time()
    trial = in_work(study, "Dense/7/ours", driver(pid=1, started=started))
    in_work(study, "Dense/10/ours", driver(pid=1, started=started - 3600))  # an earlier owner of the number, long gone
    assert close_left_over(study) == 1
    points = select_points(CATEGORIES, scales=[10, 7], only_experiments=["Dense"], variants=["ours"])
    assert [point.label for point in open_points(study, points, ("proved",))] == ["Dense/10/ours"]
    assert run(study, points) == ["Dense/10/ours"]  # asked for both, it finds the other in work
    assert study.trials[trial.number].state is TrialState.RUNNING


def test_drivers_of_other_hosts_are_taken_to_live() -> None:
    assert runs_elsewhere(driver(host="elsewhere", space="elsewhere", pid=1, started=0.0))
    assert runs_elsewhere(driver(space="another container of this host"))
    assert not runs_elsewhere(this_driver())


@pytest.mark.parametrize("name", [None, "", "host/1/0.00", "[1]", '{"host": "a"}', "7", "null"])
def test_what_names_no_driver_has_ended(name: str | None) -> None:
    assert not runs_elsewhere(name)


def test_rows_are_counted_by_commit(study: optuna.Study) -> None:
    points = select_points(CATEGORIES, scales=[10, 7], only_experiments=["Dense"], variants=["ours"])
    for chosen, commit in ((points, "old"), (points[:1], "new")):
        run_grid(
            study, chosen, lambda trial, point: row_of(point), grid=GRID, workers=1, seed=0, facts={COMMIT: commit}
        )
    assert commits(study) == {"new": 1, "old": 1}


def test_another_list_of_experiments_is_explained(study: optuna.Study) -> None:
    run(study, select_points(CATEGORIES, scales=[7], only_experiments=["Dense"]))
    point = Point("New", 7, "ours")
    with pytest.raises(StudyError, match=r"another study\.name"):
        run_grid(study, [point], lambda trial, p: row_of(p), grid=[point], workers=1, seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"only_categories": ["soft"]}, r"benchmark\.categories must be of composite, core"),
        ({"only_experiments": ["Relu"]}, r"benchmark\.layers must be of ReLU"),
        ({"variants": ["theirs"]}, r"benchmark\.variants must be of stock, ours"),
        ({"scales": [3]}, r"benchmark\.scales must be in 4\.\.14"),
        ({"only_categories": ["core"], "only_experiments": ["CNN"]}, "nothing"),
    ],
)
def test_filters_name_what_there_is(wrong: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select_points(CATEGORIES, **({"scales": [7]} | wrong))


def test_rows_are_kept_as_json(study: optuna.Study) -> None:
    points = select_points(CATEGORIES, scales=[7], only_experiments=["Dense"], variants=["ours"])
    run(study, points)
    (trial,) = study.trials
    assert json.loads(trial.user_attrs["row"])["outcome"] == "proved"
