"""How a study's front grew, scored trial by scored trial. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.dominance import nondominated_ranks
from search.objectives import Objective, minimised


def study_curves(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """Return ``best.METRIC`` for each objective and ``front_members``, after each scored trial.

    ``values`` [N][M] are the objectives' values of the scored trials, oldest first, each in its own direction; a best
    value is in that direction, too. Every curve has N points.
    """
    curves: dict[str, list[float]] = {}
    for objective, column in zip(objectives, zip(*values, strict=True), strict=False):
        best = np.maximum.accumulate(column) if objective.direction == "maximize" else np.minimum.accumulate(column)
        curves[f"best.{objective.metric}"] = [float(value) for value in best]
    points = np.array([minimised(objectives, row) for row in values])
    curves["front_members"] = [
        float((nondominated_ranks(points[:count]) == 0).sum()) for count in range(1, len(points) + 1)
    ]
    return curves
