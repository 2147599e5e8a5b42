import pytest
import torch

from evaluation.errors import MetricError
from evaluation.metrics import GaussianStatistics, frechet_distance, gaussian_statistics
from evaluation.metrics.frechet import _root


def normal(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_statistics_agree_with_the_definitions() -> None:
    rows = normal(9, 4, 0)
    result = gaussian_statistics(rows)
    torch.testing.assert_close(result.mean, rows.sum(0) / 9)
    torch.testing.assert_close(result.covariance, torch.cov(rows.T))


def test_diagonal_gaussians_have_a_closed_form() -> None:
    first = torch.tensor([1.0, 4.0, 0.25], dtype=torch.float64)
    second = torch.tensor([9.0, 0.0, 0.25], dtype=torch.float64)
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    expected = float(shift.square().sum() + (first.sqrt() - second.sqrt()).square().sum())
    value = frechet_distance(
        GaussianStatistics(torch.zeros(3, dtype=torch.float64), torch.diag(first)),
        GaussianStatistics(shift, torch.diag(second)),
    )
    assert value == pytest.approx(expected, abs=1e-12)


def test_full_covariances_agree_with_the_eigenvalues_of_their_product() -> None:
    first, second = gaussian_statistics(normal(60, 8, 1)), gaussian_statistics(normal(60, 8, 2) * 1.7 + 0.3)
    root_trace = torch.linalg.eigvals(first.covariance @ second.covariance).real.sqrt().sum()
    expected = (first.mean - second.mean).square().sum() + first.covariance.trace() + second.covariance.trace()
    assert frechet_distance(first, second) == pytest.approx(float(expected - 2 * root_trace), rel=1e-10)


@pytest.mark.parametrize("rows", [5, 40, 400])
def test_a_set_is_at_distance_zero_from_itself_even_when_singular(rows: int) -> None:
    statistics = gaussian_statistics(normal(rows, 40, 3))
    assert frechet_distance(statistics, statistics) == pytest.approx(0.0, abs=1e-10)


def test_is_symmetric_and_grows_with_the_shift() -> None:
    first = gaussian_statistics(normal(50, 6, 4))
    near, far = (gaussian_statistics(normal(50, 6, 5) + shift) for shift in (1.0, 2.0))
    assert frechet_distance(first, near) == pytest.approx(frechet_distance(near, first), rel=1e-10)
    assert frechet_distance(first, near) < frechet_distance(first, far)


def test_equals_the_squared_shift_when_only_the_mean_moves() -> None:
    rows = normal(7, 12, 6)
    value = frechet_distance(gaussian_statistics(rows), gaussian_statistics(rows + 3.0))
    assert value == pytest.approx(12 * 9.0, rel=1e-10)


def test_constant_features_have_a_zero_covariance() -> None:
    ones, twos = (gaussian_statistics(torch.full((4, 3), value)) for value in (1.0, 2.0))
    assert frechet_distance(ones, twos) == pytest.approx(3.0, abs=1e-12)


def test_bad_input() -> None:
    with pytest.raises(MetricError, match="N >= 2"):
        gaussian_statistics(torch.zeros(1, 3))
    with pytest.raises(MetricError, match="must be finite"):
        gaussian_statistics(torch.tensor([[0.0], [float("inf")]]))
    with pytest.raises(MetricError, match="same number of features; got 3 and 4"):
        frechet_distance(gaussian_statistics(normal(5, 3, 0)), gaussian_statistics(normal(5, 4, 0)))
    bad = GaussianStatistics(torch.zeros(2), torch.full((2, 2), float("nan")))
    with pytest.raises(MetricError, match="covariance must be finite"):
        frechet_distance(bad, bad)


def test_nan_means_are_errors() -> None:
    bad = GaussianStatistics(torch.full((2,), float("nan")), torch.eye(2))
    good = GaussianStatistics(torch.zeros(2), torch.eye(2))
    for pair in ((bad, bad), (bad, good), (good, bad)):
        with pytest.raises(MetricError, match="^mean must be finite"):
            frechet_distance(*pair)


@pytest.mark.parametrize(
    ("eigenvalues", "rank"),
    [([4.0, 1e-15], 1), ([4.0, 1e-14], 2), ([4e-6, 1e-20], 2), ([4e-6, 1e-21], 1), ([0.0, 0.0], 0)],
)
def test_what_rounding_makes_of_a_covariance_is_left_out(eigenvalues: list[float], rank: int) -> None:
    """Of two numbers the smaller must be above 4.4e-16 of the greater."""
    assert _root(torch.diag(torch.tensor(eigenvalues, dtype=torch.float64))).shape == (2, rank)
