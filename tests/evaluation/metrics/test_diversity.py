import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.errors import MetricError
from evaluation.metrics import intra_class_diversity


def naive(images: torch.Tensor, labels: torch.Tensor, num_classes: int) -> float:
    """Mean over all pairs of one class, one pair at a time."""
    means = []
    for index in range(num_classes):
        members = [image.double() for image, label in zip(images, labels, strict=True) if label == index]
        pairs = [
            float((members[i] - members[j]).square().mean())
            for i in range(len(members))
            for j in range(i + 1, len(members))
        ]
        means.append(sum(pairs) / len(pairs))
    return sum(means) / num_classes


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(0, 9))
def test_agrees_with_the_double_loop(seed: int, num_classes: int, extra: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(2 * num_classes + extra) % num_classes
    images = torch.rand(len(labels), 3, 4, 4, generator=generator) * 2 - 1
    assert intra_class_diversity(images, labels, num_classes) == pytest.approx(
        naive(images, labels, num_classes), rel=1e-12
    )


def test_black_and_white_are_four_apart() -> None:
    images = torch.stack([torch.full((3, 2, 2), -1.0), torch.full((3, 2, 2), 1.0)])
    assert intra_class_diversity(images, torch.tensor([0, 0]), 1) == pytest.approx(4.0, abs=1e-14)


def test_duplicates_have_none() -> None:
    images = torch.full((6, 3, 2, 2), 0.3)
    assert intra_class_diversity(images, torch.tensor([0, 1, 0, 1, 0, 1]), 2) == pytest.approx(0.0, abs=1e-14)


def test_differences_between_classes_do_not_count() -> None:
    images = torch.tensor([-1.0, 1.0, -1.0, 1.0]).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    assert intra_class_diversity(images, torch.tensor([0, 1, 0, 1]), 2) == pytest.approx(0.0, abs=1e-14)


def test_classes_weigh_the_same_whatever_their_size() -> None:
    images = torch.tensor([-1.0, 1.0, 0.5, 0.5, 0.5, 0.5]).view(6, 1, 1, 1)
    assert intra_class_diversity(images, torch.tensor([0, 0, 1, 1, 1, 1]), 2) == pytest.approx(2.0, abs=1e-14)


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 0, 0]])
def test_a_class_with_fewer_than_two_images_is_an_error(labels: list[int]) -> None:
    with pytest.raises(MetricError, match="at least two images of every class; got . of class 1; draw 4 or more"):
        intra_class_diversity(torch.zeros(3, 3, 2, 2), torch.tensor(labels), 2)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_class_that_is_none_is_an_error(label: int) -> None:
    with pytest.raises(MetricError, match=r"^labels must lie in \[0, 2\)"):
        intra_class_diversity(torch.zeros(5, 3, 2, 2), torch.tensor([0, 0, 1, 1, label]), 2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_bad_values_are_errors(bad: float) -> None:
    images = torch.zeros(4, 3, 2, 2)
    images[2, 0, 0, 0] = bad
    with pytest.raises(MetricError, match="^images must be finite"):
        intra_class_diversity(images, torch.tensor([0, 1, 0, 1]), 2)


def test_empty_is_an_error() -> None:
    with pytest.raises(MetricError, match="N >= 1"):
        intra_class_diversity(torch.zeros(0, 3, 2, 2), torch.zeros(0, dtype=torch.int64), 2)
