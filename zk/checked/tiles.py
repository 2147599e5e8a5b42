"""A convolution as several: bands of its output's rows, each computed from the rows of the input that it needs.

A convolution whose output does not fit one circuit is written as one ONNX graph of a convolution for each band. Its
inputs are the pieces that the bands' edges cut the input into; a piece at an edge is read by the bands on both sides.
With :func:`tile_cuts` each band becomes a part of its own (:mod:`zk.checked.parts`), and parts that share a piece
commit to it in one column.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.checked.parts import separate_cuts
from zk.checked.program import Program
from zk.lower import load_model
from zk.lowering import Graph
from zk.lowering.graph import attributes_of

_ROW_AXIS = 2


@dataclass(frozen=True)
class Rows:
    """Rows ``start .. stop - 1`` of a tensor [N, C, H, W].

    Attributes:
        name: of the tensor that holds them.
        start: first row.
        stop: first row behind.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Tiling:
    """How a convolution was split.

    Attributes:
        piece_rows: rows of the input, in order: the tiled graph's inputs. Together they are all rows.
        band_rows: rows of the output, in order: the tiled graph's outputs. Together they are all rows.
        reads: for each band, the indices of its pieces, consecutive.
    """

    piece_rows: tuple[Rows, ...]
    band_rows: tuple[Rows, ...]
    reads: tuple[range, ...]

    def pieces(self, x: Tensor) -> tuple[Tensor, ...]:
        """Split an input of the convolution into inputs of the tiled graph.

        Args:
            x: [N, C, H, W].

        Raises:
            CheckedError: another number of axes or rows.
        """
        height = self.piece_rows[-1].stop
        if x.ndim != 4 or x.shape[_ROW_AXIS] != height:
            raise CheckedError(f"the input must be [N, C, {height}, W]; got {list(x.shape)}")
        return tuple(x[:, :, rows.start : rows.stop] for rows in self.piece_rows)

    def join(self, outputs: Sequence[Tensor]) -> Tensor:
        """Put outputs of the tiled graph together to that of the convolution.

        Args:
            outputs: one [N, C, rows, W] for each band.

        Raises:
            CheckedError: another number of tensors, or of their rows.
        """
        wanted = [rows.stop - rows.start for rows in self.band_rows]
        found = [tensor.shape[_ROW_AXIS] if tensor.ndim == 4 else 0 for tensor in outputs]
        if found != wanted:
            raise CheckedError(f"the bands must be [N, C, rows, W] with rows {wanted}; got rows {found}")
        return torch.cat(list(outputs), _ROW_AXIS)


@dataclass(frozen=True)
class _Band:
    """Output rows ``start .. stop - 1``, which read input rows ``first .. last - 1`` and padding above and below."""

    start: int
    stop: int
    first: int
    last: int
    top: int
    bottom: int


def tile_convolution(source: Path, target: Path, bands: int) -> Tiling:
    """Split a convolution's output into bands of rows.

    A band reads all rows from the first to the last that it needs, so that it is a convolution, too. The tiled graph
    computes what the source does, summand by summand.

    Args:
        source: ONNX file of one Conv with constant weights, [N, C, H, W] to [N, C', H', W'], of any stride, explicit
            padding, dilation and groups.
        target: ONNX file to write. With an input x and an output y its inputs are called x_rows_0, x_rows_1, ..., its
            outputs y_rows_0, y_rows_1, ...
        bands: how many; their numbers of rows differ by one at most.

    Raises:
        LoweringError: ``source`` is no ONNX model.
        CheckedError: its graph is not one such Conv, ``bands`` is not in 1..H', or a band would read padding alone.
    """
    graph = Graph(load_model(source))
    node = _convolution(graph)
    height, rows = graph.shape(node.input[0])[_ROW_AXIS], graph.shape(node.output[0])[_ROW_AXIS]
    if not 1 <= bands <= rows:
        raise CheckedError(f"bands must be in 1..{rows}, the output's rows; got {bands}; ask for as many")
    found = [_band(node, graph, rows * index // bands, rows * (index + 1) // bands, height) for index in range(bands)]
    tiling = _tiling(node, found, height)
    onnx.save(_tiled_model(graph, node, found, tiling), str(target))
    return tiling


def tile_cuts(program: Program) -> tuple[int, ...]:
    """Cuts that make each band of a tiled convolution a part of its own, for :class:`CheckedOptions`."""
    return separate_cuts(program)


def _convolution(graph: Graph) -> onnx.NodeProto:
    """The graph's only node.

    Raises:
        CheckedError: it is not a two-dimensional Conv of the graph's input with constant weights.
    """
    kinds = [node.op_type for node in graph.nodes]
    if kinds != ["Conv"] or len(graph.inputs) != 1 or list(graph.nodes[0].output) != graph.outputs:
        raise CheckedError(f"the graph must be one Conv of one input; found {kinds}; export the layer alone")
    (node,) = graph.nodes
    shape, facts = graph.shape(node.input[0]), attributes_of(node)
    if len(shape) != 4:
        raise CheckedError(f"the input must be [N, C, H, W]; it is {list(shape)}")
    if any(graph.constant(name) is None for name in node.input[1:] if name):
        raise CheckedError("weights and bias must be constants; one is an input")
    if facts.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or min(facts.get("pads", [0])) < 0:
        raise CheckedError(
            f"padding must be given as pads of at least 0; got auto_pad {facts.get('auto_pad', 'NOTSET')}, pads "
            f"{facts.get('pads')}; export with explicit padding"
        )
    return node


def _band(node: onnx.NodeProto, graph: Graph, start: int, stop: int, height: int) -> _Band:
    facts = attributes_of(node)
    stride, dilation = int(facts.get("strides", [1])[0]), int(facts.get("dilations", [1])[0])
    pad = int(facts.get("pads", [0])[0])
    reach = (graph.shape(node.input[1])[_ROW_AXIS] - 1) * dilation + 1
    first, last = start * stride - pad, (stop - 1) * stride + reach - pad
    band = _Band(start, stop, max(first, 0), min(last, height), max(-first, 0), max(last - height, 0))
    if band.first >= band.last:
        raise CheckedError(
            f"every band must read a row of the input; output rows {start}..{stop - 1} read padding alone; ask for "
            "fewer bands"
        )
    return band


def _tiling(node: onnx.NodeProto, bands: Sequence[_Band], height: int) -> Tiling:
    """Pieces are the runs of rows that the same bands read; rows that none reads go with those before them.

    These are fewer than a stride, so they make no further row of output.
    """
    readers: list[tuple[int, ...]] = []
    for row in range(height):
        found = tuple(index for index, band in enumerate(bands) if band.first <= row < band.last)
        readers.append(found or readers[-1])
    pieces: list[Rows] = []
    runs: list[tuple[int, ...]] = []
    for run, members in itertools.groupby(range(height), key=readers.__getitem__):
        rows = list(members)
        pieces.append(Rows(f"{node.input[0]}_rows_{len(pieces)}", rows[0], rows[-1] + 1))
        runs.append(run)
    reads = [[place for place, run in enumerate(runs) if index in run] for index in range(len(bands))]
    return Tiling(
        tuple(pieces),
        tuple(Rows(f"{node.output[0]}_rows_{index}", band.start, band.stop) for index, band in enumerate(bands)),
        tuple(range(places[0], places[-1] + 1) for places in reads),
    )


def _tiled_model(graph: Graph, node: onnx.NodeProto, bands: Sequence[_Band], tiling: Tiling) -> onnx.ModelProto:
    nodes: list[onnx.NodeProto] = []
    facts = attributes_of(node)
    left, right = (int(facts.get("pads", [0, 0, 0, 0])[place]) for place in (1, 3))
    for index, (band, rows, reads) in enumerate(zip(bands, tiling.band_rows, tiling.reads, strict=True)):
        names = [tiling.piece_rows[place].name for place in reads]
        if len(names) > 1:
            joined = f"{node.input[0]}_band_{index}"
            nodes.append(helper.make_node("Concat", names, [joined], name=f"concat_{index}", axis=_ROW_AXIS))
            names = [joined]
        made: dict[str, Any] = facts | {"auto_pad": "NOTSET", "pads": [band.top, left, band.bottom, right]}
        nodes.append(helper.make_node("Conv", [*names, *node.input[1:]], [rows.name], name=f"conv_{index}", **made))
    initial = [(name, graph.constant(name)) for name in node.input[1:] if name]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "tiled",
            _slots(tiling.piece_rows, graph.shape(node.input[0])),
            _slots(tiling.band_rows, graph.shape(node.output[0])),
            [numpy_helper.from_array(array, name) for name, array in initial if array is not None],
        ),
        opset_imports=graph.opset_imports,
        producer_name="zkgan-search",
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def _slots(rows: Sequence[Rows], shape: Sequence[int]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(
            found.name, TensorProto.FLOAT, [*shape[:_ROW_AXIS], found.stop - found.start, *shape[_ROW_AXIS + 1 :]]
        )
        for found in rows
    ]
