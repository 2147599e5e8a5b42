import math

import pytest
import torch

from evaluation.errors import MetricError
from evaluation.metrics import inception_score


def test_sure_and_balanced_predictions_score_the_number_of_classes() -> None:
    result = inception_score(torch.eye(10).repeat(5, 1), splits=5)
    assert result.mean == pytest.approx(10.0, rel=1e-12)
    assert result.deviation == pytest.approx(0.0, abs=1e-12)


def test_equal_predictions_score_one() -> None:
    assert inception_score(torch.full((20, 4), 0.25), splits=2).mean == pytest.approx(1.0, rel=1e-12)
    assert inception_score(torch.eye(4)[[1] * 20], splits=2).mean == pytest.approx(1.0, rel=1e-12)


def test_two_rows_by_hand() -> None:
    rows = torch.tensor([[0.75, 0.25], [0.25, 0.75]], dtype=torch.float64)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    result = inception_score(rows, splits=1)
    assert result.mean == pytest.approx(math.exp(divergence), rel=1e-12)
    assert result.deviation == 0.0


def test_splits_give_their_mean_and_sample_deviation() -> None:
    # First group: two sure classes, score 2. Second group: one class, score 1.
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    result = inception_score(rows, splits=2)
    assert result.mean == pytest.approx(1.5, rel=1e-12)
    assert result.deviation == pytest.approx(math.sqrt(0.5), rel=1e-12)


def test_lies_between_one_and_the_number_of_classes() -> None:
    rows = torch.randn(90, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).mul(5).softmax(1)
    assert 1.0 <= inception_score(rows, splits=3).mean <= 6.0


def test_ten_splits_unless_told_and_one_row_each_is_enough() -> None:
    rows = torch.rand(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).softmax(dim=1)
    assert inception_score(rows) == inception_score(rows, 10)
    assert inception_score(rows).mean == pytest.approx(1.0)  # a split of one row is its own marginal
    with pytest.raises(MetricError, match="1 <= splits <= samples; got 10 splits, 9 samples"):
        inception_score(rows[:9])


def test_bad_input() -> None:
    rows = torch.full((4, 2), 0.5)
    with pytest.raises(MetricError, match="got 5 splits, 4 samples"):
        inception_score(rows, splits=5)
    with pytest.raises(MetricError, match="got 0 splits"):
        inception_score(rows, splits=0)
    with pytest.raises(MetricError, match="rows that sum to 1"):
        inception_score(rows * 0.9, splits=2)
    with pytest.raises(MetricError, match="non-negative"):
        inception_score(torch.tensor([[1.5, -0.5]]), splits=1)
    with pytest.raises(MetricError, match="must be finite"):
        inception_score(torch.tensor([[float("nan"), 1.0]]), splits=1)
    with pytest.raises(MetricError, match="N >= 1"):
        inception_score(torch.empty(0, 2), splits=1)
