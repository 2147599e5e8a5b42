"""Rows that the benchmarks write as JSON, read back for the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from json_files import read_json
from search.errors import SearchError

Row = Mapping[str, Any]


def read_rows(path: Path, fields: set[str], source: str) -> list[Row]:
    """Read the rows that ``source`` wrote; nothing where it was not run.

    Raises:
        SearchError: the file is not a list of objects with ``fields``.
    """
    if not path.exists():
        return []
    advice = f"{path} must be written by {source}; "
    try:
        rows = read_json(path)
    except (OSError, ValueError) as error:
        raise SearchError(f"{advice}it cannot be read: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and fields <= row.keys() for row in rows):
        raise SearchError(f"{advice}it is not a list of rows with {', '.join(sorted(fields))}")
    return rows
