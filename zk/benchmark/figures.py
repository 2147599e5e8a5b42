"""From recorded stages to the seconds and bytes of a row."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from zk.benchmark.row import RowOutcome
from zk.cost import CostPrediction
from zk.types import Outcome, StageResult

_TIMED = {
    "compile_seconds": ("compile",),
    "setup_seconds": ("setup",),
    "witness_seconds": ("commit", "witness"),
    "verify_seconds": ("verify",),
}


def seconds_of(stage: StageResult) -> float:
    """Wall clock of the call itself: starting an interpreter is no part of it."""
    return stage.work_seconds or stage.wall_seconds


def stage_figures(parts: Sequence[Sequence[StageResult]], shared: Sequence[StageResult] = ()) -> dict[str, Any]:
    """Add the stages of all parts up.

    Args:
        parts: for each part what ran, every repeat of the prove stage included.
        shared: stages that belong to no part.

    Returns:
        Fields of a row. Proving is the sum over the parts of each part's mean; its deviation that of the sums of the
        repeats, where all parts were repeated.
    """
    every = [*shared, *(stage for part in parts for stage in part)]
    figures: dict[str, Any] = {}
    for name, stages in _TIMED.items():
        times = [seconds_of(stage) for stage in every if stage.stage in stages]
        if times:
            figures[name] = sum(times)
    runs = [[seconds_of(stage) for stage in part if stage.stage == "prove" and stage.ok] for part in parts]
    if runs and all(runs):
        figures["prove_seconds"] = sum(statistics.fmean(times) for times in runs)
        figures["prove_repeats"] = min(map(len, runs))
        sums = [sum(times) for times in zip(*runs, strict=False)]
        if len(sums) > 1:
            figures["prove_seconds_std"] = statistics.stdev(sums)
    peaks: dict[str, int] = {}
    for stage in every:
        peaks[stage.stage] = max(peaks.get(stage.stage, 0), stage.peak_rss_bytes)
    return figures | {"stage_peaks": peaks, "peak_rss_bytes": max(peaks.values(), default=None)}


def prediction_figures(predicted: Sequence[CostPrediction]) -> dict[str, Any]:
    """Fields of a row that was not started, from the predictions of all its parts."""
    return {
        "setup_seconds": sum(found.seconds["setup"].middle for found in predicted),
        "witness_seconds": sum(found.seconds["witness"].middle for found in predicted),
        "prove_seconds": sum(found.seconds["prove"].middle for found in predicted),
        "verify_seconds": sum(found.seconds["verify"].middle for found in predicted),
        "peak_rss_bytes": max(found.admission_bytes for found in predicted),
        "pk_bytes": sum(found.pk_bytes for found in predicted),
        "vk_bytes": sum(found.vk_bytes for found in predicted),
        "proof_bytes": sum(found.proof_bytes for found in predicted),
        "predicted_prove_seconds": sum(found.seconds["prove"].middle for found in predicted),
        "predicted_peak_bytes": max(found.admission_bytes for found in predicted),
    }


def ended_badly(stages: Sequence[StageResult]) -> tuple[RowOutcome, str] | None:
    """Outcome and message of the first stage that failed; None if none did."""
    failed = next((stage for stage in stages if not stage.ok), None)
    if failed is None:
        return None
    known = {Outcome.OUT_OF_MEMORY: RowOutcome.OUT_OF_MEMORY, Outcome.TIMED_OUT: RowOutcome.TIMED_OUT}
    return known.get(failed.outcome, RowOutcome.REFUSED), f"{failed.stage}: {failed.message}"


MEASURED = (
    "compile_seconds", "srs_seconds", "setup_seconds", "witness_seconds", "prove_seconds", "prove_seconds_std",
    "verify_seconds", "peak_rss_bytes", "pk_bytes", "vk_bytes", "proof_bytes",
)  # fmt: skip
"""Fields that hold predictions until something is measured; a run that fails must not keep them."""

UNKNOWN: dict[str, Any] = dict.fromkeys(MEASURED)
