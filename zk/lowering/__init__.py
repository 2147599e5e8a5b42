"""Rewrites of an ONNX graph that keep what it computes and make its circuit cheaper.

The order matters: constants first, so that the other rules see numbers; factors after the rules that leave some.
"""

from zk.lowering.activations import CLIP, FOLD_GELU, HARDSWISH, LEAKY_RELU, RELU_ABSOLUTE
from zk.lowering.batchnorm import FOLD_BATCHNORM
from zk.lowering.constants import CONSTANT_FOLDING, POWER_OF_TWO_SCALE
from zk.lowering.engine import Lowering, Step, lower
from zk.lowering.factors import FOLD_FACTOR
from zk.lowering.graph import Graph
from zk.lowering.padding import SUPPORTED_PADDING
from zk.lowering.phases import PHASE_CONVOLUTION
from zk.lowering.pooling import AVERAGE_POOL, MAX_POOL_TREE
from zk.lowering.rule import Rule

RULES: tuple[Rule, ...] = (
    CONSTANT_FOLDING,
    SUPPORTED_PADDING,
    HARDSWISH,
    FOLD_BATCHNORM,
    PHASE_CONVOLUTION,
    AVERAGE_POOL,
    MAX_POOL_TREE,
    FOLD_GELU,
    CLIP,
    LEAKY_RELU,
    RELU_ABSOLUTE,
    POWER_OF_TWO_SCALE,
    FOLD_FACTOR,
)
"""Every rule, in the order of their application."""

ABSOLUTE_RULES = frozenset({CLIP, LEAKY_RELU, RELU_ABSOLUTE, MAX_POOL_TREE})
"""Rules that trade comparisons for sums and raise the scale: they pay where the scale may grow, and not where ezkl
would divide back after each of them."""

__all__ = ["ABSOLUTE_RULES", "RULES", "Graph", "Lowering", "Rule", "Step", "lower"]
