"""Views of the runs table that MLflow's UI offers by name: trials with their scores, studies with their best. Pure.

The UI keeps a saved view as a tag of the experiment, in a form that nothing documents; this is that of MLflow 3.17. A
version that does not know it shows its usual table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

TAG_PREFIX = "mlflow.sharedViewState."

_TRIALS = (
    "tags.study", "tags.outcome", "tags.family", "params.spec.widths", "metrics.accuracy", "metrics.rows",
    "metrics.headline.accuracy", "metrics.headline.judge_accuracy", "metrics.headline.inception_score",
    "metrics.headline.diversity", "metrics.planned_rows", "tags.proof.wiring",
)  # fmt: skip
_STUDIES = (
    "metrics.scored_trials", "metrics.front_members", "metrics.hypervolume", "metrics.best.headline.accuracy",
    "metrics.best.headline.judge_accuracy", "metrics.best.headline.inception_score", "metrics.best.headline.diversity",
    "tags.proved", "tags.search_space", "tags.training", "tags.tier",
)  # fmt: skip
_CHARACTER_PIXELS, _LEAST_PIXELS, _MARGIN_PIXELS = 7, 80, 45
_VALUE_PIXELS = {"tags.study": 150}  # wider than the heading


def saved_views(pictures: str, *, now_milliseconds: int) -> dict[str, str]:
    """Return the experiment's tags that offer the views ``Trials`` and ``Studies``, made ``now_milliseconds``.

    Among the charts of the trials, the ``pictures`` that were logged under that name stand side by side.
    """
    return {
        f"{TAG_PREFIX}trials": _view("Trials", "trial", _TRIALS, "accuracy", now_milliseconds, _charts(pictures)),
        f"{TAG_PREFIX}studies": _view("Studies", "study", _STUDIES, "best.headline.accuracy", now_milliseconds, {}),
    }


def _view(
    name: str, role: str, columns: Sequence[str], metric: str, now_milliseconds: int, charts: dict[str, Any]
) -> str:
    keys = [_column(column) for column in columns]
    state = {
        "searchFilter": f"tags.role = '{role}'",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": keys,
        "columnOrder": keys,
        "columnWidths": {key: _width(column) for key, column in zip(keys, columns, strict=True)},
        **charts,
    }
    made = {"createdAt": now_milliseconds, "updatedAt": now_milliseconds}
    return json.dumps({"name": name, **made, "state": json.dumps(state)})


def _column(name: str) -> str:
    kind, _, rest = name.partition(".")
    return f"{kind}.`{rest}`"


def _width(column: str) -> int:
    """Pixels in which a heading is not cut, nor most values."""
    return max(
        _VALUE_PIXELS.get(column, _LEAST_PIXELS), _CHARACTER_PIXELS * len(column.partition(".")[2]) + _MARGIN_PIXELS
    )


def _charts(pictures: str) -> dict[str, Any]:
    """Return a grid of pictures without the parameters that the UI writes over each; it adds the other charts."""
    section = pictures.partition("/")[0]
    kept = {"deleted": False, "isGenerated": False}
    grid = {"type": "IMAGE", "uuid": pictures, "metricSectionId": section, "runsCountToCompare": 10, **kept}
    place = {"uuid": section, "name": section, "display": True, "isReordered": False, **kept}
    return {
        "compareRunCharts": [{**grid, "imageKeys": [pictures], "step": 0, "showRunParams": False}],
        "compareRunSections": [{**place, "columns": 1, "cardHeight": 420}],
        "isAccordionReordered": True,  # else sections are in the order of their names, the rungs first
    }
