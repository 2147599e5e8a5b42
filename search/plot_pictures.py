"""A study's plots as pictures: MLflow shows those at once, where interactive ones would load code from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atomic_files import replacing
from search.objectives import Objective

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")


def save_front_picture(rows: Sequence[Mapping[str, Any]], objectives: Sequence[Objective], path: Path) -> None:
    """Draw the scored trials among ``rows`` over the first two objectives, front members filled and numbered."""
    figure = Figure(figsize=(3.6, 3.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    scored = [row for row in rows if row["state"] == "scored"]
    first, second = objectives[0].metric, objectives[min(1, len(objectives) - 1)].metric
    for place, family in enumerate(dict.fromkeys(row["family"] for row in scored)):
        colour = _COLOURS[place % len(_COLOURS)]
        for on_front in (False, True):
            mine = [row for row in scored if row["family"] == family and row["front"] is on_front]
            axes.plot(
                [row[second] for row in mine], [row[first] for row in mine], linestyle="", marker="o", markersize=6,
                color=colour, markerfacecolor=colour if on_front else "none",
            )  # fmt: skip
        axes.plot([], [], linestyle="", marker="o", markersize=6, color=colour, label=family)
    for row in scored:
        if row["front"]:
            axes.annotate(str(row["trial"]), (row[second], row[first]), (5, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel(f"{second} (float)", fontsize=9)
    axes.set_ylabel(f"{first} (float)", fontsize=9)
    axes.set_title("Scored trials; filled: on the front", fontsize=9)
    if scored:
        axes.legend(fontsize=8)
    _save(figure, axes, path)


def save_curve_picture(name: str, values: Sequence[float], path: Path) -> None:
    """Draw ``values`` of what is called ``name``, one for each scored trial."""
    figure = Figure(figsize=(4.8, 3.0), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(values) + 1), values, marker="o", markersize=4, color=_COLOURS[0])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("scored trials", fontsize=9)
    axes.set_ylabel(name, fontsize=9)
    _save(figure, axes, path)


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
