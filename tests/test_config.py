"""Every configuration composes, and every key of a node binds to the builder that it names."""

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from evaluation.classifier import build_classifier, build_judge
from gan.discriminators import DiscriminatorSpec
from gan.errors import DamagedCheckpointError
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import CHECKPOINT_NAME
from search.compose import build_settings
from search.errors import ConfigError
from search.layers.run import build_settings as build_benchmark_settings
from search.weights import save_generator
from zk.cost import shipped_cost_model

CONF = Path(__file__).resolve().parents[1] / "conf"
GROUPS = ("dataset", "search_space", "training", "sampler", "objectives", "circuit", "classifier", "judge", "engine")
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
FILES = sorted(str(p.relative_to(CONF / "experiment").with_suffix("")) for p in (CONF / "experiment").rglob("*.yaml"))
LISTS = [name for name in FILES if name.startswith(("tier", "advanced")) and "/" not in name]
TAUGHT = ("tier4/exp_030", "advanced/distillation", "advanced/distillation_kl")
STARTED = (
    "record_finish",
    "record_guides",
    "record_quarters",
    "record_quarters_settle",
    "record_settle",
    "record_views",
    "record_wide",
    "record_wide_settle",
)
EXPERIMENTS = [name for name in FILES if name not in (*LISTS, *TAUGHT, *STARTED)]


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    return config


def nodes(value: Any) -> list[dict[str, Any]]:
    """Every mapping below ``value`` that names a builder."""
    if isinstance(value, dict):
        own = [value] if "_target_" in value else []
        return own + [node for child in value.values() for node in nodes(child)]
    return [node for child in value for node in nodes(child)] if isinstance(value, list) else []


def check_bound(config: DictConfig | ListConfig) -> int:
    found = nodes(OmegaConf.to_container(config, resolve=False))
    for node in found:
        target = get_object(node["_target_"])
        assert target.__module__.split(".")[0] in ("gan", "zk", "evaluation", "search"), node["_target_"]
        keys = {key: None for key in node if not key.startswith("_")}
        inspect.signature(target).bind_partial(**keys)
    return len(found)


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_composes_and_binds(group: str, name: str) -> None:
    assert check_bound(composed(f"{group}={name}")[group]) >= 1


def test_the_default_builds_all_settings() -> None:
    settings = build_settings(composed())
    assert settings.name == "digits-small-quick"
    assert [objective.metric for objective in settings.objectives] == ["accuracy", "inception_score", "diversity"]
    assert settings.evaluation.circuit.disable_freivalds


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_builds_all_settings(name: str) -> None:
    settings = build_settings(composed(f"experiment={name}", "dataset.root=somewhere"))
    assert settings.trials >= 1


def test_every_network_of_the_28_pixel_experiment_builds() -> None:
    settings = build_settings(composed("experiment=mnist28", "dataset.root=somewhere"))
    for (spec, _), build in ((settings.classifier, build_classifier), (settings.judge, build_judge)):
        assert build(replace(spec, image_size=28))(torch.zeros(2, 3, 28, 28)).shape == (2, 10)
    DiscriminatorSpec(widths=settings.recipe.discriminator_widths, image_size=28)
    trial = optuna.create_study().ask()
    assert settings.space.suggest_spec(trial, num_classes=10, image_size=28).base_size == 7


@pytest.mark.parametrize("space", [name for group, name in CHOICES if group == "search_space" and name != "fixed"])
@pytest.mark.parametrize("training", ["strong", "quick", "published", "vae"])
def test_every_space_builds_with_every_recipe(space: str, training: str) -> None:
    assert build_settings(composed(f"search_space={space}", f"training={training}")).space.families


@pytest.mark.parametrize("training", ["published", "strong"])
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name.startswith("tier")])
def test_every_published_experiment_is_one_generator_in_both_regimes(name: str, training: str) -> None:
    settings = build_settings(composed(f"experiment={name}", f"training={training}", "dataset.root=somewhere"))
    assert settings.name.endswith(training)
    study = optuna.create_study()
    first, second = (settings.space.suggest_spec(study.ask(), num_classes=10, image_size=32) for _ in range(2))
    assert first == second
    assert settings.recipe.discriminator == ("published" if training == "published" else "projection")
    if "exp_" in name and training == "published":
        ratio = settings.recipe.generator_learning_rate / settings.recipe.discriminator_learning_rate
        assert ratio == pytest.approx(2, rel=0.1)  # the write-up's own, which training=strong has not


@pytest.mark.parametrize("training", ["published", "strong"])
def test_an_experiment_keeps_its_method_in_every_regime(training: str) -> None:
    for name, method in (("advanced/vae", "vae"), ("tier4/exp_027", "vae_gan")):
        settings = build_settings(composed(f"experiment={name}", f"training={training}", "dataset.root=x"))
        assert settings.recipe.method == method
        assert settings.name == f"{Path(name).name}-{training}"


def test_lists_of_experiments_name_all_of_a_tier() -> None:
    listed = {name: list(composed(f"experiment={name}").experiments) for name in LISTS}
    for name, names in listed.items():
        if name.startswith("tier") and name != "tiers":
            mine = [found for found in names if found.startswith(f"{name}/")]
            assert sorted(mine) == sorted(found for found in FILES if found.startswith(f"{name}/"))
    parts = [name for name in LISTS if name.startswith("tier") and name != "tiers"]
    assert sorted(listed["tiers"]) == sorted({found for name in parts for found in listed[name]})
    attempts = [name for name in (*listed["advanced"], *listed["advanced_mnist"]) if name.startswith("advanced/")]
    assert sorted(attempts) == sorted(found for found in FILES if found.startswith("advanced/"))


@pytest.mark.parametrize("name", TAUGHT)
def test_a_list_trains_a_teacher_before_its_student(name: str) -> None:
    composing = composed(f"experiment={name}", "training=strong", "dataset.root=x")
    teacher = Path(composing.training.teacher).name.removesuffix("-strong")
    for list_name in LISTS:
        names = list(composed(f"experiment={list_name}").experiments)
        if name in names:
            assert f"tier3/{teacher}" in names[: names.index(name)]


def test_a_student_needs_its_teacher(tmp_path: Path) -> None:
    missing = f"training.teacher={tmp_path}/exp_025-strong"  # not the folder of a study that was run here
    with pytest.raises(ConfigError, match=r"generator\.safetensors.* has 0; train that one first"):
        build_settings(composed("experiment=tier4/exp_030", "dataset.root=somewhere", missing))
    spec = GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(8, 4))
    save_generator(tmp_path / "candidate", spec, build_generator(spec))
    settings = build_settings(composed("experiment=tier4/exp_030", "dataset.root=x", f"training.teacher={tmp_path}"))
    assert settings.teacher is not None
    assert settings.recipe.distillation is not None
    assert settings.recipe.distillation.teacher == settings.teacher.digest


@pytest.mark.parametrize("name", STARTED)
def test_what_goes_on_from_a_generator_needs_it(name: str, tmp_path: Path) -> None:
    given = (f"experiment={name}", "dataset.root=somewhere", f"training.start={tmp_path}")
    anew = (*given, "training.start_discriminator=false")
    with pytest.raises(ConfigError, match=r"^training\.start must be a folder with one .* has 0; train that one first"):
        build_settings(composed(*given))
    spec = build_settings(composed("experiment=record", "dataset.root=x")).space.suggest_spec(
        optuna.create_study().ask(), num_classes=10, image_size=32
    )
    save_generator(tmp_path / "candidate", spec, build_generator(spec))
    settings = build_settings(composed(*anew))
    assert settings.start is not None
    assert settings.start.spec == spec
    assert settings.recipe.start == settings.start.digest
    assert settings.recipe.start_discriminator == ""
    with pytest.raises(DamagedCheckpointError, match="checkpoint with a discriminator"):
        build_settings(composed(*given))
    torch.save({"state": {"discriminator": {"weight": torch.ones(2)}}}, tmp_path / "candidate" / CHECKPOINT_NAME)
    settings = build_settings(composed(*given))
    assert settings.start is not None
    assert settings.recipe.start_discriminator == settings.start.discriminator_digest != ""


def test_what_a_study_may_go_on_with(tmp_path: Path) -> None:
    below = (f"study.folder={tmp_path}/longer", "study.continues=shorter", "dataset.root=x")
    with pytest.raises(ConfigError, match=f"there is no folder {tmp_path}/shorter"):
        build_settings(composed("experiment=tier3/exp_016", *below))
    (tmp_path / "shorter").mkdir()
    assert build_settings(composed("experiment=tier3/exp_016", *below)).continues == tmp_path / "shorter"
    with pytest.raises(ConfigError, match="leave study.continues out"):
        build_settings(composed("experiment=tier4/exp_029", *below))


def test_full_epochs_reach_the_published_budget() -> None:
    short, full = (
        build_settings(composed("training=published", f"training.full={full}")).budget.step_limit(
            batch_size=64, train_images=50_000
        )
        for full in ("false", "true")
    )
    assert (short, full) == (1530, 23460)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name.startswith("layer_")])
def test_every_benchmark_builds_its_settings(name: str) -> None:
    settings = build_benchmark_settings(composed(f"experiment={name}"), shipped_cost_model())
    assert settings.points
    assert {point.experiment for point in settings.points} <= set(settings.experiments)
    assert settings.limits.memory_bytes >= settings.limits.draft_bytes


@pytest.mark.parametrize("name", FILES)
def test_the_command_at_the_head_of_an_experiment_composes(name: str) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
    head = " ".join(line.lstrip("# ") for line in text.splitlines()[1:] if line.startswith("#"))
    commands = re.findall(rf"python -m search (experiment={name}(?: [\w./]+=\S+)*)", head)
    assert all("study" in composed(*command.split()) for command in commands)
