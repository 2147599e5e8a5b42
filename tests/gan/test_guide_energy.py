import math
from dataclasses import replace

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import SpecError
from gan.guide import EnergyDistance, EnergySettings, Guide, GuideSpec, train_guide
from gan.guide.energy import _varied, _whitening, distances
from gan.guide.poses import posed

CPU = torch.device("cpu")
SPEC = GuideSpec(widths=(4, 6, 8), epochs=4, batch_size=8, learning_rate=0.05, shift=1)
ENERGY = EnergySettings(weight=2.0, real_images=8, generated_images=50)


@pytest.fixture
def guide(tiny_dataset: ImageDataset) -> Guide:
    return train_guide(SPEC, tiny_dataset, device=CPU)


def test_whitening_evens_parts_and_directions_out() -> None:
    rng = torch.Generator().manual_seed(0)
    found = torch.randn(4000, 5, generator=rng) * torch.tensor([1.0, 3.0, 100.0, 100.0, 300.0]) + 7
    mean, plain = _whitening(found, [2, 3], 0.0)
    values = (found - mean) @ plain
    assert float(values.var(dim=0).sum()) == pytest.approx(1.0, rel=1e-3)
    _, white = _whitening(found, [2, 3], 1.0)
    covariance = ((found - mean) @ white).T.cov()
    assert torch.allclose(covariance, torch.eye(5) / 5, atol=2e-3)


def test_distances_are_euclidean_and_differentiable_where_points_meet() -> None:
    rng = torch.Generator().manual_seed(0)
    rows, others = torch.randn(3, 4, generator=rng), torch.randn(5, 4, generator=rng)
    assert torch.allclose(distances(rows, others), torch.cdist(rows, others), atol=1e-5)
    point = torch.ones(1, 4, requires_grad=True)
    distances(point, torch.ones(1, 4)).sum().backward()
    assert point.grad is not None
    assert bool(point.grad.isfinite().all())


def test_parts_count_alike_however_large_their_numbers_are() -> None:
    rng = torch.Generator().manual_seed(0)
    small, large = torch.randn(500, 2, generator=rng), torch.randn(500, 3, generator=rng)
    maps = [_whitening(torch.cat([small, factor * large], dim=1), [2, 3], 0.0) for factor in (1.0, 1000.0)]
    distances = [
        torch.cdist(values @ found, values @ found, compute_mode="donot_use_mm_for_euclid_dist")
        for values, (_, found) in zip(
            (torch.cat([small, large], dim=1), torch.cat([small, 1000 * large], dim=1)), maps, strict=True
        )
    ]
    assert torch.allclose(*distances, atol=1e-3)


def energy_of(guide: Guide, dataset: ImageDataset, settings: EnergySettings = ENERGY) -> EnergyDistance:
    return EnergyDistance(guide.network, dataset.train, num_classes=2, settings=settings)


def test_real_images_are_nearer_than_those_of_the_other_class(guide: Guide, tiny_dataset: ImageDataset) -> None:
    energy, rng = energy_of(guide, tiny_dataset), torch.Generator().manual_seed(0)
    test = tiny_dataset.test
    images = test.images.float() / 127.5 - 1
    right = energy(images, test.labels, rng)
    wrong = energy_of(guide, tiny_dataset)(images, 1 - test.labels, rng)
    assert float(right) < float(wrong)


def whole_distance(energy: EnergyDistance, images: torch.Tensor, real: torch.Tensor) -> float:
    """The energy distance of two sets of images, as its definition has it."""
    x, y = energy.features(images), energy.features(real)
    return float(2 * distances(x, y).mean() - distances(x, x).mean() - distances(y, y).mean())


def test_descending_the_distance_brings_images_to_their_class(guide: Guide, tiny_dataset: ImageDataset) -> None:
    energy, rng, train = energy_of(guide, tiny_dataset), torch.Generator().manual_seed(0), tiny_dataset.train
    labels = torch.arange(60) % 2
    images = (0.1 * torch.randn(60, 3, 16, 16, generator=rng)).requires_grad_()
    real = [train.images[train.labels == label].float() / 127.5 - 1 for label in (0, 1)]

    def distances() -> list[float]:
        with torch.no_grad():
            return [whole_distance(energy, images[labels == label], real[label]) for label in (0, 1)]

    before = distances()
    optimizer = torch.optim.SGD([images], lr=30.0)
    for _ in range(60):
        optimizer.zero_grad()
        energy(images, labels, rng).backward()
        optimizer.step()
    after = distances()
    assert after[0] < 0.7 * before[0]
    assert after[1] < 0.7 * before[1]


def test_value_and_gradient_are_those_of_the_definition(guide: Guide, tiny_dataset: ImageDataset) -> None:
    """Mean distance to the real images drawn, less that to the last generated ones: with both, and by hand."""
    energy, train = energy_of(guide, tiny_dataset), tiny_dataset.train
    rng = torch.Generator().manual_seed(0)
    before, images = torch.rand(60, 3, 16, 16, generator=rng), torch.rand(6, 3, 16, 16, generator=rng)
    labels = torch.zeros(60, dtype=torch.int64)
    energy(before, labels, torch.Generator().manual_seed(1))
    images.requires_grad_()
    found = energy(images, labels[:6], torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(found, images)
    pictures = train.images.float() / 127.5 - 1
    real = energy.features(pictures)[train.labels == 0]
    drawn = torch.randint(len(real), (ENERGY.real_images,), generator=torch.Generator().manual_seed(2))
    memory = energy.features(before[-ENERGY.generated_images :])
    features = energy.features(images)
    wanted = torch.cdist(features, real[drawn]).mean() - torch.cdist(features, memory).mean()
    (by_hand,) = torch.autograd.grad(wanted, images)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)
    assert torch.allclose(gradient, by_hand, atol=1e-3 * float(by_hand.abs().max()))


def test_images_that_are_all_alike_are_pushed_apart(guide: Guide, tiny_dataset: ImageDataset) -> None:
    """An image costs less among others that differ from it than among its likes."""
    rng = torch.Generator().manual_seed(0)
    same = (tiny_dataset.train.images[:1].float() / 127.5 - 1).expand(60, -1, -1, -1)
    varied = torch.rand(60, 3, 16, 16, generator=rng) * 2 - 1
    labels = torch.zeros(60, dtype=torch.int64)
    found = []
    for memory in (same, varied):
        energy = energy_of(guide, tiny_dataset)
        energy(memory, labels, rng)
        found.append(float(energy(same[:4], labels[:4], torch.Generator().manual_seed(1))))
    assert found[1] < found[0] - 0.1


def test_mirrored_means_every_second_real_image() -> None:
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.uint8).reshape(2, 3, 8, 8)
    plain, mirrored = _varied(images, False), _varied(images, True)
    assert mirrored[0].equal(plain[0])
    assert mirrored[1].equal(plain[1].flip(2))


def test_the_last_images_replace_the_oldest(guide: Guide, tiny_dataset: ImageDataset) -> None:
    energy, rng = energy_of(guide, tiny_dataset), torch.Generator().manual_seed(0)
    images = torch.rand(53, 3, 16, 16, generator=rng)
    energy(images, torch.zeros(53, dtype=torch.int64), rng)
    features = energy.features(images)
    assert energy.counts.tolist() == [53, 0]
    assert torch.allclose(energy.recent[0, :3], features[50:], atol=1e-5)
    assert torch.allclose(energy.recent[0, 3:], features[3:50], atol=1e-5)


def test_few_images_are_remembered_from_the_first_on(guide: Guide, tiny_dataset: ImageDataset) -> None:
    energy, rng = energy_of(guide, tiny_dataset), torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 16, 16, generator=rng)
    for part in (images[:3], images[3:]):
        energy(part, torch.ones(len(part), dtype=torch.int64), rng)
    assert energy.counts.tolist() == [0, 5]
    assert torch.allclose(energy.recent[1, :5], energy.features(images), atol=1e-5)
    assert not energy.recent[1, 5:].any()


@pytest.mark.parametrize("weight", [0.25, 3.0])
def test_moments_are_added_with_their_weight(weight: float, guide: Guide, tiny_dataset: ImageDataset) -> None:
    images = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    labels = torch.arange(12) % 2
    with_moments = energy_of(guide, tiny_dataset, replace(ENERGY, moments=weight))
    own = energy_of(guide, tiny_dataset, replace(ENERGY, moments=1.0))
    assert own._moments is not None
    moments = own._moments(own.features(images), labels)
    plain = energy_of(guide, tiny_dataset)(images, labels, torch.Generator().manual_seed(0))
    found = with_moments(images, labels, torch.Generator().manual_seed(0))
    assert abs(float(moments)) > 1e-3
    assert float(found) == pytest.approx(float(plain + weight * moments), rel=1e-4)


def test_moments_run_at_their_rate(guide: Guide, tiny_dataset: ImageDataset) -> None:
    images = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    energy = energy_of(guide, tiny_dataset, replace(ENERGY, moments=1.0, moments_rate=0.5))
    moments = energy._moments
    assert moments is not None
    before = moments.means[0].clone()
    energy(images[:6], torch.zeros(6, dtype=torch.int64), torch.Generator().manual_seed(0))
    now = energy.features(images[:6]).mean(dim=0)
    # six of one class are as much of it as two even batches would have
    assert torch.allclose(moments.means[0], before.lerp(now, 1 - 0.5**2), atol=1e-4)


def test_autocast_keeps_the_distance_in_float32(guide: Guide, tiny_dataset: ImageDataset) -> None:
    images = torch.rand(60, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels, found = torch.zeros(60, dtype=torch.int64), []
    for bf16 in (False, True):
        energy, rng = energy_of(guide, tiny_dataset), torch.Generator().manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found.append([energy(images, labels, rng) for _ in range(2)])
        assert energy.recent.dtype == torch.float32
    for plain, cast in zip(*found, strict=True):
        assert cast.dtype == torch.float32
        assert float(cast) == pytest.approx(float(plain), rel=1e-5)


def test_only_the_memory_is_saved(guide: Guide, tiny_dataset: ImageDataset) -> None:
    assert set(energy_of(guide, tiny_dataset).state_dict()) == {"recent", "counts"}


def test_a_class_without_images_cannot_be_compared(guide: Guide, tiny_dataset: ImageDataset) -> None:
    with pytest.raises(SpecError, match="none of class 2"):
        EnergyDistance(guide.network, tiny_dataset.train, num_classes=3, settings=ENERGY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weight": 0.0}, "^an energy distance needs a positive weight, a whitening in .* got 0.0, 0.5 and 0.0$"),
        ({"weight": math.inf}, "needs a positive weight"),
        ({"whitening": 2.0}, "a whitening in"),
        ({"real_images": 0}, "^an energy distance needs at least 1 real and 50 generated .* got 0 and 50$"),
        ({"generated_images": 49}, "needs at least 1 real"),
        ({"moments": -1.0}, "moments of at least 0"),
        ({"moments": math.inf}, "moments of at least 0"),
        ({"moments_rate": 0.0}, r"^moments_rate must be a share, in \(0, 1\]; got 0.0$"),
        ({"moments_rate": 1.1}, "got 1.1"),
    ],
)
def test_impossible_distances_are_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        replace(ENERGY, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "right", [{"weight": 0.5}, {"whitening": 0.0}, {"whitening": 1.0}, {"real_images": 1}, {"moments_rate": 1.0}]
)
def test_limits_of_distances_are_allowed(right: dict[str, float]) -> None:
    assert replace(ENERGY, **right) != ENERGY  # type: ignore[arg-type]


def test_guides_may_look_at_images_in_other_places(guide: Guide, tiny_dataset: ImageDataset) -> None:
    moving = replace(ENERGY, shift=3)
    still, moved = energy_of(guide, tiny_dataset), energy_of(guide, tiny_dataset, moving)
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(4)) * 2 - 1

    def seen(energy: EnergyDistance, seed: int) -> torch.Tensor:
        return energy.posed(images, torch.Generator().manual_seed(seed))

    assert seen(still, 0) is images
    assert not torch.equal(seen(moved, 0), seen(moved, 1))
    assert torch.equal(seen(moved, 0), posed(images, torch.Generator().manual_seed(0), shift=3, flip=False))
    mirroring = EnergyDistance(guide.network, tiny_dataset.train, num_classes=2, settings=moving, mirrored=True)
    assert torch.equal(seen(mirroring, 0), posed(images, torch.Generator().manual_seed(0), shift=3, flip=True))
    for energy in (still, moved, energy_of(guide, tiny_dataset, moving)):  # real images: moved too, always alike
        assert torch.equal(energy._real[0], still._real[0]) == (energy is still)
    assert torch.equal(energy_of(guide, tiny_dataset, moving)._real[0], moved._real[0])


def test_what_is_not_moved_by_hand_is_moved_by_the_distance(guide: Guide, tiny_dataset: ImageDataset) -> None:
    """With maps it takes images as they are: whoever made these has moved them."""
    moved = energy_of(guide, tiny_dataset, replace(ENERGY, shift=3))
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(4)) * 2 - 1
    labels = torch.tensor([0, 1] * 4)
    rng = torch.Generator().manual_seed(2)
    found = moved(images, labels, rng)
    again = energy_of(guide, tiny_dataset, replace(ENERGY, shift=3))
    rng = torch.Generator().manual_seed(2)
    there = again.posed(images, rng)
    assert torch.equal(found, again(there, labels, rng, again.maps(there)))
    with pytest.raises(SpecError, match="shift must be at least 0 pixels; got -1"):
        replace(ENERGY, shift=-1)
