"""The grid: every experiment at every scale in both columns, and what a session takes of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import ConfigError

VARIANTS = ("stock", "ours")
ALL_SCALES = tuple(range(4, 15))
"""Scales that a study may hold, in bits."""


@dataclass(frozen=True, order=True)
class Point:
    """One cell of the grid; ``label`` is its name in the study."""

    experiment: str
    scale_bits: int
    variant: str

    @property
    def label(self) -> str:
        """``experiment/scale/variant``."""
        return f"{self.experiment}/{self.scale_bits}/{self.variant}"


def whole_grid(experiments: Sequence[str]) -> tuple[Point, ...]:
    """Every cell that a study of these experiments may ever hold."""
    return tuple(Point(*cell) for cell in itertools.product(experiments, ALL_SCALES, VARIANTS))


def select_points(
    categories: dict[str, str],
    *,
    scales: Sequence[int],
    variants: Sequence[str] = VARIANTS,
    only_categories: Sequence[str] | None = None,
    only_experiments: Sequence[str] | None = None,
) -> tuple[Point, ...]:
    """Select the cells of a session, in the order of the experiments.

    Args:
        categories: category of each experiment that there is.
        scales: scales in bits.
        variants: columns, of :data:`VARIANTS`.
        only_categories: categories to keep; None keeps all.
        only_experiments: experiments to keep; None keeps all.

    Raises:
        ConfigError: a name is unknown, or nothing is left.
    """
    _check("benchmark.categories", only_categories, sorted(set(categories.values())))
    _check("benchmark.layers", only_experiments, list(categories))
    _check("benchmark.variants", variants, list(VARIANTS))
    if outside := sorted(set(scales) - set(ALL_SCALES)):
        raise ConfigError(f"benchmark.scales must be in {ALL_SCALES[0]}..{ALL_SCALES[-1]} bits; got {outside}")
    kept = [
        name
        for name, category in categories.items()
        if (only_categories is None or category in only_categories)
        and (only_experiments is None or name in only_experiments)
    ]
    found = tuple(Point(*cell) for cell in itertools.product(kept, dict.fromkeys(scales), dict.fromkeys(variants)))
    if not found:
        raise ConfigError("the benchmark must have something to run; the filters leave nothing; widen them")
    return found


def _check(name: str, given: Sequence[str] | None, known: Sequence[str]) -> None:
    if unknown := sorted(set(given or ()) - set(known)):
        raise ConfigError(f"{name} must be of {', '.join(known)}; got {', '.join(unknown)}")
