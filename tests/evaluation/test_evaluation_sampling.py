import pytest
import torch

from evaluation.errors import SamplerError, SpecError
from evaluation.sampling import balanced_indices, balanced_labels, collect_images, dequantize, quantize


def test_labels_go_round() -> None:
    assert balanced_labels(7, 3).tolist() == [0, 1, 2, 0, 1, 2, 0]
    with pytest.raises(SpecError, match="samples must be positive; got 0"):
        balanced_labels(0, 3)
    with pytest.raises(SpecError, match="num_classes must be at least 2; got 1"):
        balanced_labels(5, 1)


def test_every_byte_survives_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(quantize(dequantize(levels)), levels)
    assert dequantize(levels).min() == -1.0
    assert dequantize(levels).max() == 1.0


def test_rounding_is_to_the_nearest_level_and_clamped() -> None:
    assert quantize(torch.tensor([-1.02, 1.02, 0.0039, -1 + 0.4 / 127.5])).tolist() == [0, 255, 128, 0]


def test_chosen_indices_are_balanced_unique_and_nested() -> None:
    labels = torch.tensor([0] * 50 + [1] * 50)
    small, large = balanced_indices(labels, 2, 11, seed=3), balanced_indices(labels, 2, 40, seed=3)
    assert torch.bincount(labels[small]).tolist() == [6, 5]
    assert len(set(large.tolist())) == 40
    assert set(small.tolist()) <= set(large.tolist())
    assert small.tolist() != balanced_indices(labels, 2, 11, seed=4).tolist()


def test_a_class_with_too_few_images_gives_all_it_has() -> None:
    labels = torch.tensor([0] * 3 + [1] * 50)
    chosen = balanced_indices(labels, 2, 20, seed=0)
    assert torch.bincount(labels[chosen]).tolist() == [3, 10]


@pytest.mark.parametrize("batch_size", [1, 3, 10, 99])
def test_the_sampler_gets_every_index_once_with_its_label(batch_size: int) -> None:
    seen: list[tuple[int, int]] = []

    def sample(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        seen.extend(zip(indices.tolist(), labels.tolist(), strict=True))
        return (indices / 10 - 0.5).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)

    images = collect_images(sample, labels=balanced_labels(10, 4), batch_size=batch_size)
    assert seen == [(index, index % 4) for index in range(10)]
    assert images[:, 0, 0, 0].tolist() == quantize(torch.arange(10) / 10 - 0.5).tolist()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(4, 3, 2, 2), r"float images \[5, 3, H, W\]; got torch.float32 \[4, 3, 2, 2\]"),
        (torch.zeros(5, 1, 2, 2), r"got torch.float32 \[5, 1, 2, 2\]"),
        (torch.zeros(5, 3, 2, 2, dtype=torch.uint8), "got torch.uint8"),
        (torch.full((5, 3, 2, 2), float("nan")), "must be finite; got NaN or infinity in samples 0 to 4"),
        (torch.full((5, 3, 2, 2), float("inf")), "must be finite"),
        (torch.full((5, 3, 2, 2), -1.2), r"must lie in \[-1, 1\]; got magnitude 1.2"),
    ],
)
def test_bad_batches_are_errors(images: torch.Tensor, message: str) -> None:
    with pytest.raises(SamplerError, match=message):
        collect_images(lambda labels, indices: images, labels=balanced_labels(5, 2), batch_size=5)


def test_batch_size_must_be_positive() -> None:
    with pytest.raises(SpecError, match="batch_size must be positive; got 0"):
        collect_images(lambda labels, indices: torch.zeros(1), labels=balanced_labels(5, 2), batch_size=0)
