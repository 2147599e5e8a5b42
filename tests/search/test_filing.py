import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE
from optuna.trial import TrialState
from PIL import Image
from sqlalchemy.exc import OperationalError

from search.candidate import Candidate
from search.endings import REPEATS, file_record
from search.errors import StorageUnreachable
from search.filing import file_missing
from search.interrupted import close_interrupted
from search.observer import StudyObserver
from search.patience import Patience
from search.record import TrialOutcome, TrialRecord
from search.tracking import Tracker
from search.tracking_client import tracking_error_passes
from search.view import LineView
from tests.search.conftest import OBJECTIVES

# Raised inside mlflow's and alembic's own migrations.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
LOCKED = OperationalError("x", {}, sqlite3.OperationalError("database is locked"))
NO_TABLE = OperationalError("x", {}, sqlite3.OperationalError("no such table: runs"))
REFUSED = requests.exceptions.ConnectionError("refused")


def raised_from(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


def raised_during(context: Exception, error: Exception) -> Exception:
    error.__context__ = context
    return error


def http_error(status: int) -> requests.exceptions.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.exceptions.HTTPError("upload", response=response)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (raised_from(LOCKED, MlflowException("x", TEMPORARILY_UNAVAILABLE)), True),
        (raised_during(LOCKED, MlflowException("x", INTERNAL_ERROR)), True),
        (raised_from(NO_TABLE, MlflowException("x", TEMPORARILY_UNAVAILABLE)), False),
        (raised_during(REFUSED, MlflowException("API request to http://x failed")), True),
        (raised_from(requests.exceptions.Timeout("slow"), MlflowException("x")), True),
        (MlflowException("x", TEMPORARILY_UNAVAILABLE), True),
        (MlflowException("a defect"), False),
        (RestException({"error_code": "INTERNAL_ERROR", "message": "x"}), True),
        (RestException({"error_code": "503", "message": "x"}), True),
        (RestException({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "x"}), True),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "x"}), False),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "x"}), False),
        (REFUSED, True),
        (http_error(503), True),
        (http_error(429), True),
        (http_error(403), False),
        (LOCKED, True),
        (FileNotFoundError("picture"), False),
        (raised_from(LOCKED, KeyError("bug")), False),
    ],
)
def test_only_a_server_out_of_reach_is_waited_for(error: Exception, passes: bool) -> None:
    assert tracking_error_passes(error) is passes


@pytest.fixture
def open_tracker(tmp_path: Path) -> Callable[..., Tracker]:
    def opened(**more: Any) -> Tracker:
        settings = {"patience": Patience(60.0, 0.01, 0.01), "say": lambda _: None, **more}
        uri = f"sqlite:///{tmp_path}/mlflow.db"
        return Tracker(uri=uri, experiment="e", artifacts=tmp_path / "artifacts", study="s", uid="u", **settings)

    return opened


def losing(method: Callable[..., Any], *, before: int = 0, after: int = 0) -> Callable[..., Any]:
    """Fail ``before`` times without doing anything, then ``after`` times after doing it."""
    counts = [before, after]

    def call(*arguments: Any, **named: Any) -> Any:
        if counts[0]:
            counts[0] -= 1
            raise raised_during(REFUSED, MlflowException("x"))
        value = method(*arguments, **named)
        if counts[1]:
            counts[1] -= 1
            raise raised_during(REFUSED, MlflowException("x"))
        return value

    return call


def runs_of(tmp_path: Path) -> dict[str, Any]:
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id: run for run in client.search_runs(experiments)}


def test_what_is_sent_twice_is_kept_once(
    open_tracker: Callable[..., Tracker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = open_tracker()
    bare = tracker._client.bare
    monkeypatch.setattr(bare, "create_run", losing(bare.create_run, before=1, after=1))
    monkeypatch.setattr(bare, "log_batch", losing(bare.log_batch, before=2, after=2))
    run = tracker.start_trial(0, {"family": "mlp"})
    tracker.metrics(run, {"accuracy": 0.5})
    tracker.params(run, {"p": 1})
    assert len(runs_of(tmp_path)) == 2
    assert (runs_of(tmp_path)[run].data.params, tracker.trial_run(0)) == ({"p": "1"}, run)
    assert len(bare.get_metric_history(run, "accuracy")) == 1
    monkeypatch.undo()
    monkeypatch.setattr(bare, "create_experiment", losing(bare.create_experiment, after=1))
    assert tracker._experiment("other", None) == tracker._experiment("other", None)


def test_drivers_share_one_parent_and_leave_each_others_runs_open(
    open_tracker: Callable[..., Tracker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_tracker()
    open_runs = [first.start_trial(number, {}) for number in (3, 4)]
    real, answers = Tracker._runs, [list[str]()]

    def nothing_at_first(tracker: Tracker, tags: Any) -> list[str]:
        return answers.pop() if answers else real(tracker, tags)

    monkeypatch.setattr(Tracker, "_runs", nothing_at_first)
    assert open_tracker().parent_id == first.parent_id
    assert sum(run.data.tags["role"] == "study" for run in runs_of(tmp_path).values()) == 1
    monkeypatch.undo()
    assert open_tracker(busy=[3]).parent_id == first.parent_id
    found = runs_of(tmp_path)
    assert [found[run].info.status for run in open_runs] == ["RUNNING", "KILLED"]


def record_of(candidate: Candidate, folder: Path, outcome: TrialOutcome = TrialOutcome.SCORED) -> TrialRecord:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (2, 2)).save(folder / "samples.png")
    metrics = {"accuracy": 0.5, "rows": 3.0}
    return TrialRecord(candidate, outcome, "so", metrics, {"rows": -1.0}, folder, {"fact": "f"})


def test_a_tracking_server_that_stays_away_costs_no_trial_and_is_filed_later(
    open_tracker: Callable[..., Tracker],
    make_study: Callable[..., optuna.Study],
    tiny_candidate: Candidate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, tracker = make_study(), open_tracker(patience=Patience(0.05, 0.01, 0.01))
    observer = StudyObserver(
        tracker, study_folder=tmp_path, objectives=OBJECTIVES, tags={}, view=LineView(lambda _: None)
    )
    records = [record_of(tiny_candidate, tmp_path / "c", outcome) for outcome in (TrialOutcome.SCORED,) * 2]
    for number, record in enumerate(records):
        trial = study.ask()
        observer.trial_started(number, tiny_candidate)
        file_record(trial, record)
        if number == 1:
            monkeypatch.setattr(tracker._client.bare, "log_batch", losing(lambda: None, before=10**6))
            with pytest.raises(StorageUnreachable, match="tracking sqlite.*the study is kept"):
                observer.trial_ended(number, record)
            break
        observer.trial_ended(number, record)
        study.tell(trial, [0.5, 3.0])
    monkeypatch.undo()

    again = open_tracker()
    assert close_interrupted(study, OBJECTIVES) == 0
    repeat = study.ask()  # ends as the record of its twin: filed by that one
    file_record(repeat, records[0])
    repeat.set_user_attr(REPEATS, 0)
    study.tell(repeat, [0.5, 3.0])
    unstarted = study.ask()
    file_record(unstarted, record_of(tiny_candidate, tmp_path / "c", TrialOutcome.DIVERGED))
    study.tell(unstarted, state=TrialState.FAIL)
    said: list[str] = []
    assert file_missing(study, again, {"commit": "abc"}, said.append) == 2
    assert file_missing(study, again, {"commit": "abc"}, said.append) == 0
    assert len(said) == 1
    trials = {run.data.tags["trial"]: run for run in runs_of(tmp_path).values() if run.data.tags["role"] == "trial"}
    assert sorted(trials) == ["0", "1", "3"]
    assert [trials[key].info.status for key in "013"] == ["FINISHED", "FINISHED", "FAILED"]
    assert trials["0"].data.metrics == trials["1"].data.metrics == trials["3"].data.metrics
    assert trials["1"].data.metrics == {"accuracy": 0.5, "rows": 3.0, "constraint.rows": -1.0}
    expected = {"outcome": "scored", "feasible": "true", "reason": "so", "fact": "f", "proof.wiring": "unchecked"}
    assert expected.items() <= trials["1"].data.tags.items()
    assert trials["1"].data.params == trials["0"].data.params != {}
    assert trials["3"].data.tags["family"] == "subpixel"
    assert trials["3"].data.tags["commit"] == "abc"
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert [item.path for item in client.list_artifacts(trials["1"].info.run_id)] == ["images", "samples.png"]
