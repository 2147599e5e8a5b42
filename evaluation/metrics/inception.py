"""The Inception Score of class probabilities. Higher is better, between 1 and the number of classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evaluation.errors import MetricError
from evaluation.metrics.checks import as_probabilities


class InceptionScoreResult(NamedTuple):
    """Mean over the splits and their sample standard deviation (0 for one split)."""

    mean: float
    deviation: float


def inception_score(probabilities: Tensor, splits: int = 10) -> InceptionScoreResult:
    """``exp(E_x KL(p(y|x) || p(y)))`` in each of ``splits`` consecutive groups of rows.

    T. Salimans et al. 2016, "Improved techniques for training GANs", section 4. ``0 log 0`` counts as 0. Rows are not
    shuffled; rows in class order must be shuffled by the caller. Groups are those of ``torch.chunk``.

    Args:
        probabilities: [N, C], rows sum to 1, N >= ``splits``.
        splits: number of groups.

    Raises:
        MetricError: fewer rows than splits, ``splits`` < 1, or not distributions.
    """
    rows = as_probabilities(probabilities)
    check_splits(len(rows), splits)
    scores = torch.stack([_one_score(chunk) for chunk in rows.chunk(splits)])
    return InceptionScoreResult(float(scores.mean()), float(scores.std()) if len(scores) > 1 else 0.0)


def check_splits(samples: int, splits: int) -> None:
    """Refuse a number of splits that leaves one without images.

    Raises:
        MetricError: ``splits`` < 1 or fewer samples than splits.
    """
    if splits < 1 or samples < splits:
        raise MetricError(f"the Inception Score needs 1 <= splits <= samples; got {splits} splits, {samples} samples")


def _one_score(rows: Tensor) -> Tensor:
    marginal = rows.mean(dim=0, keepdim=True)
    divergence = (torch.special.xlogy(rows, rows) - torch.special.xlogy(rows, marginal)).sum(dim=1)
    return torch.exp(divergence.mean())
