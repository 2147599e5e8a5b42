"""Means, spreads and fits against closed forms and numpy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zk.benchmark.statistics import coefficient_of_variation, geometric_mean, line_fit, power_fit, summarize
from zk.errors import OptionError

positive = st.floats(min_value=1e-3, max_value=1e6)


def test_geometric_mean_of_powers_of_two() -> None:
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([5.0]) == pytest.approx(5.0)
    assert geometric_mean([4.0, 0.25]) == pytest.approx(1.0)


@given(st.lists(positive, min_size=1, max_size=20), positive)
def test_geometric_mean_scales_with_its_values(values: list[float], factor: float) -> None:
    scaled = geometric_mean([factor * value for value in values])
    assert scaled == pytest.approx(factor * geometric_mean(values), rel=1e-9)
    assert min(values) * (1 - 1e-9) <= geometric_mean(values) <= max(values) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one value"),
        ([1.0, 0.0], "positive values; got 0.0"),
        ([1.0, -2.0], "positive values; got -2.0"),
        ([math.nan], "finite values; got nan"),
        ([math.inf], "finite values; got inf"),
    ],
)
def test_geometric_mean_refuses_what_has_none(values: list[float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        geometric_mean(values)


def test_summary_of_a_small_sample() -> None:
    found = summarize([1.0, 2.0, 6.0])
    assert (found.count, found.mean, found.minimum, found.median, found.maximum) == (3, 3.0, 1.0, 2.0, 6.0)
    assert found.deviation == pytest.approx(math.sqrt(7.0))


def test_one_value_has_no_deviation() -> None:
    assert summarize([4.0]).deviation is None
    assert coefficient_of_variation([4.0]) is None


def test_coefficient_of_variation() -> None:
    assert coefficient_of_variation([1.0, 2.0, 6.0]) == pytest.approx(math.sqrt(7.0) / 3.0)
    assert coefficient_of_variation([3.0, 3.0]) == 0.0


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "at least one value"), ([1.0, math.nan], "finite values"), ([-1.0, 1.0], "positive mean; got 0.0")],
)
def test_coefficient_of_variation_refuses(values: list[float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        coefficient_of_variation(values)


def test_a_line_is_found_exactly() -> None:
    fit = line_fit([0.0, 1.0, 2.0, 3.0], [5.0, 3.0, 1.0, -1.0])
    assert (fit.slope, fit.intercept, fit.r_squared, fit.points) == (-2.0, 5.0, 1.0, 4)
    assert fit.slope_error == 0.0


def test_a_fit_with_residuals_against_the_closed_form() -> None:
    # Slope 1/2, residuals -1/6, 1/3, -1/6: their squares add up to 1/6, those of y about its mean to 2/3.
    fit = line_fit([0.0, 1.0, 2.0], [0.0, 1.0, 1.0])
    assert fit.slope == pytest.approx(0.5)
    assert fit.intercept == pytest.approx(1 / 6)
    assert fit.r_squared == pytest.approx(1 - (1 / 6) / (2 / 3))
    assert fit.slope_error == pytest.approx(math.sqrt(1 / 6 / 1 / 2))


def test_a_fit_agrees_with_numpy() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(0, 10, 50)
    y = 3 * x - 2 + random.normal(size=50)
    fit = line_fit(list(x), list(y))
    (slope, intercept), covariance = np.polyfit(x, y, 1, cov=True)
    assert fit.slope == pytest.approx(slope, rel=1e-10)
    assert fit.intercept == pytest.approx(intercept, rel=1e-10)
    assert fit.r_squared == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, rel=1e-10)
    assert fit.slope_error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-10)


def test_two_points_have_no_error_and_a_flat_line_no_r_squared() -> None:
    assert line_fit([1.0, 2.0], [3.0, 5.0]).slope_error is None
    flat = line_fit([1.0, 2.0, 3.0], [0.1, 0.1, 0.1])
    assert flat.slope == pytest.approx(0.0)
    assert flat.r_squared is None


@given(st.floats(min_value=-3, max_value=3), positive)
def test_a_power_law_is_found(exponent: float, factor: float) -> None:
    x = [1.0, 2.0, 5.0, 30.0]
    fit = power_fit(x, [factor * value**exponent for value in x])
    assert fit.exponent == pytest.approx(exponent, abs=1e-9)
    assert fit.factor == pytest.approx(factor, rel=1e-9)
    assert fit.at(7.0) == pytest.approx(factor * 7.0**exponent, rel=1e-8)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "at least one value"),
        ([1.0], [1.0, 2.0], "as many x as y; got 1 and 2"),
        ([2.0, 2.0], [1.0, 2.0], "two different x; got 1"),
        ([1.0, 2.0], [1.0, math.nan], "finite values; got nan"),
    ],
)
def test_a_line_refuses(x: list[float], y: list[float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        line_fit(x, y)


def test_a_power_law_refuses_zero() -> None:
    with pytest.raises(OptionError, match="a power law needs positive values; got 0.0"):
        power_fit([0.0, 1.0], [1.0, 2.0])
