"""What a study and its trials file with MLflow, as a tracker that only remembers hears it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.engine import StudyPlan, run_study
from search.filing import PICTURES
from search.observer import StudyObserver
from search.runner import SerialRunner
from search.study import front_trials, scored_trials
from search.study_run import StudyResults, file_study_run
from search.trial_rows import front_rows, trial_rows
from search.view import LineView
from tests.search.conftest import OBJECTIVES, CheapEvaluator


class Memory:
    """A tracker of runs ``trial-N`` and ``study``."""

    experiment_id, parent_id = "7", "study"

    def __init__(self) -> None:
        self.kept_tags: dict[str, dict[str, str]] = defaultdict(dict)
        self.kept_params: dict[str, dict[str, Any]] = defaultdict(dict)
        self.points: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
        self.notes: dict[str, str] = {}
        self.files: dict[str, list[str]] = defaultdict(list)
        self.ended: list[str] = []

    def start_trial(self, number: int, tags: dict[str, str]) -> str:
        self.kept_tags[f"trial-{number}"].update(tags)
        return f"trial-{number}"

    def trial_run(self, number: int) -> str:
        return f"trial-{number}"

    def params(self, run: str, values: dict[str, Any]) -> None:
        self.kept_params[run].update(values)

    def tags(self, run: str, values: dict[str, str]) -> None:
        self.kept_tags[run].update(values)

    def metrics(self, run: str, values: dict[str, float], *, step: int = 0) -> None:
        for name, value in values.items():
            self.points[run][name][step] = value

    def last_step(self, run: str, metric: str) -> int:
        return max(self.points[run][metric], default=0)

    def note(self, run: str, text: str) -> None:
        self.notes[run] = text

    def artifact(self, run: str, path: Path, folder: str | None = None) -> None:
        self.files[run].append(path.name)

    def picture(self, run: str, path: Path, name: str) -> None:
        assert name == PICTURES

    def end(self, run: str, *, failed: bool = False) -> None:
        self.ended.append(run)


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.set_user_attr("objectives", "of the test")
    return study


@pytest.fixture
def session(study: optuna.Study, plan: StudyPlan, tmp_path: Path) -> Callable[..., Memory]:
    def run(tracker: Memory, trained: int) -> Memory:
        observer = StudyObserver(
            tracker,  # type: ignore[arg-type]
            study_folder=tmp_path,
            objectives=OBJECTIVES,
            tags={"dataset": "d", "tier": "3"},
            view=LineView(lambda _: None),
        )
        evaluate = CheapEvaluator(infeasible_above=6)
        run_study(study, replace(plan, trained=trained), SerialRunner(evaluate), observer)
        results = StudyResults(
            study=study, objectives=OBJECTIVES, rows=trial_rows(study), front=front_rows(study),
            hypervolume=[float(n) for n in range(len(scored_trials(study)))], proof="Nothing was proved.", proved=False,
            facts={"dataset": "d"}, files={"report": tmp_path / "report.html"}, folder=tmp_path,
            command=("python", "-m", "search"), commit="c", session="sessions/s",
        )  # fmt: skip
        file_study_run(results, tracker)  # type: ignore[arg-type]
        return tracker

    return run


def test_trials_have_tags_parameters_and_descriptions(study: optuna.Study, session: Callable[..., Memory]) -> None:
    tracker = session(Memory(), 5)
    rows = {row["trial"]: row for row in trial_rows(study)}
    assert {row["state"] for row in rows.values()} >= {"scored", "infeasible"}
    for number, row in rows.items():
        run, state = f"trial-{number}", row["state"]
        tags, note = tracker.kept_tags[run], tracker.notes[run]
        assert tags["outcome"] == state
        assert tags["tier"] == "3"
        assert note.startswith(f"**{state}")
        assert (row.get("reason") or "") in note.replace("\\", "")
        if state in ("scored", "infeasible"):
            assert tags["feasible"] == str(state == "scored").lower()
            assert (tags["proof.outcome"], tags["proof.wiring"]) == ("not tried", "unchecked")
            assert tags["family"] == row["family"]
            assert tracker.kept_params[run]["spec.widths"].count("-") == len(row["widths"]) - 1
        assert ("get-artifact" in note) == (state == "scored")
    assert len(tracker.ended) == len(rows)


def test_the_study_s_run_tells_of_its_front(
    study: optuna.Study, session: Callable[..., Memory], tmp_path: Path
) -> None:
    tracker = session(Memory(), 4)
    members = [trial.number for trial in front_trials(study)]
    note = tracker.notes["study"]
    assert note.startswith(f"**{len(members)} on the front**")
    assert [note.index(f"[{n}](#/experiments/7/runs/trial-{n})") for n in members] == sorted(
        note.index(f"[{n}](#/experiments/7/runs/trial-{n})") for n in members
    )
    assert all("on the front" in tracker.notes[f"trial-{n}"] for n in members)
    assert tracker.kept_tags["study"]["proved"] == "false"
    assert set(tracker.files["study"]) == {"report.html", "plots"}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"front.png", "hypervolume.png"}
    points = tracker.points["study"]
    assert points["scored_trials"] == {4: 4.0}
    assert points["front_members"][4] == len(members)
    assert points["best.accuracy"][4] == max(trial.values[0] for trial in scored_trials(study))
    assert points["best.headline.accuracy"] == {4: points["best.accuracy"][4]}
    assert sorted(points["hypervolume"]) == [1, 2, 3, 4]


def test_a_later_session_files_new_points_only(study: optuna.Study, session: Callable[..., Memory]) -> None:
    tracker = session(Memory(), 2)
    before = {name: dict(points) for name, points in tracker.points["study"].items()}
    tracker.points["study"]["best.accuracy"][2] = -1.0  # what an earlier session filed stays as it is
    session(tracker, 5)
    after = tracker.points["study"]
    assert sorted(after["front_members"]) == [1, 2, 3, 4, 5]
    assert after["best.accuracy"][2] == -1.0
    assert after["best.rows"][1] == before["best.rows"][1]
    assert after["drawn_trials"][5] == len(study.trials)
    assert "5 scored" in tracker.notes["study"]


def test_a_study_that_scored_nothing_has_a_run_without_pictures(
    study: optuna.Study, plan: StudyPlan, tmp_path: Path
) -> None:
    tracker = Memory()
    results = StudyResults(
        study=study, objectives=OBJECTIVES, rows=[], front=[], hypervolume=[], proof="Nothing was proved.",
        proved=False, facts={}, files={}, folder=tmp_path, command=("x",), commit="c", session="s",
    )  # fmt: skip
    file_study_run(results, tracker)  # type: ignore[arg-type]
    assert tracker.points["study"]["scored_trials"] == {0: 0.0}
    assert tracker.files["study"] == []
    assert not (tmp_path / "plots").exists()
