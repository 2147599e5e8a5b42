"""The inputs of an ONNX graph, in its order."""

from __future__ import annotations

from pathlib import Path

import onnx

from zk.errors import ArtifactError
from zk.onnx_files import read_onnx


def graph_inputs(model: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Give the name and shape of each input that is no weight; an axis without a fixed size is given as 0.

    Raises:
        ArtifactError: not a readable ONNX model, or one with weights in other files.

    """
    try:
        model_proto = read_onnx(model)
    except Exception as error:  # protobuf's error class is no part of onnx's interface
        raise ArtifactError(f"{model} must be a readable ONNX model; {error}; export it again") from error
    return model_inputs(model_proto)


def model_inputs(model: onnx.ModelProto) -> list[tuple[str, tuple[int, ...]]]:
    """Give the same of a model that is read already."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [(slot.name, slot_shape(slot)) for slot in model.graph.input if slot.name not in weights]


def slot_shape(slot: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Give the shape of an input or output, 0 for an axis without a fixed size."""
    return tuple(axis.dim_value for axis in slot.type.tensor_type.shape.dim)
