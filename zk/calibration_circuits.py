"""The small circuits that a machine is measured with: elementwise, dense, convolutional, and small networks of these.

They span the terms of :mod:`zk.cost_model` rather than any model of interest: heights 2**11 to 2**18, one to a dozen
blocks, one to three inner columns, no tables to four, full and half-empty columns, a split table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from zk.types import CircuitOptions

Shape = tuple[int, ...]
Builder = Callable[[np.random.Generator], tuple[onnx.ModelProto, Shape]]


@dataclass(frozen=True)
class CalibrationCircuit:
    """A model and how it is laid out.

    Attributes:
        name: for reports.
        build: draws the weights from a generator and gives the model and the shape of its input.
        options: of the circuit, logrows among them.
    """

    name: str
    build: Builder
    options: CircuitOptions

    def write(self, path: Path, seed: int) -> NDArray[np.float32]:
        """Write the model and give an input for it, in [-2, 2]."""
        generator = np.random.default_rng(seed)
        model, shape = self.build(generator)
        onnx.save(model, str(path))
        drawn = generator.normal(size=shape).clip(-2, 2).astype(np.float32)
        return drawn


def elementwise(operator: str, size: int) -> Builder:
    """One operator on ``size`` values."""
    return lambda _: (_model([helper.make_node(operator, ["x"], ["y"])], (1, size), (1, size), {}), (1, size))


def dense(inputs: int, outputs: int) -> Builder:
    """One matrix-vector product with a bias."""

    def build(generator: np.random.Generator) -> tuple[onnx.ModelProto, Shape]:
        weights = {"w": generator.normal(size=(outputs, inputs)) / inputs**0.5, "b": generator.normal(size=outputs) / 8}
        node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
        return _model([node], (1, inputs), (1, outputs), weights), (1, inputs)

    return build


def convolutions(channels: Sequence[int], side: int, activations: Sequence[str | None]) -> Builder:
    """3x3 convolutions at one resolution, each followed by an activation or by none."""

    def build(generator: np.random.Generator) -> tuple[onnx.ModelProto, Shape]:
        nodes, weights, last = [], {}, "x"
        for index, (given, made) in enumerate(zip(channels, channels[1:], strict=False)):
            weights[f"w{index}"] = generator.normal(size=(made, given, 3, 3)) / (9 * given) ** 0.5
            weights[f"b{index}"] = generator.normal(size=made) / 8
            tensors = [last, f"w{index}", f"b{index}"]
            nodes.append(
                helper.make_node("Conv", tensors, [f"c{index}"], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
            )
            last = f"c{index}"
            if (operator := activations[index]) is not None:
                nodes.append(helper.make_node(operator, [last], [f"a{index}"]))
                last = f"a{index}"
        nodes[-1].output[0] = "y"
        shape = (1, channels[0], side, side)
        return _model(nodes, shape, (1, channels[-1], side, side), weights), shape

    return build


def _model(
    nodes: list[onnx.NodeProto], given: Shape, made: Shape, weights: Mapping[str, NDArray[np.float64]]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "calibration",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def _circuit(name: str, build: Builder, logrows: int, inner: int = 2, **options: Any) -> CalibrationCircuit:
    layout: dict[str, Any] = {
        "decomp_base": 1 << 7,
        "decomp_legs": 2,
        "scale_rebase_multiplier": 10,
        "lookup_range": (-1000, 1000),
        **options,
    }
    return CalibrationCircuit(name, build, CircuitOptions(logrows=logrows, num_inner_cols=inner, **layout))


_REBASED = {"scale_rebase_multiplier": 1, "decomp_base": 1 << 10}

CALIBRATION_CIRCUITS = (
    _circuit("relu 1024, 2^12", elementwise("Relu", 1024), 12),
    _circuit("relu 4096, 2^14", elementwise("Relu", 4096), 14),
    _circuit("tanh 4096, 2^14", elementwise("Tanh", 4096), 14),
    _circuit("tanh 4096, 2^14, split table", elementwise("Tanh", 4096), 14, lookup_range=(-10000, 10000)),
    _circuit("tanh 8192, 2^15, 1 column", elementwise("Tanh", 8192), 15, 1),
    _circuit("dense 16-128, 2^11", dense(16, 128), 11),
    _circuit("dense 32-256, 2^12", dense(32, 256), 12),
    _circuit("dense 128-512, 2^16", dense(128, 512), 16),
    _circuit("conv 4-8, 2^12", convolutions((4, 8), 16, (None,)), 12),
    _circuit("conv 4-8, 2^14", convolutions((4, 8), 16, (None,)), 14),
    _circuit("conv 4-8, 2^14, 1 column", convolutions((4, 8), 16, (None,)), 14, 1),
    _circuit("conv 8-8, 2^14, 3 columns", convolutions((8, 8), 16, (None,)), 14, 3),
    _circuit("conv 8-16, 2^17", convolutions((8, 16), 16, (None,)), 17),
    _circuit("conv 8-16, 2^18", convolutions((8, 16), 16, (None,)), 18),
    _circuit("conv and relu 4-4, 2^13", convolutions((4, 4), 8, ("Relu",)), 13, decomp_base=1 << 12),
    _circuit("hardswish and tanh 2-8-3, 2^14", convolutions((2, 8, 3), 8, ("HardSwish", "Tanh")), 14, **_REBASED),
    _circuit("relu and tanh 4-6-3, 2^14", convolutions((4, 6, 3), 16, ("Relu", "Tanh")), 14, **_REBASED),
    _circuit("relu and tanh 4-4-3, 2^14, 1 column", convolutions((4, 4, 3), 16, ("Relu", "Tanh")), 14, 1, **_REBASED),
    _circuit("sigmoid and tanh 4-6-3, 2^15", convolutions((4, 6, 3), 16, ("Sigmoid", "Tanh")), 15, **_REBASED),
)
