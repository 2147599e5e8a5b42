"""What the benchmark shows and files: a line in the terminal, a run in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from search.layers.points import Point
from search.tracking import Tracker
from zk.benchmark.row import LayerRow

_LABELS = ("experiment", "category", "variant", "message", "statement", "wiring", "wiring_reason", "outcome")
_MEASURED = ("seconds", "bytes")


class BenchmarkRecord:
    """Files each cell as a child run of the study's.

    Args:
        tracker: of the study.
        tags: set on every run.
    """

    def __init__(self, tracker: Tracker, tags: Mapping[str, str]) -> None:
        self._tracker = tracker
        self._tags = dict(tags)

    def started(self, number: int, point: Point) -> str:
        """Open the run of a cell."""
        run = self._tracker.start_trial(
            number, {**self._tags, "experiment": point.experiment, "variant": point.variant}
        )
        self._tracker.params(run, asdict(point))
        return run

    def ended(self, run: str, row: LayerRow) -> None:
        """File a row and close its run.

        Metrics of a row that was not measured stand under ``predicted.``, so that none can be taken for the other.
        """
        figures = row.to_json()
        peaks = figures.pop("stage_peaks")
        numbers = {key: float(value) for key, value in figures.items() if _is_number(value)}
        if not row.measured:
            numbers = {f"predicted.{key}" if key.endswith(_MEASURED) else key: numbers[key] for key in numbers}
            numbers = {key.replace("predicted.predicted_", "predicted_"): value for key, value in numbers.items()}
        numbers |= {f"peak_bytes.{stage}": float(value) for stage, value in peaks.items()}
        self._tracker.metrics(run, numbers)
        labels = {key: str(figures[key]) for key in _LABELS if figures[key]}
        self._tracker.tags(run, labels | {"proof.wiring": row.wiring, "feasible": str(row.outcome == "proved").lower()})
        self._tracker.end(run)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def line_of(row: LayerRow) -> str:
    """One line for the terminal; predictions are marked by "~"."""
    mark = "" if row.measured else "~"
    text = f"{row.experiment:<21} scale {row.scale_bits:>2}  {row.variant:<5}  {row.outcome:<13}"
    if row.rows is not None:
        text += f" {row.rows:>11,} rows, 2^{row.logrows}"
    if row.prove_seconds is not None and row.peak_rss_bytes is not None:
        text += f"  prove {mark}{row.prove_seconds:.1f} s, peak {mark}{row.peak_rss_bytes / 2**30:.2f} GiB"
    if row.measured:
        text += f", {row.wiring}, error {row.max_abs_error or 0:.2g}"
    return text + (f"  ({row.message[:100]})" if row.message else "")
