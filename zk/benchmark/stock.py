"""The first column: EZKL as the published benchmark used it.

Its defaults, private parameters, public inputs and outputs with range checks, Freivalds columns allowed, calibration
with the multipliers that EZKL tries itself, the height that calibration chose, and no rewriting.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from zk.benchmark.case import Case, Draft, Limits
from zk.benchmark.figures import UNKNOWN, ended_badly, prediction_figures, stage_figures
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.srs_times import srs_seconds
from zk.circuit_cost import CircuitCost, circuit_cost, load_settings
from zk.cost import choose_logrows, predict_cost
from zk.cost_model import CostModel
from zk.errors import ZkError
from zk.pipeline import ProofRun, prove_sample
from zk.planner import compiled_circuit
from zk.stages import Repeats, StageFailed, StageRunner, write_json
from zk.types import Budget, CircuitOptions, Wiring

STATEMENT = "input public, parameters private, output public"
LOOKUP_MARGIN = 2.0
MAX_LOGROWS = 26


def stock_options(scale_bits: int) -> CircuitOptions:
    """EZKL's defaults at a scale, before calibration."""
    return CircuitOptions(
        input_scale_bits=scale_bits,
        param_scale_bits=scale_bits,
        param_visibility="private",
        disable_freivalds=False,
        ignore_range_check_inputs_outputs=False,
        lookup_range=(-32768, 32768),
        lookup_safety_margin=LOOKUP_MARGIN,
    )


def calibrated_options(
    onnx: Path, inputs: list[torch.Tensor], folder: Path, base: CircuitOptions, budget: Budget
) -> CircuitOptions:
    """Stock options at the height, the multiplier and the lookup range that EZKL's own calibration chooses.

    Raises:
        StageFailed: a call left the budget, or EZKL refused it.
    """
    runner = StageRunner(folder, base, budget)
    runner.settings(onnx)
    data = runner.file("input.json")
    write_json(data, {"input_data": [tensor.flatten().tolist() for tensor in inputs]})
    kwargs = {
        "data": str(data),
        "onnx": str(onnx),
        "settings": str(runner.file("settings.json")),
        "scale_bits": base.input_scale_bits,
        "rebase_multipliers": [1, 10],  # what calibrate_settings tries unless it is told otherwise
        "margin": base.lookup_safety_margin,
        "max_logrows": MAX_LOGROWS,
    }
    runner.run("calibrate", "zk.backend:calibrate", kwargs)
    args = load_settings(runner.file("settings.json"))["run_args"]
    low, high = args["lookup_range"]  # 0, 0 where nothing is looked up
    return dataclasses.replace(
        base,
        logrows=int(args["logrows"]),
        max_logrows=MAX_LOGROWS,
        scale_rebase_multiplier=int(args["scale_rebase_multiplier"]),
        lookup_range=(min(low, -1), max(high, 1)),
    )


def draft_stock(case: Case, folder: Path, srs: Path, limits: Limits, model: CostModel | None) -> Draft:
    """Lay a network out with EZKL's defaults; nothing is proved yet."""
    started = time.monotonic()
    onnx = case.export(folder)
    budget = Budget(limits.draft_bytes, limits.draft_seconds)
    options, note = stock_options(case.scale_bits), ""
    try:
        options = calibrated_options(onnx, [case.sample], folder / "calibration", options, budget)
    except StageFailed as failure:
        note = f"not calibrated: {failure}"
    try:
        options, cost = _sized(onnx, folder / "draft", options, budget)
    except StageFailed as failure:
        return Draft(case.row("stock", outcome=RowOutcome.REFUSED, message=str(failure), statement=STATEMENT))
    predicted = predict_cost(cost, model)
    above = predicted.admission_bytes > limits.memory_bytes
    reason = _above(predicted.admission_bytes, limits.memory_bytes) if above else ""
    row = case.row(
        "stock",
        outcome=RowOutcome.PREDICTED,
        message="; ".join(filter(None, (reason, note))),
        statement=STATEMENT,
        activation_bits=options.input_scale_bits,
        rows=cost.rows,
        logrows=cost.logrows,
        inner_columns=cost.num_inner_cols,
        columns=cost.columns,
        public_value_bytes=32 * cost.public_values,
        **prediction_figures([predicted]),
    )
    if above:
        return Draft(dataclasses.replace(row, **_scored(case, onnx, folder, options, budget)))

    def prove() -> LayerRow:
        run = prove_sample(
            onnx,
            (case.sample,),
            folder / "proof",
            options=options,
            budget=Budget(limits.memory_bytes, limits.stage_seconds),
            srs_dir=srs,
            repeats=Repeats(limits.repeats, limits.repeat_below_seconds),
            private_values=case.constants,
        )
        accuracy = _scored(case, onnx, folder, options, budget)
        accuracy |= {"srs_seconds": srs_seconds(srs, run.logrows or 0, run.stages)}
        shutil.rmtree(folder / "proof", ignore_errors=True)
        total = time.monotonic() - started
        return dataclasses.replace(row, **{**UNKNOWN, **_figures(run), **accuracy, "total_seconds": total})

    return Draft(row, predicted.admission_bytes, prove)


def _sized(onnx: Path, folder: Path, options: CircuitOptions, budget: Budget) -> tuple[CircuitOptions, CircuitCost]:
    """Settings alone: what the circuit takes, at the calibrated height or else at the one of least memory."""
    settings = StageRunner(folder, options, budget).settings(onnx)
    if options.logrows is None:
        height = choose_logrows(settings, min_logrows=12, max_logrows=MAX_LOGROWS)
        options = dataclasses.replace(options, logrows=height, max_logrows=MAX_LOGROWS)
    return options, circuit_cost(settings, options.logrows)


def _above(need: int, limit: int) -> str:
    return f"predicted memory {need / 2**30:.1f} GiB above {limit / 2**30:.1f}: not started"


def _figures(run: ProofRun) -> dict[str, Any]:
    bad = ended_badly(run.stages)
    sound = run.counts_as_proved
    figures: dict[str, Any] = stage_figures([run.stages]) | {
        "outcome": bad[0] if bad else (RowOutcome.PROVED if sound else RowOutcome.VERIFIED_ONLY),
        "message": bad[1] if bad else ("" if sound else _why_not(run)),
        "wiring": str(run.wiring),
        "wiring_reason": run.wiring_reason,
    }
    if run.cost is not None:
        figures |= {"rows": run.cost.rows, "logrows": run.logrows, "columns": run.cost.columns}
    for name in ("pk_bytes", "vk_bytes", "proof_bytes", "public_value_bytes", "proof_file_bytes"):
        figures[name] = getattr(run, name) or None
    if run.fidelity is not None:
        figures |= {"max_abs_error": run.fidelity.max_abs_error, "mean_abs_error": run.fidelity.mean_abs_error}
    return figures


def _why_not(run: ProofRun) -> str:
    if run.wiring is not Wiring.LINKED:
        return f"wiring {run.wiring}: {run.wiring_reason}"
    return f"verified {run.verified}, inputs match {run.inputs_match}, tampered copies rejected {run.tampered_rejected}"


def _scored(case: Case, onnx: Path, folder: Path, options: CircuitOptions, budget: Budget) -> dict[str, Any]:
    """Accuracy of the circuit's integers on test images, simulated; empty where there is none to tell."""
    if case.trained is None:
        return {}
    try:
        circuit = compiled_circuit(onnx, folder / "simulated", options, budget)
        outputs = circuit.run([case.trained.images]).outputs[0]
    except ZkError as refusal:
        return {"wiring_reason": f"accuracy not simulated: {refusal}"[:300]}
    finally:
        shutil.rmtree(folder / "simulated", ignore_errors=True)
    right = outputs.reshape(len(case.trained.labels), -1).argmax(1) == case.trained.labels
    return {"circuit_accuracy": float(right.double().mean())}
