"""Training that begins from a trained generator: same images at first, also with more residual blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import CheckpointError, DamagedCheckpointError, SpecError
from gan.generators import Generator, build_generator
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from gan.training import (
    CHECKPOINT_NAME,
    Start,
    TrainingBudget,
    TrainingRecipe,
    checkpoint_discriminator,
    train_generator,
)
from gan.training.start import begin_from
from gan.training.state import build_state
from gan.training.step import train_step

CPU = torch.device("cpu")
RECIPE = TrainingRecipe(batch_size=8, discriminator_widths=(8, 8), ema_decay=0.9, bf16=False)


def with_blocks(spec: GeneratorSpec, blocks: int, **mechanisms: bool) -> GeneratorSpec:
    return replace(spec, mechanisms=Mechanisms(residual_blocks=blocks, **mechanisms))


def start_of(spec: GeneratorSpec) -> Start:
    return Start(spec, build_generator(spec, seed=9).eval(), "nine")


def images(generator: Generator, spec: GeneratorSpec) -> torch.Tensor:
    latent = torch.randn(6, spec.latent_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return generator.eval()(latent, torch.eye(spec.num_classes)[torch.arange(6) % spec.num_classes])


@pytest.mark.parametrize("normalisation", ["batch", "instance", "none"])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 2), (1, 2)])
def test_the_first_images_are_those_of_the_start(
    before: int, after: int, normalisation: str, tiny_spec: GeneratorSpec
) -> None:
    spec = replace(tiny_spec, normalisation=normalisation)
    start = start_of(with_blocks(spec, before))
    grown = with_blocks(spec, after)
    generator = build_generator(grown, seed=3)
    assert not torch.allclose(images(generator, grown), images(start.generator, grown), atol=1e-4)
    begin_from(generator, grown, start)
    assert torch.allclose(images(generator, grown), images(start.generator, grown), atol=1e-6)


@pytest.mark.parametrize("conditioning", ["one_hot", "conditional_batchnorm", "embedding"])
def test_every_way_to_condition_is_copied(conditioning: str, tiny_spec: GeneratorSpec) -> None:
    spec = replace(tiny_spec, conditioning=conditioning, embed_dim=4 if conditioning == "embedding" else 0)
    start, grown = start_of(spec), with_blocks(spec, 1)
    generator = build_generator(grown, seed=3)
    begin_from(generator, grown, start)
    assert torch.allclose(images(generator, grown), images(start.generator, grown), atol=1e-6)


def test_blocks_that_add_nothing_learn(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    grown, start = with_blocks(tiny_spec, 1), start_of(tiny_spec)
    recipe = replace(RECIPE, start=start.digest)
    before = {name: value.clone() for name, value in start.generator.state_dict().items()}
    result = train_generator(grown, recipe, TrainingBudget(steps=3), tiny_dataset, seed=0, device=CPU, start=start)
    assert result.steps == 3
    assert all(torch.equal(value, before[name]) for name, value in start.generator.state_dict().items())
    state = build_state(grown, recipe, tiny_dataset, seed=0, device=CPU, start=start)
    pairs = zip(result.generator.parameters(), state.average.parameters(), strict=True)
    moved = [not torch.equal(after, begun) for after, begun in pairs]
    assert sum(moved) > len(moved) / 2, "all but biases before a normalisation move"


def test_what_is_no_start_is_refused(tiny_spec: GeneratorSpec) -> None:
    wider = replace(tiny_spec, widths=tuple(2 * width for width in tiny_spec.widths))
    longer = replace(tiny_spec, latent_dim=2 * tiny_spec.latent_dim)
    pairs = (
        (tiny_spec, start_of(wider)),
        (longer, start_of(tiny_spec)),
        (tiny_spec, start_of(with_blocks(tiny_spec, 1))),
    )
    for spec, start in pairs:
        with pytest.raises(SpecError, match="must begin from a generator of its own spec"):
            begin_from(build_generator(spec), spec, start)
    inside = with_blocks(tiny_spec, 1, multi_scale=True)
    with pytest.raises(SpecError, match="begin with as many residual blocks"):
        begin_from(build_generator(inside), inside, start_of(with_blocks(tiny_spec, 0, multi_scale=True)))


def test_recipe_and_start_come_together(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path) -> None:
    start = start_of(tiny_spec)
    other, named = replace(RECIPE, start="ten"), replace(RECIPE, start="nine")
    for recipe, given in ((RECIPE, start), (other, start), (named, None)):
        with pytest.raises(SpecError, match="must name the generator"):
            build_state(tiny_spec, recipe, tiny_dataset, seed=0, device=CPU, start=given)
    budget = TrainingBudget(steps=2)
    train_generator(tiny_spec, RECIPE, budget, tiny_dataset, seed=0, device=CPU, folder=tmp_path)
    with pytest.raises(CheckpointError):
        train_generator(
            tiny_spec, named, budget, tiny_dataset, seed=0, device=CPU, folder=tmp_path,
            start=start,
        )  # fmt: skip


def test_the_discriminator_goes_on_where_asked(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    train_generator(tiny_spec, RECIPE, TrainingBudget(steps=2), tiny_dataset, seed=0, device=CPU, folder=tmp_path)
    start = replace(start_of(tiny_spec), discriminator=checkpoint_discriminator(tmp_path / CHECKPOINT_NAME))
    recipe = replace(RECIPE, start="nine", start_discriminator=start.discriminator_digest)
    state = build_state(tiny_spec, recipe, tiny_dataset, seed=5, device=CPU, start=start)
    assert start.discriminator is not None
    found = state.discriminator.state_dict()
    assert all(torch.equal(found[name], value) for name, value in start.discriminator.items())
    plain = build_state(
        tiny_spec, replace(RECIPE, start="nine"), tiny_dataset, seed=5, device=CPU, start=start_of(tiny_spec)
    )
    assert not all(torch.equal(plain.discriminator.state_dict()[name], found[name]) for name in found)
    wider = replace(recipe, discriminator_widths=(8, 16))
    with pytest.raises(SpecError, match="must be the one that goes on with the start"):
        build_state(tiny_spec, wider, tiny_dataset, seed=5, device=CPU, start=start)
    for wrong in (replace(recipe, start_discriminator=""), replace(recipe, start_discriminator="x")):
        with pytest.raises(SpecError, match="must name the generator"):
            build_state(tiny_spec, wrong, tiny_dataset, seed=5, device=CPU, start=start)
    with pytest.raises(SpecError, match="only go on with its generator"):
        replace(RECIPE, start_discriminator="x")


def test_a_checkpoint_without_a_discriminator_says_so(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    path = tmp_path / CHECKPOINT_NAME
    with pytest.raises(DamagedCheckpointError, match="must be a training checkpoint with a discriminator"):
        checkpoint_discriminator(path)
    for content in ({"state": {}}, {"state": {"discriminator": {"weight": 3}}}, 5):
        torch.save(content, path)
        with pytest.raises(DamagedCheckpointError, match="with a discriminator"):
            checkpoint_discriminator(path)


def test_a_new_discriminator_may_learn_first(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    waiting = replace(RECIPE, head_start=2)
    state = build_state(tiny_spec, waiting, tiny_dataset, seed=5, device=CPU)

    def weights(module: torch.nn.Module) -> list[torch.Tensor]:
        return [value.detach().clone() for value in module.parameters()]

    def moved(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
        return any(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))

    generator, average, judge = (weights(part) for part in (state.generator, state.average, state.discriminator))
    for _ in range(2):
        assert train_step(state, waiting, bf16=False)[1] == 0
        assert moved(judge, state.discriminator)
        assert not moved(generator, state.generator)
        assert not moved(average, state.average)
        judge = weights(state.discriminator)
    assert state.step == 2
    assert train_step(state, waiting, bf16=False)[1] != 0
    assert moved(generator, state.generator)
    assert moved(average, state.average)
    assert moved(judge, state.discriminator)
    assert "head_start" not in RECIPE.form
    for wrong in ({"head_start": -1}, {"head_start": 1, "method": "vae_gan"}):
        with pytest.raises(SpecError, match="head_start must be a number of steps, and 0 but for method=gan"):
            replace(RECIPE, **wrong)  # type: ignore[arg-type]
