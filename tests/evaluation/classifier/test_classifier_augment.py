import torch
from torch.nn.functional import pad

from evaluation.classifier.augment import EpochPlan, alternating_mirror, crop_batch, draw_plan, reflect_pad


def test_reflection_agrees_with_torch() -> None:
    images = torch.randint(256, (2, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for pixels in (0, 1, 4):
        expected = pad(images.float(), (pixels,) * 4, mode="reflect").to(torch.uint8) if pixels else images
        assert torch.equal(reflect_pad(images, pixels), expected)


def test_crops_agree_with_slicing() -> None:
    padded = torch.arange(4 * 3 * 6 * 6).view(4, 3, 6, 6)
    plan = EpochPlan(
        order=torch.tensor([2, 0, 3, 1]),
        rows=torch.tensor([0, 2, 1, 2]),
        columns=torch.tensor([1, 0, 2, 2]),
        mirrored=torch.tensor([False, True, False, True]),
    )
    batch = crop_batch(padded, plan, 1, 4, 4)
    assert torch.equal(batch[0], padded[0, :, 2:6, 0:4].flip(2))
    assert torch.equal(batch[1], padded[3, :, 1:5, 2:6])
    assert torch.equal(batch[2], padded[1, :, 2:6, 2:6].flip(2))


def test_a_plan_visits_every_image_once_and_covers_all_offsets() -> None:
    mirror = torch.arange(500) % 3 == 0
    plan = draw_plan(count=500, offsets=5, mirror=mirror, generator=torch.Generator().manual_seed(0))
    assert sorted(plan.order.tolist()) == list(range(500))
    assert set(plan.rows.tolist()) == set(plan.columns.tolist()) == set(range(5))
    assert torch.equal(plan.mirrored, mirror[plan.order])


def test_mirroring_alternates() -> None:
    first = torch.tensor([True, False])
    assert alternating_mirror(first, 0).tolist() == [True, False]
    assert alternating_mirror(first, 1).tolist() == [False, True]
    assert alternating_mirror(first, 2).tolist() == [True, False]
