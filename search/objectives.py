"""What a study optimises: named metrics with a direction and a reference point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.errors import ConfigError

DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class Objective:
    """One objective.

    Attributes:
        metric: name of a metric of a finished trial (see ``search.record.TrialRecord.metrics``).
        direction: ``maximize`` or ``minimize``.
        reference: the worst value that still counts in the hypervolume, in the metric's unit.
    """

    metric: str
    direction: str
    reference: float

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ConfigError(
                f"direction of {self.metric} must be one of {', '.join(DIRECTIONS)}; got {self.direction!r}"
            )
        if not math.isfinite(self.reference):
            raise ConfigError(f"reference of {self.metric} must be finite; got {self.reference}")


def objective_values(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> list[float]:
    """Return the objectives' values in order.

    Raises:
        ConfigError: a metric is missing or not finite.
    """
    values = []
    for objective in objectives:
        value = metrics.get(objective.metric)
        if value is None or not math.isfinite(value):
            raise ConfigError(
                f"objective {objective.metric} must be a finite metric of the trial; got {value}; "
                f"known metrics: {', '.join(sorted(metrics))}"
            )
        values.append(float(value))
    return values


def minimised(objectives: Sequence[Objective], values: Sequence[float]) -> tuple[float, ...]:
    """Return ``values`` with the sign turned where an objective is maximised."""
    return tuple(
        -value if objective.direction == "maximize" else value
        for objective, value in zip(objectives, values, strict=True)
    )
