"""Every published experiment and attempt, made small: it trains in both regimes, exports, is counted and compiles."""

from __future__ import annotations

import csv
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
from search.compose import build_settings
from search.settings import SessionSettings
from search.tiers.published import PublishedExperiment, published_experiments
from tests.test_config import CONF, TAUGHT, composed
from zk.counting import published_operations

FOLDER = CONF / "experiment"
PATHS = [*FOLDER.glob("tier[1-4]/*.yaml"), *FOLDER.glob("advanced/*.yaml")]
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in PATHS)
CPU = torch.device("cpu")
FIRST = ("tier1/exp_001", "tier2/exp_014", "tier3/exp_020", "tier3/exp_021", "tier3/exp_024", "tier4/exp_026")
"""Compiled by the fast tests: one of each kind of graph."""

COMPILED = [name if name in FIRST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


def dataset(side: int) -> ImageDataset:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, side, side), dtype=torch.uint8, generator=rng)
    split = Split(images, torch.arange(40) % 10)
    return ImageDataset("noise", split, split, tuple("abcdefghij"), "noise", True)


def smaller(spec: GeneratorSpec) -> GeneratorSpec:
    """The same shape with an eighth of the channels."""
    return dataclasses.replace(spec, widths=tuple(max(4, width // 8) // 4 * 4 for width in spec.widths), latent_dim=6)


def settings_of(name: str, regime: str) -> SessionSettings:
    """Settings of an experiment, less the folder of a teacher, which is a trained generator."""
    config = composed(f"experiment={name}", f"training={regime}", "dataset.root=somewhere")
    if name in TAUGHT:
        config.training.recipe.distillation = None
    return build_settings(config)


def size_of(name: str) -> int:
    """Side of the experiment's images."""
    return int(composed(f"experiment={name}", "dataset.root=somewhere").dataset.get("image_size", 32))


def small_spec(name: str, settings: SessionSettings) -> GeneratorSpec:
    return smaller(settings.space.suggest_spec(optuna.create_study().ask(), num_classes=10, image_size=size_of(name)))


@pytest.mark.parametrize("regime", ["published", "strong"])
@pytest.mark.parametrize("name", NAMES)
def test_it_trains(name: str, regime: str) -> None:
    settings = settings_of(name, regime)
    spec = small_spec(name, settings)
    widths = (8, 8, 8) if spec.image_size == 32 else (8, 8)
    recipe = dataclasses.replace(settings.recipe, batch_size=4, discriminator_widths=widths, bf16=False)
    teacher = None
    if name in TAUGHT:
        recipe = dataclasses.replace(recipe, distillation=Distillation(output_weight=0.5))
        teacher = Teacher(spec, build_generator(spec, seed=9).eval().requires_grad_(False), "nine")
    data, budget = dataset(spec.image_size), TrainingBudget(steps=2)
    result = train_generator(spec, recipe, budget, data, seed=0, device=CPU, teacher=teacher)
    assert (result.outcome, result.steps) == ("completed", 2)


@pytest.mark.parametrize("name", COMPILED)
def test_it_exports_is_counted_and_compiles(name: str, tmp_path: Path) -> None:
    settings = settings_of(name, "strong")
    figures = measure_spec(
        small_spec(name, settings),
        tmp_path / "circuit",
        options=settings.evaluation.circuit,
        budget=settings.evaluation.circuit_budget,
    )
    assert figures.compiled, figures.reason
    assert figures.metrics["published_operations"] >= 5
    assert figures.metrics["einsum_operations"] >= 1
    assert figures.metrics["macs"] > 0
    assert figures.metrics["rows"] > 0


@pytest.mark.parametrize("experiment", [e for e in published_experiments() if e.counted_ops], ids=lambda e: e.id)
def test_the_write_up_s_own_count_comes_out(experiment: PublishedExperiment) -> None:
    """What it counted on the generators that it built says what these were, whatever their numbers of layers."""
    settings = settings_of(f"tier{experiment.tier}/{experiment.id}", "strong")
    spec = settings.space.suggest_spec(optuna.create_study().ask(), num_classes=10, image_size=32)
    assert published_operations(build_generator(spec)) == experiment.counted_ops


def published_table() -> list[dict[str, str]]:
    """The published table of configurations, as it is; docs/decisions/015 says how it is read."""
    with (Path(__file__).parent / "data" / "published_configurations.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("line", published_table(), ids=lambda line: str(line["id"]))
def test_a_configuration_is_the_table_s(line: dict[str, str]) -> None:
    settings = settings_of(f"tier{line['tier']}/{line['id']}", "published")
    spec = settings.space.suggest_spec(optuna.create_study().ask(), num_classes=10, image_size=32)
    assert (spec.latent_dim, spec.activation) == (int(line["latent_dim"]), line["activation"])
    conditional = "conditional_bn" in line["special"]
    assert spec.embed_dim == (0 if conditional else int(line["embed_dim"]))
    assert spec.mechanisms.spectral_norm == ("spectral" in line["special"])
    normalisation = "instance" if "instance" in line["special"] else "batch"
    assert spec.normalisation == (normalisation if line["batchnorm"] == "True" else "none")
    assert settings.recipe.generator_learning_rate == float(line["lr_g"])
    assert settings.recipe.discriminator_learning_rate == float(line["lr_d"])
    if line["model_type"] == "mlp":
        assert spec.widths == (512, 1024, 2048, 3072)
    elif line["ngf"].startswith("["):
        assert spec.widths == tuple(map(int, line["ngf"].strip("[]").split()))
    else:
        ngf = int(line["ngf"])
        widths = (4 * ngf, 2 * ngf, ngf, ngf // 2)
        assert spec.widths == (widths[:3] if spec.mechanisms.wavelet else widths)
