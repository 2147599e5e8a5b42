"""Measuring a machine: prove small circuits one after the other and fit the cost model to what they took."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.calibration_circuits import CALIBRATION_CIRCUITS, CalibrationCircuit
from zk.circuit_cost import circuit_cost
from zk.cost_model import CostModel, CostSample, StageSample, fit_cost_model
from zk.machine import Machine
from zk.stages import StageRunner, write_json
from zk.types import Budget, CircuitOptions, StageResult

REPEATED_BELOW_SECONDS = 2.0
"""Stages shorter than this are run three times and count with their median: a start-up hiccup is large to them."""

_SEED = 0


def calibrate_machine(
    machine: Machine,
    workdir: Path,
    srs_dir: Path,
    *,
    budget: Budget,
    circuits: Iterable[CalibrationCircuit] = CALIBRATION_CIRCUITS,
    say: Callable[[str], None] = print,
) -> tuple[CostModel, list[CostSample]]:
    """Measure ``circuits`` and fit the model.

    Args:
        machine: what this machine is; stored with the model.
        workdir: for keys and proofs; each circuit's folder is removed after it.
        srs_dir: cache of SRS files.
        budget: limits of each stage.
        circuits: what to measure.
        say: receives a line per circuit.

    Raises:
        StageFailed: a stage of a circuit left the budget; nothing is fitted then.
    """
    samples: list[CostSample] = []
    for circuit in circuits:
        folder = workdir / f"circuit-{len(samples)}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            onnx = folder / "model.onnx"
            inputs = circuit.write(onnx, _SEED)
            sample = measure_stages(circuit.name, onnx, [inputs], folder, srs_dir, circuit.options, budget)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        samples.append(sample)
        say(sample_line(sample))
    return fit_cost_model(samples, machine), samples


def measure_stages(
    name: str,
    onnx: Path,
    inputs: list[NDArray[np.float32]],
    folder: Path,
    srs_dir: Path,
    options: CircuitOptions,
    budget: Budget,
) -> CostSample:
    """Set up, prove and verify one sample of a model, each stage in a child of its own, and say what they took.

    Raises:
        StageFailed: a stage was refused or left the budget.
    """
    runner = StageRunner(folder, options, budget)
    settings = runner.settings(onnx)
    compiled = str(runner.compile(onnx))
    srs = str(runner.srs(srs_dir, int(settings["run_args"]["logrows"])))
    write_json(runner.file("input.json"), {"input_data": [values.ravel().tolist() for values in inputs]})
    vk, pk, witness, proof = (str(runner.file(part)) for part in ("vk.key", "pk.key", "witness.json", "proof.json"))
    data = str(runner.file("input.json"))
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "setup": ("zk.backend:setup", {"compiled": compiled, "vk": vk, "pk": pk, "srs": srs}),
        "witness": (
            "zk.backend:gen_witness",
            {"data": data, "compiled": compiled, "witness": witness, "vk": vk, "srs": srs},
        ),
        "prove": (
            "zk.backend:prove",
            {"witness": witness, "compiled": compiled, "pk": pk, "proof": proof, "srs": srs},
        ),
        "verify": (
            "zk.backend:verify",
            {"proof": proof, "settings": str(runner.file("settings.json")), "vk": vk, "srs": srs},
        ),
    }
    stages = {stage: _measure(runner, stage, target, kwargs) for stage, (target, kwargs) in calls.items()}
    return CostSample(name, circuit_cost(settings), stages)


def _measure(runner: StageRunner, stage: str, target: str, kwargs: dict[str, Any]) -> StageSample:
    results: list[StageResult] = []
    while not results or (len(results) < 3 and results[0].work_seconds < REPEATED_BELOW_SECONDS):
        runner.run(stage, target, kwargs)
        results.append(runner.results[-1])
    seconds = statistics.median(result.work_seconds for result in results)
    return StageSample(seconds, float(max(result.peak_rss_bytes for result in results)))


def sample_line(sample: CostSample) -> str:
    """One line: the circuit's size and what its stages took."""
    parts = [
        f"{stage} {found.seconds:.2f} s {found.bytes / 2**30:.2f} GiB"
        for stage, found in sample.stages.items()
        if stage in ("setup", "prove")
    ]
    cost = sample.cost
    return f"{sample.name:<38} {cost.rows:>9,} rows, {cost.blocks} blocks at 2^{cost.logrows}: {', '.join(parts)}"
