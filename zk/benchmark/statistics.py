"""Means, spreads and fits of measured figures; pure functions, in float64.

No function returns NaN: what has no value is refused, or given as None where a small sample is nothing wrong.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from zk.errors import OptionError


@dataclass(frozen=True)
class Summary:
    """A sample in a few figures, in the unit of its values. ``deviation`` (sample) is None for a single value."""

    count: int
    mean: float
    deviation: float | None
    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class LineFit:
    """A least-squares line ``y = intercept + slope * x``.

    Attributes:
        slope: change of ``y`` for one more ``x``.
        intercept: ``y`` at ``x = 0``.
        r_squared: share of the variance of ``y`` that the line explains, in [0, 1]; None where ``y`` never changes.
        slope_error: standard error of the slope; None for two points, which every line through them meets.
        points: how many points were fitted.
    """

    slope: float
    intercept: float
    r_squared: float | None
    slope_error: float | None
    points: int


@dataclass(frozen=True)
class PowerFit:
    """A power law ``y = factor * x ** exponent``, fitted as a line through the logarithms.

    ``r_squared`` and ``exponent_error`` are of that line; see :class:`LineFit`.
    """

    exponent: float
    factor: float
    r_squared: float | None
    exponent_error: float | None
    points: int

    def at(self, x: float) -> float:
        """The fitted ``y`` at a positive ``x``."""
        return float(self.factor * x**self.exponent)


def geometric_mean(values: Sequence[float]) -> float:
    """The ``n``-th root of the product of ``n`` positive values: the mean to take of ratios.

    Raises:
        OptionError: there are no values, or one is not positive and finite.
    """
    return math.exp(math.fsum(_logarithms(values, "a geometric mean")) / len(values))


def summarize(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation, least, middle and greatest of at least one finite value.

    Raises:
        OptionError: there are no values, or one is not finite.
    """
    _check_finite(values, "a summary")
    return Summary(
        count=len(values),
        mean=math.fsum(values) / len(values),
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        minimum=min(values),
        median=statistics.median(values),
        maximum=max(values),
    )


def coefficient_of_variation(values: Sequence[float]) -> float | None:
    """Sample standard deviation over the mean, without unit; None for a single value.

    Raises:
        OptionError: there are no values, one is not finite, or their mean is not positive.
    """
    summary = summarize(values)
    if summary.mean <= 0:
        raise OptionError(f"a coefficient of variation needs a positive mean; got {summary.mean}; pass positive values")
    return None if summary.deviation is None else summary.deviation / summary.mean


def line_fit(x: Sequence[float], y: Sequence[float]) -> LineFit:
    """Ordinary least squares of ``y`` on ``x``; the slope's error is ``sqrt(residual / (n - 2) / spread of x)``.

    Raises:
        OptionError: the lengths differ, a value is not finite, or there are no two different ``x``.
    """
    if len(x) != len(y):
        raise OptionError(f"a fit needs as many x as y; got {len(x)} and {len(y)}; pass them in pairs")
    _check_finite(x, "a fit")
    _check_finite(y, "a fit")
    if len(set(x)) < 2:
        raise OptionError(f"a fit needs two different x; got {len(set(x))}; measure another size")
    count = len(x)
    mean_x, mean_y = math.fsum(x) / count, math.fsum(y) / count
    spread = math.fsum((value - mean_x) ** 2 for value in x)
    total = math.fsum((value - mean_y) ** 2 for value in y)
    slope = math.fsum((left - mean_x) * (right - mean_y) for left, right in zip(x, y, strict=True)) / spread
    intercept = mean_y - slope * mean_x
    residual = math.fsum((right - intercept - slope * left) ** 2 for left, right in zip(x, y, strict=True))
    return LineFit(
        slope=slope,
        intercept=intercept,
        r_squared=None if len(set(y)) == 1 else max(0.0, 1 - residual / total),
        slope_error=math.sqrt(residual / (count - 2) / spread) if count > 2 else None,
        points=count,
    )


def power_fit(x: Sequence[float], y: Sequence[float]) -> PowerFit:
    """Fit ``y = factor * x ** exponent`` by least squares on the logarithms of both.

    Raises:
        OptionError: a value is not positive and finite, or :func:`line_fit` refuses the logarithms.
    """
    line = line_fit(_logarithms(x, "a power law"), _logarithms(y, "a power law"))
    return PowerFit(line.slope, math.exp(line.intercept), line.r_squared, line.slope_error, line.points)


def _logarithms(values: Sequence[float], purpose: str) -> list[float]:
    _check_finite(values, purpose)
    if (least := min(values)) <= 0:
        raise OptionError(f"{purpose} needs positive values; got {least}; leave out what was not measured")
    return [math.log(value) for value in values]


def _check_finite(values: Sequence[float], purpose: str) -> None:
    if not values:
        raise OptionError(f"{purpose} needs at least one value; got none; measure something first")
    for value in values:
        if not math.isfinite(value):
            raise OptionError(f"{purpose} needs finite values; got {value}; leave out what was not measured")
