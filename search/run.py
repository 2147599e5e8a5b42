"""``python -m search``: the composition root. Configuration stops here."""

from __future__ import annotations

import functools
import json
import shlex
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from atomic_files import write_text
from gan.data import ImageDataset
from search.building import build
from search.compose import CONFIG_FOLDER, build_settings, build_tracker, find_cost_model
from search.drivers import busy_trials, living_drivers
from search.errors import ConfigError, StorageUnreachable
from search.filing import PICTURES
from search.finalists import proved_row
from search.finish import file_results, print_results
from search.labels import config_tags
from search.layers.run import run_layers
from search.problems import problem_in
from search.provenance import commit, machine, package_versions
from search.saved_views import saved_views
from search.session import Judges, prepare, run_session, weights_digest
from search.settings import SessionSettings
from search.several import run_each
from search.signals import sigterm_interrupts
from search.study import study_uid
from search.tracking import Tracker
from search.urls import safe_url
from zk.cost import shipped_cost_model
from zk.cost_model import save_cost_model


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
    except Exception:  # a defect; Hydra would print the overrides with it, passwords included
        sys.exit(safe_url(traceback.format_exc()))


def problem_of(config: DictConfig) -> str | None:
    """Run one study; gives the message of an error that its user can mend, and None where there is none."""
    return problem_in(functools.partial(run, config))


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
    else:
        _run_study(config, output, provenance, started=started)


def _run_study(config: DictConfig, output: Path, provenance: Mapping[str, Any], *, started: float) -> None:
    """Run one session of a study, and file and print what came out; ``started`` is by the monotonic clock."""
    settings = build_settings(config)
    dataset: ImageDataset = build(config.dataset)
    print(
        f"study {settings.name}: {dataset.name}, {len(dataset.train):,} training and {len(dataset.test):,} test images"
    )
    study, judges = prepare(settings, dataset, sampler=build(config.sampler))
    save_cost_model(settings.evaluation.cost_model or shipped_cost_model(), output / "cost_model.json")
    saved = [output / "config.yaml", output / "provenance.json", output / "cost_model.json"]
    session = f"sessions/{output.parent.name}_{output.name}"
    busy = busy_trials(study, living_drivers(study, now=time.time()))
    tracker = build_tracker(config, uid=study_uid(study), busy=busy)
    tags = _file_session(tracker, settings, dataset, judges, provenance, saved=saved, session=session)
    try:
        result = run_session(settings, dataset, study, judges, tracker=tracker, tags=tags, attachments=saved)
        words = ["python", "-m", "search", *map(safe_url, HydraConfig.get().overrides.task)]
        command = tuple(map(shlex.quote, words))
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


def _file_session(
    tracker: Tracker,
    settings: SessionSettings,
    dataset: ImageDataset,
    judges: Judges,
    provenance: Mapping[str, Any],
    *,
    saved: Sequence[Path],
    session: str,
) -> dict[str, str]:
    """File with the study what a session starts from; gives the tags that each of its trials gets."""
    tracker.params(tracker.parent_id, {"study.name": settings.name, "dataset": dataset.name})
    tracker.offer_views(saved_views(PICTURES, now_milliseconds=int(time.time() * 1000)))
    for path in saved:
        tracker.artifact(tracker.parent_id, path, session)
    of_config = config_tags(HydraConfig.get().runtime.choices)
    tags = {"commit": provenance["commit"], "dataset": dataset.name, "dataset_digest": dataset.digest}
    versions = {f"version.{name}": version for name, version in provenance["packages"].items()}
    tags |= {"classifier_weights": weights_digest(judges.classifier), "judge_weights": weights_digest(judges.judge)}
    tracker.tags(tracker.parent_id, {**tags, **of_config, **versions})
    return tags | {name: value for name, value in of_config.items() if name in ("experiment", "tier")}
