"""Rows as tables: in the terminal, in Markdown, and in the file that an ending names."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from atomic_files import write_text
from search.errors import ConfigError
from search.filters import as_text
from search.headline import column_heading
from search.report import format_value
from search.trial_rows import to_csv

PRINTED = {
    "trial": "trial",
    "family": "family",
    "headline_accuracy": "accuracy",
    "headline_inception_score": "IS",
    "headline_diversity": "diversity",
    "headline_judge_accuracy": "judge",
    "headline_arithmetic": "arithmetic",
    "accuracy": "float accuracy",
    "judge_accuracy": "float judge",
    "cas": "float CAS",
    "einsum_operations": "einsums",
    "einsum_instances": "all",
    "published_operations": "by rule",
    "macs": "MACs",
    "rows": "rows",
    "planned_rows": "planned rows",
    "planned_logrows": "logrows",
    "proof.wiring": "wiring",
}
"""Columns of the printed front: metric to heading, short enough for a terminal."""
PRINTED_OF_ALL = (
    "trial", "state", "front", "family", "accuracy", "judge_accuracy", "inception_score", "diversity",
    "einsum_instances", "macs", "rows", "train_images", "trial_seconds", "reason",
)  # fmt: skip
"""Columns of the printed table of all trials, whose scores are of the float generators."""
_PLAIN_WIDTH = 180
_LEFT = frozenset(("study", "state", "states", "family", "objectives", "reason", "figure"))

Row = Mapping[str, Any]


def shown_columns(rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    """Return those of ``wanted`` that any row has, each once."""
    return [name for name in dict.fromkeys(wanted) if any(name in row for row in rows)]


def rich_table(
    rows: Sequence[Row], columns: Sequence[str], title: str, *, heading: Callable[[str], str] | None = None
) -> Table:
    """Return ``rows`` as a table of ``columns``; without ``heading`` they are named as those of the printed front."""
    name_of = heading or (lambda name: PRINTED.get(name, column_heading(name)))
    table = Table(title=Text(title))
    for name in columns:
        table.add_column(Text(name_of(name)), overflow="fold", justify="left" if name in _LEFT else "right")
    for row in rows:
        table.add_row(*(Text(cell_text(row.get(name))) for name in columns))  # Text: brackets are no markup here
    return table


def print_table(table: Table) -> None:
    """Print ``table``, wide where no terminal says how wide; its title alone if it has no columns."""
    console = Console(width=None if Console().is_terminal else _PLAIN_WIDTH)
    console.print(table if table.columns else table.title)


def cell_text(value: Any) -> str:
    """Return ``value`` for a cell: on one line, lists with hyphens, others by :func:`search.report.format_value`."""
    text = as_text(value) if isinstance(value, list | tuple) else format_value(value)
    return " ".join(text.split("\n"))


def markdown_table(
    rows: Sequence[Row], columns: Sequence[str], *, heading: Callable[[str], str] = column_heading
) -> str:
    """Return ``rows`` as a Markdown table of those ``columns`` that any row has; float scores are named so.

    Without rows it is the heading of all ``columns``.
    """
    shown = shown_columns(rows, columns) if rows else list(columns)
    lines = [f"| {' | '.join(_escaped(heading(name)) for name in shown)} |", f"|{' --- |' * len(shown)}"]
    lines += [f"| {' | '.join(_escaped(cell_text(row.get(name))) for name in shown)} |" for row in rows]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def as_json(value: Any) -> str:
    """Return ``value`` as JSON; numbers that are not finite, which JSON has no word for, become null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


EXPORTS: dict[str, Callable[[Sequence[Row], Sequence[str], Sequence[str]], str]] = {
    ".csv": lambda rows, columns, _: to_csv(rows, columns),
    ".json": lambda rows, columns, _: as_json([{key: row[key] for key in columns if key in row} for row in rows]),
    ".md": lambda rows, _, printed: (
        markdown_table([{key: row.get(key) for key in printed} for row in rows], printed) + "\n"
    ),
}
"""Ending to the text of rows, given the columns to keep and those that are printed."""


def checked_ending(path: Path, endings: Sequence[str]) -> str:
    """Return the ending of ``path``, in small letters.

    Raises:
        ConfigError: it is none of ``endings``.
    """
    ending = path.suffix.lower()
    if ending not in endings:
        raise ConfigError(f"out must end in {', '.join(endings)}; got {path}")
    return ending


def export_rows(rows: Sequence[Row], path: Path, *, columns: Sequence[str], printed: Sequence[str]) -> None:
    """Write ``rows`` to ``path`` as its ending says: CSV or a JSON list of ``columns``, Markdown of ``printed`` ones.

    Raises:
        ConfigError: the ending is another.
    """
    write_text(path, EXPORTS[checked_ending(path, list(EXPORTS))](rows, columns, printed))
