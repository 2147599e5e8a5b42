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
        ReleaseError: no scores of these images are recorded, or others.
        CacheFileError: a scoring network does not come with the project.
        ZkError: the circuit cannot be built.
    """
    try:
        before = {str(name): float(value) for name, value in model.scores["check"].items()}
        samples, seed = int(before["samples"]), int(model.scores["seed"])
        networks = [str(model.scores[name]) for name in ("classifier_digest", "judge_digest")]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReleaseError(
            f"{model.name} must have recorded scores to compare with ({error!r}); python -m search.released score"
        ) from error
    images, _ = circuit_images(model, samples=samples, seed=seed, budget=budget)
    classifier, judge = (load_shipped(digest, classifiers) for digest in networks)
    found = scores_without_data(images, model.spec.num_classes, classifier=classifier, judge=judge, seed=seed)
    if set(found) != set(before):
        raise ReleaseError(
            f"{model.name} must have recorded {', '.join(sorted(found))}; it has {', '.join(sorted(before))}"
        )
    return compare_figures("scores", before, found, tolerance=tolerance)


def again_lines(found: Sequence[Comparison]) -> list[str]:
    """Lay the comparison out as a table, with the verdict below it."""
    bad = [comparison.name for comparison in found if not comparison.holds]
    return [*comparison_lines(found), f"OUTSIDE the tolerance: {', '.join(bad)}" if bad else "all within the tolerance"]
