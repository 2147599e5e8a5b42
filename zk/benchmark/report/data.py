"""What the report is made from: rows of both columns, joined with each other and with the published figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from json_files import read_json
from zk.benchmark.published import SCALES, PublishedFigures, published_experiments, published_figures
from zk.benchmark.row import LayerRow, RowOutcome
from zk.errors import ArtifactError

COLUMNS = ("stock", "ours")
"""The two variants that every experiment has a row of."""


@dataclass(frozen=True)
class Pair:
    """One experiment at one scale: the row of each column, where there is one, and the published figures."""

    experiment: str
    category: str
    scale_bits: int
    stock: LayerRow | None
    ours: LayerRow | None
    published: PublishedFigures | None

    @property
    def label(self) -> str:
        """Name for sentences: "ReLU at scale 10"."""
        return f"{self.experiment} at scale {self.scale_bits}"

    def row(self, column: str) -> LayerRow | None:
        """The row of "stock" or "ours"."""
        return self.stock if column == "stock" else self.ours


@dataclass(frozen=True)
class Benchmark:
    """Everything that was measured.

    Attributes:
        rows: the published experiments, in both columns.
        scaling: one layer at several sizes.
        precision: layers at several scales.
        future: what the published benchmark left for later.
        machine: what they were measured on, and how; any part may be missing.
        beside: the same of the other studies, by their name.
    """

    rows: tuple[LayerRow, ...]
    scaling: tuple[LayerRow, ...] = ()
    precision: tuple[LayerRow, ...] = ()
    future: tuple[LayerRow, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Experiments with a row in either column, in the published order, the finer scale first."""
        return pair_rows(self.rows)

    def column(self, name: str) -> list[LayerRow]:
        """Rows of one column, in the order of :attr:`pairs`."""
        return [row for pair in self.pairs if (row := pair.row(name)) is not None]


def load_benchmark(folder: Path) -> Benchmark:
    """Read ``rows.json`` and, where they are there, ``scaling``, ``precision``, ``future`` and ``machine.json``.

    The three studies beside the grid are also looked for where ``python -m search`` leaves them: in the folder next to
    this one, ``layer-scaling/rows.json`` and so on.

    Raises:
        ArtifactError: ``rows.json`` is missing, a file is not of its kind, or a row is there twice.
    """
    if not (folder / "rows.json").is_file():
        raise ArtifactError(f"a report needs {folder / 'rows.json'}; it is missing; run the benchmark first")
    others = {study: _study_file(folder, study).parent for study in ("scaling", "precision", "future")}
    return Benchmark(
        rows=read_rows(folder / "rows.json"),
        scaling=read_rows(_study_file(folder, "scaling")),
        precision=read_rows(_study_file(folder, "precision")),
        future=read_rows(_study_file(folder, "future")),
        machine=read_machine(folder),
        beside={study: found for study, other in others.items() if other != folder and (found := read_machine(other))},
    )


def read_machine(folder: Path) -> dict[str, Any]:
    """Read what a folder's rows were measured on; empty where nothing was recorded.

    Raises:
        ArtifactError: the record is no JSON object.
    """
    path = folder / "machine.json"
    found = _read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} must hold an object; found {type(found).__name__}; write it again")
    return found


def _study_file(folder: Path, study: str) -> Path:
    own = folder / f"{study}.json"
    return own if own.exists() else folder.parent / f"layer-{study}" / "rows.json"


def pair_rows(rows: Sequence[LayerRow]) -> tuple[Pair, ...]:
    """Join rows of the same experiment and scale; unknown experiments come last, in their own order."""
    by_key = {row.key: row for row in rows}
    published = published_figures()
    return tuple(
        _pair(experiment, scale, by_key, published.get((experiment, scale)))
        for experiment, scale in _ordered({(row.experiment, row.scale_bits) for row in rows}, rows)
    )


def missing_rows(rows: Iterable[LayerRow]) -> list[str]:
    """Names of the rows that a complete benchmark has and ``rows`` has not."""
    present = {row.key for row in rows}
    return [
        f"{experiment.name} at scale {scale}, {column}"
        for experiment in published_experiments()
        for scale in SCALES
        for column in COLUMNS
        if (experiment.name, scale, column) not in present
    ]


def is_proved(row: LayerRow | None) -> bool:
    """Whether there is a row and its proof counts."""
    return row is not None and row.outcome is RowOutcome.PROVED


def families(rows: Iterable[LayerRow]) -> dict[tuple[str, str, int], list[LayerRow]]:
    """Rows of the scaling study by layer kind ("Dense", "Conv2d", ...), column and scale, smallest first."""
    found: dict[tuple[str, str, int], list[LayerRow]] = {}
    for row in sorted(rows, key=lambda row: (row.macs, row.input_elements)):
        known = next((kind for kind in ("Dense", "Conv2d") if row.experiment.startswith(kind)), None)
        kind = known or row.experiment.partition("_")[0]
        found.setdefault((kind, row.variant, row.scale_bits), []).append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], COLUMNS.index(item[0][1]), item[0][2])))


def precision_series(rows: Iterable[LayerRow]) -> dict[tuple[str, str], list[LayerRow]]:
    """Rows of the precision study by layer and column, coarsest scale first."""
    found: dict[tuple[str, str], list[LayerRow]] = {}
    for row in sorted(rows, key=lambda row: row.scale_bits):
        found.setdefault((row.experiment, row.variant), []).append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], COLUMNS.index(item[0][1]))))


def _ordered(keys: set[tuple[str, int]], rows: Sequence[LayerRow]) -> list[tuple[str, int]]:
    names = [experiment.name for experiment in published_experiments()]
    names += list(dict.fromkeys(row.experiment for row in rows if row.experiment not in names))
    return sorted(keys, key=lambda key: (names.index(key[0]), -key[1]))


def _pair(
    experiment: str, scale: int, rows: Mapping[tuple[str, int, str], LayerRow], published: PublishedFigures | None
) -> Pair:
    stock, ours = (rows.get((experiment, scale, column)) for column in COLUMNS)
    some = stock or ours
    assert some is not None  # the key comes from a row
    return Pair(experiment, some.category, scale, stock, ours, published)


def read_rows(path: Path) -> tuple[LayerRow, ...]:
    """Read a study's ``rows.json``; none where there is no such file.

    Raises:
        ArtifactError: the file is not of its kind, or a row is there twice.
    """
    if not path.is_file():
        return ()
    data = _read_json(path)
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise ArtifactError(f"{path} must hold a list of rows; found something else; run the benchmark again")
    rows = tuple(LayerRow.from_json(entry) for entry in data)
    for row in rows:
        _check_row(row, path)
    if twice := [key for key, count in Counter(row.key for row in rows).items() if count > 1]:
        raise ArtifactError(f"{path} must hold a row once; found {twice} more than once; remove the older ones")
    return rows


def _check_row(row: LayerRow, path: Path) -> None:
    if row.variant not in COLUMNS:
        raise ArtifactError(f"a row's variant must be one of {COLUMNS}; found {row.variant!r} in {path}; correct it")
    for name, value in vars(row).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ArtifactError(f"{name} of {row.key} in {path} must be finite or null; found {value}; correct it")


def _read_json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} must be readable JSON; {error}; write it again") from error
