"""Checks that the metric cores share."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluation.errors import MetricError


def as_finite_matrix(name: str, values: Tensor, *, rows: int = 1) -> Tensor:
    """``values`` [N, D] as float64 on the CPU.

    Raises:
        MetricError: not two-dimensional, fewer than ``rows`` rows, no column, or NaN or infinity inside.
    """
    if values.ndim != 2 or values.shape[0] < rows or values.shape[1] < 1:
        raise MetricError(f"{name} must be [N, D] with N >= {rows}; got {list(values.shape)}; draw more samples")
    result = values.detach().to("cpu", torch.float64)
    if not torch.isfinite(result).all():
        raise MetricError(f"{name} must be finite; got NaN or infinity")
    return result


def as_probabilities(values: Tensor) -> Tensor:
    """``values`` [N, C] as float64 on the CPU, each row a distribution.

    Raises:
        MetricError: as above, or a negative entry, or a row that does not sum to 1 within 1e-6.
    """
    result = as_finite_matrix("probabilities", values)
    if bool((result < 0).any()) or bool(((result.sum(dim=1) - 1).abs() > 1e-6).any()):
        raise MetricError("probabilities must be non-negative with rows that sum to 1; apply softmax in float64 first")
    return result


def as_labels(name: str, values: Tensor, num_classes: int | None = None) -> Tensor:
    """``values`` [N] as int64 on the CPU.

    Raises:
        MetricError: not one-dimensional, empty, not integers, or outside [0, ``num_classes``).
    """
    if values.ndim != 1 or len(values) == 0 or values.is_floating_point() or values.dtype == torch.bool:
        raise MetricError(f"{name} must be integers [N] with N >= 1; got {values.dtype} {list(values.shape)}")
    result = values.detach().to("cpu", torch.int64)
    if num_classes is not None and (int(result.min()) < 0 or int(result.max()) >= num_classes):
        raise MetricError(f"{name} must lie in [0, {num_classes}); got {int(result.min())} to {int(result.max())}")
    return result


def require_same_length(first: Tensor, second: Tensor) -> None:
    """Refuse two tensors whose first dimensions differ.

    Raises:
        MetricError: naming both lengths.
    """
    if len(first) != len(second):
        raise MetricError(f"both arguments must have one row per image; got {len(first)} and {len(second)}")
