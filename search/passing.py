"""Which errors of a database may pass by themselves. Says nothing about what was asked, only about reaching it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy import exc

_SQLITE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
_SQLITE_TEXTS = ("locked", "busy", "disk i/o error", "is full")
_PRIMARY = 0xFF  # SQLite's extended codes keep the primary one in their lowest byte
_CLASSES = ("08", "40", "53", "57")
_LOCK_NOT_AVAILABLE = "55P03"
_LASTING_TEXTS = ("authentication failed", "does not exist", "pg_hba.conf", "no password supplied", "permission denied")


def database_error_passes(error: BaseException, wrappers: tuple[type[BaseException], ...] = ()) -> bool:
    """Say whether ``error`` comes from a database that is locked, stopped, starting or cut off.

    Judged by the first error of a driver in the chain of causes: for SQLite by its result code, for PostgreSQL by the
    SQLSTATE (classes 08 connection, 40 rollback, 53 resources, 57 operator; appendix A of its manual), and an error
    without any, as libpq gives while connecting, unless its text tells of a wrong address or password.

    Args:
        error: what was raised.
        wrappers: types that a library raises in the place of SQLAlchemy's own; any other type is no database error,
            whatever it was caused by.
    """
    if not isinstance(error, (exc.SQLAlchemyError, *wrappers)):
        return False
    for link in causes(error):
        if isinstance(link, exc.TimeoutError):  # every connection of the pool is in use
            return True
        if isinstance(link, exc.DBAPIError):
            return link.connection_invalidated or _driver_error_passes(link)
    return False


def lost_a_race(error: BaseException) -> bool:
    """Say whether creating something failed because somebody else has just created it."""
    return isinstance(error, exc.IntegrityError) or (
        isinstance(error, exc.DBAPIError) and "already exists" in str(error.orig)
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give ``error`` and what it was raised from or during, down to the first of them."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _driver_error_passes(error: exc.DBAPIError) -> bool:
    if not isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return False
    text = str(error.orig).lower()
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        return any(part in text for part in _SQLITE_TEXTS) if code is None else code & _PRIMARY in _SQLITE
    state = getattr(error.orig, "pgcode", None)
    if state is not None:
        return str(state)[:2] in _CLASSES or state == _LOCK_NOT_AVAILABLE
    return not any(part in text for part in _LASTING_TEXTS)
