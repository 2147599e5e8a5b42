"""Reading ONNX files: all that a model is must be in the one file that is digested and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import uses_external_data

from plain_files import read_plain

MOST_BYTES = 2**31
"""No protobuf message is larger."""


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read the model in ``path``, unchecked but for where its weights are.

    Weights in files of their own are refused: a SHA-256 of the file would hold for any of them.

    Raises:
        OSError, ValueError: it cannot be read, is no plain file, larger than ONNX can be, or has weights elsewhere.
        google.protobuf.message.DecodeError: it is no ONNX.
    """
    model = onnx.load_from_string(read_plain(path, most_bytes=MOST_BYTES))
    refuse_external(model)
    return model


def refuse_external(model: onnx.ModelProto) -> None:
    """Refuse a model with weights in other files.

    Raises:
        ValueError: it has such; the message names one.
    """
    nodes = [node for function in model.functions for node in function.node]
    for tensor in (*_tensors_of_graph(model.graph), *_tensors_of_nodes(nodes)):
        if uses_external_data(tensor) or tensor.external_data:
            raise ValueError(
                f"its weights must be in the file itself; {tensor.name!r:.60} is in another: save it with "
                "onnx.save(..., save_as_external_data=False)"
            )


def _tensors_of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    yield from _parts(graph.sparse_initializer)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            yield from _parts((attribute.sparse_tensor, *attribute.sparse_tensors))
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors_of_graph(graph)


def _parts(sparse: Iterable[onnx.SparseTensorProto]) -> Iterator[onnx.TensorProto]:
    for tensor in sparse:
        yield tensor.values
        yield tensor.indices
