"""A model's recorded scores beside those of the same images, computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.classifier import load_shipped
from evaluation.classifier.shipped import SHIPPED
from search.errors import ReleaseError
from search.released.measure import circuit_images, scores_without_data
from search.released.model import ReleasedModel
from search.reproduce.comparison import Comparison, compare_figures
from search.reproduce.report import comparison_lines
from zk.types import Budget

TOLERANCE = 0.005
"""Ten images of 2,000: processors differ in the last bits of a classifier's sums, circuits do not."""


def score_again(
    model: ReleasedModel, *, tolerance: float = TOLERANCE, budget: Budget, classifiers: Path = SHIPPED
) -> list[Comparison]:
    """Compute as many of a model's images by its circuit as were recorded for this, score them, and compare.

    Args:
        model: with recorded scores.
        tolerance: see :func:`search.reproduce.comparison.compare_figures`.
        budget: of the circuit's compilation.
        classifiers: folder of the scoring networks.

    Raises:
        ReleaseError: no scores are recorded.
        CacheFileError: a scoring network does not come with the project.
        ZkError: the circuit cannot be built.
    """
    recorded = model.scores.get("check")
    if not isinstance(recorded, dict):
        raise ReleaseError(f"{model.name} must have recorded scores; score it first: python -m search.released score")
    seed = int(model.scores["seed"])
    images = circuit_images(model, samples=int(recorded["samples"]), seed=seed, budget=budget)
    found = scores_without_data(
        images,
        model.spec.num_classes,
        classifier=load_shipped(str(model.scores["classifier_digest"]), classifiers),
        judge=load_shipped(str(model.scores["judge_digest"]), classifiers),
        seed=seed,
    )
    before = {name: float(value) for name, value in recorded.items()}
    return compare_figures("scores", before, found, tolerance=tolerance)


def again_lines(found: Sequence[Comparison]) -> list[str]:
    """Lay the comparison out as a table, with the verdict below it."""
    bad = [comparison.name for comparison in found if not comparison.holds]
    return [*comparison_lines(found), f"OUTSIDE the tolerance: {', '.join(bad)}" if bad else "all within the tolerance"]
