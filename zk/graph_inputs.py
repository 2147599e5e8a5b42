"""The inputs of an ONNX graph, in its order."""

from __future__ import annotations

from pathlib import Path

import onnx

from zk.errors import ArtifactError


def graph_inputs(model: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Give the name and shape of each input that is no weight; an axis without a fixed size is given as 0.

    Raises:
        ArtifactError: not a readable ONNX model.

    """
    try:
        graph = onnx.load(str(model), load_external_data=False).graph
    except Exception as error:  # protobuf's error class is no part of onnx's interface
        raise ArtifactError(f"{model} must be a readable ONNX model; {error}; export it again") from error
    weights = {tensor.name for tensor in graph.initializer}
    slots = [slot for slot in graph.input if slot.name not in weights]
    return [(slot.name, tuple(axis.dim_value for axis in slot.type.tensor_type.shape.dim)) for slot in slots]
