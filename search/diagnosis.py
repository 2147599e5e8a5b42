"""What a machine has for a search, and what it can prove."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import psutil
import torch

from evaluation.classifier.shipped import SHIPPED
from gan.data.parquet import find_files
from gan.errors import DataError
from search.finding import Finding, State
from search.released.model import released_names
from search.shipped_guides import SHIPPED_GUIDES
from zk.circuit_cost import CircuitCost, usable_rows
from zk.cost import calibrated_path, machine_cost_model, predict_cost
from zk.errors import ArtifactError
from zk.machine import this_machine
from zk.srs import check_srs_file, file_sha256

HEIGHTS = range(12, 23)
"""Heights of circuits that are tried: from seconds to what no machine of this size holds."""

SEARCH_BYTES, STUDY_DISK_BYTES = 2 * 2**30, 2 * 2**30
"""What ``make search`` was seen to need at most, with room to spare: memory, and disk for keys and weights."""


def diagnose(srs_folder: Path, data_folder: Path | None) -> Iterable[Finding]:
    """Look at the machine, its disk, caches and data, in that order; ``data_folder`` None looks for none."""
    memory = psutil.virtual_memory()
    machine = this_machine()
    yield Finding("processor", State.GOOD, f"{machine.processor}, {machine.cores} usable cores")
    yield _enough("memory", memory.available, SEARCH_BYTES, f"of {_gib(memory.total)}")
    yield _enough("disk", shutil.disk_usage(Path.cwd()).free, STUDY_DISK_BYTES, f"below {Path.cwd()}")
    yield _gpu()
    yield from _networks()
    yield Finding("models", State.GOOD, ", ".join(released_names()) or "none come with the project")
    yield _data(data_folder)
    yield srs_finding(srs_folder)
    yield from proving_findings(memory.available, machine.digest)


def srs_finding(folder: Path) -> Finding:
    """Say which reference strings are kept in ``folder``, and whether one of them is damaged."""
    kept, damaged = list[str](), list[str]()
    for path in sorted(folder.glob("*.srs")):
        try:
            check_srs_file(path)
            kept.append(path.stem)
        except ArtifactError as error:
            damaged.append(str(error))
    if damaged:
        return Finding("reference strings", State.BAD, "; ".join(damaged))
    return Finding("reference strings", State.GOOD, ", ".join(kept) or f"none yet in {folder}; made when one is needed")


def proving_findings(free_bytes: int, machine_digest: str) -> Iterable[Finding]:
    """Predict which checked circuits fit in the free memory, the largest last."""
    try:
        model = machine_cost_model(machine_digest)
    except ArtifactError as error:
        yield Finding("cost model", State.BAD, str(error))
        return
    if calibrated_path(machine_digest).exists():
        yield Finding("cost model", State.GOOD, "calibrated on this machine")
    else:
        other = f"{model.machine.processor}, {model.machine.cores} cores, {_gib(model.machine.memory_bytes)}"
        yield Finding(
            "cost model", State.NOTE, f"measured on another: {other}; python -m zk.cost calibrate measures this one"
        )
    fitting = [(cost, predict_cost(cost, model)) for cost in map(full_circuit, HEIGHTS)]
    fitting = [(cost, found) for cost, found in fitting if found.admission_bytes <= free_bytes]
    if not fitting:
        yield Finding("proofs", State.NOTE, "no circuit is predicted to fit in the free memory")
    for cost, found in fitting[-3:]:
        yield Finding(
            "proofs",
            State.GOOD,
            f"checked circuits of {cost.rows:,} rows (2^{cost.logrows}): {found.seconds['prove'].middle:.0f} s and "
            f"{_gib(found.admission_bytes)} to prove one, predicted",
        )


def full_circuit(logrows: int) -> CircuitCost:
    """Return the figures of a checked circuit of two inner columns that fills one block at that height."""
    inner, tables = 2, 2
    rows = usable_rows(logrows) - 1
    return CircuitCost(
        einsum_distinct=0,
        einsum_instances=0,
        rows=rows,
        total_assignments=rows * inner,
        total_const_size=0,
        static_lookups=tables,
        range_checks=0,
        dynamic_lookups=0,
        shuffles=0,
        einsum_column_cells=0,
        public_values=min(3 * 32 * 32, rows),
        num_inner_cols=inner,
        logrows=logrows,
        blocks=1,
        columns=3 * inner + 5,
        lookup_arguments=tables * inner,
        table_columns=1,
        table_parts=(1,) * tables,
        committed_columns=3,
    )


def _gpu() -> Finding:
    if torch.cuda.is_available():
        return Finding("GPU", State.GOOD, torch.cuda.get_device_name())
    return Finding("GPU", State.NOTE, f"none that torch {torch.__version__} finds; training runs on the processor")


def _networks() -> Iterable[Finding]:
    for name, folder, what in (("scoring networks", SHIPPED, "they are"), ("guides", SHIPPED_GUIDES, "each is")):
        if count := sum(1 for _ in folder.glob("*.safetensors")):
            yield Finding(name, State.GOOD, f"{count} come with the project, for CIFAR-10")
        else:
            yield Finding(name, State.NOTE, f"none come with this installation; {what} trained when needed")


def _data(folder: Path | None) -> Finding:
    if folder is None:
        return Finding("data", State.GOOD, "digits come with scikit-learn; give dataset.root=FOLDER to look for others")
    try:
        files = [path for split in ("train", "test") for path in find_files(folder, split)]
        sizes = [f"{path.name} {file_sha256(path)[:12]}" for path in files]
    except (DataError, ArtifactError) as error:
        return Finding("data", State.BAD, str(error))
    return Finding("data", State.GOOD, f"{folder}: {', '.join(sizes)}")


def _enough(name: str, found: int, wanted: int, of: str) -> Finding:
    text = f"{_gib(found)} free {of}"
    return (
        Finding(name, State.GOOD, text)
        if found >= wanted
        else Finding(name, State.BAD, f"{text}; {_gib(wanted)} needed")
    )


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
