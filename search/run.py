"""``python -m search``: the composition root. Configuration stops here."""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
import optuna
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from atomic_files import write_text
from evaluation import EvaluationError
from gan.data import ImageDataset
from gan.errors import GanError
from gan.training import Start, Teacher, TrainingRecipe, resolve_device
from search.building import build
from search.drivers import busy_trials, living_drivers
from search.errors import ConfigError, SearchError, StorageUnreachable
from search.filing import PICTURES
from search.finalists import proved_row
from search.finish import file_results, print_results
from search.labels import config_tags
from search.layers.run import run_layers
from search.names import checked_name
from search.objective import EvaluationSettings, known_metrics
from search.provenance import commit, machine, package_versions
from search.proving import ProvingPlan
from search.saved_views import saved_views
from search.session import prepare, run_session, weights_digest
from search.settings import SessionSettings
from search.several import run_each
from search.signals import sigterm_interrupts
from search.stored import load_stored
from search.study import study_uid
from search.teacher import load_start, load_teacher
from search.tracking import Tracker
from search.urls import safe_url
from search.view import checked_view
from search.warm_start import SeedCandidate, front_seeds, published_seeds
from shipped_files import shipped_folder
from zk.cost import machine_cost_model, shipped_cost_model
from zk.cost_model import CostModel, load_cost_model, save_cost_model
from zk.errors import ZkError
from zk.machine import this_machine

KNOWN_ERRORS = (SearchError, GanError, EvaluationError, ZkError, OmegaConfBaseException)


# An absolute path: a relative one is looked up as a package when the module is imported rather than run.
CONFIG_FOLDER = str(shipped_folder("conf"))


@hydra.main(version_base="1.3", config_path=CONFIG_FOLDER, config_name="config")
def main(config: DictConfig) -> None:
    """Run or continue the study that the configuration describes, or each of those that it lists."""
    with sigterm_interrupts():
        _main(config)


def _main(config: DictConfig) -> None:
    try:
        if names := config.get("experiments"):
            hydra_config = HydraConfig.get()
            output, overrides = Path(hydra_config.runtime.output_dir), list(hydra_config.overrides.task)
            if failed := run_each(list(names), overrides, output, problem_of):
                sys.exit(f"error: {len(failed)} of {len(names)} experiments ended in an error: {', '.join(failed)}")
        elif problem := problem_of(config):
            sys.exit(f"error: {problem}")
    except ConfigError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: what was finished is kept; run the same command again to go on")


def problem_of(config: DictConfig) -> str | None:
    """Run one study; gives the message of an error that its user can mend, and None where there is none."""
    return problem_in(functools.partial(run, config))


def problem_in(work: Callable[[], object]) -> str | None:
    """Do ``work``; gives the message of an error that its user can mend, and None where there is none."""
    try:
        work()
    except KNOWN_ERRORS as error:
        return str(error)
    except InstantiationException as error:  # Hydra wraps what a builder raises
        if error.__cause__ is not None and not isinstance(error.__cause__, KNOWN_ERRORS):
            raise
        return str(error.__cause__ or error)
    return None


def run(config: DictConfig) -> None:
    """Save the resolved configuration and its provenance, then work; ``dry_run=true`` prints them and stops.

    Raises:
        SearchError, gan.errors.GanError, evaluation.EvaluationError, zk.errors.ZkError: what was asked cannot be done.
    """
    started = time.monotonic()
    resolved = safe_url(OmegaConf.to_yaml(config, resolve=True))
    provenance: dict[str, Any] = {
        "commit": commit(),
        "packages": package_versions(),
        "machine": machine(),
        "command": [safe_url(argument) for argument in sys.argv],
    }
    if config.dry_run:
        print(resolved + json.dumps(provenance, indent=2))
        return
    output = Path(HydraConfig.get().runtime.output_dir)
    write_text(output / "config.yaml", resolved)
    write_text(output / "provenance.json", json.dumps(provenance, indent=2))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if config.get("benchmark") is not None:
        opener = functools.partial(build_tracker, config)
        run_layers(config, output, provenance, tracker=opener, cost_model=find_cost_model(config.cost_model))
        return
    settings = build_settings(config)
    dataset: ImageDataset = build(config.dataset)
    print(
        f"study {settings.name}: {dataset.name}, {len(dataset.train):,} training and {len(dataset.test):,} test images"
    )
    study, judges = prepare(settings, dataset, sampler=build(config.sampler))
    busy = busy_trials(study, living_drivers(study, now=time.time()))
    tracker = build_tracker(config, uid=study_uid(study), busy=busy)
    tracker.params(tracker.parent_id, {"study.name": settings.name, "dataset": dataset.name})
    save_cost_model(settings.evaluation.cost_model or shipped_cost_model(), output / "cost_model.json")
    tracker.offer_views(saved_views(PICTURES, now_milliseconds=int(time.time() * 1000)))
    saved = [output / "config.yaml", output / "provenance.json", output / "cost_model.json"]
    session = f"sessions/{output.parent.name}_{output.name}"
    for path in saved:
        tracker.artifact(tracker.parent_id, path, session)
    of_config = config_tags(HydraConfig.get().runtime.choices)
    tags = {"commit": provenance["commit"], "dataset": dataset.name, "dataset_digest": dataset.digest}
    versions = {f"version.{name}": version for name, version in provenance["packages"].items()}
    tags |= {"classifier_weights": weights_digest(judges.classifier), "judge_weights": weights_digest(judges.judge)}
    tracker.tags(tracker.parent_id, {**tags, **of_config, **versions})
    tags |= {name: value for name, value in of_config.items() if name in ("experiment", "tier")}
    try:
        result = run_session(settings, dataset, study, judges, tracker=tracker, tags=tags, attachments=saved)
        command = tuple(map(shlex.quote, ["python", "-m", "search", *HydraConfig.get().overrides.task]))
        paths = file_results(
            result, settings, tracker, output, commit=provenance["commit"], command=command, session=session
        )
    except BaseException:
        with suppress(StorageUnreachable):  # what ended the session must not be hidden by this
            tracker.end(tracker.parent_id, failed=True)
        raise
    tracker.end(tracker.parent_id)
    print_results(result, settings, paths, seconds=time.monotonic() - started, uri=safe_url(config.tracking.uri))
    if config.proving.required and proved_row(study, settings) is None:
        raise ConfigError("proving.required is true and no proof counts; see the report")


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
    options = build(config.circuit)
    cost_model = find_cost_model(config.cost_model)
    evaluation = EvaluationSettings(
        samples=config.scores.samples,
        seed=config.study.seed,
        circuit=options,
        limits=build(config.limits),
        circuit_budget=build(config.budgets.circuit),
        intervals=build(config.intervals),
        cost_model=cost_model,
    )
    device = resolve_device(config.device)
    recipe, teacher = _taught(build(config.training.recipe, _convert_="all"), config.training, device)
    recipe, start = _begun(recipe, config.training)
    proving = ProvingPlan(
        budget=build(config.budgets.proving),
        options=options,
        srs_folder=Path(config.proving.srs_folder),
        label=config.proving.label,
        seed=config.proving.seed,
        attempts=config.proving.attempts,
        plan_samples=config.proving.plan_samples,
        mean_abs_error=config.proving.mean_abs_error,
        cost_model=cost_model,
        bits=recipe.weight_form.activation_bits,
    )
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
        evaluation=evaluation,
        classifier=_network(config.classifier),
        judge=_network(config.judge),
        classifier_seed=config.scores.classifier_seed,
        cas_images=config.scores.cas_images,
        cas_epochs=config.scores.cas_epochs,
        proving=proving,
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
