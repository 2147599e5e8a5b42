"""Moves of elements in the forms that EZKL's parser takes: slices of step one, and concatenations of them."""

from __future__ import annotations

import numpy as np
import onnx

from zk.lowering import Graph, Rule

_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


def _piece(graph: Graph, name: str, axis: int, start: int, stop: int) -> str:
    shape = list(graph.shape(name))
    shape[axis] = stop - start
    bounds = [np.array([value], np.int64) for value in (start, stop, axis, 1)]
    return graph.emit("Slice", [name, *bounds], shape)


def _joined(graph: Graph, pieces: list[str], axis: int) -> str:
    if len(pieces) == 1:
        return pieces[0]
    shape = list(graph.shape(pieces[0]))
    shape[axis] = sum(graph.shape(piece)[axis] for piece in pieces)
    return graph.emit("Concat", pieces, shape, axis=axis)


def _bounds(graph: Graph, node: onnx.NodeProto) -> list[tuple[int, range]] | None:
    """(axis, positions) of a Slice with constant bounds."""
    shape = graph.shape(node.input[0])
    given = [graph.constant(name) if name else None for name in (*node.input[1:], "", "")[:4]]
    starts, stops, axes, steps = (None if array is None else [int(value) for value in array] for array in given)
    if starts is None or stops is None or any(name and graph.constant(name) is None for name in node.input[1:]):
        return None
    axes = list(range(len(starts))) if axes is None else [axis % len(shape) for axis in axes]
    steps = [1] * len(starts) if steps is None else steps
    return [
        (axis, range(shape[axis])[slice(start, stop if stop >= -shape[axis] else None, step)])
        for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True)
    ]


def _lower_strides(graph: Graph) -> int:
    lowered = 0
    for node in graph.of("Slice"):
        found = _bounds(graph, node)
        if found is None or not all(positions for _, positions in found):
            continue
        if all(positions.step == 1 for _, positions in found):
            continue
        value = node.input[0]
        for axis, positions in found:
            runs = [(positions.start, positions.stop)] if positions.step == 1 else [(p, p + 1) for p in positions]
            value = _joined(graph, [_piece(graph, value, axis, start, stop) for start, stop in runs], axis)
        graph.replace(node, value)
        lowered += 1
    return lowered


def _lower_tiles(graph: Graph) -> int:
    lowered = 0
    for node in graph.of("Tile"):
        repeats = graph.constant(node.input[1])
        if repeats is None or not all(int(count) >= 1 for count in repeats):
            continue
        value = node.input[0]
        for axis, count in enumerate(repeats):
            value = _joined(graph, [value] * int(count), axis)
        graph.replace(node, value)
        lowered += 1
    return lowered


def _lower_splits(graph: Graph) -> int:
    lowered = 0
    for node in graph.of("Split"):
        axis = int(next((slot.i for slot in node.attribute if slot.name == "axis"), 0))
        axis %= len(graph.shape(node.input[0]))
        start, pieces = 0, []
        for name in node.output:
            stop = start + graph.shape(name)[axis]
            bounds = [graph.add_constant(np.array([value], np.int64)) for value in (start, stop, axis)]
            pieces.append(onnx.helper.make_node("Slice", [node.input[0], *bounds], [name], name=name))
            start = stop
        position = next(index for index, other in enumerate(graph.nodes) if other is node)
        graph.nodes[position : position + 1] = pieces
        lowered += 1
    return lowered


def _merge_reshapes(graph: Graph) -> int:
    """EZKL's parser stumbles over reshapes that undo each other."""
    merged = 0
    for node in graph.of(*_RESHAPES):
        source, inner = node.input[0], graph.producer(node.input[0])
        while inner is not None and inner.op_type in _RESHAPES:
            source, inner = inner.input[0], graph.producer(inner.input[0])
        shape = graph.shape(node.output[0])
        if source == node.input[0] or graph.constant(source) is not None:
            continue
        graph.replace(node, source if graph.shape(source) == shape else graph.emit_reshape(source, shape))
        merged += 1
    graph.prune()
    return merged


UNIT_SLICES = Rule(
    "unit-slices", "a slice of another step as slices of one element, put together", _lower_strides, True
)
TILES = Rule("tiles", "a tiling as a concatenation", _lower_tiles, True)
SPLITS = Rule("splits", "a split as slices", _lower_splits, True)
MERGED_RESHAPES = Rule("merged-reshapes", "one reshape in the place of several", _merge_reshapes, True)
