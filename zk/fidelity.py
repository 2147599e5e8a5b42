"""How far a circuit's outputs lie from the float model's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zk.errors import OptionError


@dataclass(frozen=True)
class FidelityReport:
    """Distance between float and circuit outputs.

    Attributes:
        max_abs_error: greatest absolute difference.
        mean_abs_error: mean absolute difference.
        psnr_db: peak signal-to-noise ratio over all values, in dB; infinite where they are equal.
        samples: number of samples.

    """

    max_abs_error: float
    mean_abs_error: float
    psnr_db: float
    samples: int


def fidelity_report(float_outputs: Tensor, circuit_outputs: Tensor, *, peak: float = 2.0) -> FidelityReport:
    """Compare outputs, in float64.

    Args:
        float_outputs: [N, ...], of any floating type.
        circuit_outputs: the same shape, rescaled to real numbers.
        peak: width of the range of the outputs; 2.0 for images in [-1, 1].

    Returns:
        The distance; its PSNR is ``10 log10(peak**2 / mean squared error)``.

    Raises:
        OptionError: shapes differ, nothing to compare, a value is not finite, or ``peak`` is not positive.

    """
    if float_outputs.shape != circuit_outputs.shape or float_outputs.numel() == 0 or float_outputs.ndim == 0:
        raise OptionError(
            f"outputs must have one shape [N, ...] and not be empty; got {tuple(float_outputs.shape)} and "
            f"{tuple(circuit_outputs.shape)}"
        )
    if not 0.0 < peak < math.inf:
        raise OptionError(f"peak must be positive and finite; got {peak}; give the width of the outputs' range")
    error = (float_outputs.double() - circuit_outputs.double().to(float_outputs.device)).abs()
    if not torch.isfinite(error).all():
        raise OptionError("outputs must be finite; found a value that is not; compare only samples that have a proof")
    squared = float(error.square().mean())
    psnr = 10.0 * math.log10(peak**2 / squared) if squared > 0.0 else math.inf
    return FidelityReport(float(error.max()), float(error.mean()), psnr, error.shape[0])


def label_agreement(labels_a: Tensor, labels_b: Tensor) -> float:
    """Share of samples, from 0 to 1, that two label vectors [N] agree on.

    Raises:
        OptionError: shapes differ, or are not [N] with N above zero.

    """
    if labels_a.shape != labels_b.shape or labels_a.ndim != 1 or not len(labels_a):
        raise OptionError(
            f"labels must be two vectors [N] of one length; got {tuple(labels_a.shape)} and {tuple(labels_b.shape)}"
        )
    return float((labels_a == labels_b.to(labels_a.device)).double().mean())
