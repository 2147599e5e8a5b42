"""Reading an ONNX model with the shape of every tensor in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, shape_inference

from zk.errors import ArtifactError
from zk.lowering.preflight import check_runs, session_of
from zk.onnx_files import read_onnx


def load_model(path: Path) -> Any:
    """Read an ONNX file as a ModelProto that names type and shape of every tensor.

    Raises:
        ArtifactError: missing, not a valid ONNX model, with weights in other files, or it does not run at fixed shapes.

    """
    try:
        model = read_onnx(path)
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model, data_prop=True)
        _observe_missing_shapes(model)
    except Exception as error:  # protobuf, onnx, onnxruntime and the operating system each have their own
        raise ArtifactError(f"{path} must be a valid ONNX model of fixed shapes; {error}; export it again") from error
    return model


def value_shape(value: Any) -> tuple[int, ...] | None:
    """Shape in a ValueInfoProto, where a free axis counts as 1, as in ezkl; None if it has none."""
    tensor = value.type.tensor_type
    return tuple(int(axis.dim_value) or 1 for axis in tensor.shape.dim) if tensor.HasField("shape") else None


def _observe_missing_shapes(model: Any) -> None:
    """Run the model once on zeros for the shapes that ONNX could not infer: reshapes to a computed shape, mostly."""
    known = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    named = {value.name for value in known if value_shape(value) is not None}
    missing = [name for node in model.graph.node for name in node.output if name and name not in named]
    if not missing:
        return
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    observed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in missing)
    weights = {tensor.name for tensor in model.graph.initializer}
    feeds = {slot.name: _zeros(slot) for slot in model.graph.input if slot.name not in weights}
    check_runs(observed, [feeds])
    session = session_of(observed.SerializeToString())
    for name, value in zip(missing, session.run(missing, feeds), strict=True):
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        model.graph.value_info.append(helper.make_tensor_value_info(name, kind, value.shape))


def _zeros(value: Any) -> NDArray[Any]:
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return np.zeros(value_shape(value) or (), kind)
