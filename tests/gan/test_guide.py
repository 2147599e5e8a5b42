import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gan.data import ImageDataset, Split
from gan.errors import CheckpointError, DataError, SpecError, TrainingError
from gan.guide import (
    EnergySettings,
    Guide,
    GuideSpec,
    load_or_train_guide,
    train_guide,
)
from gan.guide.files import guide_key, read_guide
from gan.guide.network import build_guide_network
from gan.guide.poses import posed
from gan.guide.spec import NETWORKS
from gan.guide.train import _epoch, label_margins
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
    found = posed(images, torch.Generator().manual_seed(0), shift=2, flip=False)
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
        ({"selected_by_all": True}, "selected_by_all=true is for more_guides"),
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
    assert {"guide", "energy", "selected_share", "selected_evenly", "selected_by_all"}.isdisjoint(TrainingRecipe().form)
    assert RECIPE.form["guide"]["widths"] == (4, 6, 8)


def test_an_energy_without_moments_keeps_its_digest() -> None:
    """As it was before there were moments: no such field in what the digest is taken of."""
    recipe = TrainingRecipe(guide=GuideSpec(), energy=EnergySettings(weight=20.0))
    assert "moments" not in recipe.form["energy"]
    assert "moments" in replace(recipe, energy=EnergySettings(weight=20.0, moments=0.2)).form["energy"]


def test_a_guide_of_the_first_kind_keeps_its_digest() -> None:
    """As it was before there was another one, by itself and among a recipe's others."""
    assert GuideSpec().digest == "0fb6a9577a2b3fa69d55776c128651e5f59b9cfebbb2d420710d8c2cbb8a02a8"
    recipe = TrainingRecipe(guide=GuideSpec(), energy=ENERGY, more_guides=(GuideSpec(seed=6),))
    assert all("network" not in form for form in (recipe.form["guide"], *recipe.form["more_guides"]))
    other = replace(recipe, more_guides=(GuideSpec(seed=6, network="averaged"),))
    assert [form["network"] for form in other.form["more_guides"]] == ["averaged"]
    assert other.digest != recipe.digest


def test_both_kinds_of_guide_have_maps_of_one_shape_and_see_other_things(tiny_dataset: ImageDataset) -> None:
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    found = [build_guide_network(replace(SPEC, network=kind), tiny_dataset, device=CPU) for kind in NETWORKS]
    strided, averaged = (network.eval().maps(images) for network in found)
    assert [maps.shape for maps in strided] == [maps.shape for maps in averaged]
    assert [maps.shape[1:] for maps in strided] == [(4, 8, 8), (6, 4, 4), (8, 2, 2)]
    last = strided[-1]
    assert torch.allclose(found[0].logits(last), found[0].head(last.flatten(2).max(dim=2).values))
    assert torch.allclose(found[1].logits(last), found[1].head(last.flatten(2).mean(dim=2)))


def test_the_averaged_kind_looks_at_every_pixel_before_it_halves(tiny_dataset: ImageDataset) -> None:
    network = build_guide_network(replace(SPEC, network="averaged"), tiny_dataset, device=CPU).eval()
    sizes = list[int]()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _module, given, _found: sizes.append(given[0].shape[-1]))
    network(torch.zeros(1, 3, 16, 16))
    assert sizes == [16, 8, 4, 4, 2, 2]


def test_the_averaged_kind_learns_too(tiny_dataset: ImageDataset) -> None:
    assert train_guide(replace(SPEC, network="averaged", epochs=12), tiny_dataset, device=CPU).accuracy == 1.0


def test_there_are_two_kinds_of_guide() -> None:
    with pytest.raises(SpecError, match="one of strided, averaged; got 'square'"):
        GuideSpec(network="square")
