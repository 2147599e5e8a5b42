"""Interactive pictures of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from search.objectives import Objective

_CATEGORY_COLORS = ("#3366cc", "#dc3912", "#109618", "#ff9900", "#990099", "#0099c6", "#dd4477")


def pareto_figure(rows: Sequence[dict[str, Any]], objectives: Sequence[Objective]) -> go.Figure:
    """Plot scored trials over the first two objectives; colour is the family, size follows the third if there is one.

    Front members are filled, the others hollow.
    """
    scored = [row for row in rows if row["state"] == "scored"]
    first, second = objectives[0].metric, objectives[min(1, len(objectives) - 1)].metric
    figure = go.Figure()
    families = list(dict.fromkeys(row["family"] for row in scored))
    for family, color in zip(families, _CATEGORY_COLORS, strict=False):
        members = [row for row in scored if row["family"] == family]
        figure.add_scatter(
            x=[row[second] for row in members],
            y=[row[first] for row in members],
            mode="markers",
            name=family,
            marker={
                "color": color,
                "size": _sizes(members, scored, objectives),
                "symbol": ["circle" if row["front"] else "circle-open" for row in members],
            },
            text=[_hover(row) for row in members],
            hoverinfo="text",
        )
    figure.update_layout(
        title="Scored trials, float scores; filled: on the front",
        xaxis_title=second,
        yaxis_title=first,
        template="plotly_white",
    )
    return figure


def _sizes(
    members: Sequence[dict[str, Any]], scored: Sequence[dict[str, Any]], objectives: Sequence[Objective]
) -> list[float]:
    if len(objectives) < 3:
        return [12.0] * len(members)
    values = [row[objectives[2].metric] for row in scored]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return [8 + 16 * (row[objectives[2].metric] - low) / span for row in members]


def _hover(row: dict[str, Any]) -> str:
    shown = ("accuracy", "inception_score", "diversity", "judge_accuracy", "einsum_operations", "rows", "macs")
    lines = [f"trial {row['trial']} ({row['family']})"]
    lines += [f"{name}: {row[name]:.4g}" for name in shown if name in row]
    return "<br>".join(lines)


def parallel_figure(rows: Sequence[dict[str, Any]], objectives: Sequence[Objective]) -> go.Figure:
    """Plot objectives, judge and circuit figures as parallel coordinates, coloured by the first objective."""
    scored = [row for row in rows if row["state"] == "scored"]
    named = [objective.metric for objective in objectives]
    named += [
        name for name in ("judge_accuracy", "einsum_operations", "rows", "macs", "parameters") if name not in named
    ]
    dimensions = [
        {"label": name, "values": [row[name] for row in scored]} for name in named if all(name in row for row in scored)
    ]
    color = [row[named[0]] for row in scored]
    return go.Figure(
        go.Parcoords(line={"color": color, "colorscale": "Viridis", "showscale": True}, dimensions=dimensions),
        layout={"title": "Scored trials, float scores", "template": "plotly_white"},
    )


def hypervolume_figure(history: Sequence[float]) -> go.Figure:
    """Plot the hypervolume of the front after each scored trial."""
    figure = go.Figure(go.Scatter(x=list(range(1, len(history) + 1)), y=list(history), mode="lines+markers"))
    return figure.update_layout(
        title="Hypervolume of the front",
        xaxis_title="scored trials",
        yaxis_title="hypervolume",
        template="plotly_white",
    )
