import pytest
import torch

from evaluation.errors import MetricError
from evaluation.metrics import expected_calibration_error


def binary(confidences: list[float]) -> torch.Tensor:
    confidence = torch.tensor(confidences, dtype=torch.float64)
    return torch.stack([confidence, 1 - confidence], dim=1)


def test_sure_and_right_is_zero_and_sure_and_wrong_is_one() -> None:
    probabilities = binary([1.0, 1.0])
    assert expected_calibration_error(probabilities, torch.tensor([0, 0])) == pytest.approx(0.0, abs=1e-15)
    assert expected_calibration_error(probabilities, torch.tensor([1, 1])) == pytest.approx(1.0, abs=1e-15)


def test_gaps_within_one_bin_cancel() -> None:
    # Half right at confidence one half: calibrated as a group, off by 0.5 one by one.
    assert expected_calibration_error(binary([0.5, 0.5]), torch.tensor([0, 1])) == pytest.approx(0.0, abs=1e-15)


def test_two_bins_by_hand() -> None:
    probabilities = binary([0.9, 0.9, 0.6])
    labels = torch.tensor([0, 1, 0])
    expected = (2 * abs(0.5 - 0.9) + abs(1 - 0.6)) / 3
    assert expected_calibration_error(probabilities, labels, bins=5) == pytest.approx(expected, abs=1e-12)


def test_bins_are_open_below_and_closed_above() -> None:
    # 0.75 is the upper edge of (0.5, 0.75] and shares it with 0.6: their gaps, -0.75 and +0.4, partly cancel.
    probabilities = binary([0.75, 0.6])
    value = expected_calibration_error(probabilities, torch.tensor([1, 0]), bins=4)
    assert value == pytest.approx(abs(-0.75 + 0.4) / 2, abs=1e-12)


def test_a_confidence_that_is_rounded_above_one_is_in_the_last_bin() -> None:
    probabilities = torch.tensor([[1 + 5e-7, 0.0], [0.99, 0.01]], dtype=torch.float64)
    value = expected_calibration_error(probabilities, torch.tensor([0, 1]))
    assert value == pytest.approx(0.99 / 2, abs=1e-6)


def test_the_two_lowest_of_fifteen_bins_are_apart() -> None:
    """Their edge is at 0.0667; where the gaps of both fell together they would cancel."""
    confidences = torch.tensor([0.064, 0.069], dtype=torch.float64)
    probabilities = ((1 - confidences) / 39)[:, None].repeat(1, 40)
    probabilities[:, 0] = confidences
    assert expected_calibration_error(probabilities, torch.tensor([0, 1])) == pytest.approx((0.936 + 0.069) / 2)


@pytest.mark.parametrize(("classes", "spread"), [(7, 2.0), (40, 0.5)])  # of few classes none is in the lowest bin
def test_agrees_with_a_naive_loop(classes: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.randn(300, classes, generator=generator, dtype=torch.float64).mul(spread).softmax(dim=1)
    labels = torch.randint(classes, (300,), generator=generator)
    total = 0.0
    for m in range(1, 16):
        members = [
            (float(p.max()), float(p.argmax() == t))
            for p, t in zip(probabilities, labels, strict=True)
            if (m - 1) / 15 < float(p.max()) <= m / 15
        ]
        if members:
            confidence = sum(c for c, _ in members) / len(members)
            right = sum(r for _, r in members) / len(members)
            total += len(members) / 300 * abs(right - confidence)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(total, abs=1e-12)


def test_bad_input() -> None:
    good = binary([0.5])
    with pytest.raises(MetricError, match="bins must be positive"):
        expected_calibration_error(good, torch.tensor([0]), bins=0)
    assert expected_calibration_error(good, torch.tensor([0]), bins=1) == pytest.approx(0.5)
    with pytest.raises(MetricError, match=r"^labels must lie in \[0, 2\); got 2 to 2"):
        expected_calibration_error(good, torch.tensor([2]))
    with pytest.raises(MetricError, match="^labels must be integers"):
        expected_calibration_error(good, torch.tensor([0.0]))
    with pytest.raises(MetricError, match="^probabilities must be finite"):
        expected_calibration_error(good * float("nan"), torch.tensor([0]))
    with pytest.raises(MetricError, match="^probabilities must be non-negative with rows that sum to 1"):
        expected_calibration_error(good * 2, torch.tensor([0]))
    with pytest.raises(MetricError, match="N >= 1"):
        expected_calibration_error(torch.empty(0, 2), torch.empty(0, dtype=torch.int64))
