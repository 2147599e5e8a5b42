"""The benchmark's part of the composition root: from its configuration to a session and its page."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from omegaconf import DictConfig

from atomic_files import write_text
from gan.data import ImageDataset
from gan.training import resolve_device
from search.building import build
from search.errors import ConfigError, StorageUnreachable
from search.layers.cases import CaseBuilder, CaseSettings, categories
from search.layers.ladder import ladder_grid
from search.layers.points import select_points
from search.layers.record import BenchmarkRecord
from search.layers.session import BenchmarkSettings, run_benchmark
from search.layers.study import COMMIT, commits
from search.names import checked_name
from search.objectives import Objective
from search.storage import build_storage
from search.study import open_study, study_uid
from search.tracking import Tracker
from zk.benchmark.admission import RESERVE, MemoryGate, free_bytes
from zk.benchmark.case import Limits
from zk.benchmark.experiments import GRIDS
from zk.benchmark.row import LayerRow
from zk.cost_model import CostModel

ALL_GRIDS = {**GRIDS, "ladder": ladder_grid}
OBJECTIVES = (
    Objective("prove_seconds", "minimize", 3600.0),
    Objective("peak_rss_bytes", "minimize", 2.0**37),
)


def run_layers(
    config: DictConfig,
    output: Path,
    provenance: dict[str, Any],
    *,
    tracker: Callable[..., Tracker],
    cost_model: CostModel,
) -> None:
    """Run or continue the benchmark that ``config.benchmark`` describes.

    Args:
        config: the whole configuration.
        output: folder of this session.
        provenance: commit, packages, machine, command.
        tracker: opens the MLflow record, given the study's ``uid``.
        cost_model: predicts time and memory.

    Raises:
        SearchError: a filter names what there is not, or the study was made otherwise.
    """
    started = time.monotonic()
    settings = build_settings(config, cost_model)
    case_settings = CaseSettings(
        seed=config.study.seed,
        inputs=config.benchmark.inputs,
        composite_inputs=config.benchmark.composite_inputs,
        scored_images=config.benchmark.scored_images,
        recipe=None if config.benchmark.recipe is None else build(config.benchmark.recipe),
        cache_folder=f"{config.cache_folder}/composites",
        device=str(resolve_device(config.device)),
    )
    study = open_study(
        name=checked_name(config.study.name, "study.name"),
        storage=build_storage(config.study.storage, patience=build(config.patience)),
        objectives=OBJECTIVES,
        sampler=build(config.sampler),
        signature=_signature(config, case_settings),
    )
    record = tracker(uid=study_uid(study))
    record.params(record.parent_id, {"study.name": config.study.name, "benchmark.grid": config.benchmark.grid})
    tags = {"commit": provenance["commit"], "benchmark": config.benchmark.grid}
    cases = CaseBuilder(case_settings, functools.partial(_load, config))
    gate = MemoryGate(settings.limits.memory_bytes)
    try:
        facts = {COMMIT: str(provenance["commit"])}
        rows = run_benchmark(study, settings, cases, BenchmarkRecord(record, tags), gate=gate, facts=facts)
    except BaseException:
        with suppress(StorageUnreachable):  # what ended the session must not be hidden by this
            record.end(record.parent_id, failed=True)
        raise
    write_text(settings.folder / "machine.json", json.dumps(_machine(provenance, rows, commits(study)), indent=1))
    record.table(record.parent_id, [row.to_json() for row in rows], "rows.json")
    for name in ("rows.json", "machine.json"):
        record.artifact(record.parent_id, settings.folder / name)
    record.artifact(record.parent_id, output / "config.yaml")
    record.end(record.parent_id)
    _summary(rows, settings, time.monotonic() - started)


def build_settings(config: DictConfig, cost_model: CostModel) -> BenchmarkSettings:
    """Build what a session needs from ``config``.

    Raises:
        ConfigError: the grid or a filter names what there is not, or a limit makes no sense.
    """
    chosen = config.benchmark
    if chosen.grid not in ALL_GRIDS:
        raise ConfigError(f"benchmark.grid must be one of {', '.join(ALL_GRIDS)}; got {chosen.grid!r}")
    experiments = ALL_GRIDS[chosen.grid]()
    points = select_points(
        categories(experiments),
        scales=list(chosen.scales),
        variants=list(chosen.variants),
        only_categories=_filter(chosen.categories),
        only_experiments=_filter(chosen.layers),
    )
    free = int(free_bytes() * (1 - RESERVE))
    memory = free if chosen.memory_bytes is None else min(int(chosen.memory_bytes), free)
    return BenchmarkSettings(
        experiments=experiments,
        points=points,
        again=tuple(chosen.again),
        limits=Limits(
            memory_bytes=memory,
            stage_seconds=chosen.stage_seconds,
            draft_bytes=min(int(chosen.draft_bytes), memory),
            draft_seconds=chosen.draft_seconds,
            repeats=chosen.repeats,
            repeat_below_seconds=chosen.repeat_below_seconds,
            pinned=chosen.pinned,
        ),
        workers=chosen.workers or max(1, (psutil.cpu_count() or 1) // int(chosen.cores_per_proof)),
        seed=config.study.seed,
        folder=Path(config.study.folder),
        srs_folder=Path(config.proving.srs_folder),
        cost_model=cost_model,
    )


def _filter(names: Any) -> list[str] | None:
    return None if names is None else [str(name) for name in ([names] if isinstance(names, str) else names)]


def _load(config: DictConfig) -> ImageDataset:
    dataset: ImageDataset = build(config.dataset)
    return dataset


def _signature(config: DictConfig, cases: CaseSettings) -> str:
    """Digest of what makes rows comparable: networks and inputs. Limits may change from session to session."""
    dataset = {key: value for key, value in config.dataset.items() if key not in ("root", "cache_dir")}
    facts = [config.benchmark.grid, config.benchmark.pinned, cases.seed, cases.inputs, str(cases.recipe), dataset]
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()


def _machine(provenance: dict[str, Any], rows: list[LayerRow], rows_by_commit: dict[str, int]) -> dict[str, Any]:
    machine = provenance["machine"]
    ours = [row.total_seconds for row in rows if row.variant == "ours" and row.total_seconds is not None]
    return {
        "cpu": machine["processor"],
        "cores": machine["cores"],
        "memory_bytes": machine["memory_bytes"],
        "commit": provenance["commit"],
        "rows_by_commit": rows_by_commit,
        "command": " ".join(["python -m search", *provenance["command"][1:]]),
        "packages": provenance["packages"],
        "ours_total_seconds": sum(ours),
    }


def _summary(rows: list[LayerRow], settings: BenchmarkSettings, seconds: float) -> None:
    for variant in dict.fromkeys(row.variant for row in rows):
        outcomes = [str(row.outcome) for row in rows if row.variant == variant]
        counts = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
        print(f"{variant}: {len(outcomes)} rows: {counts}")
    print(
        f"rows: {settings.folder / 'rows.json'} ({seconds:.0f} s); page: python -m zk.benchmark report "
        f"{settings.folder}"
    )
