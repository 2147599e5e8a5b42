"""From a configuration to what a session takes: the part of the composition root that other commands share."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from gan.data import ImageDataset
from gan.training import Start, Teacher, TrainingRecipe, resolve_device
from search.building import build
from search.errors import ConfigError
from search.names import checked_name
from search.objective import EvaluationSettings, known_metrics
from search.proving import ProvingPlan
from search.settings import SessionSettings
from search.stored import load_stored
from search.teacher import load_start, load_teacher
from search.tracking import Tracker
from search.view import checked_view
from search.warm_start import SeedCandidate, front_seeds, published_seeds
from shipped_files import shipped_folder
from zk.cost import machine_cost_model
from zk.cost_model import CostModel, load_cost_model
from zk.machine import this_machine

# An absolute path: a relative one is looked up as a package when the module is imported rather than run.
CONFIG_FOLDER = str(shipped_folder("conf"))


def build_settings(config: DictConfig) -> SessionSettings:
    """Build everything a session needs from ``config``.

    Raises:
        ConfigError: a count is not positive, or the view is unknown.
    """
    for name, least in (("trials", 1), ("candidates", 1)):
        if config.study[name] < least:
            raise ConfigError(f"study.{name} must be at least {least}; got {config.study[name]}")
    objectives = tuple(build(config.objectives))
    if unknown := sorted({objective.metric for objective in objectives} - known_metrics()):
        raise ConfigError(f"objectives must be of {', '.join(sorted(known_metrics()))}; got {', '.join(unknown)}")
    cost_model = find_cost_model(config.cost_model)
    device = resolve_device(config.device)
    recipe, teacher = _taught(build(config.training.recipe, _convert_="all"), config.training, device)
    recipe, start = _begun(recipe, config.training)
    return SessionSettings(
        name=checked_name(config.study.name, "study.name"),
        storage=config.study.storage,
        folder=Path(config.study.folder),
        trials=config.study.trials,
        candidates=config.study.candidates,
        seed=config.study.seed,
        space=build(config.search_space, _convert_="all"),
        recipe=recipe,
        budget=build(config.training.budget),
        objectives=objectives,
        evaluation=_evaluation(config, cost_model),
        classifier=_network(config.classifier),
        judge=_network(config.judge),
        classifier_seed=config.scores.classifier_seed,
        cas_images=config.scores.cas_images,
        cas_epochs=config.scores.cas_epochs,
        proving=_proving(config, cost_model, bits=recipe.weight_form.activation_bits),
        cache_folder=Path(config.cache_folder),
        device=device,
        teacher=teacher,
        start=start,
        continues=_continued(config.study, recipe),
        seeds=_seeds(config),
        engine=build(config.engine),
        halving=build(config.halving) if config.get("halving") is not None else None,
        patience=build(config.patience),
        view=checked_view(config.view),
    )


def _evaluation(config: DictConfig, cost_model: CostModel | None) -> EvaluationSettings:
    return EvaluationSettings(
        samples=config.scores.samples,
        seed=config.study.seed,
        circuit=build(config.circuit),
        limits=build(config.limits),
        circuit_budget=build(config.budgets.circuit),
        intervals=build(config.intervals),
        cost_model=cost_model,
    )


def _proving(config: DictConfig, cost_model: CostModel | None, *, bits: int) -> ProvingPlan:
    return ProvingPlan(
        budget=build(config.budgets.proving),
        options=build(config.circuit),
        srs_folder=Path(config.proving.srs_folder),
        label=config.proving.label,
        seed=config.proving.seed,
        attempts=config.proving.attempts,
        plan_samples=config.proving.plan_samples,
        mean_abs_error=config.proving.mean_abs_error,
        cost_model=cost_model,
        bits=bits,
    )


def _seeds(config: DictConfig) -> tuple[SeedCandidate, ...]:
    """Candidates of the sources that ``study.seeds`` names."""
    found = list[SeedCandidate]()
    for source in config.study.seeds:
        if source == "published":
            dataset: ImageDataset = build(config.dataset)
            found += published_seeds(
                Path(CONFIG_FOLDER), num_classes=dataset.num_classes, image_size=dataset.image_size
            )
        else:
            found += front_seeds(load_stored(source, config.study.storage))
    return tuple(found)


def _continued(study: DictConfig, recipe: TrainingRecipe) -> Path | None:
    """Folder of the study whose trainings go on."""
    if study.continues is None:
        return None
    if recipe.follows_the_budget:
        raise ConfigError(
            "study.continues needs a training whose steps do not depend on its budget; progressive training, pruning "
            "and falling learning rates follow theirs: leave study.continues out, and they train from the start"
        )
    folder = Path(study.folder).parent / checked_name(study.continues, "study.continues")
    if not folder.is_dir():
        raise ConfigError(f"study.continues must name a study with candidates; there is no folder {folder}")
    return folder


def _taught(
    recipe: TrainingRecipe, config: Mapping[str, Any], device: torch.device
) -> tuple[TrainingRecipe, Teacher | None]:
    """Load the teacher of a recipe that distils, and put its digest into the recipe."""
    if recipe.distillation is None:
        return recipe, None
    if config.get("teacher") is None:
        raise ConfigError("training.recipe.distillation needs training.teacher, the folder of a trained generator")
    teacher = load_teacher(Path(config["teacher"]), device)
    return dataclasses.replace(
        recipe, distillation=dataclasses.replace(recipe.distillation, teacher=teacher.digest)
    ), teacher


def _begun(recipe: TrainingRecipe, config: Mapping[str, Any]) -> tuple[TrainingRecipe, Start | None]:
    """Load the generator that training begins from, and put its digest into the recipe."""
    if config.get("start") is None:
        return recipe, None
    start = load_start(Path(config["start"]), discriminator=bool(config.get("start_discriminator")))
    return dataclasses.replace(recipe, start=start.digest, start_discriminator=start.discriminator_digest), start


def find_cost_model(path: str | None) -> CostModel:
    """Load the cost model in the file ``path``; None takes this machine's calibration, or else the shipped model."""
    return load_cost_model(Path(path)) if path is not None else machine_cost_model(this_machine().digest)


def _network(config: Mapping[str, Any]) -> tuple[Any, Any]:
    return build(config["spec"], _convert_="all"), build(config["recipe"], _convert_="all")


def build_tracker(config: DictConfig, *, uid: str, busy: Collection[int] = ()) -> Tracker:
    """Open the MLflow record that ``config`` names, for the study with ``uid``; others work on the ``busy`` trials."""
    return Tracker(
        uri=config.tracking.uri,
        experiment=config.tracking.experiment,
        artifacts=Path(config.tracking.artifacts),
        study=config.study.name,
        uid=uid,
        busy=busy,
        patience=build(config.patience),
    )
