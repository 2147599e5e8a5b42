"""``python -m zk.cost checked model.onnx``: what each step of a checked circuit costs, and what it will need."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zk.checked.attribution import CheckedAttribution, attribute_checked
from zk.checked.circuit import build_checked
from zk.checked.layouts import cheapest_layout, part_costs
from zk.checked.options import WEIGHTS, CheckedOptions
from zk.cost import CostPrediction, machine_cost_model, predict_cost
from zk.machine import this_machine
from zk.stages import write_json
from zk.types import Budget


def attribute_checked_model(arguments: Sequence[str]) -> int:
    """Print, and write as JSON if asked to, the cost of each step of a model's checked circuit."""
    parser = argparse.ArgumentParser(
        prog="python -m zk.cost checked",
        description="Rows of each step of a checked circuit, beside those of computing the product directly.",
    )
    parser.add_argument("model", type=Path, help="ONNX file with fixed shapes")
    parser.add_argument("--private", nargs="*", default=[], metavar="INPUT", help="inputs that stay secret")
    parser.add_argument(
        "--weights", choices=WEIGHTS, default="public", help="known to the verifier, or bound by the key"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON, too")
    parser.add_argument("--memory-gib", type=float, default=8.0, metavar="GIB", help="limit of each child process")
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="limit of each child process")
    given = parser.parse_args(arguments)
    budget = Budget.asked(given.memory_gib * 2**30, given.seconds)
    model = machine_cost_model(this_machine().digest)
    base = CheckedOptions(private_inputs=tuple(given.private), weights=given.weights)
    with tempfile.TemporaryDirectory(prefix="zk-cost-") as name:
        folder = Path(name)
        options = cheapest_layout(given.model, folder, base, budget=budget, model=model)
        circuit = build_checked(given.model, options, folder, budget=budget)
        predicted = [predict_cost(cost, model) for cost in part_costs(circuit, folder, budget)]
        found = attribute_checked(circuit)
    print("\n".join(report_lines(found, options, predicted)))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        parts = [part.to_json() for part in predicted]
        write_json(given.json, {**found.to_json(), "options": options.to_json(), "predicted": parts})
    return 0


def report_lines(found: CheckedAttribution, options: CheckedOptions, predicted: Sequence[CostPrediction]) -> list[str]:
    """Lay an attribution out as text, steps without rows left out."""
    lines = [f"{'node':<34} {'kind':<9} {'output':<14} {'rows':>9} {'share':>6} {'MACs':>12} {'direct rows':>12}"]
    total = max(found.rows, 1)
    for step in found.steps:
        if step.rows:
            name = step.name if len(step.name) <= 34 else f"~{step.name[-33:]}"
            shape = "x".join(map(str, step.shape))
            macs, direct = (f"{value:,}" if value else "" for value in (step.macs, step.direct_rows))
            share = f"{100 * step.rows / total:.1f}%"
            lines.append(f"{name:<34} {step.kind:<9} {shape:<14} {step.rows:>9,} {share:>6} {macs:>12} {direct:>12}")
    macs, direct = (sum(getattr(step, name) for step in found.steps) for name in ("macs", "direct_rows"))
    lines.append(f"{'total':<34} {'':<9} {'':<14} {found.rows:>9,} {'100.0%':>6} {macs:>12,} {direct:>12,}")
    lines += ["", f"logrows {options.logrows}, {options.num_inner_cols} inner columns, {len(predicted)} parts"]
    for stage in ("setup", "prove", "verify"):
        seconds = sum(part.seconds[stage].middle for part in predicted)
        peak = max(part.peak_bytes[stage].middle for part in predicted)
        lines.append(f"predicted {stage:<7} {seconds:>8.1f} s {peak / 2**30:>7.2f} GiB")
    return lines
