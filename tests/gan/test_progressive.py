"""Generators that grow from coarse images to fine ones."""

from dataclasses import replace

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import SpecError
from gan.generators import build_generator
from gan.mechanisms import Mechanisms
from gan.sampling import one_hot_rows
from gan.spec import GeneratorSpec
from gan.training import Progressive, TrainingBudget, TrainingRecipe, train_generator
from gan.training.progressive import Growing, Resolution

CPU = torch.device("cpu")


def test_sizes_follow_the_budget() -> None:
    grown = Progressive(sizes=(8, 16, 32), fade=0.5)
    assert grown.at(0.0) == Resolution(8, 8, 1.0)
    assert grown.at(1 / 3 + 1e-9).share == pytest.approx(0.0, abs=1e-6)
    assert grown.at(1 / 3 + 1 / 12).share == pytest.approx(0.5)
    assert grown.at(0.55) == Resolution(16, 16, 1.0)
    assert grown.at(1.0) == Resolution(32, 32, 1.0)


def test_a_growing_generator_ends_as_the_plain_one(tiny_spec: GeneratorSpec) -> None:
    plain = build_generator(tiny_spec, seed=0).eval()
    growing = Growing(plain, tiny_spec, (8, 16))
    latent, one_hot = torch.randn(3, tiny_spec.latent_dim), one_hot_rows(torch.zeros(3, dtype=torch.long), 2)
    small = growing(latent, one_hot)
    torch.testing.assert_close(small[..., ::2, ::2], small[..., 1::2, 1::2])  # one colour for each block of pixels
    growing.resolution = Resolution(16, 8, 0.25)
    blended = growing(latent, one_hot)
    growing.resolution = Resolution(16, 16, 1.0)
    torch.testing.assert_close(growing(latent, one_hot), plain(latent, one_hot))
    torch.testing.assert_close(blended, 0.25 * plain(latent, one_hot) + 0.75 * small)


def test_real_images_match_the_resolution() -> None:
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    coarse = Resolution(4, 4, 1.0).match(images)
    torch.testing.assert_close(coarse[..., 0, 0], images[..., :4, :4].mean((2, 3)))
    assert torch.equal(Resolution(16, 16, 1.0).match(images), images)


def test_growing_passes_by_layers_without_feature_maps(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    spec = replace(tiny_spec, mechanisms=Mechanisms(linear_layers=2))
    size = tiny_spec.image_size
    growing = Progressive(sizes=(size // 2, size))
    recipe = TrainingRecipe(batch_size=8, discriminator_widths=(8, 8), bf16=False, progressive=growing)
    assert train_generator(spec, recipe, TrainingBudget(steps=3), tiny_dataset, seed=0, device=CPU).steps == 3


def test_sizes_that_no_feature_map_has_are_refused(tiny_spec: GeneratorSpec) -> None:
    with pytest.raises(SpecError, match="progressive sizes must be of"):
        Growing(build_generator(tiny_spec), tiny_spec, (2, 16))
