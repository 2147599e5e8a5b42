"""``python -m search.front``: the front of a stored study as a table, or its trials, or the studies there are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from search.command import run_command
from search.errors import ConfigError
from search.filters import Filter, check_columns, in_order, known_columns, parse_filter, passing
from search.headline import HEADLINE_COLUMNS, headline_notes
from search.options import Options, parse_options
from search.stored import DEFAULT_STORAGE, load_stored, study_rows
from search.study import scored_trials
from search.tables import (
    EXPORTS,
    PRINTED,
    PRINTED_OF_ALL,
    checked_ending,
    export_rows,
    print_table,
    rich_table,
    shown_columns,
)
from search.trial_rows import REASON, front_rows, rows_with_headlines

HELP = f"""\
The front of a stored study as a table.

  python -m search.front                               which studies there are: trials by state, front size
  python -m search.front study=NAME                    the front, best headline of the first objective first
  python -m search.front study=NAME all=true           every ended trial, in order

Options
  study=NAME       a study's name (study.name of the run that made it)
  storage=URL      its database; default {DEFAULT_STORAGE}
  all=true         every ended trial instead of the front
  where=EXPR       keep rows that pass a comparison: = != < <= > >=; may be given several times, all must pass. A row
                   without that figure does not pass. Quote it: the shell takes < and > for its own.
  columns=a,b,c    these columns instead of the usual ones
  sort=METRIC      smallest first; sort=-METRIC greatest first; rows without the figure come last
  top=N            the first N rows
  out=FILE         write the rows, too: .csv and .json with all columns (or those of columns=), .md as printed

Examples
  python -m search.front study=digits-small-quick
  python -m search.front study=cifar10 'where=headline_accuracy>=0.6' 'where=rows<100000' sort=rows
  python -m search.front study=cifar10 where=family=conv where=proof.wiring=linked
  python -m search.front study=cifar10 all=true where=state=infeasible columns=trial,family,rows,reason
  python -m search.front study=cifar10 all=true sort=-accuracy top=10 out=best.md
  python -m search.front 'where=scored>=10' out=studies.csv

Columns are those of front.csv and trials.csv (an unknown one is answered by a list of them): figures such as accuracy,
rows, macs, train_seconds; facts such as family, proof.wiring. accuracy is the float generator's, headline_accuracy that
of a front member's circuit where it was scored. Widths are compared as 32-24-8.
"""
_SINGLE = ("study", "storage", "all", "columns", "sort", "top", "out")
_STUDIES = ("study", "trials", "states", "front", "objectives")


@dataclass(frozen=True)
class Selection:
    """Which rows and columns are asked for.

    Attributes:
        filters: all must pass.
        columns: asked for; None takes the usual ones.
        sort: column, with ``-`` for greatest first; None keeps the order.
        top: most rows; None for all.
        out: file to write; None writes none.
    """

    filters: tuple[Filter, ...] = ()
    columns: tuple[str, ...] | None = None
    sort: str | None = None
    top: int | None = None
    out: Path | None = None

    @property
    def named(self) -> list[str]:
        """Columns that filters and order name, each once."""
        sort = [] if self.sort is None else [self.sort.removeprefix("-")]
        return list(dict.fromkeys([*(one.column for one in self.filters), *sort]))

    def of(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those of ``rows`` that are asked for, in the order asked for.

        Raises:
            ConfigError: a filter, the order or the columns name what no row has.
        """
        wanted = [*self.named, *(self.columns or ())]
        check_columns(rows, [name for name in wanted if name != REASON])
        found = passing(rows, self.filters)
        return (found if self.sort is None else in_order(found, self.sort))[: self.top]


def read_selection(options: Options) -> Selection:
    """Read which rows and columns ``options`` ask for.

    Raises:
        ConfigError: an option's value cannot be used.
    """
    out = options.one("out")
    if out is not None:
        checked_ending(Path(out), list(EXPORTS))  # before any work
    return Selection(
        filters=tuple(parse_filter(text) for text in options.many("where")),
        columns=options.listed("columns"),
        sort=options.one("sort"),
        top=options.count("top"),
        out=None if out is None else Path(out),
    )


def show_studies(storage: str, selection: Selection) -> None:
    """Print, and write if asked, the studies of ``storage``."""
    rows = study_rows(storage)
    shown = selection.of(rows)
    _show(shown, rows, _STUDIES, selection, f"{_count(shown, rows)} studies")


def show_front(study: optuna.Study, selection: Selection) -> None:
    """Print, and write if asked, the front of ``study``."""
    rows = front_rows(study)
    shown = selection.of(rows)
    title = f"Front of {study.study_name}: {_count(shown, rows)} members of {len(scored_trials(study))} scored trials"
    printed = _show(shown, rows, [*PRINTED, *(study.metric_names or ())], selection, title)
    if set(printed) & set(HEADLINE_COLUMNS):
        for note in headline_notes(shown):
            print(note)


def show_trials(study: optuna.Study, selection: Selection) -> None:
    """Print, and write if asked, the ended trials of ``study``."""
    rows = rows_with_headlines(study)
    shown = selection.of(rows)
    *figures, reason = PRINTED_OF_ALL
    title = f"Trials of {study.study_name}: {_count(shown, rows)} that ended"
    _show(shown, rows, [*figures, *(study.metric_names or ()), reason], selection, title)


def _count(shown: Sequence[Any], rows: Sequence[Any]) -> str:
    return str(len(rows)) if len(shown) == len(rows) else f"{len(shown)} of {len(rows)}"


def _show(
    shown: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
    usual: Sequence[str],
    selection: Selection,
    title: str,
) -> list[str]:
    """Print the rows that are shown of all ``rows``, and write them if asked; gives the columns that are printed."""
    printed = list(selection.columns or shown_columns(shown or rows, [*usual, *selection.named]))
    print_table(rich_table(shown, printed, title))
    if selection.out is not None:
        export_rows(shown, selection.out, columns=selection.columns or known_columns(rows), printed=printed)
        print(f"{len(shown)} row(s): {selection.out}")
    return printed


def run(arguments: Sequence[str]) -> None:
    """Do what ``arguments`` ask for.

    Raises:
        SearchError: it cannot be done.
    """
    options = parse_options(arguments, single=_SINGLE, repeated=("where",))
    if options.words:
        raise ConfigError(f"a study is named by study=NAME; got {' '.join(options.words)!r} (--help gives examples)")
    selection, everything = read_selection(options), options.flag("all")
    name, storage = options.one("study"), options.one("storage") or DEFAULT_STORAGE
    if name is None and everything:
        raise ConfigError("all=true needs study=NAME; without all, the studies are listed")
    if name is None:
        show_studies(storage, selection)
    else:
        (show_trials if everything else show_front)(load_stored(name, storage), selection)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    return run_command(run, arguments, help_text=HELP)


if __name__ == "__main__":
    sys.exit(main())
