"""Which errors of a database may pass by themselves."""

import sqlite3
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, PendingRollbackError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from search.passing import database_error_passes, lost_a_race
from search.patient_storage import storage_error_passes
from tests.search.test_patient_storage import LOCKED


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
