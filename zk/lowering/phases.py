"""Upsampling convolutions as one small convolution for each phase of the output, and a shuffle that costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from zk.lowering.graph import Array, Graph, attributes_of
from zk.lowering.linear import weights_of
from zk.lowering.rule import Rule


@dataclass(frozen=True)
class _Axis:
    """One axis of the output positions ``stride * m + phase``: output m reads ``x[m + first + t]`` with ``taps[t]``.

    ``taps[t]`` lists the indices of the original kernel whose weights add up to the weight of tap t.
    """

    first: int
    taps: tuple[tuple[int, ...], ...]


def transposed_axis(phase: int, kernel: int, stride: int, pad: int) -> _Axis:
    """Taps of a transposed convolution: ``y[o]`` sums ``x[i] w[k]`` over ``o = i * stride - pad + k``."""
    shift, rest = divmod(phase + pad, stride)
    indices = range(rest, kernel, stride)
    return _Axis(shift - len(indices) + 1, tuple((index,) for index in reversed(indices)))


def upsampled_axis(phase: int, kernel: int, stride: int, pad: int) -> _Axis:
    """Taps of a convolution after nearest upsampling: kernel indices that read the same source element share one."""
    sources = [(phase - pad + index) // stride for index in range(kernel)]
    first = min(sources)
    taps = tuple(
        tuple(index for index, source in enumerate(sources) if source == first + t)
        for t in range(max(sources) - first + 1)
    )
    return _Axis(first, taps)


def _kernel(weight: Array, rows: _Axis, columns: _Axis) -> Array:
    """Sum the taps of a weight [out, in, k, k]."""
    by_row = np.stack([weight[:, :, list(taps), :].sum(2) for taps in rows.taps], axis=2)
    return np.stack([by_row[..., list(taps)].sum(-1) for taps in columns.taps], axis=3)


def _emit_phases(
    graph: Graph,
    source: str,
    weight: Array,
    bias: Array | None,
    axes: tuple[list[_Axis], list[_Axis]],
    groups: int,
    target: tuple[int, ...],
) -> str:
    """One convolution for each pair of phases, then the interleaving."""
    stride = len(axes[0])
    batch, _, *size = graph.shape(source)
    channels = target[1]
    steps = [-(-extent // stride) for extent in target[2:]]
    images = []
    for rows in axes[0]:
        for columns in axes[1]:
            pads, kept = [], source
            for axis, (taps, extent, count) in enumerate(zip((rows, columns), size, steps, strict=True)):
                before, after = -taps.first, count + taps.first + len(taps.taps) - 1 - extent
                if before < 0 or after < 0:  # elements that no output of this phase reads
                    kept = graph.emit_slice(kept, axis + 2, max(0, -before), extent + min(0, after))
                pads.append((max(before, 0), max(after, 0)))
            kernel = _kernel(weight, rows, columns)
            inputs: list[str | Array] = [kept, kernel.astype(weight.dtype)]
            if bias is not None:
                # Equal constants would become one, and ezkl range-checks a constant that several nodes read.
                inputs.append(bias)
                bias = np.nextafter(bias, np.inf, dtype=bias.dtype)
            (top, bottom), (left, right) = pads
            images.append(
                graph.emit(
                    "Conv",
                    inputs,
                    (batch, channels, *steps),
                    kernel_shape=list(kernel.shape[2:]),
                    strides=[1, 1],  # ezkl's parser refuses a convolution that leaves them out
                    pads=[top, left, bottom, right],
                    group=groups,
                )
            )
    stacked = graph.emit("Concat", images, (batch, stride * stride * channels, *steps), axis=1)
    split = graph.emit_reshape(stacked, (batch, stride, stride, channels, *steps))
    order = (0, 3, 4, 1, 5, 2)
    moved = graph.emit("Transpose", [split], (batch, channels, steps[0], stride, steps[1], stride), perm=list(order))
    image = graph.emit_reshape(moved, (batch, channels, steps[0] * stride, steps[1] * stride))
    for axis in (2, 3):
        if graph.shape(image)[axis] != target[axis]:
            image = graph.emit_slice(image, axis, 0, target[axis])
    return image


def _lower_transposed(graph: Graph, node: onnx.NodeProto) -> bool:
    facts, found = attributes_of(node), weights_of(graph, node)
    source, target = graph.shape(node.input[0]), graph.shape(node.output[0])
    strides = facts.get("strides", [1, 1])
    if found is None or len(source) != 4 or len(set(strides)) != 1 or strides[0] < 2:
        return False
    if set(facts.get("dilations", [1])) != {1} or facts.get("auto_pad", "NOTSET") != "NOTSET":
        return False
    if "output_shape" in facts:
        return False
    weight, bias = found
    stride, groups, kernels = int(strides[0]), int(facts.get("group", 1)), weight.shape[2:]
    if min(kernels) < stride:  # some phases would have no tap
        return False
    pads = facts.get("pads", [0, 0, 0, 0])
    axes = tuple(
        [transposed_axis(phase, kernel, stride, pads[axis]) for phase in range(stride)]
        for axis, kernel in enumerate(kernels)
    )
    # [in, out / groups, k, k] -> [out, in / groups, k, k]
    blocks = np.split(weight, groups)
    ordered = np.concatenate([block.transpose(1, 0, 2, 3) for block in blocks])
    graph.replace(node, _emit_phases(graph, node.input[0], ordered, bias, (axes[0], axes[1]), groups, target))
    return True


def _lower_upsampled(graph: Graph, node: onnx.NodeProto) -> bool:
    """A stride-1 convolution whose input is a nearest-neighbour upsampling by a whole factor."""
    resize = graph.producer(node.input[0])
    if resize is None or not is_nearest(resize) or not graph.is_alone(node, node.input[0]):
        return False
    facts, found, source = attributes_of(node), weights_of(graph, node), str(resize.input[0])
    if found is None:
        return False
    before, after, target = graph.shape(source), graph.shape(node.input[0]), graph.shape(node.output[0])
    if len(before) != 4 or before[:2] != after[:2] or after[2] % before[2] or after[3] % before[3]:
        return False
    factor = after[2] // before[2]
    if factor < 2 or after[3] // before[3] != factor:
        return False
    if set(facts.get("strides", [1])) | set(facts.get("dilations", [1])) != {1}:
        return False
    if facts.get("auto_pad", "NOTSET") != "NOTSET":
        return False
    weight, bias = found
    pads = facts.get("pads", [0, 0, 0, 0])
    axes = tuple(
        [upsampled_axis(phase, kernel, factor, pads[axis]) for phase in range(factor)]
        for axis, kernel in enumerate(weight.shape[2:])
    )
    groups = int(facts.get("group", 1))
    graph.replace(node, _emit_phases(graph, source, weight, bias, (axes[0], axes[1]), groups, target))
    return True


def is_nearest(resize: onnx.NodeProto) -> bool:
    """Whether a node is an upsampling that repeats elements: nearest, rounding down from the left edge."""
    if resize.op_type not in ("Resize", "Upsample"):
        return False
    facts = attributes_of(resize)
    if resize.op_type == "Upsample":
        return bool(facts.get("mode", "nearest") == "nearest")
    left = facts.get("coordinate_transformation_mode", "half_pixel") == "asymmetric"
    return bool(left and facts.get("mode", "nearest") == "nearest" and facts.get("nearest_mode") == "floor")


def _lower(graph: Graph) -> int:
    lowered = sum(_lower_transposed(graph, node) for node in graph.of("ConvTranspose"))
    lowered += sum(_lower_upsampled(graph, node) for node in graph.of("Conv"))
    graph.prune()
    return lowered


PHASE_CONVOLUTION = Rule(
    "phase-convolution",
    "an upsampling convolution without the products by inserted zeros or of repeated elements, then a free shuffle",
    _lower,
)
