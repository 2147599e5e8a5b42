"""One session of the benchmark, on parts that are already built."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import Trial

from atomic_files import write_text
from search.layers.cases import CaseBuilder
from search.layers.points import Point, whole_grid
from search.layers.record import BenchmarkRecord, line_of
from search.layers.study import close_left_over, known_rows, open_points, run_grid
from zk.benchmark.admission import MemoryGate
from zk.benchmark.case import Draft, Limits
from zk.benchmark.experiments import Experiment
from zk.benchmark.figures import UNKNOWN
from zk.benchmark.ours import draft_ours
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.stock import draft_stock
from zk.cost_model import CostModel
from zk.errors import ZkError

DRAFTS = {"stock": draft_stock, "ours": draft_ours}
ROWS = "rows.json"


@dataclass(frozen=True)
class BenchmarkSettings:
    """Everything a session needs.

    Attributes:
        experiments: all that the study may hold, by name.
        points: cells of this session.
        again: outcomes whose cells are run again.
        limits: within what each cell runs.
        workers: cells at once.
        seed: of the order.
        folder: receives the rows, and scratch files while a cell runs.
        srs_folder: cache of reference strings.
        cost_model: predicts; None is the shipped one.
    """

    experiments: dict[str, Experiment]
    points: tuple[Point, ...]
    again: tuple[str, ...]
    limits: Limits
    workers: int
    seed: int
    folder: Path
    srs_folder: Path
    cost_model: CostModel | None


def run_benchmark(
    study: optuna.Study,
    settings: BenchmarkSettings,
    cases: CaseBuilder,
    record: BenchmarkRecord,
    *,
    gate: MemoryGate,
    facts: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> list[LayerRow]:
    """Measure the session's open cells; return all rows of the study, in the order of the experiments.

    Several processes may measure one study, each what the others do not; they do not share their memory gates.
    """
    if left := close_left_over(study):
        say(f"{left} cell(s) of a session that was stopped are run again")
    points = open_points(study, settings.points, settings.again)
    say(f"{len(settings.points) - len(points)} cells have a row; {len(points)} to measure, {settings.workers} at once")
    lock = threading.Lock()

    def measure(trial: Trial, point: Point) -> LayerRow:
        started = time.monotonic()
        run = record.started(trial.number, point)
        scratch = settings.folder / "scratch" / point.label.replace("/", "-")
        try:
            row = _measure(point, scratch, settings, cases, gate, lock)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        record.ended(run, row)
        with lock:
            rows = known_rows(study) | {point.label: row}
            write_rows(settings.folder / ROWS, in_order(rows, list(settings.experiments)))
        say(f"{line_of(row)}  [{time.monotonic() - started:.0f} s]")
        return row

    run_grid(
        study,
        points,
        measure,
        grid=whole_grid(list(settings.experiments)),
        workers=settings.workers,
        seed=settings.seed,
        facts=facts,
    )
    rows = in_order(known_rows(study), list(settings.experiments))
    write_rows(settings.folder / ROWS, rows)
    return rows


def _measure(
    point: Point,
    scratch: Path,
    settings: BenchmarkSettings,
    cases: CaseBuilder,
    gate: MemoryGate,
    lock: threading.Lock,
) -> LayerRow:
    with lock:  # composites are trained once
        case = cases.case(settings.experiments[point.experiment], point.scale_bits)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    limits = settings.limits
    with gate.hold(limits.draft_bytes):
        draft: Draft = DRAFTS[point.variant](case, scratch, settings.srs_folder, limits, settings.cost_model)
    if draft.prove is None or draft.need_bytes is None:
        return draft.row
    with gate.hold(draft.need_bytes):
        try:
            return draft.prove()
        except ZkError as refusal:
            return dataclasses.replace(draft.row, **{**UNKNOWN, "outcome": RowOutcome.REFUSED, "message": str(refusal)})


def in_order(rows: dict[str, LayerRow], experiments: Sequence[str]) -> list[LayerRow]:
    """Rows by experiment, the finer scale first, stock before ours."""
    return sorted(
        rows.values(), key=lambda row: (experiments.index(row.experiment), -row.scale_bits, row.variant != "stock")
    )


def write_rows(path: Path, rows: Sequence[LayerRow]) -> None:
    """Write rows as a JSON list."""
    write_text(path, json.dumps([row.to_json() for row in rows], indent=1))
