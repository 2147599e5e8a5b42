"""How good a front is, and how soon: reference points, hypervolume over time, coverage; all objectives minimised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from search.dominance import hypervolume, nondominated_ranks
from search.errors import ConfigError

Points = npt.NDArray[np.float64]

WORST = "the worst value of each objective among all scored trials: no study keeps reference points"
_RELATIVE_TOLERANCE = 1e-9  # the same points added in another order give a volume that differs by rounding


def common_reference(
    points: Sequence[Points], references: Sequence[Points | None], names: Sequence[str]
) -> tuple[Points, str]:
    """Return one reference point [M] for several sets of ``points`` [N, M], and where it comes from; all minimised.

    The worst of the ``references`` that are known, objective by objective, so that none cuts off what another counts;
    without any, the worst of the union of all points.

    Raises:
        ConfigError: there is neither a reference nor a point.
    """
    known = {name: reference for name, reference in zip(names, references, strict=True) if reference is not None}
    if known:
        stacked = np.stack(list(known.values()))
        if (stacked != stacked[0]).any():
            return stacked.max(axis=0), f"the worse of the reference points that {', '.join(known)} keep"
        missing = [name for name in names if name not in known]
        if missing:
            return stacked[0], f"the objectives' own, kept by {', '.join(known)}; {', '.join(missing)} keeps none"
        return stacked[0], "the objectives' own, which the studies keep"
    union = np.concatenate(points)
    if not len(union):
        raise ConfigError(
            "studies must have a scored trial or keep reference points to be compared; these have neither"
        )
    return union.max(axis=0), WORST


def front_of(points: Points) -> Points:
    """Return the non-dominated ones of minimised ``points`` [N, M], in their order; equal ones all stay."""
    return points[nondominated_ranks(points) == 0] if len(points) else points


def running_hypervolume(points: Points, reference: Points) -> Points:
    """Return the hypervolume of the first 1, 2, ... N of minimised ``points`` [N, M], float64 [N]; it never falls."""
    history, volume, front = np.zeros(len(points)), 0.0, points[:0]
    for place, point in enumerate(points):
        if not (front <= point).all(axis=1).any():
            front = np.vstack([front[~(point <= front).all(axis=1)], point])
            volume = max(volume, hypervolume(front, reference))
        history[place] = volume
    return history


def seconds_to_reach(history: Points, seconds: Points | None, target: float) -> float | None:
    """Return ``seconds`` [N] at the first of the running hypervolumes ``history`` [N] that reaches ``target``.

    inf if none does, 0 for a target of 0, None if the seconds are not known.
    """
    if seconds is None:
        return None
    if target <= 0:
        return 0.0
    reached = np.flatnonzero(history >= target * (1 - _RELATIVE_TOLERANCE))
    return float(seconds[reached[0]]) if len(reached) else math.inf


def coverage(first: Points, second: Points) -> float | None:
    """Return the share of ``second`` [N, M] that ``first`` [K, M] covers, in 0..1; both minimised; None for no points.

    A point is covered by one that is nowhere worse, so an equal one counts: C(first, second) of Zitzler and Thiele 1999
    (Multiobjective evolutionary algorithms: a comparative case study). The two directions need not add up to 1.
    """
    if not len(second):
        return None
    covered = [bool((first <= point).all(axis=1).any()) for point in second]
    return sum(covered) / len(covered)
