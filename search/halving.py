"""Asynchronous successive halving for several objectives: who trains on beyond a rung.

A rung is a number of training images at which trials are compared, with those only that have reached the same rung.
The scheme is Algorithm 2 of Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"; the order that it
needs is by front, then by contribution to the front's hypervolume. Every objective is minimised. Why so:
``docs/decisions/017-halving-by-fronts.md``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from search.dominance import Points, Ranks, hypervolume_contributions, nondominated_ranks
from search.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Halving:
    """Rules of early stopping.

    Attributes:
        reduction: one of so many trials at a rung goes on, and each rung has so many times the images of the one below.
        rungs: most rungs below the full budget.
        peers: fewest other trials at a rung for anything to be stopped there.
        least_images: fewest training images at which trials are compared; rungs below are left out.
    """

    reduction: int = 3
    rungs: int = 2
    peers: int = 4
    least_images: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 2 if field.name == "reduction" else 1
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"halving {field.name} must be a whole number of at least {least}; got {value!r}")

    def rung_images(self, budget_images: int) -> tuple[int, ...]:
        """Return the training images of each rung, ascending, rounded up; all are below ``budget_images``.

        None may be left of a small budget: then nothing is compared. Rounding to whole batches is the caller's.

        Raises:
            ConfigError: the budget is not positive.
        """
        if budget_images < 1:
            raise ConfigError(f"budget_images must be positive; got {budget_images}")
        found = {-(-budget_images // self.reduction**step) for step in range(1, self.rungs + 1)}
        return tuple(sorted(images for images in found if self.least_images <= images < budget_images))

    def going_on(self, count: int) -> int:
        """Return how many of ``count`` trials at a rung go on: the best share, rounded up, or all if they are few."""
        return count if count <= self.peers else -(-count // self.reduction)


@dataclass(frozen=True)
class Standing:
    """Where a trial stands among those at its rung.

    Attributes:
        position: 0 is the best.
        count: trials at the rung, itself included.
        rank: its front, 0 is the best.
        contribution: hypervolume that its front would lose without it, in the product of the objectives' units.
    """

    position: int
    count: int
    rank: int
    contribution: float


@dataclass(frozen=True)
class Verdict:
    """Whether a trial trains on, a sentence that says why (places and fronts count from 1), and where it stands."""

    goes_on: bool
    reason: str
    standing: Standing


def standing(values: npt.ArrayLike, peers: npt.ArrayLike, reference: npt.ArrayLike) -> Standing:
    """Return where a trial with ``values`` [M] stands among ``peers`` [N, M], which reached the same rung before it.

    The order is by front, within a front by hypervolume contribution against ``reference`` [M], the greatest first, and
    among equals by arrival, so that the trial comes last. Of equal points the first has the contribution, the others 0.

    Raises:
        ConfigError: wrong shapes, NaN or -inf among the values, or a reference that is not finite.
    """
    points = _with_newcomer(values, peers)
    order, ranks, contributions = _ordered(points, reference)
    newest = len(points) - 1
    position = int(np.flatnonzero(order == newest)[0])
    return Standing(position, len(points), int(ranks[newest]), float(contributions[newest]))


def verdict(
    values: npt.ArrayLike, peers: npt.ArrayLike, reference: npt.ArrayLike, rules: Halving, *, images: int
) -> Verdict:
    """Return whether a trial trains on beyond the rung of ``images`` training images; arguments as :func:`standing`.

    It does if it stands among the best ``ceil(count / reduction)``, or if fewer than ``rules.peers`` others have come
    this far: then there is too little to compare it with.
    """
    found = standing(values, peers, reference)
    share = rules.going_on(found.count)
    goes_on = found.position < share
    if found.count <= rules.peers:
        rule = f"none is stopped before {rules.peers + 1} have come this far"
    else:
        rule = "the best one goes on" if share == 1 else f"the best {share} go on"
    word, place = "goes on" if goes_on else "stops", f"number {found.position + 1} of {found.count}"
    reason = f"{word} at {images:,} training images: {place} (front {found.rank + 1}); {rule}"
    return Verdict(goes_on, reason, found)


def promotable(
    values: npt.ArrayLike, stopped: Collection[int], reference: npt.ArrayLike, rules: Halving
) -> tuple[int, ...]:
    """Return which of the trials stopped at a rung stand among the best share by now, the best first.

    ``values`` [N, M] are those of every trial that has reached the rung, in order of arrival, whether it went on or
    not; ``stopped`` are indices into them. Later arrivals enlarge the best share, so worse ones make room for these.

    Raises:
        ConfigError: as :func:`standing`, or an index that is no trial's.
    """
    order, _, _ = _ordered(np.asarray(values, dtype=np.float64), reference)
    if strangers := sorted(index for index in stopped if not 0 <= index < len(order)):
        raise ConfigError(f"stopped trials must be among the {len(order)} at the rung; got {strangers}")
    return tuple(int(index) for index in order[: rules.going_on(len(order))] if index in stopped)


def _with_newcomer(values: npt.ArrayLike, peers: npt.ArrayLike) -> Points:
    newcomer, others = np.asarray(values, dtype=np.float64), np.asarray(peers, dtype=np.float64)
    if newcomer.ndim != 1 or (others.size and others.shape[1:] != newcomer.shape):
        raise ConfigError(
            f"values must be [M] and peers [N, M]; got shapes {list(newcomer.shape)} and {list(others.shape)}"
        )
    return np.vstack([others, newcomer]) if others.size else newcomer[np.newaxis]


def _ordered(points: Points, reference: npt.ArrayLike) -> tuple[Ranks, Ranks, Points]:
    """Return indices with the best first, ranks, and contributions within each one's front; [N] each."""
    ranks = nondominated_ranks(points)
    contributions = np.zeros(len(points))
    for rank in np.unique(ranks):
        members = np.flatnonzero(ranks == rank)
        # Equal points leave nothing to each other: counted twice, the best of all would stand last in its front.
        firsts = members[np.unique(points[members], axis=0, return_index=True)[1]]
        contributions[firsts] = hypervolume_contributions(points[firsts], reference)
    return np.lexsort((-contributions, ranks)), ranks, contributions
