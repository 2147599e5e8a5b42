import math

import pytest
import torch

from evaluation.errors import MetricError
from evaluation.metrics import mode_entropy, normalised_mode_entropy


def test_all_classes_alike_give_the_log_of_their_number() -> None:
    predicted = torch.arange(40) % 8
    assert mode_entropy(predicted, 8) == pytest.approx(math.log(8), rel=1e-14)
    assert normalised_mode_entropy(predicted, 8) == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("count", [1, 7])
def test_one_class_gives_zero(count: int) -> None:
    assert mode_entropy(torch.full((count,), 3), 10) == pytest.approx(0.0, abs=1e-15)


def test_a_quarter_and_three_quarters() -> None:
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert mode_entropy(torch.tensor([0, 2, 2, 2]), 3) == pytest.approx(expected, rel=1e-14)
    assert normalised_mode_entropy(torch.tensor([0, 2, 2, 2]), 3) == pytest.approx(expected / math.log(3), rel=1e-14)


def test_two_classes_are_enough() -> None:
    expected = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert normalised_mode_entropy(torch.tensor([0, 1, 1, 1]), 2) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("classes", [5, 13, 31])
def test_rounding_does_not_lift_the_share_above_one(classes: int) -> None:
    predicted = torch.arange(classes)
    assert mode_entropy(predicted, classes) > math.log(classes), "or this tests nothing"
    assert normalised_mode_entropy(predicted, classes) == 1.0


def test_bad_input() -> None:
    with pytest.raises(MetricError, match="N >= 1"):
        mode_entropy(torch.empty(0, dtype=torch.int64), 3)
    with pytest.raises(MetricError, match=r"^predicted must lie in \[0, 3\)"):
        mode_entropy(torch.tensor([3]), 3)
    with pytest.raises(MetricError, match="num_classes must be at least 2"):
        normalised_mode_entropy(torch.tensor([0]), 1)
