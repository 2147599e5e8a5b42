"""Pictures of the page: accuracy over what a proof costs, and the ladder's operations over its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from search.figures import save_figure
from search.layers.ladder import operations
from search.tiers.published import CEILING, TIERS
from search.tiers.row import TierRow
from zk.benchmark.row import LayerRow

_TIER_COLOURS = {1: "#56B4E9", 2: "#0072B2", 3: "#D55E00", 4: "#009E73"}
_REGIME_MARKERS = {"published": "x", "strong": "o"}
_VARIANT_MARKERS = {"stock": "s", "ours": "o"}
_VARIANT_NAMES = {"stock": "EZKL's defaults", "ours": "checked"}


@dataclass(frozen=True)
class Picture:
    """One picture: what it shows, and how it is drawn; nothing is drawn without data."""

    title: str
    draw: Callable[[Sequence[TierRow], Sequence[LayerRow]], Figure | None]


def _accuracy(rows: Sequence[TierRow], ladder: Sequence[LayerRow]) -> Figure | None:
    scored = [row for row in rows if row.scored and row.tier in TIERS and row.predicted_prove_seconds]
    if not scored:
        return None
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for tier in TIERS:
        for regime, marker in _REGIME_MARKERS.items():
            mine = [row for row in scored if (row.tier, row.regime) == (tier, regime)]
            axes.plot(
                [row.predicted_prove_seconds or 0.0 for row in mine], [100 * (row.accuracy or 0.0) for row in mine],
                linestyle="", marker=marker, markersize=6, color=_TIER_COLOURS[tier],
                label=f"tier {tier}, {regime} training" if mine else None,
            )  # fmt: skip
    axes.axhline(100 * CEILING, color="#555555", linestyle="--", linewidth=1)
    axes.annotate(
        f"published ceiling, {100 * CEILING:.1f} %", (0.01, 100 * CEILING), (0, 3), fontsize=8, color="#555555",
        xycoords=axes.get_yaxis_transform(), textcoords="offset points",
    )  # fmt: skip
    axes.set_xlabel("proving time of one image, predicted (s)")
    axes.set_ylabel("images of the class asked for (%)")
    axes.set_ylim(0, 100)
    _finish(axes)
    return figure


def _ladder(rows: Sequence[TierRow], ladder: Sequence[LayerRow]) -> Figure | None:
    sized = [row for row in ladder if row.rows]
    if not sized:
        return None
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    for variant, marker in _VARIANT_MARKERS.items():
        for measured in (True, False):
            mine = [row for row in sized if (row.variant, row.measured) == (variant, measured)]
            colour = "#D55E00" if variant == "stock" else "#0072B2"
            axes.plot(
                [operations(row.experiment) for row in mine], [row.rows or 0 for row in mine],
                linestyle="", marker=marker, color=colour, markerfacecolor=colour if measured else "none",
                label=_VARIANT_NAMES[variant] + ("" if measured else ", not run here") if mine else None,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations by the published rule")
    axes.set_ylabel("rows of the circuit")
    _finish(axes)
    return figure


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


PICTURES = {
    "accuracy": Picture("Accuracy over predicted proving time, under both trainings", _accuracy),
    "ladder": Picture("Rows of the ladder's circuits over their operations", _ladder),
}


def write_pictures(rows: Sequence[TierRow], ladder: Sequence[LayerRow], stem: Path) -> dict[str, Path]:
    """Write ``STEM-NAME.png`` of every picture that has data; gives their paths, and removes the others'."""
    written = {}
    for name, picture in PICTURES.items():
        path = stem.with_name(f"{stem.name}-{name}.png")
        figure = picture.draw(rows, ladder)
        if figure is None:
            path.unlink(missing_ok=True)  # one of an earlier run would show other rows
            continue
        save_figure(figure, path)
        written[name] = path
    return written
