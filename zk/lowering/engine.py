"""Applying rules to a model, each checked against the original on random inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.shape_inference
from numpy.typing import NDArray

from zk.errors import LoweringError
from zk.lowering.graph import Graph
from zk.lowering.preflight import check_runs, session_of
from zk.lowering.rule import Rule

CostFunction = Callable[[onnx.ModelProto], int | None]
"""Rows of a model's circuit, or None where ezkl refuses it."""

CHECKS = 3
TOLERANCE = 1e-4
MOST_ELEMENTS = 2**26
"""Of one tensor: more than a circuit of the greatest height holds in all its columns."""

MOST_ELEMENTS_IN_ALL = 2**28
"""Of all tensors together: a gigabyte in float32."""


@dataclass(frozen=True)
class Step:
    """What one rule did.

    Attributes:
        rule: its name.
        rewrites: places that it rewrote.
        kept: False if the rewrite saved no rows and was undone.
        max_abs_error: greatest difference from the original model, divided by the greatest output magnitude if that is
            above one.
        rows_before: rows before the rule; None where ezkl refuses the graph, or nothing was measured.
        rows_after: rows after it.
    """

    rule: str
    rewrites: int
    kept: bool
    max_abs_error: float
    rows_before: int | None
    rows_after: int | None


@dataclass(frozen=True, eq=False)
class Lowering:
    """A lowered model and how it came about; ``rows`` are None where they were not measured or ezkl refuses it."""

    model: onnx.ModelProto
    steps: tuple[Step, ...]
    rows_before: int | None
    rows_after: int | None


def lower(
    model: onnx.ModelProto,
    rules: Sequence[Rule],
    *,
    cost: CostFunction | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Lowering:
    """Apply ``rules`` in order, until none finds anything more to do in a second round.

    Args:
        model: static shapes, float32 inputs.
        rules: in the order to try them.
        cost: measures rows after each rule that rewrote something; a rewrite that saves none is undone unless its rule
            says ``always``. None keeps every rewrite.
        tolerance: bound on :attr:`Step.max_abs_error`.
        seed: of the inputs that the check draws.

    Raises:
        LoweringError: the graph has no static shapes, or holds control flow, or a rule changed what it computes.
    """
    _refuse_control_flow(model)
    check = _Check(model, seed)
    first = rows = cost(model) if cost else None
    steps: list[Step] = []
    for _ in range(2):
        progressed = False
        for rule in rules:
            candidate, rewrites = _apply(model, rule)
            if not rewrites:
                continue
            error = check.difference(candidate)
            if not error <= tolerance:
                raise LoweringError(
                    f"rule {rule.name} must keep what the model computes within {tolerance}; found a difference of "
                    f"{error}; leave the rule out and report the model"
                )
            after = cost(candidate) if cost else None
            kept = cost is None or rule.always or rows is None or (after is not None and after < rows)
            steps.append(Step(rule.name, rewrites, kept, error, rows, after))
            if kept:
                model, rows, progressed = candidate, after, True
        if not progressed:
            break
    return Lowering(model, tuple(steps), first, rows)


def _apply(model: onnx.ModelProto, rule: Rule) -> tuple[onnx.ModelProto, int]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = Graph(copy)
    rewrites = rule.apply(graph)
    return (graph.model(), rewrites) if rewrites else (model, 0)


def _refuse_control_flow(model: onnx.ModelProto) -> None:
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        if any(slot.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for slot in node.attribute):
            raise LoweringError(f"a circuit has no control flow; found {node.op_type} {node.name!r}; export without it")


class _Check:
    """Outputs of the original model on a few random inputs."""

    def __init__(self, model: onnx.ModelProto, seed: int) -> None:
        generator = np.random.default_rng(seed)
        sizes_known = _sizes_are_known(model)
        constants = {slot.name for slot in model.graph.initializer}
        slots = [slot for slot in model.graph.input if slot.name not in constants]
        self.feeds = []
        for _ in range(CHECKS):
            feed: dict[str, NDArray[np.float32]] = {}
            for slot in slots:
                kind = slot.type.tensor_type
                shape = [size.dim_value for size in kind.shape.dim]
                if kind.elem_type != onnx.TensorProto.FLOAT or not all(size > 0 for size in shape):
                    raise LoweringError(
                        f"inputs must be float32 of static shape; {slot.name!r} is not; export with fixed sizes"
                    )
                feed[slot.name] = generator.standard_normal(shape).astype(np.float32)
            self.feeds.append(feed)
        if not sizes_known:
            check_runs(model, self.feeds)
        self.expected = [_run(model, feed) for feed in self.feeds]

    def difference(self, model: onnx.ModelProto) -> float:
        worst = 0.0
        for feed, expected in zip(self.feeds, self.expected, strict=True):
            for ours, theirs in zip(_run(model, feed), expected, strict=True):
                if ours.shape != theirs.shape:
                    return float("inf")
                scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
                worst = max(worst, float(np.abs(ours - theirs).max(initial=0.0)) / scale)
        return worst


def _sizes_are_known(model: onnx.ModelProto) -> bool:
    """Refuse tensors that no circuit holds; say whether there can be no others, of sizes that the model computes.

    Raises:
        LoweringError: a tensor is too large, or all are together, or shapes do not agree.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]  # what the file says of its tensors is nobody's finding
    for slot in bare.graph.output:
        slot.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        raise LoweringError(f"the model's shapes must be known; {error}") from error
    sizes: dict[str, int] = {}
    for slot in (*graph.input, *graph.value_info, *graph.output):
        sides = slot.type.tensor_type.shape.dim
        size = math.prod(side.dim_value for side in sides)
        if size > MOST_ELEMENTS:
            raise LoweringError(f"a tensor must have at most {MOST_ELEMENTS:,} elements; {slot.name!r} has {size:,}")
        if slot.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            sizes[slot.name] = size
    if sum(sizes.values()) > MOST_ELEMENTS_IN_ALL:
        raise LoweringError(f"all tensors must have at most {MOST_ELEMENTS_IN_ALL:,} elements")
    return not model.functions and all(name in sizes for node in graph.node for name in node.output if name)


def _run(model: onnx.ModelProto, feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float64]]:
    try:
        return [np.asarray(output, np.float64) for output in session_of(model.SerializeToString()).run(None, feed)]
    except Exception as error:  # onnxruntime's errors share no base class
        raise LoweringError(f"onnxruntime must run the model; {error}") from error
