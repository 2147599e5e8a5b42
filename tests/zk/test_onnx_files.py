"""A model is one file: what is digested is what is proved."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zk.attribution_shapes import load_model as load_with_shapes
from zk.errors import ArtifactError, LoweringError
from zk.graph_inputs import graph_inputs
from zk.lower import load_model
from zk.onnx_files import read_onnx, refuse_external


def product() -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")
    slots = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])] for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", *slots, [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def elsewhere() -> onnx.TensorProto:
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    return tensor


def test_weights_beside_the_file_are_refused_by_all_that_read_models(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(product(), str(path))
    assert read_onnx(path) == product()
    onnx.save(product(), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").is_file()
    with pytest.raises(ValueError, match="its weights must be in the file itself; 'w' is in another"):
        read_onnx(path)
    with pytest.raises(LoweringError, match="must be in the file itself"):
        load_model(path)
    for read in (graph_inputs, load_with_shapes):
        with pytest.raises(ArtifactError, match="must be in the file itself"):
            read(path)


@pytest.mark.parametrize("place", ["constant", "several", "branch", "sparse", "function"])
def test_no_corner_of_a_model_hides_them(place: str) -> None:
    model, node = product(), helper.make_node("Constant", [], ["c"])
    if place == "constant":
        node.attribute.append(helper.make_attribute("value", elsewhere()))
    if place == "several":
        node.attribute.append(helper.make_attribute("values", [elsewhere()]))
    if place == "branch":
        node.attribute.append(helper.make_attribute("body", helper.make_graph([], "b", [], [], [elsewhere()])))
    if place == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(elsewhere())
    if place == "function":
        node.attribute.append(helper.make_attribute("value", elsewhere()))
        model.functions.append(helper.make_function("own", "f", [], ["c"], [node], [helper.make_opsetid("", 17)]))
    else:
        model.graph.node.append(node)
    with pytest.raises(ValueError, match="'far' is in another"):
        refuse_external(model)


def test_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    with pytest.raises(LoweringError, match="no plain file"):
        load_model(tmp_path / "m.onnx")
