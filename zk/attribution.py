"""What each node of an ONNX graph costs as a circuit.

ezkl reports figures of a whole model only. So the graph is cut before every node that can cost something, ezkl lays
each prefix out, and a node is charged with what its prefix takes beyond the one before. What crosses a cut becomes an
output of the prefix; a public input or output takes one cell for each element (measured), and these cells are taken
off before the differences. They are charged to an entry of their own, together with range checks of inputs and
outputs, so that the entries add up to ezkl's own totals.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from zk.attribution_graph import GraphNode, ModelGraph, cut_points, may_cost, model_graph, prefix_model
from zk.attribution_rebase import rebase_cells, rebase_cells_per_element, rebase_probe
from zk.attribution_rules import helpful_rules
from zk.attribution_runs import Layout, run_layouts
from zk.attribution_shapes import load_model
from zk.attribution_work import multiply_accumulates, products_laid_out, wasted_multiply_accumulates
from zk.circuit_cost import CircuitCost, circuit_cost, public_value_count
from zk.cost import choose_logrows
from zk.errors import BackendError, ZkError
from zk.types import Budget, CircuitOptions

INTERFACE = "(inputs, outputs)"
"""Name of the entry that holds the cells of the public inputs and outputs, and their range checks."""


@dataclass(frozen=True)
class NodeCost:
    """What one node costs, or a group of nodes that ezkl fuses.

    Attributes:
        name: name of the node; names joined by " + " for a group.
        op_type: ONNX operator; operators joined by "+" for a group.
        output_shape: shape of its (last) output; () for a scalar.
        rows: rows of the dry layout.
        assignments: cells of that layout.
        lookups: lookup and range tables that no earlier node needs.
        macs: multiply-accumulates, counted as in :mod:`zk.counting`.
        wasted_macs: products in the circuit that another spelling of the same node would spare.
        share: its part of all rows, 0 to 1.
        rule: lowering rule that would help; None if none is known.
        rebase_rows: of the rows, those that bring products back to the base scale; an estimate, 0 where unknown.

    """

    name: str
    op_type: str
    output_shape: tuple[int, ...]
    rows: int
    assignments: int
    lookups: int
    macs: int
    wasted_macs: int
    share: float
    rule: str | None
    rebase_rows: int = 0


@dataclass(frozen=True)
class Attribution:
    """Costs of all nodes that depend on an input, in graph order, and last those of the inputs and outputs.

    Attributes:
        nodes: the entries; what they cost adds up to the totals.
        rows: rows of the whole model, as ezkl reports them.
        assignments: cells of the whole model, as ezkl reports them.
        lookups: lookup and range tables of the whole model.
        macs: multiply-accumulates.
        wasted_macs: products that other spellings would spare.
        cost: all figures of the circuit, at the height that was asked for or else chosen.

    """

    nodes: tuple[NodeCost, ...]
    rows: int
    assignments: int
    lookups: int
    macs: int
    wasted_macs: int
    cost: CircuitCost

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class _Reading:
    """Figures of a layout without the cells of its public inputs and outputs, or a difference of two such."""

    rows: int
    cells: int
    tables: int

    def minus(self, other: _Reading) -> _Reading:
        return _Reading(self.rows - other.rows, self.cells - other.cells, self.tables - other.tables)

    def plus(self, other: _Reading) -> _Reading:
        return _Reading(self.rows + other.rows, self.cells + other.cells, self.tables + other.tables)


@dataclass(frozen=True)
class _Span:
    """Nodes between two cuts and what they cost together."""

    nodes: tuple[GraphNode, ...]
    cost: _Reading


def attribute_cost(onnx_path: Path, workdir: Path, *, options: CircuitOptions, budget: Budget) -> Attribution:
    """Attribute the cost of a model's circuit to its nodes.

    Args:
        onnx_path: the model, with fixed shapes.
        workdir: receives the logs; prefixes of the model are kept there while this runs.
        options: layout of the circuit.
        budget: limits of each child process; as a rule a single one lays out all prefixes.

    Raises:
        ArtifactError: the file is not a valid ONNX model.
        BackendError: ezkl refuses the model, or a budget was exceeded.
        ZkError: the entries do not add up to ezkl's totals.

    """
    model = load_model(onnx_path)
    graph = model_graph(model)
    # Whatever the visibilities, a prefix has public inputs and outputs without range checks: their cells can be told.
    bare = dataclasses.replace(
        options, input_visibility="public", output_visibility="public", ignore_range_check_inputs_outputs=True
    )
    cuts = {f"cut-{cut.position}": cut for cut in cut_points(graph)}
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="attribution-", dir=workdir) as folder:
        here = Path(folder)
        layouts = {"whole": Layout(onnx_path, here / "whole.json", options)}
        if bare != options:
            layouts["bare"] = Layout(onnx_path, here / "bare.json", bare)
        onnx.save(rebase_probe(), str(here / "probe.onnx"))
        once = dataclasses.replace(bare, scale_rebase_multiplier=1)
        layouts["probe"] = Layout(here / "probe.onnx", here / "probe.json", once)
        for name, cut in cuts.items():
            onnx.save(prefix_model(model, cut.live), str(here / f"{name}.onnx"))
            layouts[name] = Layout(here / f"{name}.onnx", here / f"{name}.json", bare)
        needed = [name for name in ("whole", "bare", "probe") if name in layouts]
        found = _measure(graph, layouts, needed, budget, workdir / "attribution.log")
    ends = [(cut.position, _reading(found[name])) for name, cut in cuts.items() if name in found]
    ends.append((len(graph.nodes), _reading(found.get("bare", found["whole"]))))
    height = options.logrows or choose_logrows(
        found["whole"], min_logrows=options.min_logrows, max_logrows=options.max_logrows
    )
    per_rebase = rebase_cells_per_element(_reading(found["probe"]).cells)
    return _assemble(graph, _spans(graph, ends), ends[-1][1], circuit_cost(found["whole"], height), per_rebase)


def _measure(
    graph: ModelGraph, layouts: Mapping[str, Layout], needed: Sequence[str], budget: Budget, log_path: Path
) -> dict[str, dict[str, Any]]:
    try:
        return run_layouts(layouts, budget=budget, log_path=log_path, needed=needed)[0]
    except BackendError as error:
        if any(node.op_type == "Pad" for node in graph.nodes):
            raise BackendError(
                f"{error}; the rules constant-folding and supported-padding may lower its Pad"
            ) from error
        raise


def _reading(settings: dict[str, Any]) -> _Reading:
    inner, cells = int(settings["run_args"]["num_inner_cols"]), int(settings["total_assignments"])
    inside = cells - public_value_count(settings)
    rows = int(settings["num_rows"]) - cells // inner + inside // inner
    return _Reading(rows, inside, len(settings["required_lookups"]) + len(settings["required_range_checks"]))


def _spans(graph: ModelGraph, ends: Sequence[tuple[int, _Reading]]) -> list[_Span]:
    """Difference the prefixes; where one has less than the one before, ezkl fuses across the cut: join the two spans.

    Nodes behind a cut that ezkl refused belong to the next span.
    """
    spans: list[_Span] = []
    start, before = 0, _Reading(0, 0, 0)
    for position, reading in ends:
        nodes = tuple(node for node in graph.nodes[start:position] if may_cost(graph, node))
        span = _Span(nodes, reading.minus(before))
        while spans and min(span.cost.rows, span.cost.cells) < 0:
            last = spans.pop()
            span = _Span(last.nodes + span.nodes, last.cost.plus(span.cost))
        spans.append(span)
        start, before = position, reading
    return spans


def _assemble(
    graph: ModelGraph, spans: Sequence[_Span], bare: _Reading, cost: CircuitCost, per_rebase: int
) -> Attribution:
    rules = helpful_rules(graph)
    inside = {node.outputs[0]: span for span in spans for node in span.nodes}
    entries: list[NodeCost] = []
    for node in graph.nodes:
        span = inside.get(node.outputs[0], _Span((node,), _Reading(0, 0, 0)))
        if graph.is_moving(node) and span.nodes[-1] is node:
            entries.append(_entry(graph, span, rules, cost, per_rebase))
    tables = cost.static_lookups + cost.range_checks
    rest = _Reading(cost.rows, cost.total_assignments, tables).minus(bare)
    share = rest.rows / cost.rows if cost.rows else 0.0
    entries.append(NodeCost(INTERFACE, "", (), rest.rows, rest.cells, rest.tables, 0, 0, share, None))
    macs, wasted = sum(entry.macs for entry in entries), sum(entry.wasted_macs for entry in entries)
    return _checked(Attribution(tuple(entries), cost.rows, cost.total_assignments, tables, macs, wasted, cost))


def _entry(graph: ModelGraph, span: _Span, rules: Mapping[str, str], cost: CircuitCost, per_rebase: int) -> NodeCost:
    last = span.nodes[-1]
    found = [rules[node.outputs[0]] for node in span.nodes if node.outputs[0] in rules]
    products = sum(products_laid_out(graph, node) for node in span.nodes)
    operators = "+".join(node.op_type for node in span.nodes)
    rebased = rebase_cells(operators, graph.elements(last.outputs[0]), products, span.cost.cells, per_rebase)
    return NodeCost(
        name=" + ".join(node.name for node in span.nodes),
        op_type=operators,
        output_shape=graph.shape(last.outputs[0]),
        rows=span.cost.rows,
        assignments=span.cost.cells,
        lookups=span.cost.tables,
        macs=sum(multiply_accumulates(graph, node) for node in span.nodes),
        wasted_macs=sum(wasted_multiply_accumulates(graph, node) for node in span.nodes),
        share=span.cost.rows / cost.rows if cost.rows else 0.0,
        rule=found[0] if found and span.cost.rows > 0 else None,
        rebase_rows=rebased // cost.num_inner_cols,
    )


def _checked(attribution: Attribution) -> Attribution:
    for name in ("rows", "assignments", "lookups"):
        total, parts = getattr(attribution, name), sum(getattr(node, name) for node in attribution.nodes)
        if total != parts:
            raise ZkError(f"the {name} of all nodes must add up to ezkl's {total}; found {parts}; report the model")
    return attribution
