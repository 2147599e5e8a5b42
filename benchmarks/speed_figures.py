"""What the runs of ``benchmarks/search_speed.py`` come to: hypervolume over time, and how much sooner one has it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from search.front_measures import Points, running_hypervolume, seconds_to_reach

_ANY_FRONT = 1e-12
"""A hypervolume that one feasible candidate has."""


@dataclass(frozen=True)
class Steps:
    """Hypervolume over time: seconds [N], ascending, and the volume from each of them on, volumes [N]."""

    seconds: Points
    volumes: Points

    @property
    def volume(self) -> float:
        """At the end."""
        return float(self.volumes[-1]) if len(self.volumes) else 0.0

    def seconds_to(self, volume: float) -> float:
        """Until the hypervolume was ``volume``; inf for never."""
        found = seconds_to_reach(self.volumes, self.seconds, volume)
        assert found is not None
        return found


@dataclass(frozen=True)
class Curve(Steps):
    """One run: the running hypervolume of the candidates that count, within the time."""

    method: str
    seed: int
    limit_seconds: float
    draws: int
    feasible: int
    images: float


def read_curve(path: Path) -> Curve:
    """Read what a run left."""
    run = json.loads(path.read_text(encoding="utf-8"))
    within = [one for one in run["ended"] if one["seconds"] <= run["seconds"]]
    scored = [one for one in within if one["values"] is not None]
    points = np.array([one["values"] for one in scored], dtype=np.float64).reshape(len(scored), len(run["references"]))
    return Curve(
        seconds=np.array([one["seconds"] for one in scored]),
        volumes=running_hypervolume(points, np.array(run["references"])),
        method=run["method"],
        seed=run["seed"],
        limit_seconds=run["seconds"],
        draws=len(within),
        feasible=sum(one["feasible"] for one in within),
        images=sum(one["trained_images"] for one in within),
    )


def mean_of(runs: Sequence[Steps]) -> Steps:
    """Average the hypervolume of several runs at every moment; a run without a front adds 0."""
    seconds = np.unique(np.concatenate([run.seconds for run in runs]))
    at = [np.concatenate([[0.0], run.volumes])[np.searchsorted(run.seconds, seconds, side="right")] for run in runs]
    return Steps(seconds, np.mean(at, axis=0))


def speedup(fast: Sequence[Curve], slow: Sequence[Curve]) -> dict[str, Any]:
    """Return how many times sooner the mean of the ``fast`` is what the mean of the ``slow`` ends with.

    ``ratio`` is None where the slow have no front at all, 0 where the fast never get there. ``pairs`` has the same of
    each run with each, and their geometric mean: runs of few candidates, so the moment of one lucky draw decides.
    """
    one, other = mean_of(slow), mean_of(fast)
    needed, found = one.seconds_to(one.volume), other.seconds_to(one.volume)
    return {
        "ratio": needed / found if one.volume > 0 else None,
        "hypervolume": one.volume,
        "slow_seconds": needed,
        "fast_seconds": found if math.isfinite(found) else None,
        "pairs": pair_ratios(fast, slow),
    }


def pair_ratios(fast: Sequence[Curve], slow: Sequence[Curve]) -> dict[str, Any]:
    """Return how many times sooner each of the ``fast`` has what each of the ``slow`` ends with.

    A fast run that never gets there counts with all its seconds, which overstates its speed. A slow one that found
    nothing counts with all its seconds against the fast one's first front, which understates the fast one's lead; where
    both found nothing, there is nothing to compare. How many of each there were is told.
    """
    ratios, missed = list[float](), 0
    for one in slow:
        needed = one.seconds_to(one.volume) if one.volume > 0 else one.limit_seconds
        for other in fast:
            if one.volume == other.volume == 0:
                continue
            found = other.seconds_to(one.volume or _ANY_FRONT)
            missed += math.isinf(found)
            ratios.append(needed / min(found, other.limit_seconds))
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None
    least, greatest = min(ratios, default=None), max(ratios, default=None)
    frontless = sum(one.volume == 0 for one in slow)
    return {"geometric_mean": mean, "least": least, "greatest": greatest, "missed": missed, "frontless": frontless}
