"""Every published experiment, made small: it trains in the published regime, exports, is counted and compiles."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import optuna
import pytest
import torch

from gan.data import ImageDataset, Split
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import Distillation, Teacher, TrainingBudget, train_generator
from search.circuit import measure_spec
from search.run import build_settings
from tests.test_config import CONF, composed

FOLDER = CONF / "experiment"
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("tier[1-4]/*.yaml"))
CPU = torch.device("cpu")


def dataset() -> ImageDataset:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=rng)
    split = Split(images, torch.arange(40) % 10)
    return ImageDataset("noise", split, split, tuple("abcdefghij"), "noise", True)


def smaller(spec: GeneratorSpec) -> GeneratorSpec:
    """The same shape with an eighth of the channels."""
    return dataclasses.replace(spec, widths=tuple(max(4, width // 8) // 4 * 4 for width in spec.widths), latent_dim=6)


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_exports_is_counted_and_compiles(name: str, tmp_path: Path) -> None:
    overrides = [f"experiment={name}", "training=published", "dataset.root=somewhere"]
    teacher = None
    if name.endswith("exp_030"):
        config = composed(*overrides)
        config.training.recipe.distillation = None
        settings = build_settings(config)
    else:
        settings = build_settings(composed(*overrides))
    spec = smaller(settings.space.suggest_spec(optuna.create_study().ask(), num_classes=10, image_size=32))
    recipe = dataclasses.replace(settings.recipe, batch_size=4, discriminator_widths=(8, 8, 8), bf16=False)
    if name.endswith("exp_030"):
        recipe = dataclasses.replace(recipe, distillation=Distillation(output_weight=0.5))
        teacher = Teacher(spec, build_generator(spec, seed=9).eval().requires_grad_(False), "nine")
    result = train_generator(
        spec, recipe, TrainingBudget(steps=3), dataset(), seed=0, device=CPU, folder=tmp_path, teacher=teacher
    )
    assert (result.outcome, result.steps) == ("completed", 3)
    figures = measure_spec(
        spec, tmp_path / "circuit", options=settings.evaluation.circuit, budget=settings.evaluation.circuit_budget
    )
    assert figures.compiled, figures.reason
    assert figures.metrics["published_operations"] >= 5
    assert figures.metrics["einsum_operations"] >= 1
    assert figures.metrics["macs"] > 0
    assert figures.metrics["rows"] > 0
