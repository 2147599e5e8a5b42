from collections import Counter

import pytest
import torch

from gan.data import BatchSource, Split
from gan.errors import DataError


def numbered_split(count: int, size: int = 4) -> Split:
    """Image i has the value i at its left column and 255 - i elsewhere, and label i % 10."""
    values = torch.arange(count, dtype=torch.uint8)
    images = (255 - values)[:, None, None, None].repeat(1, 3, size, size)
    images[..., 0] = values[:, None, None]
    return Split(images=images, labels=torch.arange(count) % 10)


def decode(images: torch.Tensor) -> list[tuple[int, bool]]:
    """Recover (image number, mirrored) from batches of :func:`numbered_split`; its numbers must stay below 127."""
    left = images[:, 0, 0, 0].add(1).mul(127.5).round().long().tolist()
    return [(value, False) if value < 127 else (255 - value, True) for value in left]


def draw(source: BatchSource, sizes: list[int]) -> list[tuple[int, bool]]:
    return [pair for size in sizes for pair in decode(source.next(size)[0])]


def test_batch_shapes_range_and_labels():
    source = BatchSource(numbered_split(20), seed=1)
    images, labels = source.next(6)
    assert images.shape == (6, 3, 4, 4)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert [number % 10 for number, _ in decode(images)] == labels.tolist()


def test_pixel_range_is_signed_unit():
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 2, 2)
    batch, labels = BatchSource(Split(images, torch.tensor([0, 1])), seed=0).next(2)
    assert sorted(batch[:, 0, 0, 0].tolist()) == [-1.0, 1.0]
    assert torch.equal(batch[:, 0, 0, 0] > 0, labels == 1)


def test_every_epoch_visits_each_image_once_across_batch_ends():
    numbers = [number for number, _ in draw(BatchSource(numbered_split(10), seed=3), [4] * 10)]
    epochs = [numbers[start : start + 10] for start in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_batch_larger_than_the_split_spans_epochs():
    source = BatchSource(numbered_split(5), seed=0)
    images, _ = source.next(15)
    assert Counter(number for number, _ in decode(images)) == dict.fromkeys(range(5), 3)
    assert source.epoch == 2


def test_stream_does_not_depend_on_batch_size_or_flip():
    whole = draw(BatchSource(numbered_split(7), seed=5, horizontal_flip=True), [21])
    pieces = draw(BatchSource(numbered_split(7), seed=5, horizontal_flip=True), [1, 5, 8, 2, 5])
    plain = draw(BatchSource(numbered_split(7), seed=5, horizontal_flip=False), [21])
    assert whole == pieces
    assert [n for n, _ in whole] == [n for n, _ in plain]
    assert not any(mirrored for _, mirrored in plain)


def test_seeds_differ_and_global_state_is_left_alone():
    before = torch.get_rng_state()
    one, two = (draw(BatchSource(numbered_split(50), seed=seed), [50]) for seed in (0, 1))
    assert one != two
    assert torch.equal(before, torch.get_rng_state())


def test_flip_mirrors_half_of_the_images_at_random():
    pairs = draw(BatchSource(numbered_split(100), seed=2, horizontal_flip=True), [100] * 40)
    mirrored = sum(flag for _, flag in pairs)
    assert abs(mirrored - 2000) < 4 * (4000 * 0.25) ** 0.5
    per_image = Counter(number for number, flag in pairs if flag)
    assert 0 < min(per_image.values()) <= max(per_image.values()) < 40


def test_flip_reverses_columns_only():
    image = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4)
    source = BatchSource(Split(image, torch.tensor([0])), seed=0, horizontal_flip=True)
    seen = {tuple(source.next(1)[0].add(1).mul(127.5).round().long().flatten().tolist()) for _ in range(40)}
    assert seen == {tuple(image.flatten().tolist()), tuple(image.flip(-1).flatten().tolist())}


@pytest.mark.parametrize("drawn", [0, 3, 10, 13, 20])
def test_resume_continues_the_same_stream(drawn):
    source = BatchSource(numbered_split(10), seed=9, horizontal_flip=True)
    if drawn:
        source.next(drawn)
    state = source.state_dict()
    expected = draw(source, [7, 7, 7])
    resumed = BatchSource(numbered_split(10), seed=12345, horizontal_flip=True)
    resumed.next(4)
    resumed.load_state_dict(state)
    assert draw(resumed, [7, 7, 7]) == expected
    assert resumed.epoch == source.epoch


def test_state_survives_saving_and_is_a_snapshot(tmp_path):
    source = BatchSource(numbered_split(10), seed=9)
    source.next(3)
    torch.save(source.state_dict(), tmp_path / "state.pt")
    snapshot = source.state_dict()
    expected = draw(source, [30])
    loaded = torch.load(tmp_path / "state.pt", weights_only=True)
    for state in (loaded, snapshot):
        resumed = BatchSource(numbered_split(10), seed=0)
        resumed.load_state_dict(state)
        assert draw(resumed, [30]) == expected


def test_state_of_another_split_is_refused():
    state = BatchSource(numbered_split(10), seed=0).state_dict()
    with pytest.raises(DataError, match="position 0 of 10 for a split of 9"):
        BatchSource(numbered_split(9), seed=0).load_state_dict(state)
    with pytest.raises(DataError, match="must have the keys"):
        BatchSource(numbered_split(10), seed=0).load_state_dict({"position": 0})


def test_bad_arguments_are_refused():
    with pytest.raises(DataError, match="at least one image"):
        BatchSource(numbered_split(0), seed=0)
    with pytest.raises(DataError, match="batch_size must be at least 1; found 0"):
        BatchSource(numbered_split(3), seed=0).next(0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_stream_on_cuda_equals_cpu():
    split = numbered_split(20)
    cpu, cuda = (BatchSource(split.to(device), seed=4, horizontal_flip=True) for device in ("cpu", "cuda"))
    for _ in range(5):
        (images, labels), (images_cuda, labels_cuda) = cpu.next(9), cuda.next(9)
        assert images_cuda.device.type == labels_cuda.device.type == "cuda"
        assert torch.equal(labels, labels_cuda.cpu())
        assert torch.allclose(images, images_cuda.cpu(), atol=1e-6)
