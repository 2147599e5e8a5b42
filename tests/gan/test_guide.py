import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gan.data import ImageDataset, Split
from gan.errors import CheckpointError, DataError, SpecError, TrainingError
from gan.guide import (
    EnergyDistance,
    EnergySettings,
    Guide,
    GuideSpec,
    load_or_train_guide,
    train_guide,
)
from gan.guide.energy import _varied, _whitening, distances
from gan.guide.files import guide_key, read_guide
from gan.guide.train import _epoch, label_margins
from gan.guide.train import _varied as shifted
from gan.spec import GeneratorSpec
from gan.training import Progressive, TrainingBudget, TrainingRecipe, train_generator

CPU = torch.device("cpu")
SPEC = GuideSpec(widths=(4, 6, 8), epochs=4, batch_size=8, learning_rate=0.05, shift=1)
ENERGY = EnergySettings(weight=2.0, real_images=8, generated_images=50)


@pytest.fixture
def guide(tiny_dataset: ImageDataset) -> Guide:
    return train_guide(SPEC, tiny_dataset, device=CPU)


def test_a_guide_learns_dark_from_bright(guide: Guide) -> None:
    assert guide.accuracy == 1.0
    assert not guide.network.training
    assert not any(value.requires_grad for value in guide.network.parameters())


def test_a_mislabelled_image_has_the_lowest_margin(tiny_dataset: ImageDataset) -> None:
    labels = tiny_dataset.train.labels.clone()
    labels[5] = 1 - labels[5]
    wrong = replace(tiny_dataset, train=Split(tiny_dataset.train.images, labels))
    found = train_guide(replace(SPEC, epochs=8), wrong, device=CPU)
    assert int(found.margins.argmin()) == 5


def test_margins_are_the_distance_to_the_best_other_class() -> None:
    logits = torch.tensor([[1.0, 4.0, 2.5], [3.0, 0.0, -1.0]])
    assert label_margins(logits, torch.tensor([2, 0])).tolist() == [-1.5, 3.0]


def test_early_epochs_do_not_count(tiny_dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    margins = list[torch.Tensor]()

    def epoch(*given: Any, **more: Any) -> tuple[torch.Tensor, float]:
        found = _epoch(*given, **more)
        margins.append(found[0])
        return found

    monkeypatch.setattr("gan.guide.train._epoch", epoch)
    found = train_guide(replace(SPEC, epochs=8), tiny_dataset, device=CPU)
    assert torch.allclose(found.margins, torch.stack(margins[2:]).mean(dim=0))


def test_shifts_move_an_image_by_whole_pixels() -> None:
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8)
    found = shifted(images, torch.Generator().manual_seed(0), shift=2, flip=False)
    for image, moved in zip(images, found, strict=True):
        inner = moved[:, 2:6, 2:6]
        assert any(
            torch.equal(inner, image[:, 2 + down : 6 + down, 2 + right : 6 + right])
            for down in range(-2, 3)
            for right in range(-2, 3)
        )


def test_a_cached_guide_is_the_trained_one(tiny_dataset: ImageDataset, tmp_path: Path) -> None:
    told = list[int]()
    first = load_or_train_guide(
        SPEC, tiny_dataset, device=CPU, cache_dir=tmp_path, progress=lambda epoch, _: told.append(epoch)
    )
    again = load_or_train_guide(SPEC, tiny_dataset, device=CPU, cache_dir=tmp_path, progress=lambda *_: told.append(-1))
    assert told == [1, 2, 3, 4]
    assert again.digest == first.digest
    assert [path.stem for path in tmp_path.iterdir()] == [guide_key(SPEC, tiny_dataset)]
    assert again.train_seconds == first.train_seconds > 0
    assert again.margins.equal(first.margins)
    assert again.accuracy == first.accuracy
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert again.network(images).equal(first.network(images))


def test_a_damaged_guide_is_trained_again(
    tiny_dataset: ImageDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"{guide_key(SPEC, tiny_dataset)}.pt"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="must hold a trained guide"):
        read_guide(path, SPEC, tiny_dataset, device=CPU)
    load_or_train_guide(SPEC, tiny_dataset, device=CPU, cache_dir=tmp_path)
    assert "training the guide again" in caplog.text
    read_guide(path, SPEC, tiny_dataset, device=CPU)


def test_another_guides_file_is_refused(tiny_dataset: ImageDataset, tmp_path: Path) -> None:
    load_or_train_guide(SPEC, tiny_dataset, device=CPU, cache_dir=tmp_path)
    path = next(tmp_path.glob("*.pt"))
    with pytest.raises(DataError, match="must hold the guide"):
        read_guide(path, replace(SPEC, seed=6), tiny_dataset, device=CPU)


def test_a_guide_that_diverges_says_so(tiny_dataset: ImageDataset) -> None:
    with pytest.raises(TrainingError, match="lower its learning_rate"):
        train_guide(replace(SPEC, learning_rate=1e30, weight_decay=0.0), tiny_dataset, device=CPU)


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (4, 4)},
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
        {"label_smoothing": 1.0},
        {"shift": -1},
    ],
)
def test_impossible_guides_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        replace(SPEC, **wrong)  # type: ignore[arg-type]


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


RECIPE = TrainingRecipe(discriminator_widths=(8, 8), batch_size=8, guide=SPEC, selected_share=0.5, energy=ENERGY)


@pytest.mark.parametrize("moments", [0.0, 0.2])
def test_a_guided_training_continues_as_if_it_had_never_stopped(
    moments: float, guide: Guide, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, energy=replace(ENERGY, moments=moments))

    def train(steps: int, folder: Path | None) -> dict[str, torch.Tensor]:
        result = train_generator(
            tiny_spec, recipe, TrainingBudget(steps=steps), tiny_dataset, seed=0, device=CPU, folder=folder, guide=guide
        )
        return result.generator.state_dict()

    train(10, tmp_path)
    resumed, whole = train(18, tmp_path), train(18, None)  # 144 images: the memory of both classes is in use
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())
    with pytest.raises(CheckpointError, match="guide"):
        train_generator(
            tiny_spec,
            recipe,
            TrainingBudget(steps=12),
            tiny_dataset,
            seed=0,
            device=CPU,
            folder=tmp_path,
            guide=replace(guide, margins=guide.margins + 1),
        )


def test_the_distance_changes_what_is_learnt(
    guide: Guide, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    found = [
        train_generator(
            tiny_spec, recipe, TrainingBudget(steps=1), tiny_dataset, seed=0, device=CPU, guide=guide
        ).generator.state_dict()
        for recipe in (RECIPE, replace(RECIPE, energy=None), replace(RECIPE, energy=replace(ENERGY, moments=0.2)))
    ]
    for one, other in itertools.combinations(found, 2):
        assert any(not torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"progressive": Progressive(sizes=(8, 16))}, "full size"),
        ({"guide": None}, "a guide is needed"),
        ({"energy": None, "selected_share": 1.0}, "a guide is needed"),
        ({"selected_share": 0.0}, "selected_share"),
        ({"selected_share": 1.0, "selected_evenly": False}, "selected_evenly=false is for a selected_share below 1"),
        ({"method": "vae", "auxiliary_weight": 0.0}, "method=vae draws none"),
    ],
)
def test_recipes_ask_for_a_guide_just_where_they_use_one(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        replace(RECIPE, **wrong)  # type: ignore[arg-type]


def test_a_recipe_and_its_guide_come_together(
    guide: Guide, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    for recipe, given in ((RECIPE, None), (replace(RECIPE, guide=None, energy=None, selected_share=1.0), guide)):
        with pytest.raises(SpecError, match="a guide needs such a recipe"):
            train_generator(tiny_spec, recipe, TrainingBudget(steps=1), tiny_dataset, seed=0, device=CPU, guide=given)


def test_recipes_without_a_guide_keep_their_digest() -> None:
    assert {"guide", "energy", "selected_share", "selected_evenly"}.isdisjoint(TrainingRecipe().form)
    assert RECIPE.form["guide"]["widths"] == (4, 6, 8)


def test_an_energy_without_moments_keeps_its_digest() -> None:
    """As it was before there were moments: no such field in what the digest is taken of."""
    recipe = TrainingRecipe(guide=GuideSpec(), energy=EnergySettings(weight=20.0))
    assert "moments" not in recipe.form["energy"]
    assert "moments" in replace(recipe, energy=EnergySettings(weight=20.0, moments=0.2)).form["energy"]
