"""From a URL to the storage of a study: SQLite for one machine, PostgreSQL for several."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy import URL, Connection, event, exc, make_url

from search.caching_storage import CachingStorage
from search.claims import locked
from search.errors import ConfigError
from search.passing import lost_a_race
from search.patience import Patience, PatientCaller, patiently
from search.patient_storage import PatientStorage, storage_error_passes
from search.sqlite_files import is_sqlite
from search.urls import safe_url

SQLITE = ("sqlite", "sqlite+pysqlite")
POSTGRESQL = ("postgresql", "postgresql+psycopg2")
BUSY_SECONDS = 60.0
"""SQLite waits this long for another's lock before it says that it is busy."""
CONNECTION = {
    "connect_timeout": 10,  # seconds; a host that is gone would hold the first packet for two minutes
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds without an acknowledgement
}
"""libpq's parameters that end the wait for a server that went away without a word; those in the URL come first."""
_RACES = 20


def build_storage(
    url: str,
    *,
    patience: Patience | None = None,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> PatientStorage:
    """Open the storage at ``url``, with its tables made where they are missing; waits for it as for all else.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``; a password is better left to ``PGPASSWORD`` or
            ``~/.pgpass`` than written into it.
        patience: with a database that is out of reach; None for the usual one.
        say: takes a line when waiting begins and one when it has ended.
        sleep: waits for some seconds.
        clock: seconds of a clock that never goes back.

    Raises:
        ConfigError: ``url`` is of neither kind, or its driver is missing.
        StorageUnreachable: the database stayed out of reach.
    """
    address = _address(url)
    patience, what = patience or Patience(), f"storage {safe_url(url)}"
    backend = patiently(
        lambda: _open(address, sleep),
        what=what,
        patience=patience,
        is_passing=storage_error_passes,
        say=say,
        sleep=sleep,
        clock=clock,
    )
    caller = PatientCaller(what, patience=patience, is_passing=storage_error_passes, say=say, sleep=sleep, clock=clock)
    return PatientStorage(CachingStorage(backend), caller)


def _address(url: str) -> URL:
    """Parse ``url``; messages never quote what could not be parsed, for a password may be anywhere in it."""
    try:
        address = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigError("a storage must be sqlite:///FILE or postgresql://...; got what is no URL") from None
    if address.drivername in SQLITE:
        if address.database in (None, "", ":memory:"):
            raise ConfigError(f"a storage must outlive the process: name a file, sqlite:///FILE; got {url}")
        return address
    if address.drivername not in POSTGRESQL:
        raise ConfigError(f"a storage must be sqlite:///FILE or postgresql://...; got {safe_url(url)}")
    if importlib.util.find_spec("psycopg2") is None:
        raise ConfigError(
            f"storage {safe_url(url)} needs the driver psycopg2, which is not installed: "
            "pip install 'zkgan-search[postgres]', or keep the study in sqlite:///FILE"
        )
    return address.set(drivername="postgresql+psycopg2")  # SQLAlchemy 2.1 takes another driver for the bare name


def _open(address: URL, sleep: Callable[[float], None]) -> RDBStorage:
    """Open the database; of drivers that make its tables at the same time all but one fail, and try again."""
    for left in reversed(range(_RACES)):
        try:
            return _open_sqlite(address) if address.drivername in SQLITE else _open_server(address)
        except exc.DBAPIError as error:
            if not (left and lost_a_race(error)):
                raise
            sleep(0.2)
    raise AssertionError("the last attempt returns or raises")


def _open_server(address: URL) -> RDBStorage:
    settings = {key: value for key, value in CONNECTION.items() if key not in address.query}
    return RDBStorage(_for_optuna(address), engine_kwargs={"pool_pre_ping": True, "connect_args": settings})


def _open_sqlite(address: URL) -> RDBStorage:
    path = Path(str(address.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.stat().st_size and not is_sqlite(path):
        raise ConfigError(f"a storage must be a database of SQLite; {path} is another file")
    settings = {} if "timeout" in address.query else {"timeout": BUSY_SECONDS}
    with locked(
        path.with_name(f"{path.name}.opening")
    ):  # here one can wait instead: statements are committed one by one
        storage = RDBStorage(_for_optuna(address), engine_kwargs={"connect_args": settings})
    _lock_at_the_beginning(storage)
    return storage


def _for_optuna(address: URL) -> str:
    """Optuna fills {SCHEMA_VERSION} into addresses; a brace of a password is doubled to come through that."""
    return address.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")


def _lock_at_the_beginning(storage: RDBStorage) -> None:
    """Let every transaction take SQLite's one lock before its first statement.

    Optuna reads a trial's state and then writes it, and SQLite knows no ``FOR UPDATE``: two drivers took the same
    queued trial (5 to 20 of 60 among three of them, none with this).
    """

    def leave_beginning_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(storage.engine, "connect", leave_beginning_to_us)
    event.listen(storage.engine, "begin", begin)
    storage.engine.dispose()  # connections that were opened without
