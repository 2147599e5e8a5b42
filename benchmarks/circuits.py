"""Compare stock EZKL with this project's circuits on the same models, in the same run.

    python benchmarks/circuits.py FOLDER [--only NAME ...] [--memory-gb 18] [--seconds 1800]

For each model: ``stock`` is EZKL as the published benchmark used it (its defaults, private parameters, public inputs
and outputs with range checks, calibration at scale 7, the height that calibration chose, no rewriting); ``ours`` is the
planner's choice. Both are really proved in child processes, unless the predicted memory is above the limit: then the
row says so and holds predictions only. Results go to ``FOLDER/ratios.json`` after each model; finished ones are not
repeated. About an hour on two slow cores for all of them, minutes for the small ones.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan.generators import build_generator
from gan.generators import fold_batchnorm as fold_generator
from gan.spec import GeneratorSpec
from zk.benchmark.stock import calibrated_options, stock_options
from zk.circuit_cost import circuit_cost
from zk.cost import predict_peak_bytes, predict_prove_seconds
from zk.export import export_onnx
from zk.pipeline import ProofRun, prove_sample
from zk.plan import PlanGoal, format_plan
from zk.planner import plan_circuit
from zk.stages import StageFailed, StageRunner, write_json
from zk.types import Budget, CircuitOptions

SAMPLES = 16
SCALE_BITS = 7
LAYER = (1, 1, 64, 64)
IMAGE = (1, 32, 64, 64)


def small_generator(family: str, upsampling: str, **choices: Any) -> nn.Module:
    """An untrained generator for 16x16 images, BatchNorm folded as at every export."""
    spec = GeneratorSpec(
        family=family,
        latent_dim=32,
        conditioning="one_hot",
        widths=(16, 8),
        embed_dim=0,
        upsampling=upsampling,
        activation="relu",
        image_size=16,
        **choices,
    )
    return fold_generator(build_generator(spec)).cpu().eval()


MODELS: dict[str, tuple[nn.Module, tuple[tuple[int, ...], ...]]] = {
    "ReLU": (nn.ReLU(), (LAYER,)),
    "SiLU": (nn.SiLU(), (LAYER,)),
    "Tanh": (nn.Tanh(), (LAYER,)),
    "LeakyReLU": (nn.LeakyReLU(0.2), (LAYER,)),
    "ConvTranspose2d stage 8-16": (nn.ConvTranspose2d(8, 16, 4, 2, 1), ((1, 8, 8, 8),)),
    "Conv2d 3x3 8-16": (nn.Conv2d(8, 16, 3, padding=1), ((1, 8, 16, 16),)),
    "upsample + Conv2d 3x3 8-16": (
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 16, 3, padding=1)),
        ((1, 8, 8, 8),),
    ),
    "conv generator 16x16": (
        small_generator("conv", "transposed", kernel=4, head="clamp"),
        ((1, 32), (1, 10)),
    ),
    "subpixel generator 16x16": (
        small_generator("subpixel", "pixel_shuffle", kernel=3, head="clamp"),
        ((1, 32), (1, 10)),
    ),
    "AvgPool2d_k2": (nn.AvgPool2d(2), (IMAGE,)),
    "BatchNorm2d": (nn.BatchNorm2d(32), (IMAGE,)),
    "MaxPool2d_k2": (nn.MaxPool2d(2), (IMAGE,)),
}


def draw_inputs(shapes: tuple[tuple[int, ...], ...], seed: int) -> tuple[torch.Tensor, ...]:
    """Standard normal inputs; a second one is a one-hot class."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shapes[0], generator=generator)]
    drawn += [torch.eye(shape[1])[seed % shape[1]].reshape(shape) for shape in shapes[1:]]
    return tuple(drawn)


def measure(
    onnx: Path,
    inputs: tuple[torch.Tensor, ...],
    folder: Path,
    options: CircuitOptions,
    budget: Budget,
    reference: Path | None = None,
) -> dict[str, Any]:
    """Prove one sample, or say what it would need."""
    runner = StageRunner(folder / "draft", options, budget)
    settings = runner.settings(onnx)
    cost = circuit_cost(settings)
    predicted = predict_peak_bytes(cost)
    row: dict[str, Any] = {
        "rows": cost.rows,
        "rebase_multiplier": options.scale_rebase_multiplier,
        "inner_columns": cost.num_inner_cols,
        "logrows": cost.logrows,
        "columns": cost.columns,
        "predicted_peak_bytes": predicted,
        "predicted_prove_seconds": predict_prove_seconds(cost),
    }
    if predicted > budget.memory_bytes:
        return row | {"outcome": "predicted only: above the memory limit", "wiring": "unchecked"}
    srs = folder.parent / "srs"
    run = prove_sample(onnx, inputs, folder, options=options, budget=budget, srs_dir=srs, reference=reference)
    return row | proof_figures(run)


def proof_figures(run: ProofRun) -> dict[str, Any]:
    """What the run measured."""
    figures: dict[str, Any] = {
        "outcome": str(run.outcome) if run.counts_as_proved else _failure(run),
        "wiring": str(run.wiring),
        "counts_as_proved": run.counts_as_proved,
        "pk_bytes": run.pk_bytes,
        "vk_bytes": run.vk_bytes,
        "proof_bytes": run.proof_bytes,
        "public_value_bytes": run.public_value_bytes,
        "mean_abs_error": run.fidelity.mean_abs_error if run.fidelity else None,
    }
    for name in ("setup", "witness", "prove", "verify"):
        stage = run.stage(name)
        if stage is not None:
            figures |= {f"{name}_seconds": stage.work_seconds, f"{name}_peak_rss_bytes": stage.peak_rss_bytes}
    return figures


def _failure(run: ProofRun) -> str:
    failed = next((stage for stage in run.stages if not stage.ok), None)
    if failed is not None:
        return f"{failed.stage} {failed.outcome}: {failed.message}"
    return f"verified {run.verified}, wiring {run.wiring}: not counted as proved"


def compare(name: str, folder: Path, budget: Budget) -> dict[str, Any]:
    """Both columns of one model."""
    module, shapes = MODELS[name]
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    inputs = draw_inputs(shapes, 0)
    names = ("latent", "one_hot")[: len(shapes)] if len(shapes) > 1 else ("x",)
    onnx = folder / "model.onnx"
    export_onnx(module.eval(), inputs, onnx, names, ("y",))
    drawn = [draw_inputs(shapes, seed) for seed in range(SAMPLES)]
    samples = [torch.cat([sample[index] for sample in drawn]) for index in range(len(shapes))]
    goal = PlanGoal(memory_bytes=budget.memory_bytes)
    plan = plan_circuit(onnx, samples, folder / "plan", goal=goal, base=CircuitOptions(min_logrows=8), budget=budget)
    print(format_plan(plan), flush=True)
    row: dict[str, Any] = {"model": name}
    try:
        options = calibrated_options(onnx, list(inputs), folder / "s", stock_options(SCALE_BITS), budget)
        stock = measure(onnx, inputs, folder / "stock", options, budget)
    except StageFailed as failure:
        stock = {"outcome": str(failure)}
    ours: dict[str, Any] = {"outcome": "no layout fulfils the goal"}
    if plan.best is not None and plan.onnx_path is not None:
        ours = {"form": plan.best.form}
        ours |= measure(plan.onnx_path, inputs, folder / "ours", plan.best.options, budget, plan.source)
    for side, figures in (("stock", stock), ("ours", ours)):
        row |= {f"{side}_{key}": value for key, value in figures.items()}
        row[f"{side}_peak_rss_bytes"] = max(
            (value for key, value in figures.items() if key.endswith("_peak_rss_bytes")), default=None
        )
    if "stock_rows" in row and "ours_rows" in row:
        row["rows_ratio"] = row["stock_rows"] / row["ours_rows"]
        # A row of three inner columns holds what three rows of one do.
        row["rows_ratio_at_equal_width"] = row["rows_ratio"] * row["stock_inner_columns"] / row["ours_inner_columns"]
    return row


def main() -> None:
    """Run the models that have no result yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--memory-gb", type=float, default=18.0)
    parser.add_argument("--seconds", type=float, default=1800.0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    target = given.folder / "ratios.json"
    rows = json.loads(target.read_text()) if target.exists() else []
    budget = Budget(int(given.memory_gb * 1e9), given.seconds)
    for name in given.only:
        if name in {row["model"] for row in rows}:
            continue
        print(f"== {name}", flush=True)
        work = given.folder / "work"
        rows.append(compare(name, work, budget))
        print(json.dumps(rows[-1], indent=1), flush=True)
        write_json(target, rows)
        for part in ("plan", "stock", "ours", "s"):
            shutil.rmtree(work / part, ignore_errors=True)


if __name__ == "__main__":
    main()
