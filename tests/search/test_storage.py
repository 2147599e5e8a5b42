"""Opening storages and studies, by several processes at once, too."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sqlalchemy import text

import search.study
from search.errors import ConfigError, StorageUnreachable, StudyError
from search.patience import Patience
from search.storage import build_storage
from search.study import open_study, study_uid
from tests.search.conftest import OBJECTIVES
from tests.search.test_patience import Clock
from tests.search.test_patient_storage import storage_at

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:secret@host/db", r"must be sqlite:///FILE or postgresql://...; got mysql://me:\*\*\*@host/db"),
        ("me:secret@host", "what is no URL"),
        ("postgresql://me:secret@host:port/db", "what is no URL"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
    ],
)
def test_other_addresses_are_refused_without_showing_a_password(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        build_storage(url)
    assert "secret" not in str(raised.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def none_for_the_driver(name: str, *arguments: Any) -> Any:
        return None if name == "psycopg2" else real(name, *arguments)

    monkeypatch.setattr(importlib.util, "find_spec", none_for_the_driver)
    with pytest.raises(ConfigError, match=r"needs the driver psycopg2.*zkgan-search\[postgres\]") as raised:
        build_storage("postgresql://me:secret@host/db")
    assert "secret" not in str(raised.value)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg2", reason="the PostgreSQL driver is not installed")
    clock, said = Clock(), list[str]()
    url = "postgresql://me:se{c}ret@127.0.0.1:1/db"
    with pytest.raises(StorageUnreachable, match="could not be reached for 2 s") as raised:
        build_storage(url, patience=Patience(2.0), say=said.append, sleep=clock.sleep, clock=clock)
    assert "postgresql://me:***@127.0.0.1:1/db" in str(raised.value)
    assert "se{c}ret" not in str(raised.value) + "".join(said)


def test_a_folder_that_is_no_folder_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        build_storage(f"sqlite:///{tmp_path}/file/optuna.db")


def test_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("of a long journey")
    with pytest.raises(ConfigError, match=r"must be a database of SQLite; .*diary\.txt is another file"):
        build_storage(f"sqlite:///{tmp_path}/diary.txt")
    assert (tmp_path / "diary.txt").read_text() == "of a long journey"


def test_a_study_opens_from_a_url_and_from_a_storage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"

    def opened(storage: str | BaseStorage) -> optuna.Study:
        sampler = optuna.samplers.RandomSampler(seed=0)
        return open_study(name="s", storage=storage, objectives=OBJECTIVES, sampler=sampler, signature="x")

    opened(url).ask()
    assert len(opened(build_storage(url)).trials) == 1


def test_drivers_that_make_a_study_at_once_make_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"

    def opened(_: int) -> str:
        sampler = optuna.samplers.RandomSampler(seed=0)
        study = open_study(name="s", storage=build_storage(url), objectives=OBJECTIVES, sampler=sampler, signature="x")
        assert study.metric_names == [objective.metric for objective in OBJECTIVES]
        return study_uid(study)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(opened, range(4)))) == 1


def test_a_study_whose_maker_was_killed_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.study, "_CREATION_SECONDS", 0.2)
    storage = storage_at(tmp_path, Clock())
    optuna.create_study(study_name="s", storage=storage, directions=["maximize", "minimize"])
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = open_study(name="s", storage=storage, objectives=OBJECTIVES, sampler=sampler, signature="x")
    assert study_uid(study)
    with pytest.raises(StudyError, match="other signature"):
        open_study(name="s", storage=storage, objectives=OBJECTIVES, sampler=sampler, signature="y")


def test_sqlite_is_locked_from_the_first_statement_of_a_transaction(tmp_path: Path) -> None:
    storage = storage_at(tmp_path, Clock())
    engine = storage.backend._backend.engine  # type: ignore[attr-defined]
    with closing(sqlite3.connect(tmp_path / "deep" / "optuna.db", timeout=0)) as other:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


WORKER = """
import json, sys
import optuna
from search.storage import build_storage
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage, worker = build_storage(sys.argv[1]), int(sys.argv[2])
study = optuna.create_study(study_name="s", storage=storage, directions=["minimize", "maximize"], load_if_exists=True)
print("ready", flush=True)
sys.stdin.readline()
told = {}
for count in range(int(sys.argv[3])):
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1000)
    trial.set_user_attr("told", [worker, count])
    study.tell(trial, [x, worker])
    told[trial.number] = [x, worker, count]
print(json.dumps(told))
"""
Worker = subprocess.Popen[str]


def start_worker(url: str, worker: int, trials: int) -> Worker:
    """Start a process that opens the study, says so, waits for a line and then asks and tells."""
    command = [sys.executable, "-c", WORKER, url, str(worker), str(trials)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


def run_workers(workers: list[Worker], meanwhile: Callable[[], None] = lambda: None) -> dict[int, list[float]]:
    """Let all begin at once and return what they told, by trial number."""
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
            stack.callback(worker.kill)
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        meanwhile()
        told: dict[int, list[float]] = {}
        for worker in workers:
            printed, _ = worker.communicate(timeout=120)
            assert worker.returncode == 0
            told |= {int(number): kept for number, kept in json.loads(printed.splitlines()[-1]).items()}
        return told


def test_two_processes_write_to_one_file_without_losing_or_doubling_anything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    workers = [start_worker(url, worker, 25) for worker in range(2)]  # they also make its tables at the same time
    queue = iter(range(100, 110))

    def fill_the_queue() -> None:
        study = optuna.load_study(study_name="s", storage=build_storage(url))
        for value in queue:
            study.enqueue_trial({"x": value})

    told = run_workers(workers, fill_the_queue)
    trials = optuna.load_study(study_name="s", storage=build_storage(url)).get_trials()
    assert len(told) == 50
    assert [trial.number for trial in trials] == list(range(len(trials)))
    complete = {trial.number: trial for trial in trials if trial.state == TrialState.COMPLETE}
    assert {number: [*kept.values, kept.user_attrs["told"][1]] for number, kept in complete.items()} == told
    fixed = [trial.params["x"] for trial in complete.values() if "fixed_params" in trial.system_attrs]
    waiting = sum(trial.state == TrialState.WAITING for trial in trials)
    assert len(fixed) == len(set(fixed)) == 10 - waiting
    assert len(trials) == 50 + waiting
