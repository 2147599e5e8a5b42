import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import SpecError
from gan.guide import EnergyDistance, EnergySettings, Guide, GuideSpec, SeveralDistances, guided_distance, train_guide
from gan.guide.views import Projections, pooled, quartered
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe, train_generator

CPU = torch.device("cpu")
SPEC = GuideSpec(widths=(4, 6, 8), epochs=2, batch_size=8, learning_rate=0.05, shift=1)
OTHER = replace(SPEC, widths=(4, 4, 4), seed=6)
ENERGY = EnergySettings(weight=2.0, real_images=8, generated_images=50)
BOTH = replace(ENERGY, projections=5)
_HALVES = (slice(0, 2), slice(2, 4))
RECIPE = TrainingRecipe(discriminator_widths=(8, 8), batch_size=8, guide=SPEC, more_guides=(OTHER,), energy=BOTH)


@pytest.fixture
def guide(tiny_dataset: ImageDataset) -> Guide:
    """Two of them, the second one within the first."""
    first, second = (train_guide(spec, tiny_dataset, device=CPU) for spec in (SPEC, OTHER))
    return replace(first, others=(second,))


def some_maps(images: int = 4, side: int = 4) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(1)
    sizes = ((2, 2 * side), (3, side), (5, side // 2))
    return tuple(torch.randn(images, width, size, size, generator=rng) for width, size in sizes)


def test_projections_see_where_things_are_and_pooled_parts_do_not() -> None:
    images, maps = torch.zeros(4, 3, 16, 16), some_maps()
    turned = tuple(seen.flip(3) for seen in maps)
    for one, other in zip(pooled(images, maps), pooled(images, turned), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    for one, other in zip(Projections(6)(images, maps), Projections(6)(images, turned), strict=True):
        assert one.shape == (4, 6)
        assert not torch.allclose(one, other, atol=0.1)


def test_quarters_are_the_means_of_the_last_map_s() -> None:
    images, maps = torch.zeros(2, 3, 16, 16), tuple(torch.rand(2, 4, size, size) for size in (8, 4, 4))
    (found,) = quartered(images, maps)
    assert found.shape == (2, 16)
    by_hand = [maps[2][:, :, rows, columns].mean(dim=(2, 3)) for rows in _HALVES for columns in _HALVES]
    assert torch.allclose(found, torch.stack(by_hand, dim=2).flatten(1))


@pytest.mark.parametrize(("projections", "quarters", "views"), [(0, True, 2), (5, False, 2), (5, True, 3)])
def test_every_view_is_a_distance_of_its_own(
    projections: int, quarters: bool, views: int, guide: Guide, tiny_dataset: ImageDataset
) -> None:
    settings = replace(ENERGY, projections=projections, quarters=quarters)
    several = guided_distance(guide, tiny_dataset.train, num_classes=2, settings=settings)
    assert isinstance(several, SeveralDistances)
    assert len(terms_of(several)) == 2 * views
    widths = [term.recent.shape[-1] for term in terms_of(several)]
    assert (16 in widths) is quarters  # of guides whose last map has a width of 4


def test_projections_keep_distances_and_are_the_same_wherever_they_are_made() -> None:
    images, maps = torch.zeros(20, 3, 64, 64), some_maps(20, side=16)
    many = Projections(4000)(images, maps)
    assert all(torch.equal(one, other) for one, other in zip(many, Projections(4000)(images, maps), strict=True))
    for projected, seen in zip(many, maps[1:], strict=True):
        rows = seen.flatten(1)
        ratio = torch.pdist(projected) / torch.pdist(rows) * math.sqrt(rows.shape[1] / 4000)
        assert bool(((ratio > 0.9) & (ratio < 1.1)).all())


def terms_of(energy: EnergyDistance | SeveralDistances) -> list[EnergyDistance]:
    return [module for module in energy.modules() if isinstance(module, EnergyDistance)]


def test_several_distances_are_their_mean(guide: Guide, tiny_dataset: ImageDataset) -> None:
    images, labels = torch.rand(60, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 2
    several = guided_distance(guide, tiny_dataset.train, num_classes=2, settings=BOTH)
    assert isinstance(several, SeveralDistances)
    assert len(terms_of(several)) == 4
    found = several(images, labels, torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)
    alone = [
        EnergyDistance(network, tiny_dataset.train, num_classes=2, settings=BOTH, view=view)(images, labels, rng)
        for network in guide.networks
        for view in (pooled, Projections(5))
    ]
    assert float(found) == pytest.approx(float(torch.stack(alone).mean()), rel=1e-5)


def test_guides_are_drawn_for_every_batch(guide: Guide, tiny_dataset: ImageDataset) -> None:
    images, labels = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 2
    three = replace(guide, others=(*guide.others, guide.others[0]))
    settings = replace(ENERGY, guides_per_step=2)
    several = guided_distance(three, tiny_dataset.train, num_classes=2, settings=settings)
    rng, before, chosen = torch.Generator().manual_seed(3), [0, 0, 0], set()
    for _ in range(20):
        several(images, labels, rng)
        after = [int(term.counts.sum()) for term in terms_of(several)]
        looked = tuple(now - was for now, was in zip(after, before, strict=True))
        assert sorted(looked) == [0, 6, 6]
        chosen.add(looked)
        before = after
    assert len(chosen) == 3


def test_one_guide_with_one_view_is_saved_as_it_always_was(guide: Guide, tiny_dataset: ImageDataset) -> None:
    alone = guided_distance(replace(guide, others=()), tiny_dataset.train, num_classes=2, settings=ENERGY)
    assert set(alone.state_dict()) == {"recent", "counts"}


def test_in_bfloat16_the_maps_are_rounded_and_the_distance_is_not(guide: Guide, tiny_dataset: ImageDataset) -> None:
    images, labels = torch.rand(60, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 2
    found = []
    for bf16 in (False, True):
        energy = guided_distance(guide, tiny_dataset.train, num_classes=2, settings=BOTH, bf16=bf16)
        first = terms_of(energy)[0]
        assert all(seen.dtype == torch.float32 for seen in first.maps(images))
        assert torch.equal(first.maps(images)[2], first.maps(images)[2].bfloat16().float()) is bf16
        distance = energy(images, labels, torch.Generator().manual_seed(0))
        assert distance.dtype == torch.float32
        found.append(float(distance))
    assert found[0] != found[1]
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_two_guides_have_a_digest_of_both(guide: Guide) -> None:
    alone, other = replace(guide, others=()), replace(guide, others=(replace(guide.others[0], accuracy=0.0),))
    changed = replace(guide.others[0], margins=guide.others[0].margins + 1)
    assert other.digest == guide.digest  # of weights and margins only
    assert len({alone.digest, guide.digest, replace(guide, others=(changed,)).digest}) == 3


@pytest.mark.parametrize("guides_per_step", [0, 1])
def test_training_with_two_guides_continues_as_if_it_had_never_stopped(
    guide: Guide, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, guides_per_step: int
) -> None:
    recipe = replace(RECIPE, energy=replace(BOTH, moments=0.2, guides_per_step=guides_per_step))

    def train(steps: int, folder: Path | None) -> dict[str, torch.Tensor]:
        result = train_generator(
            tiny_spec, recipe, TrainingBudget(steps=steps), tiny_dataset, seed=0, device=CPU, folder=folder, guide=guide
        )
        return result.generator.state_dict()

    train(10, tmp_path)
    resumed, whole = train(18, tmp_path), train(18, None)
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())


def test_a_recipe_has_as_many_guides_as_were_trained(
    guide: Guide, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    with pytest.raises(SpecError, match="has 1 more_guides; got 0 trained ones"):
        train_generator(
            tiny_spec,
            RECIPE,
            TrainingBudget(steps=1),
            tiny_dataset,
            seed=0,
            device=CPU,
            guide=replace(guide, others=()),
        )


@pytest.mark.parametrize(
    "wrong", [{"energy": None, "selected_share": 0.5}, {"more_guides": (SPEC,)}, {"more_guides": (OTHER, OTHER)}]
)
def test_more_guides_see_the_distance_and_differ(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="more_guides are for energy, and each must differ"):
        replace(RECIPE, **wrong)  # type: ignore[arg-type]


def test_guides_per_step_is_not_negative() -> None:
    with pytest.raises(SpecError, match="guides_per_step must be at least 0, which is all; got -1"):
        replace(ENERGY, guides_per_step=-1)


def test_fewer_guides_look_than_there_are() -> None:
    assert replace(RECIPE, energy=replace(ENERGY, guides_per_step=1)).energy is not None
    for wrong, guides in ((2, RECIPE.more_guides), (5, RECIPE.more_guides), (1, ())):
        with pytest.raises(
            SpecError, match=f"less than the {1 + len(guides)} guides, or 0 for all of them; got {wrong}"
        ):
            replace(RECIPE, more_guides=guides, energy=replace(ENERGY, guides_per_step=wrong))


def test_projections_have_bounds() -> None:
    for wrong in (-1, 4097):
        with pytest.raises(SpecError, match=rf"projections must be in 0..4096; got {wrong}"):
            replace(ENERGY, projections=wrong)


def test_what_came_later_leaves_digests_as_they_were() -> None:
    recipe = replace(RECIPE, more_guides=(), energy=ENERGY)
    assert "more_guides" not in recipe.form
    assert {"projections", "bf16", "guides_per_step", "moments_rate", "quarters", "shift"}.isdisjoint(
        recipe.form["energy"]
    )
    assert RECIPE.form["more_guides"][0]["widths"] == (4, 4, 4)
