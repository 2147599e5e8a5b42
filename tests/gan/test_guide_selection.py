"""Which training images a guide leaves to learn from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gan.data import ImageDataset, Split
from gan.errors import SpecError
from gan.guide import EnergySettings, GuideSpec, evened, selected, train_guide
from gan.spec import GeneratorSpec
from gan.training import TrainingRecipe, learnt_images
from gan.training.state import build_state

CPU = torch.device("cpu")
SPEC = GuideSpec(widths=(4, 6, 8), epochs=1, batch_size=8, learning_rate=0.05, shift=1)


def test_selection_keeps_the_easiest_of_each_class_in_order() -> None:
    split = Split(torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 8, 8), torch.tensor([0, 1] * 3))
    found = selected(split, torch.tensor([0.1, 5.0, 0.3, 6.0, 0.2, 4.0]), 2 / 3)
    assert found.images[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert selected(split, torch.zeros(6), 0.01).labels.tolist() == [0, 1]
    with pytest.raises(SpecError, match="in \\(0, 1\\]"):
        selected(split, torch.zeros(6), 0.0)
    with pytest.raises(SpecError, match="a margin for each"):
        selected(split, torch.zeros(5), 0.5)


def numbered(labels: list[int]) -> Split:
    """Images that are their place."""
    images = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
    return Split(images, torch.tensor(labels))


def test_selection_by_one_margin_keeps_fewer_of_the_hard_classes_but_one() -> None:
    split, margins = numbered([0, 1, 2, 0, 1, 2]), torch.tensor([5.0, 1.0, -2.0, 4.0, 3.0, -1.0])
    assert selected(split, margins, 0.5, evenly=False).images[:, 0, 0, 0].tolist() == [0, 3, 4, 5]
    assert selected(split, margins, 2 / 3, evenly=False).images[:, 0, 0, 0].tolist() == [0, 1, 3, 4, 5]
    assert selected(split, margins, 1.0, evenly=False) is split


def test_evened_classes_have_as_many_images_and_all_of_their_own() -> None:
    found = evened(numbered([0, 1, 0, 0, 1, 0, 0]))
    assert found.labels.bincount().tolist() == [5, 5]
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 1, 1, 2, 3, 4, 4, 5, 6]
    even = numbered([1, 0, 0, 1])
    assert evened(even).images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_training_by_one_margin_shows_every_class_as_often(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    train, rng = tiny_dataset.train, torch.Generator().manual_seed(0)
    surer = replace(
        train_guide(SPEC, tiny_dataset, device=CPU),
        margins=torch.where(train.labels == 0, 1.0, 0.0) + torch.rand(len(train), generator=rng) / 2,
    )
    recipe = TrainingRecipe(
        discriminator_widths=(8, 8), batch_size=8, guide=SPEC, selected_share=0.75, selected_evenly=False
    )
    all_, count = train.labels.bincount().tolist(), int((train.labels == 0).sum())
    kept = learnt_images(train, recipe, surer)
    assert kept.labels.bincount().tolist() == [count, round(0.75 * len(train)) - count]
    even = learnt_images(train, replace(recipe, selected_evenly=True), surer)
    assert even.labels.bincount().tolist() == [round(0.75 * many) for many in all_]
    assert learnt_images(train, TrainingRecipe(), None) is train
    state = build_state(tiny_spec, recipe, tiny_dataset, seed=0, device=CPU, guide=surer)
    assert state.batches.next(2 * count)[1].bincount().tolist() == [count, count]


def test_images_may_be_chosen_by_what_all_guides_think(tiny_dataset: ImageDataset) -> None:
    train = tiny_dataset.train
    first = replace(train_guide(SPEC, tiny_dataset, device=CPU), margins=torch.arange(float(len(train))))
    other = replace(first, margins=-1.5 * torch.arange(float(len(train))))
    both = replace(first, others=(other,))
    assert both.common_margins.tolist() == [-0.25 * place for place in range(len(train))]
    recipe = TrainingRecipe(
        discriminator_widths=(8, 8),
        batch_size=8,
        guide=SPEC,
        selected_share=0.5,
        energy=EnergySettings(),
        more_guides=(replace(SPEC, seed=6),),
    )
    last, early = (
        learnt_images(train, replace(recipe, selected_by_all=by_all), both).images for by_all in (False, True)
    )
    assert torch.equal(last, selected(train, first.margins, 0.5).images)
    assert torch.equal(early, selected(train, -first.margins, 0.5).images)
    assert not torch.equal(last, early)
