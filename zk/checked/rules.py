"""Rewrites that suit the checked form: products stay whole, activations stay single operators."""

from __future__ import annotations

from zk.checked.rules_moves import MERGED_RESHAPES, SPLITS, TILES, UNIT_SLICES
from zk.lowering import Graph, Rule
from zk.lowering.activations import FOLD_GELU, HARDSWISH
from zk.lowering.batchnorm import FOLD_BATCHNORM
from zk.lowering.constants import CONSTANT_FOLDING, POWER_OF_TWO_SCALE
from zk.lowering.factors import FOLD_FACTOR
from zk.lowering.padding import SUPPORTED_PADDING
from zk.lowering.phases import PHASE_CONVOLUTION
from zk.lowering.pooling import AVERAGE_POOL, tiled_maxima


def _emit_maximum(graph: Graph, left: str, right: str) -> str:
    """``a + max(b - a, 0)``: one look-up."""
    shape = graph.shape(left)
    excess = graph.emit("Relu", [graph.emit("Sub", [right, left], shape)], shape)
    return graph.emit("Add", [left, excess], shape)


def _lower_maxima(graph: Graph) -> int:
    return tiled_maxima(graph, _emit_maximum)


def _lower_clips(graph: Graph) -> int:
    """A clip at zero without an upper bound is a ReLU."""
    lowered = 0
    for node in graph.of("Clip"):
        bounds = [graph.scalar(name) if name else None for name in (*node.input[1:], "", "")[:2]]
        low, high = bounds
        if low != 0.0 or high is not None:
            continue
        graph.replace(node, graph.emit("Relu", [node.input[0]], graph.shape(node.input[0])))
        lowered += 1
    return lowered


RELU_MAXIMA = Rule("relu-maxima", "a maximum as a + max(b - a, 0), looked up", _lower_maxima, always=True)
RELU_CLIPS = Rule("relu-clips", "a clip at zero is a ReLU", _lower_clips, always=True)

CHECKED_RULES: tuple[Rule, ...] = (
    CONSTANT_FOLDING,
    SPLITS,
    UNIT_SLICES,
    TILES,
    SUPPORTED_PADDING,
    HARDSWISH,
    FOLD_BATCHNORM,
    AVERAGE_POOL,
    RELU_MAXIMA,
    RELU_CLIPS,
    FOLD_GELU,
    POWER_OF_TWO_SCALE,
    FOLD_FACTOR,
    MERGED_RESHAPES,
)
"""In the order of their application; the others of :data:`zk.lowering.RULES` save what checking saves already."""

BOUND_RULES: tuple[Rule, ...] = (*CHECKED_RULES, PHASE_CONVOLUTION)
"""Where the circuit holds the weights: it has a form for convolutions only, not for transposed ones."""
