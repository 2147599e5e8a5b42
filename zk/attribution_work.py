"""Multiply-accumulates of an ONNX node: what the model needs, and what ezkl lays out beyond that."""

from __future__ import annotations

import math

from zk.attribution_graph import GraphNode, ModelGraph


def _axes(node: GraphNode, key: str, default: int, rank: int) -> tuple[int, ...]:
    """Give an attribute with one entry for each spatial axis."""
    return tuple(int(value) for value in node.attributes.get(key, (default,) * rank))


def kernel_size(graph: ModelGraph, node: GraphNode) -> tuple[int, ...]:
    """Spatial kernel of a convolution or a pool."""
    if "kernel_shape" in node.attributes:
        return tuple(int(value) for value in node.attributes["kernel_shape"])
    return graph.shape(node.inputs[1])[2:]


def strides(graph: ModelGraph, node: GraphNode) -> tuple[int, ...]:
    """Strides of a convolution or a pool along its spatial axes."""
    return _axes(node, "strides", 1, len(kernel_size(graph, node)))


def multiply_accumulates(graph: ModelGraph, node: GraphNode) -> int:
    """Products that a node computes: Conv, ConvTranspose, Gemm and MatMul; 0 for every other operator.

    The count is that of :func:`zk.counting.multiply_accumulates`: products with padding count, products with the zeros
    that a strided ConvTranspose inserts do not.
    """
    if node.op_type == "Conv":
        return graph.elements(node.outputs[0]) * math.prod(graph.shape(node.inputs[1])[1:])
    if node.op_type == "ConvTranspose":
        return graph.elements(node.inputs[0]) * math.prod(graph.shape(node.inputs[1])[1:])
    if node.op_type in ("Gemm", "MatMul"):
        shape = graph.shape(node.inputs[0])
        across = shape[-2:-1] if node.attributes.get("transA", 0) else shape[-1:]
        return graph.elements(node.outputs[0]) * math.prod(across)
    return 0


def products_laid_out(graph: ModelGraph, node: GraphNode) -> int:
    """Products that ezkl puts into the circuit for a node.

    A ConvTranspose becomes a convolution of its input with zeros inserted between the elements: output elements times
    kernel times input channels of a group. An AveragePool becomes a convolution with a kernel of ones.
    """
    outputs = graph.elements(node.outputs[0])
    if node.op_type == "ConvTranspose":
        channels = graph.shape(node.inputs[1])[0] // int(node.attributes.get("group", 1))
        return outputs * channels * math.prod(kernel_size(graph, node))
    if node.op_type == "AveragePool":
        return outputs * math.prod(kernel_size(graph, node))
    return multiply_accumulates(graph, node)


def nearest_factors(graph: ModelGraph, tensor: str) -> tuple[int, ...]:
    """Whole factors by which a nearest-neighbour Resize made the spatial axes of ``tensor``; () if none did."""
    node = graph.producers.get(tensor)
    if node is None or node.op_type not in ("Resize", "Upsample"):
        return ()
    mode = node.attributes.get("mode", b"nearest")
    before, after = graph.shape(node.inputs[0]), graph.shape(tensor)
    if mode != b"nearest" or len(before) != len(after) or before[:2] != after[:2]:
        return ()
    if any(large % small for small, large in zip(before, after, strict=True)):
        return ()
    factors = tuple(large // small for small, large in zip(before[2:], after[2:], strict=True))
    return factors if max(factors, default=1) > 1 else ()


def _distinct_taps(outputs: int, stride: int, pad: int, dilation: int, kernel: int, factor: int) -> int:
    """Different source elements that each output along one axis reads through a nearest upsampling, summed."""
    total = 0
    for output in range(outputs):
        start = output * stride - pad
        total += len({(start + tap * dilation) // factor for tap in range(kernel)})
    return total


def _needed_after_nearest(graph: ModelGraph, node: GraphNode, factors: tuple[int, ...]) -> int:
    """Products of a Conv once taps that read the same source element are added up beforehand.

    The set of taps depends on the output's phase only, hence one smaller kernel for each phase.
    """
    kernel, stride = kernel_size(graph, node), strides(graph, node)
    pads = _axes(node, "pads", 0, 2 * len(kernel))
    dilations = _axes(node, "dilations", 1, len(kernel))
    batch, out_channels, *sizes = graph.shape(node.outputs[0])
    taps = (
        _distinct_taps(size, stride[i], pads[i], dilations[i], kernel[i], factors[i]) for i, size in enumerate(sizes)
    )
    return batch * out_channels * int(graph.shape(node.inputs[1])[1]) * math.prod(taps)


def wasted_multiply_accumulates(graph: ModelGraph, node: GraphNode) -> int:
    """Products laid out that another spelling of the same model would spare.

    - ConvTranspose: those with inserted zeros;
    - Conv behind a nearest-neighbour upsampling: taps that read the same source element;
    - AveragePool: all of them, as sums of shifted slices need none.
    """
    needed = multiply_accumulates(graph, node)
    if node.op_type == "Conv" and (factors := nearest_factors(graph, node.inputs[0])):
        needed = _needed_after_nearest(graph, node, factors)
    return max(products_laid_out(graph, node) - needed, 0)
