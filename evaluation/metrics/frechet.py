"""Frechet distance between two sets of features, each taken for a Gaussian. Lower is better."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.errors import MetricError
from evaluation.metrics.checks import as_finite_matrix


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """Mean [D] and covariance [D, D] of a set of features, float64 on the CPU."""

    mean: Tensor
    covariance: Tensor


def gaussian_statistics(features: Tensor) -> GaussianStatistics:
    """Mean and unbiased covariance of features [N, D], N >= 2.

    Raises:
        MetricError: fewer than two rows, or NaN or infinity.
    """
    rows = as_finite_matrix("features", features, rows=2)
    mean = rows.mean(dim=0)
    centred = rows - mean
    return GaussianStatistics(mean, centred.T @ centred / (len(rows) - 1))


def frechet_distance(first: GaussianStatistics, second: GaussianStatistics) -> float:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians, >= 0.

    ``|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))``: M. Heusel et al. 2017, "GANs trained by a two time-scale update
    rule", equation 6. The last trace is the sum of the singular values of ``C1^(1/2) C2^(1/2)``, so neither a square
    root of an asymmetric matrix nor an inverse is needed and singular covariances (fewer samples than features) are
    no special case.

    Raises:
        MetricError: different numbers of features, or NaN or infinity.
    """
    if first.mean.shape != second.mean.shape:
        raise MetricError(
            f"both sets must have the same number of features; got {len(first.mean)} and {len(second.mean)}"
        )
    if not (torch.isfinite(first.mean).all() and torch.isfinite(second.mean).all()):
        raise MetricError("mean must be finite; got NaN or infinity")
    shift = float((first.mean - second.mean).square().sum())
    traces = float(first.covariance.trace() + second.covariance.trace())
    overlap = float(torch.linalg.svdvals(_root(first.covariance).T @ _root(second.covariance)).sum())
    return max(0.0, shift + traces - 2.0 * overlap)


def _root(covariance: Tensor) -> Tensor:
    """Factorise into R [D, r] of a positive semi-definite matrix: ``R R^T = covariance``, r = its numerical rank.

    Eigenvalues below D times the rounding error of the largest are rounding themselves: a square root would lift
    them from 1e-16 to 1e-8 each.
    """
    matrix = as_finite_matrix("covariance", covariance)
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    kept = values > len(values) * torch.finfo(torch.float64).eps * values[-1].clamp_min(0.0)
    return torch.mul(vectors[:, kept], values[kept].sqrt())
