"""Files of SQLite, looked at without changing them: what else opens one may make its own tables in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

_HEAD = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Say whether the file at ``path`` begins as SQLite's do.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(len(_HEAD)) == _HEAD


def first_rows(path: Path, tables: Sequence[str]) -> list[Any]:
    """Return the first row of each of ``tables``, names that are ours; None for an empty one.

    Raises:
        sqlite3.Error: it is no such file, or has no such table.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as opened:
        return [opened.execute(f"SELECT * FROM {table}").fetchone() for table in tables]
