import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, PendingRollbackError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import search.study
from search.errors import ConfigError, StorageUnreachable, StudyError
from search.passing import database_error_passes, lost_a_race
from search.patience import Patience
from search.patient_storage import PatientStorage, storage_error_passes
from search.storage import build_storage
from search.study import open_study, study_uid
from tests.search.conftest import OBJECTIVES
from tests.search.test_patience import Clock

ROOT = Path(__file__).resolve().parents[2]
LOCKED = OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))


def storage_at(tmp_path: Path, clock: Clock, patience: Patience | None = None) -> PatientStorage:
    return build_storage(
        f"sqlite:///{tmp_path}/deep/optuna.db",
        patience=patience or Patience(60.0),
        say=lambda _: None,
        sleep=clock.sleep,
        clock=clock,
    )


@contextmanager
def failing_statements(storage: PatientStorage, times: int, error: Exception) -> Iterator[None]:
    """Let the first ``times`` statements of the engine raise ``error``."""
    left = [times]

    def fail(*_: object) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    engine = storage.backend._backend.engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    assert left == [0]


class LosesAnswers(PatientStorage):
    """Carries one operation out and fails all the same."""

    def __init__(self, whole: PatientStorage, name: str) -> None:
        super().__init__(whole.backend, whole._call)
        real, lost = whole.backend, list[str]()

        class Losing:
            def __getattr__(self, asked: str) -> Any:
                def call(*arguments: Any, **named: Any) -> Any:
                    value = getattr(real, asked)(*arguments, **named)
                    if asked == name and not lost:
                        lost.append(asked)
                        raise StorageInternalError("lost") from LOCKED
                    return value

                return call

        self.backend = Losing()  # type: ignore[assignment]


def make(storage: BaseStorage) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=storage, directions=["minimize"] * 2, load_if_exists=True)


@pytest.mark.parametrize("times", [1, 4])
def test_operations_survive_a_database_that_is_locked_for_a_while(tmp_path: Path, times: int) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock)
    with failing_statements(storage, times, LOCKED):
        study = make(storage)
    waited = len(clock.pauses)
    assert waited == times
    trial = study.ask()
    with failing_statements(storage, times, LOCKED):
        trial.set_user_attr("key", "value")
    with failing_statements(storage, times, LOCKED):
        study.tell(trial, [1.0, 2.0])
    with failing_statements(storage, times, LOCKED):
        (kept,) = study.get_trials()
    assert (kept.user_attrs, kept.values, kept.state) == ({"key": "value"}, [1.0, 2.0], TrialState.COMPLETE)
    assert len(clock.pauses) >= 3 * times


def test_patience_ends_with_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock, Patience(1.0))
    study = make(storage)
    with failing_statements(storage, 3, LOCKED), pytest.raises(StorageUnreachable, match="database is locked") as error:
        study.set_user_attr("a", 1)
    assert isinstance(error.value.__cause__, StorageInternalError)
    assert clock.pauses == [0.5, 0.5]


@pytest.mark.parametrize(
    "error",
    [
        ProgrammingError("SELECT", {}, sqlite3.ProgrammingError("wrong number of bindings")),
        OperationalError("SELECT", {}, sqlite3.OperationalError("no such table: trials")),
    ],
)
def test_defects_are_raised_at_once(tmp_path: Path, error: Exception) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock)
    study = make(storage)
    with failing_statements(storage, 1, error), pytest.raises(StorageInternalError):
        study.set_user_attr("a", 1)
    with pytest.raises(KeyError):
        storage.get_trial(99)
    assert clock.pauses == []


def test_a_trial_that_was_ended_although_the_answer_was_lost_is_ended_once(tmp_path: Path) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock)
    study = make(LosesAnswers(storage, "set_trial_state_values"))
    study.tell(study.ask(), [1.0, float("inf")])
    (kept,) = study.get_trials()
    assert (kept.state, kept.values) == (TrialState.COMPLETE, [1.0, float("inf")])
    assert len(clock.pauses) == 1


@pytest.mark.parametrize(
    ("state", "values"), [(TrialState.FAIL, None), (TrialState.COMPLETE, [1.0, 3.0]), (TrialState.PRUNED, None)]
)
def test_a_trial_that_somebody_else_ended_otherwise_is_an_error(
    tmp_path: Path, state: TrialState, values: list[float] | None
) -> None:
    storage = storage_at(tmp_path, Clock())
    study = make(storage)
    trial = study.ask()
    study.tell(trial, [1.0, 2.0])
    with pytest.raises(UpdateFinishedTrialError):  # the first attempt
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0, 2.0])
    with failing_statements(storage, 1, LOCKED), pytest.raises(UpdateFinishedTrialError):  # a repeat
        storage.set_trial_state_values(trial._trial_id, state, values)
    with failing_statements(storage, 1, LOCKED):
        assert storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1, 2])


def test_other_writes_whose_answer_was_lost_leave_what_was_sent(tmp_path: Path) -> None:
    storage = storage_at(tmp_path, Clock())
    study = make(LosesAnswers(storage, "create_new_study"))
    assert make(LosesAnswers(storage, "get_study_id_from_name"))._study_id == study._study_id
    for name in ("set_trial_param", "set_trial_user_attr", "set_trial_system_attr", "set_study_user_attr"):
        study = make(LosesAnswers(storage, name))
        trial = study.ask()
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.set_user_attr("a", [name])
        trial.set_constraint("c", 0.5)
        study.set_user_attr("b", name)
        study.tell(trial, [x, 0.0])
        kept = study.get_trials()[-1]
        assert (kept.params, kept.user_attrs["a"], kept.constraints) == ({"x": x}, [name], {"c": 0.5})
        assert study.user_attrs["b"] == name
        assert kept.values == [x, 0.0]


def test_a_trial_made_twice_is_left_running_without_a_driver(tmp_path: Path) -> None:
    study = make(LosesAnswers(storage_at(tmp_path, Clock()), "create_new_trial"))
    trial = study.ask()
    states = {kept.number: (kept.state, kept.user_attrs) for kept in study.get_trials()}
    assert states == {0: (TrialState.RUNNING, {}), 1: (TrialState.RUNNING, {})}
    assert trial.number == 1


def test_a_queued_trial_whose_taking_was_not_answered_is_taken_by_nobody_else(tmp_path: Path) -> None:
    study = make(LosesAnswers(storage_at(tmp_path, Clock()), "set_trial_state_values"))
    study.enqueue_trial({"x": 0.25})
    assert study.ask().number == 1
    assert [kept.state for kept in study.get_trials()] == [TrialState.RUNNING, TrialState.RUNNING]


def test_every_operation_of_the_base_is_forwarded() -> None:
    left = {
        name
        for name in dir(BaseStorage)
        if not name.startswith("_") and callable(getattr(BaseStorage, name)) and name not in vars(PatientStorage)
    }
    derived = {"get_trial_number_from_id", "get_trial_param", "get_n_trials", "get_trial_params"}
    assert left == {*derived, "get_trial_user_attrs", "get_trial_system_attrs", "check_trial_is_updatable"}


def test_operations_give_what_the_storage_itself_gives(tmp_path: Path) -> None:
    storage = storage_at(tmp_path, Clock())
    study = optuna.create_study(study_name="one", storage=storage)
    trial = study.ask()
    trial.suggest_int("n", 1, 9)
    trial.report(0.5, 3)
    study.tell(trial, 0.25)
    plain, number = storage.backend, study._study_id
    assert storage.get_best_trial(number) == plain.get_best_trial(number) == study.trials[0]
    assert storage.get_all_trials(number) == plain.get_all_trials(number)
    assert storage.get_n_trials(number, TrialState.COMPLETE) == 1
    assert storage.get_all_studies() == plain.get_all_studies()
    assert storage.get_trial_param(trial._trial_id, "n") == trial.params["n"]
    assert storage.get_trial(trial._trial_id).intermediate_values == {3: 0.5}
    assert storage.get_study_directions(number) == study.directions
    storage.remove_session()
    storage.delete_study(number)
    assert storage.get_all_studies() == []


def error_with(kind: type[DBAPIError], text: str, code: str | None) -> DBAPIError:
    class Driver(Exception):
        pgcode = code

    return kind("SELECT", {}, Driver(text))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (error_with(OperationalError, "connection refused", None), True),
        (error_with(OperationalError, "terminating connection due to administrator command", "57P01"), True),
        (error_with(OperationalError, "the database system is starting up", "57P03"), True),
        (error_with(OperationalError, "deadlock detected", "40P01"), True),
        (error_with(OperationalError, 'password authentication failed for user "me"', None), False),
        (error_with(OperationalError, 'database "x" does not exist', None), False),
        (error_with(OperationalError, "statement too complex", "54001"), False),
        (error_with(ProgrammingError, "column x does not exist", "42703"), False),
        (error_with(IntegrityError, "duplicate key", "23505"), False),
        (OperationalError("x", {}, sqlite3.OperationalError("unable to open database file")), False),
        (OperationalError("x", {}, sqlite3.OperationalError("disk I/O error")), True),
        (PoolTimeoutError("QueuePool limit reached"), True),
        (ValueError("database is locked"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_only_what_may_pass_by_itself_is_waited_for(error: BaseException, passes: bool) -> None:
    assert database_error_passes(error) is passes
    wrapped = StorageInternalError("commit")
    wrapped.__cause__ = error
    assert storage_error_passes(wrapped) is passes
    assert database_error_passes(wrapped) is False
    unrelated = KeyError("bug")
    unrelated.__context__ = error
    assert storage_error_passes(unrelated) is False


def test_a_broken_connection_passes_whatever_the_error_is_called() -> None:
    assert database_error_passes(DBAPIError("SELECT", {}, Exception("no message"), connection_invalidated=True))
    assert not database_error_passes(DBAPIError("SELECT", {}, Exception("no message")))
    later = PendingRollbackError("Can't reconnect until invalid transaction is rolled back")
    later.__context__ = LOCKED
    assert database_error_passes(later)


def test_sqlite_is_judged_by_its_result_code(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path, timeout=0) as one, sqlite3.connect(path, timeout=0) as two:
        one.execute("CREATE TABLE t (x)")
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as busy:
            two.execute("BEGIN IMMEDIATE")
        one.rollback()
        with pytest.raises(sqlite3.OperationalError) as missing:
            two.execute("SELECT * FROM busy_or_locked")
    one.close()
    two.close()
    assert database_error_passes(OperationalError("x", {}, busy.value))
    assert not database_error_passes(OperationalError("x", {}, missing.value))


def test_lost_races_of_creation_are_known() -> None:
    assert lost_a_race(error_with(IntegrityError, "duplicate key value", "23505"))
    assert lost_a_race(error_with(ProgrammingError, 'relation "studies" already exists', "42P07"))
    assert not lost_a_race(LOCKED)


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
