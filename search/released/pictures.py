"""Pictures of the models that come with the project: their images beside real ones, and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from evaluation.sampling import dequantize
from search.figures import save_figure
from search.pictures import GAP_PIXELS, GRID_COLUMNS, image_grid
from search.tiers.published import BUDGET_OPERATIONS, CEILING, TIERS, published_experiments
from search.tiers.row import TierRow

PUBLISHED, TRAINED, OURS, REAL = "published", "their shapes trained here", "models", "real test images"
_STYLES: dict[str, dict[str, Any]] = {
    PUBLISHED: {"marker": "x", "color": "#555555"},
    TRAINED: {"marker": "o", "color": "#0072B2", "markerfacecolor": "none"},
    OURS: {"marker": "*", "color": "#D55E00", "markersize": 13},
    REAL: {"marker": "D", "color": "#009E73"},
}


def save_beside_real(
    images: Tensor, real: Tensor, real_labels: Tensor, class_names: Sequence[str], path: Path, *, seed: int
) -> None:
    """Write a PNG of generated images beside real ones, one row per class.

    Args:
        images: uint8 [N, C, S, S], image i of class i modulo K; the first ones of each class are shown.
        real: uint8 [M, C, S, S], of which some of each class are drawn.
        real_labels: int64 [M].
        class_names: K names.
        path: of the picture.
        seed: of the draw.
    """
    classes, rng = len(class_names), torch.Generator().manual_seed(seed)
    drawn = []
    for label in range(classes):
        rows = torch.nonzero(real_labels == label).flatten()
        drawn.append(real[rows[torch.randperm(len(rows), generator=rng)[:GRID_COLUMNS]]])
    shown = images[: classes * GRID_COLUMNS].reshape(GRID_COLUMNS, classes, *images.shape[1:]).transpose(0, 1)
    figure = Figure(figsize=(8.6, 5.2), layout="constrained")
    for axes, title, pictures in zip(
        figure.subplots(1, 2),
        ("real test images", "computed by the circuit"),
        (torch.cat(drawn), shown.flatten(0, 1)),
        strict=True,
    ):
        axes.imshow(image_grid(dequantize(pictures), GRID_COLUMNS))
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        step = images.shape[2] + GAP_PIXELS
        axes.set_yticks([step * (row + 0.5) for row in range(classes)], class_names, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    save_figure(figure, path)


def save_front(rows: Sequence[dict[str, Any]], trained: Sequence[TierRow], path: Path) -> None:
    """Draw accuracy over operations and over diversity: the published tiers, their shapes as trained here, models.

    ``rows`` are those of :func:`search.released.record.record_row`; what has no scores is left out.
    """
    scored = [row for row in rows if row["accuracy"] is not None and row["diversity"] is not None]
    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    by_operations, by_diversity = figure.subplots(1, 2, sharey=True)
    published = [found for found in published_experiments() if found.accuracy is not None]
    own = [row for row in trained if row.scored and row.tier in TIERS and row.regime == "strong"]
    _points(by_operations, PUBLISHED, [(p.counted_ops or p.declared_ops, p.accuracy) for p in published])
    _points(by_operations, TRAINED, [(row.ops_rule, row.accuracy) for row in own])
    _points(by_operations, OURS, [(row["ops_rule"], row["accuracy"]) for row in scored])
    by_operations.axvline(BUDGET_OPERATIONS, color="#555555", linestyle=":", linewidth=1)
    by_operations.set_xlabel("operations by the published rule (dotted: the published limit)")
    by_operations.set_ylabel("images of the class asked for (%)")
    _points(by_diversity, PUBLISHED, [(p.diversity, p.accuracy) for p in published])
    _points(by_diversity, TRAINED, [(row.diversity, row.accuracy) for row in own])
    _points(by_diversity, OURS, [(row["diversity"], row["accuracy"]) for row in scored])
    if scored:
        _points(by_diversity, REAL, [(scored[0]["real_diversity"], scored[0]["real_accuracy"])])
    by_diversity.set_xlabel("diversity within a class")
    for row in scored:
        said = row["name"] if row["prove_seconds"] is None else f"{row['name']}, proved in {row['prove_seconds']:.0f} s"
        by_diversity.annotate(
            said, (row["diversity"], 100 * row["accuracy"]), (-8, 6), textcoords="offset points", fontsize=8, ha="right"
        )
    for axes in (by_operations, by_diversity):
        axes.axhline(100 * CEILING, color="#555555", linestyle="--", linewidth=1)
        axes.set_ylim(0, 100)
        axes.grid(alpha=0.3)
    by_diversity.legend(fontsize=8, loc="lower right")
    save_figure(figure, path)


def _points(axes: Axes, name: str, found: Sequence[tuple[float | None, float | None]]) -> None:
    known = [(x, 100 * y) for x, y in found if x is not None and y is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], linestyle="", label=name, **_STYLES[name])
