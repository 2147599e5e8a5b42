"""One generator proved directly, with EZKL's defaults, and in checked form; and a layer that was lost at 125 GB.

    python benchmarks/commit_and_challenge.py FOLDER [--network MODEL.onnx] [--attacks ATTACKS.json] [--memory-gb 20]

FOLDER receives keys, proofs and logs. MODEL.onnx is a trained generator with inputs ``latent`` and ``one_hot``; without
it, one of that shape is built: Linear 74 -> 128 x 4 x 4, three convolutions 128 -> 64 -> 32 -> 12, each with a pixel
shuffle, HardSwish, random weights. What it costs does not depend on the weights. ATTACKS.json is what
``benchmarks/attacks.py`` writes. The result goes to FOLDER/commit-and-challenge.json and, as Markdown, beside it.

A circuit whose predicted memory is above the limit is not started; its figures are then predictions and its
outcome says so. Times are wall clock, memory is the peak of the stage's process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zk.checked.circuit import build_checked
from zk.checked.options import CheckedOptions
from zk.checked.plan import format_checked_plan
from zk.checked.planner import plan_checked
from zk.checked.prove import Proving
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.circuit_cost import circuit_cost
from zk.cost import choose_logrows, predict_cost
from zk.errors import ZkError
from zk.graph_inputs import graph_inputs
from zk.pipeline import ProofRun, prove_sample
from zk.plan import PlanGoal, format_plan
from zk.planner import plan_circuit
from zk.stages import StageRunner
from zk.types import Budget, CircuitOptions

SAMPLES, SECONDS = 8, 3600.0
SMALL_WIDTHS = (32, 16, 8)
"""Of a generator whose direct circuit fits, so that both can be measured in one run."""

STOCK = CircuitOptions(
    scale_rebase_multiplier=1,
    disable_freivalds=False,
    ignore_range_check_inputs_outputs=False,
    param_visibility="private",
)
"""EZKL's defaults, as the published circuits had them: private weights, public inputs and outputs, Freivalds on."""


class SubpixelGenerator(nn.Module):
    """The generator of 470 k parameters and 10.3 M multiply-accumulates, with BatchNorm that has seen random inputs."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.widths = widths
        first, second, third = widths
        self.start = nn.Linear(74, first * 16)
        steps = [(first, second), (second, third), (third, 3)]
        self.convolutions = nn.ModuleList(nn.Conv2d(before, 4 * after, 3, padding=1) for before, after in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in self.widths)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        """Images [N, 3, 32, 32] from latents [N, 64] and one-hot rows [N, 10]."""
        x = self.start(torch.cat([latent, one_hot], 1)).view(-1, self.widths[0], 4, 4)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = nn.functional.pixel_shuffle(convolution(nn.functional.hardswish(norm(x))), 2)
        return torch.tanh(x)


def random_generator(path: Path, widths: tuple[int, int, int]) -> None:
    """Write the generator with random weights."""
    torch.manual_seed(0)
    module = SubpixelGenerator(widths)
    for _ in range(20):
        module(torch.randn(64, 64), torch.eye(10)[torch.randint(10, (64,))])
    torch.onnx.export(
        module.eval(),
        (torch.randn(1, 64), torch.eye(10)[:1]),
        str(path),
        input_names=["latent", "one_hot"],
        output_names=["image"],
        opset_version=17,
        dynamo=False,
    )


def layer(path: Path) -> None:
    """Write the published layer Conv2d_k3_s1: [1, 32, 64, 64] to 64 channels."""
    torch.manual_seed(0)
    module = nn.Conv2d(32, 64, 3, padding=1).eval()
    example = torch.randn(1, 32, 64, 64)
    torch.onnx.export(module, (example,), str(path), input_names=["x"], opset_version=17, dynamo=False)


def multiply_accumulates(path: Path, folder: Path, budget: Budget) -> int:
    """Count those of the products of a network."""
    program = build_checked(path, CheckedOptions(), folder, budget=budget).program
    return sum(claim.macs for claim in program.claims)


def samples_of(path: Path, count: int) -> list[torch.Tensor]:
    """Random inputs [count, ...]: one-hot rows for an input of that name, normal values for others."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for name, shape in graph_inputs(path):
        if name == "one_hot":
            found.append(torch.eye(shape[1])[torch.arange(count) % shape[1]].reshape(count, *shape))
        else:
            found.append(torch.randn(count, *shape, generator=generator))
    return found


def direct_row(
    name: str, network: Path, reference: Path, folder: Path, options: CircuitOptions, budget: Budget
) -> dict[str, Any]:
    """Prove with a direct layout if its predicted memory fits, else predict."""
    runner = StageRunner(folder / "draft", options, budget)
    try:
        settings = runner.settings(network)
    except ZkError as refusal:
        return {"outcome": f"refused: {refusal}"}
    if options.logrows is None:
        settings["run_args"]["logrows"] = choose_logrows(settings, min_logrows=12, max_logrows=25)
    cost = circuit_cost(settings)
    predicted = predict_cost(cost)
    row: dict[str, Any] = {"rows": cost.rows, "logrows": cost.logrows}
    if predicted.admission_bytes > budget.memory_bytes:
        return row | {
            "outcome": "predicted",
            "pk_bytes": predicted.pk_bytes,
            "setup_seconds": predicted.seconds["setup"].middle,
            "prove_seconds": predicted.seconds["prove"].middle,
            "verify_seconds": predicted.seconds["verify"].middle,
            "peak_rss_bytes": predicted.admission_bytes,
            "proof_bytes": predicted.proof_bytes,
            "wiring": "unlinked" if cost.einsum_column_cells else "not built",
        }
    inputs = [tensor[0] for tensor in samples_of(network, 1)]
    fixed = dataclasses.replace(options, logrows=cost.logrows)
    print(f"{name}: {cost.rows:,} rows, predicted {predicted.admission_bytes / 2**30:.1f} GiB", flush=True)
    run = prove_sample(
        network,
        inputs,
        folder / name,
        options=fixed,
        budget=budget,
        srs_dir=folder.parent / "srs",
        reference=reference,
    )
    return row | stage_figures(run)


def stage_figures(run: ProofRun | CheckedRun) -> dict[str, Any]:
    """Seconds, true peaks and sizes of a run."""
    stages = run.merged_stages if isinstance(run, CheckedRun) else run.stages
    by_name = {stage.stage: stage for stage in stages}
    parts = run.proof.parts if isinstance(run, CheckedRun) else (run,)
    found: dict[str, Any] = {"outcome": "proved" if run.counts_as_proved else f"not proved: {run.outcome}"}
    for stage in ("setup", "witness", "prove", "verify"):
        if stage in by_name:
            found[f"{stage}_seconds"] = by_name[stage].wall_seconds
            found[f"{stage}_peak_rss_bytes"] = by_name[stage].peak_rss_bytes
    found["peak_rss_bytes"] = max(stage.peak_rss_bytes for stage in stages)
    for size in ("pk_bytes", "vk_bytes", "proof_bytes", "public_value_bytes"):
        found[size] = sum(getattr(part, size) for part in parts)
    found["wiring"] = str(run.wiring)
    if run.fidelity is not None:
        found["mean_abs_error"] = run.fidelity.mean_abs_error
    return found


def checked_row(
    name: str, network: Path, folder: Path, budget: Budget, *, private: tuple[str, ...], weights: str = "public"
) -> dict[str, Any]:
    """Plan and prove in checked form."""
    goal = PlanGoal(memory_bytes=budget.memory_bytes)
    base = CheckedOptions(private_inputs=private, weights=weights)
    samples = samples_of(network, SAMPLES)
    plan = plan_checked(network, samples, folder / f"{name}-plan", goal=goal, base=base, budget=budget)
    print(f"{name}\n{format_checked_plan(plan)}", flush=True)
    if plan.best is None:
        return {"outcome": f"refused: {plan.reasons}"}
    circuit = build_checked(network, plan.best.options, folder / name, budget=budget)
    proving = Proving(workdir=folder / name, srs_dir=folder.parent / "srs", budget=budget)
    run = prove_checked(network, circuit, [tensor[0] for tensor in samples], proving)
    row: dict[str, Any] = {
        "rows": plan.best.rows,
        "logrows": plan.best.options.logrows,
        "inner_columns": plan.best.options.num_inner_cols,
        "parts": len(circuit.parts),
        "claims": len(circuit.program.claims),
        "predicted_prove_seconds": plan.best.predicted_prove_seconds,
        "predicted_peak_bytes": plan.best.predicted_peak_bytes,
    }
    if run.proof.complete:
        target = folder / f"{name}.zip"
        target.unlink(missing_ok=True)
        bundle = write_checked_bundle(run, circuit, target, onnx_path=network, proving=proving, config=None)
        row["bundle_bytes"] = sum(bundle.member_bytes.values())
    return row | stage_figures(run)


def planned_direct(network: Path, folder: Path, budget: Budget, name: str) -> dict[str, Any]:
    """The planner's best sound direct layout, whether or not it fits."""
    unbounded = PlanGoal(memory_bytes=1 << 50)
    options = CircuitOptions(max_logrows=25)
    samples = [tensor.flatten(0, 1) for tensor in samples_of(network, SAMPLES)]  # the batch's axis is the samples'
    plan = plan_circuit(network, samples, folder / f"{name}-plan", goal=unbounded, base=options, budget=budget)
    print(f"{name}\n{format_plan(plan)}", flush=True)
    if plan.best is None or plan.onnx_path is None:
        return {"outcome": f"refused: {plan.reasons}"}
    return direct_row(name, plan.onnx_path, network, folder, plan.best.options, budget)


def as_markdown(result: dict[str, Any]) -> str:
    """The same as tables."""
    names = ("outcome", "rows", "logrows", "pk_bytes", "setup_seconds", "prove_seconds", "verify_seconds",
             "peak_rss_bytes", "proof_bytes", "bundle_bytes", "mean_abs_error", "wiring")  # fmt: skip
    lines: list[str] = []
    for title in ("generator", "small_generator"):
        found = result[title]
        columns = [name for name in found if isinstance(found[name], dict)]
        lines += [f"{title.replace('_', ' ').capitalize()} of {found['macs']:,} multiply-accumulates.", ""]
        lines += [f"| | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
        for name in names:
            cells = [_cell(name, found[column].get(name)) for column in columns]
            lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["| Conv2d_k3_s1 | |", "| --- | --- |"]
    lines += [f"| {name.replace('_', ' ')} | {_cell(name, value)} |" for name, value in result["conv2d_k3_s1"].items()]
    for name, of in (("attacks", "rejected"), ("mutations", "caught")):
        if name in result:
            lines += ["", f"{name.capitalize()}: {result[name][of]} of {result[name]['total']} {of}."]
    return "\n".join(lines) + "\n"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("bytes") and value >= 1e6:
        return f"{value / 1e9:.2f} GB" if value >= 1e8 else f"{value / 1e6:.1f} MB"
    if isinstance(value, float):
        return f"{value:.1f}" if name.endswith("seconds") else f"{value:.5f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Run everything and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--attacks", type=Path)
    parser.add_argument("--memory-gb", type=float, default=20.0)
    options = parser.parse_args()
    folder, budget = options.folder / "work", Budget(int(options.memory_gb * 1e9), SECONDS)
    folder.mkdir(parents=True, exist_ok=True)
    network = options.network or folder / "generator.onnx"
    if options.network is None:
        random_generator(network, (128, 64, 32))
    small = folder / "small.onnx"
    random_generator(small, SMALL_WIDTHS)
    convolution = folder / "conv2d_k3_s1.onnx"
    layer(convolution)
    generator: dict[str, Any] = {"macs": multiply_accumulates(network, folder, budget)}
    generator["checked"] = checked_row("checked", network, folder, budget, private=("latent",))
    generator["checked_bound"] = checked_row("bound", network, folder, budget, private=("latent",), weights="bound")
    generator["stock"] = direct_row("stock", network, network, folder, STOCK, budget)
    generator["direct"] = planned_direct(network, folder, budget, "direct")
    result: dict[str, Any] = {"generator": generator}
    result["small_generator"] = {
        "macs": multiply_accumulates(small, folder, budget),
        "checked": checked_row("small-checked", small, folder, budget, private=("latent",)),
        "direct": planned_direct(small, folder, budget, "small-direct"),
    }
    result["conv2d_k3_s1"] = {"macs": multiply_accumulates(convolution, folder, budget)} | checked_row(
        "conv2d", convolution, folder, budget, private=("x",)
    )
    if options.attacks is not None:
        found = json.loads(options.attacks.read_text())
        result |= {name: found[name] for name in ("attacks", "mutations")}
    (options.folder / "commit-and-challenge.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.folder / "commit-and-challenge.md").write_text(as_markdown(result))
    print(as_markdown(result))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
