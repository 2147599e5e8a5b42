"""Hold the cost predictor to circuits that it was not calibrated on.

    python benchmarks/predictor.py FOLDER [--model FILE] [--only NAME ...] [--memory-gib 16]

Each circuit below is really set up, proved and verified in child processes, and what that took is compared with what
``zk.cost`` predicted from the settings. "within" are other sizes, heights and widths of the families that
``python -m zk.cost calibrate`` measures (elementwise, dense, convolutions, small networks of these); "across" are
families that it never measures, whole generators among them, laid out by the planner. Without ``--model`` the
predictions are by this machine's calibration if there is one, else by the shipped model. Results go to
``FOLDER/predictor.json`` after each circuit; measurements there are not repeated. Some fifteen minutes on two slow
cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from circuits import draw_inputs, small_generator
from torch import nn

from zk.calibration import measure_stages
from zk.calibration_circuits import CalibrationCircuit, convolutions, dense, elementwise
from zk.circuit_cost import CircuitCost
from zk.cost import machine_cost_model, predict_cost
from zk.cost_model import STAGES, CostModel, CostSample, StageSample, load_cost_model
from zk.export import export_onnx
from zk.machine import this_machine
from zk.plan import PlanGoal
from zk.planner import plan_circuit
from zk.stages import write_json
from zk.types import Budget, CircuitOptions

PLAIN = CircuitOptions(decomp_base=1 << 10, lookup_range=(-2000, 2000), scale_rebase_multiplier=2)
REBASED = dataclasses.replace(PLAIN, scale_rebase_multiplier=1)
CHECKED = dataclasses.replace(
    PLAIN, ignore_range_check_inputs_outputs=False, param_visibility="private", scale_rebase_multiplier=1
)


def at(options: CircuitOptions, logrows: int, inner: int = 2) -> CircuitOptions:
    """Options at a height and a width."""
    return dataclasses.replace(options, logrows=logrows, num_inner_cols=inner)


def within(name: str, build: Any, options: CircuitOptions) -> CalibrationCircuit:
    """A circuit of a calibrated family."""
    return CalibrationCircuit(name, build, options)


WITHIN = (
    within("relu 2048, 2^13", elementwise("Relu", 2048), at(PLAIN, 13)),
    within("relu 16384, 2^16", elementwise("Relu", 16384), at(PLAIN, 16)),
    within("tanh 12000, 2^16", elementwise("Tanh", 12000), at(PLAIN, 16)),
    within("dense 64-1024, 2^15", dense(64, 1024), at(PLAIN, 15)),
    within("dense 100-200, 2^13, 1 column", dense(100, 200), at(PLAIN, 13, 1)),
    within("conv 6-12, 2^15", convolutions((6, 12), 16, (None,)), at(PLAIN, 15)),
    within("conv 8-16, 2^16", convolutions((8, 16), 16, (None,)), at(PLAIN, 16)),
    within("conv 12-12, 2^16, 3 columns", convolutions((12, 12), 16, (None,)), at(PLAIN, 16, 3)),
    within("relu and tanh 8-8-3, 2^15", convolutions((8, 8, 3), 16, ("Relu", "Tanh")), at(REBASED, 15)),
    within("relu and tanh 8-8-3, 2^17", convolutions((8, 8, 3), 16, ("Relu", "Tanh")), at(REBASED, 17)),
    within("hardswish and sigmoid 4-8-3, 2^15", convolutions((4, 8, 3), 16, ("HardSwish", "Sigmoid")), at(REBASED, 15)),
    within("relu, relu 6-6-3, 2^16, 1 column", convolutions((6, 6, 3), 16, ("Relu", "Relu")), at(REBASED, 16, 1)),
)


class Attention(nn.Module):
    """A product of two tensors of the circuit, twice, without softmax."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the rows of x [1, N, C]."""
        return (x @ x.transpose(1, 2)) @ x / x.shape[1]


IMAGE = (1, 8, 32, 32)
ACROSS: dict[str, tuple[nn.Module, tuple[tuple[int, ...], ...], CircuitOptions | None]] = {
    "BatchNorm2d 8x32x32": (nn.BatchNorm2d(8), (IMAGE,), at(REBASED, 16)),
    "LeakyReLU 8x32x32, checked": (nn.LeakyReLU(0.2), (IMAGE,), at(CHECKED, 16)),
    "AvgPool2d 8x32x32": (nn.AvgPool2d(2), (IMAGE,), at(PLAIN, 15)),
    "MaxPool2d 8x32x32": (nn.MaxPool2d(2), (IMAGE,), at(PLAIN, 16)),
    "SiLU 4096, planned": (nn.SiLU(), ((1, 1, 64, 64),), None),
    "ConvTranspose2d 8-16, planned": (nn.ConvTranspose2d(8, 16, 4, 2, 1), ((1, 8, 8, 8),), None),
    "products of tensors 32x32": (Attention(), ((1, 32, 32),), at(REBASED, 15)),
    "classifier, planned": (
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 10),
        ),
        ((1, 1, 16, 16),),
        None,
    ),
    "transposed generator, planned": (
        small_generator("conv", "transposed", kernel=4, head="tanh"),
        ((1, 32), (1, 10)),
        None,
    ),
    "subpixel generator, planned": (
        small_generator("subpixel", "pixel_shuffle", kernel=3, head="tanh"),
        ((1, 32), (1, 10)),
        None,
    ),
    "separable generator, planned": (
        small_generator("separable", "nearest", kernel=3, head="clamp"),
        ((1, 32), (1, 10)),
        None,
    ),
    "subpixel generator, checked": (
        small_generator("subpixel", "pixel_shuffle", kernel=3, head="tanh"),
        ((1, 32), (1, 10)),
        at(CHECKED, 16),
    ),
}


def measure_within(circuit: CalibrationCircuit, folder: Path, srs_dir: Path, budget: Budget) -> CostSample:
    """Measure a circuit of a calibrated family, on other weights than the calibration's."""
    onnx = folder / "model.onnx"
    inputs = circuit.write(onnx, seed=1)
    return measure_stages(circuit.name, onnx, [inputs], folder, srs_dir, circuit.options, budget)


def measure_across(name: str, folder: Path, srs_dir: Path, budget: Budget) -> CostSample:
    """Measure a circuit of another family at its options, or at those that the planner chooses."""
    module, shapes, options = ACROSS[name]
    torch.manual_seed(0)
    inputs = draw_inputs(shapes, 0)
    onnx = folder / "model.onnx"
    names = ("latent", "one_hot") if len(shapes) > 1 else ("x",)
    export_onnx(module.eval(), inputs, onnx, names, ("y",))
    if options is None:
        drawn = [draw_inputs(shapes, seed) for seed in range(8)]
        samples = [torch.cat([sample[index] for sample in drawn]) for index in range(len(shapes))]
        goal = PlanGoal(memory_bytes=budget.memory_bytes)
        base = CircuitOptions(min_logrows=8)
        plan = plan_circuit(onnx, samples, folder / "plan", goal=goal, base=base, budget=budget)
        assert plan.best is not None, plan.reasons
        assert plan.onnx_path is not None
        onnx, options = plan.onnx_path, plan.best.options
    values = [np.asarray(tensor.numpy(), np.float32) for tensor in inputs]
    return measure_stages(name, onnx, values, folder, srs_dir, options, budget)


def measured_row(group: str, found: CostSample, sizes: dict[str, int]) -> dict[str, Any]:
    """The measurements of one circuit as JSON values."""
    stages = {stage: dataclasses.asdict(sample) for stage, sample in found.stages.items()}
    return {"name": found.name, "group": group, "cost": dataclasses.asdict(found.cost), "stages": stages, **sizes}


def compare(row: dict[str, Any], model: CostModel) -> dict[str, float]:
    """Predicted over measured, for every quantity of a measured row, and for the memory that was asked for."""
    predicted = predict_cost(CircuitCost(**row["cost"]), model)
    stages = {stage: StageSample(**values) for stage, values in row["stages"].items()}
    ratios = {f"{stage}_seconds": predicted.seconds[stage].middle / stages[stage].seconds for stage in STAGES}
    ratios |= {f"{stage}_bytes": predicted.peak_bytes[stage].middle / stages[stage].bytes for stage in STAGES}
    ratios |= {name: getattr(predicted, name) / row[name] for name in ("pk_bytes", "vk_bytes", "proof_bytes")}
    total = sum(stage.seconds for stage in stages.values())
    ratios["total_seconds"] = sum(predicted.seconds[stage].middle for stage in STAGES) / total
    ratios["admission_bytes"] = predicted.admission_bytes / max(stage.bytes for stage in stages.values())
    return ratios


def summary(rows: list[dict[str, Any]], model: CostModel) -> dict[str, Any]:
    """Mean absolute percentage errors over all rows and over each group."""
    ratios = [(row["group"], compare(row, model)) for row in rows]

    def mape(names: Iterable[str], group: str | None = None) -> float:
        errors = [abs(found[name] - 1) for of, found in ratios for name in names if group in (None, of)]
        return fmean(errors) if errors else float("nan")

    time, memory = ("setup_seconds", "prove_seconds"), ("setup_bytes", "prove_bytes")
    quantities = [name for name in ratios[0][1] if name != "admission_bytes"]
    return {
        "time_mape": mape(time, "within"),
        "memory_mape": mape(memory),
        "cross_family_time_mape": mape(time, "across"),
        "cross_family_memory_mape": mape(memory, "across"),
        "sizes_mape": mape(("pk_bytes", "vk_bytes", "proof_bytes")),
        "held_out": len(rows),
        "held_out_across": sum(group == "across" for group, _ in ratios),
        "memory_under_admitted": sum(found["admission_bytes"] < 1 for _, found in ratios),
        "by_quantity": {
            name: {"within": mape([name], "within"), "across": mape([name], "across")} for name in quantities
        },
        "machine": dataclasses.asdict(model.machine),
        "circuits": [
            {"name": row["name"], "group": row["group"], **{k: round(v, 4) for k, v in compare(row, model).items()}}
            for row in rows
        ],
    }


def table(found: dict[str, Any]) -> str:
    """Lay the comparison out as text: predicted over measured."""
    columns = ("setup_seconds", "prove_seconds", "setup_bytes", "prove_bytes", "pk_bytes", "proof_bytes")
    lines = [f"{'predicted / measured':<38} {'':<7}" + "".join(f"{name:>15}" for name in columns)]
    for row in found["circuits"]:
        lines.append(f"{row['name']:<38} {row['group']:<7}" + "".join(f"{row[name]:>15.3f}" for name in columns))
    for label in ("time_mape", "cross_family_time_mape", "memory_mape", "cross_family_memory_mape", "sizes_mape"):
        lines.append(f"{label:<38} {100 * found[label]:.1f} %")
    lines.append(f"circuits above the memory that was asked for them: {found['memory_under_admitted']}")
    return "\n".join(lines)


def main() -> None:
    """Measure what has not been measured, then compare everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="a cost model's file")
    parser.add_argument("--srs-dir", type=Path, default=Path("mlruns/srs"))
    parser.add_argument("--memory-gib", type=float, default=16.0)
    names = [*(circuit.name for circuit in WITHIN), *ACROSS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    model = load_cost_model(given.model) if given.model else machine_cost_model(this_machine().digest)
    target, work = given.folder / "measured.json", given.folder / "work"
    rows = json.loads(target.read_text()) if target.exists() else []
    budget = Budget(int(given.memory_gib * 2**30), 1200.0)
    for name in given.only:
        if name in {row["name"] for row in rows}:
            continue
        work.mkdir(parents=True, exist_ok=True)
        known = next((circuit for circuit in WITHIN if circuit.name == name), None)
        if known is not None:
            found = measure_within(known, work, given.srs_dir, budget)
        else:
            found = measure_across(name, work, given.srs_dir, budget)
        proof = json.loads((work / "proof.json").read_text())["proof"]
        sizes = {f"{key}_bytes": (work / f"{key}.key").stat().st_size for key in ("pk", "vk")}
        group = "across" if known is None else "within"
        rows.append(measured_row(group, found, {**sizes, "proof_bytes": len(proof)}))
        write_json(target, rows)
        shutil.rmtree(work)
        print(name, {key: round(value, 2) for key, value in compare(rows[-1], model).items()}, flush=True)
    figures = summary(rows, model)
    write_json(given.folder / "predictor.json", figures)
    print(table(figures))


if __name__ == "__main__":
    main()
