"""Which points dominate which, and how much volume each one adds; every objective is minimised.

A point dominates another if it is nowhere worse and somewhere better. The only module that imports moocore.
"""

from __future__ import annotations

import moocore
import numpy as np
import numpy.typing as npt

from search.errors import ConfigError

Points = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]


def nondominated_ranks(points: npt.ArrayLike) -> Ranks:
    """Return each point's front: 0 if no point dominates it, 1 if only points of front 0 do, and so on.

    ``points`` is [N, M] with M >= 1, minimised; both infinities are allowed. The result is int64 [N]; equal points
    share a rank. Non-dominated sorting: Deb et al. 2002, section III-A.

    Raises:
        ConfigError: ``points`` has another shape or contains NaN.
    """
    values = _checked(points)
    # The order within each column is all that dominance needs; infinities crash moocore 0.3.2 from 3 objectives on.
    columns = [np.unique(column, return_inverse=True)[1] for column in values.T]
    return np.asarray(moocore.pareto_rank(np.stack(columns, axis=1).astype(np.float64)), dtype=np.int64)


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the volume between ``reference`` and what ``points`` reach, in the product of the objectives' units.

    ``points`` is [N, M], ``reference`` [M], both minimised. A point that is not strictly better than the reference in
    every objective adds nothing, so +inf in one of them does not; no points give 0.

    Raises:
        ConfigError: wrong shapes, NaN, an objective of -inf, a reference that is not finite, a volume beyond float64.
    """
    values, bound, inside = _within(points, reference)
    return _volume(values[inside], bound)


def hypervolume_contributions(points: npt.ArrayLike, reference: npt.ArrayLike) -> Points:
    """Return how much hypervolume would be lost without each point, float64 [N]; otherwise as :func:`hypervolume`.

    Exactly 0 for a point that another one dominates or equals. Else it is the point's own box less what the others
    cover of it (the exclusive hypervolume of While, Bradstreet and Barone 2012). Not by ``moocore.hv_contributions``,
    which from 4 objectives on (or 3 with dominated points counted) gives 0 for all below 1.5e-8, whatever the units.
    """
    values, bound, inside = _within(points, reference)
    result = np.zeros(len(values))
    for index in inside:
        point, others = values[index], values[inside[inside != index]]
        if not (others <= point).all(axis=1).any():
            covered = _volume(np.maximum(others, point), bound)
            result[index] = max(0.0, _volume(point[np.newaxis], bound) - covered)
    return result


def _volume(points: Points, reference: Points) -> float:
    return float(moocore.hypervolume(points, ref=reference))


def _checked(points: npt.ArrayLike) -> Points:
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ConfigError(f"points must be [N, M] with at least one objective; got shape {list(values.shape)}")
    if (bad := np.isnan(values).any(axis=1)).any():
        raise ConfigError(f"objective values must be numbers; point {bad.argmax()} is {values[bad.argmax()].tolist()}")
    return values


def _within(points: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Points, Points, Ranks]:
    """Return checked points and reference, and the indices of the points inside: better in every objective."""
    values, bound = _checked(points), np.asarray(reference, dtype=np.float64)
    if bound.shape != values.shape[1:] or not np.isfinite(bound).all():
        raise ConfigError(f"the reference must be {values.shape[1]} finite values; got {bound.tolist()}")
    if (bad := np.isneginf(values).any(axis=1)).any():
        raise ConfigError(
            f"objective values must be above -inf to span a volume; point {bad.argmax()} is "
            f"{values[bad.argmax()].tolist()}"
        )
    inside = np.flatnonzero((values < bound).all(axis=1))
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.prod(bound - values[inside].min(axis=0)) if len(inside) else 0.0
    if not np.isfinite(largest):
        raise ConfigError(
            f"the volume below the reference {bound.tolist()} must fit a float; give the objectives in larger units"
        )
    return values, bound, inside
