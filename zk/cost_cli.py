"""``python -m zk.cost model.onnx``: what each node of a model costs as a circuit, and what the circuit will need."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zk.attribution import Attribution, NodeCost, attribute_cost
from zk.calibrate_cli import calibrate
from zk.checked.cost_cli import attribute_checked_model
from zk.cost import machine_cost_model, predict_cost
from zk.cost_model import CostModel
from zk.errors import ZkError
from zk.machine import this_machine
from zk.stages import write_json
from zk.types import Budget, CircuitOptions

WIDTH = 120
"""Columns of a terminal that the table fits into."""

_HEADER = ("node", "operator", "output", "rows", "share", "rebase", "tables", "MACs", "wasted", "rule")
_NUMBERS = frozenset({"rows", "share", "rebase", "tables", "MACs", "wasted"})
_LEGEND = (
    "rebase: of the rows, those that bring products back to the base scale (an estimate); tables: lookup and range "
    "tables that no earlier node needs; MACs: multiply-accumulates of the model; wasted: products in the circuit that "
    "another spelling would spare; rule: the lowering rule that would help."
)
_SHRINKING = ((1, 12), (0, 18), (2, 11), (1, 8), (0, 10))
"""Columns that give way, one after the other, where the table is too wide, and what each keeps."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand, "attribute" if none is named; gives the exit status: 0, or 1 with the error on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = COMMANDS[given.pop(0)] if given and given[0] in COMMANDS else attribute
    try:
        return command(given)
    except (ZkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def attribute(arguments: Sequence[str]) -> int:
    """Print, and write as JSON if asked to, the cost of each node of a model."""
    parser = _parser()
    given = parser.parse_args(arguments)
    budget = Budget.asked(given.memory_gib * 2**30, given.seconds)
    model = machine_cost_model(this_machine().digest)  # first: a broken one should not cost the work below
    with tempfile.TemporaryDirectory(prefix="zk-cost-") as folder:
        found = attribute_cost(given.model, given.workdir or Path(folder), options=_options(given), budget=budget)
    print("\n".join(report_lines(found, model)))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(given.json, report_json(found, model))
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "attribute": attribute,
    "checked": attribute_checked_model,
    "calibrate": calibrate,
}
"""Subcommands by name; each takes the arguments behind its name and gives the exit status."""


def _parser() -> argparse.ArgumentParser:
    defaults = CircuitOptions()
    parser = argparse.ArgumentParser(prog="python -m zk.cost", description=__doc__, epilog=_LEGEND)
    parser.add_argument("model", type=Path, help="ONNX file with fixed shapes")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the attribution as JSON, too")
    parser.add_argument("--logrows", type=int, metavar="K", help="height 2**K (default: the one with least memory)")
    parser.add_argument("--input-scale", type=int, default=defaults.input_scale_bits, metavar="BITS")
    parser.add_argument("--param-scale", type=int, default=defaults.param_scale_bits, metavar="BITS")
    parser.add_argument("--rebase-multiplier", type=int, default=defaults.scale_rebase_multiplier, metavar="N")
    parser.add_argument("--inner-columns", type=int, default=defaults.num_inner_cols, metavar="N")
    parser.add_argument("--decomposition-base", type=int, default=defaults.decomp_base, metavar="N")
    parser.add_argument("--decomposition-legs", type=int, default=defaults.decomp_legs, metavar="N")
    parser.add_argument("--lookup-range", type=int, nargs=2, default=defaults.lookup_range, metavar=("LOW", "HIGH"))
    parser.add_argument(
        "--range-checks", action="store_true", help="check the range of inputs and outputs in the circuit"
    )
    parser.add_argument("--memory-gib", type=float, default=8.0, metavar="GIB", help="limit of each child process")
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="limit of each child process")
    parser.add_argument("--workdir", type=Path, metavar="DIR", help="keep the logs here")
    return parser


def _options(given: argparse.Namespace) -> CircuitOptions:
    return CircuitOptions(
        input_scale_bits=given.input_scale,
        param_scale_bits=given.param_scale,
        scale_rebase_multiplier=given.rebase_multiplier,
        lookup_range=tuple(given.lookup_range),
        decomp_base=given.decomposition_base,
        decomp_legs=given.decomposition_legs,
        num_inner_cols=given.inner_columns,
        logrows=given.logrows,
        ignore_range_check_inputs_outputs=not given.range_checks,
    )


def report_json(found: Attribution, model: CostModel) -> dict[str, object]:
    """Give an attribution and its predictions (low, middle, high) as JSON values."""
    return {**found.to_json(), "predicted": predict_cost(found.cost, model).to_json()}


def report_lines(found: Attribution, model: CostModel) -> list[str]:
    """Lay an attribution out as lines of at most :data:`WIDTH` characters: nodes, their sum, and predictions."""
    shown = [node for node in found.nodes if node.rows or node.lookups or node.macs]
    silent = Counter(node.op_type for node in found.nodes if node not in shown)
    total = sum(node.rebase_rows for node in found.nodes)
    foot = ("total", "", "", f"{found.rows:,}", "100.0%", f"{total:,}", f"{found.lookups}")
    rows = [_HEADER, *map(_cells, shown), (*foot, f"{found.macs:,}", f"{found.wasted_macs:,}", "")]
    lines = _table(rows)
    if silent:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(silent.items()))
        lines += _wrapped(f"without cost: {kinds}")
    return [*lines, "", *_totals(found, model)]


def _cells(node: NodeCost) -> tuple[str, ...]:
    shape = "x".join(map(str, node.output_shape))
    counts = [f"{count:,}" if count else "" for count in (node.rebase_rows, node.lookups, node.macs, node.wasted_macs)]
    share = f"{100 * node.share:.1f}%"
    name = node.name.strip("/").removesuffix(f"/{node.op_type}")  # the exporter repeats the operator behind the module
    return (name, node.op_type, shape, f"{node.rows:,}", share, *counts, node.rule or "")


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    excess = sum(widths) + len(widths) - 1 - WIDTH
    for column, least in _SHRINKING:
        cut = min(max(excess, 0), max(widths[column] - least, 0))
        widths[column] -= cut
        excess -= cut
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = []
    for title, text, width in zip(_HEADER, row, widths, strict=True):
        if len(text) > width:  # the end of a node's name tells more than the path to its module
            text = f"~{text[len(text) - width + 1 :]}" if title == "node" else f"{text[: width - 1]}~"
        cells.append(text.rjust(width) if title in _NUMBERS else text.ljust(width))
    return " ".join(cells).rstrip()


def _wrapped(text: str) -> list[str]:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = " "
        line = f"{line} {word}" if line else word
    return [*lines, line]


def _totals(found: Attribution, model: CostModel) -> list[str]:
    cost = found.cost
    ruled = sum(node.rows for node in found.nodes if node.rule is not None)
    predicted = predict_cost(cost, model)
    lines = [
        f"rows              {found.rows:,} (equal to ezkl's), {found.assignments:,} cells",
        f"rows with a rule  {ruled:,} ({100 * ruled / max(found.rows, 1):.1f}%)",
        f"logrows           {cost.logrows} ({cost.blocks} blocks)",
        f"columns           {cost.columns}",
        f"lookup tables     {cost.static_lookups} of activations, {cost.range_checks} of ranges",
        f"sizes             proving key {predicted.pk_bytes:,} bytes, verification key {predicted.vk_bytes:,}, "
        f"proof {predicted.proof_bytes:,}",
        "",
        f"{'predicted':<17} {'seconds':>9} {'from':>9} {'to':>9}   {'peak GiB':>9} {'from':>9} {'to':>9}",
    ]
    for stage, seconds in predicted.seconds.items():
        memory = predicted.peak_bytes[stage]
        times = " ".join(f"{value:>9.2f}" for value in (seconds.middle, seconds.low, seconds.high))
        sizes = " ".join(f"{value / 2**30:>9.2f}" for value in (memory.middle, memory.low, memory.high))
        lines.append(f"{stage:<17} {times}   {sizes}")
    machine = model.machine
    return [*lines, f"measured on {machine.processor[:60]}, {machine.cores} cores, ezkl {machine.ezkl}"]
