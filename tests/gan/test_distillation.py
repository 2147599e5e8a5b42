"""What a student learns from its teacher."""

from dataclasses import replace

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import SpecError
from gan.generators import Generator, build_generator
from gan.sampling import one_hot_rows
from gan.spec import GeneratorSpec
from gan.training import Distillation, Teacher, TrainingBudget, TrainingRecipe, train_generator
from gan.training.distillation import feature_maps, published_divergence

CPU = torch.device("cpu")
RECIPE = TrainingRecipe(batch_size=8, discriminator_widths=(8, 8), ema_decay=0.9, bf16=False)


def test_the_published_divergence_is_zero_for_equal_images() -> None:
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert float(published_divergence(images, images, 3.0)) == pytest.approx(0.0, abs=1e-4)
    assert float(published_divergence(images, -images, 3.0)) > 0.1


def test_feature_maps_are_those_on_the_way(tiny_spec: GeneratorSpec) -> None:
    generator = build_generator(tiny_spec, seed=0).eval()
    latent, one_hot = torch.randn(3, tiny_spec.latent_dim), one_hot_rows(torch.zeros(3, dtype=torch.long), 2)
    images, maps = feature_maps(generator, latent, one_hot)
    torch.testing.assert_close(images, generator(latent, one_hot))
    assert {size: found.shape[1] for size, found in maps.items()} == {
        tiny_spec.base_size * 2**level: width for level, width in enumerate(tiny_spec.widths)
    }


def test_a_student_comes_near_its_teacher(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    teacher = Teacher(tiny_spec, build_generator(tiny_spec, seed=9).eval().requires_grad_(False), "nine")
    recipe = replace(RECIPE, distillation=Distillation(output_weight=50.0), generator_learning_rate=2e-3)
    latent = torch.randn(16, tiny_spec.latent_dim, generator=torch.Generator().manual_seed(3))
    one_hot = one_hot_rows(torch.arange(16) % 2, 2)

    def distance(generator: Generator) -> float:
        return float((generator.eval()(latent, one_hot) - teacher.generator(latent, one_hot)).abs().mean().detach())

    result = train_generator(
        tiny_spec, recipe, TrainingBudget(steps=60), tiny_dataset, seed=0, device=CPU, teacher=teacher
    )
    assert distance(result.generator) < 0.6 * distance(build_generator(tiny_spec, seed=0))


def test_a_teacher_sees_the_student_s_latents(tiny_spec: GeneratorSpec) -> None:
    """Longer ones are standard normal, follow from the student's, and are the same at every call."""
    larger = replace(tiny_spec, latent_dim=tiny_spec.latent_dim + 3)
    teacher = Teacher(larger, build_generator(larger, seed=9), "nine")
    latent = torch.randn(20_000, tiny_spec.latent_dim, generator=torch.Generator().manual_seed(0))
    longer = teacher.latents(latent)
    assert longer.shape == (20_000, tiny_spec.latent_dim + 3)
    assert torch.equal(longer, teacher.latents(latent))
    torch.testing.assert_close(longer.std(0), torch.ones(longer.shape[1]), atol=0.03, rtol=0)
    assert torch.equal(teacher.latents(longer)[:, :2], longer[:, :2])


def test_a_teacher_and_its_recipe_come_together(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    recipe = replace(RECIPE, distillation=Distillation())
    with pytest.raises(SpecError, match="needs a teacher"):
        train_generator(tiny_spec, recipe, TrainingBudget(steps=1), tiny_dataset, seed=0, device=CPU)
