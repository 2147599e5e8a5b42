"""Scoring the circuits of front members, with the circuits themselves replaced."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient

from gan.training import TrainingHooks
from search import front_circuits
from search.candidate import Candidate
from search.engine import StudyPlan, run_study
from search.front_circuits import score_circuits
from search.headline import HEADLINE_COLUMNS, HEADLINE_SCORES
from search.record import TrialRecord
from search.runner import SerialRunner
from search.study import add_late_findings, front_trials
from search.tracking import Tracker
from search.trial_rows import front_rows, trial_rows
from tests.search.conftest import CheapEvaluator, SilentObserver
from zk.errors import OptionError

# Raised inside mlflow's and alembic's own code.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Trading(CheapEvaluator):
    """Wider ones are better and cost more, so that the front has several members."""

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        record = super().__call__(candidate, folder, hooks, until_images)
        record.metrics["accuracy"] = candidate.spec.widths[0] / 10 + candidate.recipe.auxiliary_weight / 100
        return record


@pytest.fixture
def study(make_study: Callable[..., optuna.Study], plan: StudyPlan) -> optuna.Study:
    study = make_study()
    run_study(study, replace(plan, trained=12), SerialRunner(Trading()), SilentObserver())
    assert len(front_trials(study)) >= 3
    return study


def of_circuit(accuracy: float) -> dict[str, float]:
    return {f"circuit_{name}": 1.0 for name in HEADLINE_SCORES} | {"circuit_accuracy": accuracy, "planned_rows": 9.0}


def numbers(study: optuna.Study) -> list[int]:
    return [trial.number for trial in front_trials(study)]


def test_the_front_s_order_follows_the_circuits_and_its_members_do_not_change(study: optuna.Study) -> None:
    best, middle, *_, worst = numbers(study)
    assert [row["trial"] for row in front_rows(study)] == numbers(study)
    add_late_findings(study, worst, metrics=of_circuit(0.05), facts={})
    add_late_findings(study, middle, metrics=of_circuit(0.01), facts={})
    add_late_findings(study, best, metrics={}, facts={"circuit_failure": "no layout"})
    rows = front_rows(study)
    assert [row["trial"] for row in rows][:3] == [worst, middle, best]
    assert {row["trial"] for row in rows} == set(numbers(study))
    assert (rows[0]["headline_accuracy"], rows[0]["headline_arithmetic"]) == (0.05, "circuit")
    refused = next(row for row in rows if row["trial"] == best)
    assert (refused["headline_accuracy"], refused["headline_arithmetic"]) == (refused["accuracy"], "float")
    assert refused["float_reason"] == "no layout"


def test_rows_of_all_trials_stay_float(study: optuna.Study) -> None:
    best = numbers(study)[0]
    add_late_findings(study, best, metrics=of_circuit(0.05), facts={})
    rows = trial_rows(study)
    assert all(name not in row for row in rows for name in HEADLINE_COLUMNS)
    assert next(row for row in rows if row["trial"] == best)["accuracy"] > 0.05


class Circuits:
    """Stands for planner and simulator; ``refused`` has no layout."""

    def __init__(self, patch: pytest.MonkeyPatch, study: optuna.Study, tracker: Tracker, refused: int) -> None:
        self.study, self.tracker, self.refused, self.planned = study, tracker, refused, list[int]()
        best = SimpleNamespace(best=object())
        patch.setattr(front_circuits, "candidate_folders", lambda study: {n: Path(str(n)) for n in numbers(study)})
        patch.setattr(front_circuits, "load_generator", lambda folder: (int(folder.name), None))
        patch.setattr(front_circuits, "plan_generator", lambda number, *_: self._plan(number) or best)
        patch.setattr(front_circuits, "plan_findings", lambda _: ({"planned_rows": 9.0}, {"plan": "lowered"}))
        patch.setattr(front_circuits, "simulator_of", lambda *_: None)
        patch.setattr(front_circuits, "circuit_scores", lambda number, *_, **__: of_circuit(number / 100))

    def _plan(self, number: int) -> None:
        self.planned.append(number)
        if number == self.refused:
            raise OptionError("no layout fulfils the goal")

    def score(self, planning: str = "first") -> list[str]:
        said = list[str]()
        settings: Any = SimpleNamespace(
            proving=SimpleNamespace(planning=planning, budget=None), evaluation=SimpleNamespace(seed=0)
        )
        judges: Any = {"classifier": None, "judge": None, "reference": SimpleNamespace(samples=40)}
        score_circuits(self.study, settings, **judges, tracker=self.tracker, say=said.append)
        return said


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(
        uri=f"sqlite:///{tmp_path}/store/mlflow.db", experiment="e", artifacts=tmp_path / "a", study="s", uid="u"
    )


def test_headlines_are_filed_with_the_runs(
    study: optuna.Study, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_, last = numbers(study)
    circuits = Circuits(monkeypatch, study, tracker, refused=first)
    said = circuits.score()
    assert any(line.startswith(f"trial {first:3d}  no scores of its circuit's images: no layout") for line in said)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/store/mlflow.db")
    run = client.get_run(tracker.trial_run(last)).data
    assert run.metrics["headline.accuracy"] == run.metrics["circuit_accuracy"] == last / 100
    assert {f"headline.{name}" for name in HEADLINE_SCORES} <= set(run.metrics)
    assert run.tags["headline.arithmetic"] == "circuit"
    refused = client.get_run(tracker.trial_run(first)).data
    float_accuracy = next(row["accuracy"] for row in front_rows(study) if row["trial"] == first)
    assert refused.metrics["headline.accuracy"] == float_accuracy
    assert refused.tags["headline.arithmetic"] == "float"
    assert refused.tags["circuit_failure"] == "no layout fulfils the goal"
    assert "circuit_accuracy" not in refused.metrics


def test_a_plan_under_other_settings_replaces_the_verdict(
    study: optuna.Study, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_, last = numbers(study)
    circuits = Circuits(monkeypatch, study, tracker, refused=first)
    circuits.score()
    planned = len(circuits.planned)
    circuits.score()
    assert len(circuits.planned) == planned == len(numbers(study))
    circuits.refused = last
    circuits.score("second")
    rows = {row["trial"]: row for row in front_rows(study)}
    assert rows[first]["headline_arithmetic"] == "circuit"
    assert "circuit_failure" not in rows[first]
    assert (rows[last]["headline_arithmetic"], rows[last]["headline_accuracy"]) == ("float", rows[last]["accuracy"])
    assert "circuit_accuracy" not in rows[last]


def test_what_one_version_refuses_is_tried_by_the_next(
    study: optuna.Study, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_, last = numbers(study)
    circuits = Circuits(monkeypatch, study, tracker, refused=first)
    circuits.score()
    circuits.refused, circuits.planned = -1, []
    monkeypatch.setattr(front_circuits, "commit", lambda: "a later one")
    circuits.score()
    assert circuits.planned == [first]
    rows = {row["trial"]: row for row in front_rows(study)}
    assert rows[first]["headline_arithmetic"] == "circuit"
    circuits.score()
    assert circuits.planned == [first]
