"""``python -m zk.lower in.onnx out.onnx``: rewrite a model into a cheaper circuit and print what each rule saved."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from atomic_files import write_bytes, write_text
from zk.circuit_cost import load_settings
from zk.errors import LoweringError, ZkError
from zk.lowering import RULES, Lowering, lower
from zk.lowering.engine import CostFunction
from zk.onnx_files import read_onnx
from zk.stages import StageFailed, StageRunner
from zk.types import Budget, CircuitOptions


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises:
        LoweringError: missing, not a valid model, or with weights in other files.
    """
    try:
        model = read_onnx(path)
        onnx.checker.check_model(model)
        _check_names(model.graph)
    except Exception as error:  # protobuf, onnx and the operating system each have errors of their own
        raise LoweringError(f"{path} must be an ONNX model; {error}; export it again") from error
    return model


def _check_names(graph: onnx.GraphProto) -> None:
    """Refuse names that are no UTF-8, which the checker lets pass and protobuf gives as bytes that it never takes."""
    values = [value.name for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer)]
    nodes = [name for node in graph.node for name in (node.name, node.op_type, node.domain, *node.input, *node.output)]
    for name in (graph.name, *values, *nodes):
        if not isinstance(name, str):
            raise ValueError(f"its names must be UTF-8; one is {name!r}")


def circuit_rows(folder: Path, *, options: CircuitOptions, budget: Budget) -> CostFunction:
    """Give a function that measures the rows of a model's circuit from ezkl's settings, without keys."""
    folder.mkdir(parents=True, exist_ok=True)

    def rows(model: onnx.ModelProto) -> int | None:
        path = folder / "model.onnx"
        onnx.save(model, str(path))
        runner = StageRunner(folder, options, budget)
        try:
            runner.settings(path)
        except StageFailed:
            return None
        return int(load_settings(runner.file("settings.json"))["num_rows"])

    return rows


def lower_file(
    source: Path, target: Path, *, options: CircuitOptions, budget: Budget, measured: bool = True
) -> Lowering:
    """Lower the model in ``source`` and write it to ``target``, atomically.

    Args:
        source: an ONNX file with float32 inputs of static shape.
        target: written anew.
        options: layout that the rows are measured at.
        budget: limits of each measurement.
        measured: undo rewrites that save no rows; False keeps every rewrite and measures nothing.

    Raises:
        LoweringError: see :func:`zk.lowering.lower`; or the lowered model no longer fits ezkl's parser.
    """
    model = load_model(source)
    with tempfile.TemporaryDirectory(prefix="zk-lower-") as scratch:
        cost = circuit_rows(Path(scratch), options=options, budget=budget) if measured else None
        lowering = lower(model, RULES, cost=cost)
    write_bytes(target, lowering.model.SerializeToString())
    return lowering


def format_table(lowering: Lowering) -> str:
    """Lay the steps out as text: one line a rule, then the total."""
    lines = [f"{'rule':<24} {'places':>6} {'rows before':>12} {'rows after':>12} {'saved':>7} {'max error':>10}"]
    for step in lowering.steps:
        saved = _saved(step.rows_before, step.rows_after)
        note = "" if step.kept else "  undone: saves nothing"
        lines.append(
            f"{step.rule:<24} {step.rewrites:>6} {_number(step.rows_before):>12} {_number(step.rows_after):>12} "
            f"{saved:>7} {step.max_abs_error:>10.1e}{note}"
        )
    before, after = lowering.rows_before, lowering.rows_after
    lines.append(f"{'total':<24} {'':>6} {_number(before):>12} {_number(after):>12} {_saved(before, after):>7}")
    return "\n".join(lines)


def to_json(lowering: Lowering) -> dict[str, Any]:
    """The same figures as plain values."""
    steps = [{**vars(step)} for step in lowering.steps]
    return {"steps": steps, "rows_before": lowering.rows_before, "rows_after": lowering.rows_after}


def _number(rows: int | None) -> str:
    return "refused" if rows is None else f"{rows:,}"


def _saved(before: int | None, after: int | None) -> str:
    return f"{1 - after / before:.1%}" if before and after is not None else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when the model was written, 2 when it could not be."""
    parser = argparse.ArgumentParser(prog="python -m zk.lower", description=__doc__)
    parser.add_argument("source", type=Path, help="ONNX model with float32 inputs of static shape")
    parser.add_argument("target", type=Path, help="where to write the lowered model")
    parser.add_argument("--input-scale", type=int, default=7, metavar="BITS", help="scale of activations (7)")
    parser.add_argument("--param-scale", type=int, default=7, metavar="BITS", help="scale of weights (7)")
    parser.add_argument(
        "--rebase-multiplier",
        type=int,
        default=2,
        metavar="N",
        help="scales at which products are divided back, in units of the base scale (2)",
    )
    parser.add_argument("--unmeasured", action="store_true", help="keep every rewrite and measure no rows")
    parser.add_argument("--memory-gb", type=float, default=8.0, help="limit of each measurement, in 10^9 bytes (8)")
    parser.add_argument("--seconds", type=float, default=300.0, help="limit of each measurement (300)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args(arguments)
    try:
        options = CircuitOptions(
            input_scale_bits=given.input_scale,
            param_scale_bits=given.param_scale,
            scale_rebase_multiplier=given.rebase_multiplier,
        )
        budget = Budget.asked(given.memory_gb * 1e9, given.seconds)
        lowering = lower_file(given.source, given.target, options=options, budget=budget, measured=not given.unmeasured)
    except (ZkError, OSError) as error:
        print(f"zk.lower: {error}", file=sys.stderr)
        return 2
    print(format_table(lowering))
    print(f"{given.target} written")
    if given.json is not None:
        write_text(given.json, json.dumps(to_json(lowering), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
