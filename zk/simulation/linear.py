"""Products with weights: einsum, convolution and transposed convolution, exactly."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zk.simulation.errors import SimulationError
from zk.simulation.exact import add, contract, peak

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d}


def einsum(equation: str, operands: Sequence[Tensor]) -> Tensor:
    """Einsum of two operands [N or 1, ...] whose equation does not name the leading axis.

    An axis that only the result names has size 1: tract moves reshapes of that kind into the product.
    """
    terms, named = equation.split("->")
    result = "".join(name for name in named if name in terms)
    subscripts = terms.split(",")
    if len(subscripts) != 2 or len(operands) != 2:
        raise SimulationError(f"einsum must have two operands; found {equation}")
    letter = next(letter for letter in string.ascii_letters if letter not in equation)
    axes = ["" if operand.shape[0] == 1 else letter for operand in operands]
    left, right = (operand if axis else operand[0] for operand, axis in zip(operands, axes, strict=True))
    full = f"{axes[0]}{subscripts[0]},{axes[1]}{subscripts[1]}->{max(axes)}{result}"
    sizes = dict(zip(subscripts[0], operands[0].shape[1:], strict=True))
    hidden = math.prod(size for name, size in sizes.items() if name not in subscripts[1] + result)
    summed = [place for place, name in enumerate(axes[1] + subscripts[1]) if name not in max(axes) + result]

    def weigh(weight: Tensor) -> int:
        magnitudes = weight.abs()
        return hidden * peak(magnitudes.sum(summed) if summed else magnitudes)

    found = contract(left, right, weigh, lambda x, weight: torch.einsum(full, x, weight))
    found = found if max(axes) else found[None]
    for place, name in enumerate(named, 1):
        found = found if name in result else found.unsqueeze(place)
    return found


def convolve(fields: Mapping[str, Any], operands: Sequence[Tensor]) -> Tensor:
    """Convolution of x [N, 1, C, ...] with a kernel [1, O, C / groups, ...] and perhaps a bias [1, O or 1]."""
    x, kernel = _image_and_kernel(fields, operands)
    sides = [side for pair in reversed(fields["padding"]) for side in pair]
    convolution = _CONVOLUTIONS[kernel.ndim - 2]
    stride, groups = list(fields["stride"]), int(fields["group"])

    def product(image: Tensor, weight: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=False):  # its fast algorithms are not sums of the exact products
            found: Tensor = convolution(image, weight, stride=stride, groups=groups)
        return found

    found = contract(F.pad(x, sides), kernel, lambda weight: peak(weight.abs().flatten(1).sum(1)), product)
    return _with_bias(found, operands)


def deconvolve(fields: Mapping[str, Any], operands: Sequence[Tensor]) -> Tensor:
    """Transposed convolution; the kernel [1, O, C / groups, ...] is the other way round than torch's."""
    x, kernel = _image_and_kernel(fields, operands)
    groups, outputs = int(fields["group"]), kernel.shape[0]
    if groups > 1 and outputs == x.shape[1]:
        raise SimulationError("ezkl swaps the axes of a grouped kernel with as many outputs as inputs, and refuses it")
    swapped = kernel.reshape(groups, outputs // groups, *kernel.shape[1:]).transpose(1, 2).flatten(0, 1)
    transposed = _TRANSPOSED[kernel.ndim - 2]
    stride = list(fields["stride"])

    def product(image: Tensor, weight: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=False):
            found: Tensor = transposed(image, weight, stride=stride, groups=groups)
        return found

    found = contract(x, swapped, lambda weight: peak(weight.abs().flatten(2).sum((0, 2))), product)
    for axis, ((before, after), more) in enumerate(zip(fields["padding"], fields["output_padding"], strict=True), 2):
        if more > after:
            raise SimulationError(f"output padding must not exceed padding; got {more} > {after}; ezkl refuses it")
        found = found.narrow(axis, before, found.shape[axis] - before - after + more)
    return _with_bias(found, operands)


def _image_and_kernel(fields: Mapping[str, Any], operands: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    x, kernel = operands[0], operands[1]
    if fields["data_format"] == "CHW":  # measured: outputs far from the model's, as if channels were samples
        raise SimulationError("ezkl lays out a convolution whose batch axis tract has dropped (CHW) wrongly")
    if fields["data_format"] != "NCHW" or fields["kernel_format"] != "OIHW":
        raise SimulationError(f"axes must be NCHW and OIHW; found {fields['data_format']}, {fields['kernel_format']}")
    if any(operand.shape[0] != 1 for operand in operands[1:]):
        raise SimulationError("kernel and bias must be constants of the circuit; found values that depend on the input")
    if kernel.ndim - 3 not in _CONVOLUTIONS or x.ndim != kernel.ndim or x.shape[1] != 1:
        raise SimulationError(f"convolutions must have a batch of 1 and one or two sides; found {tuple(x.shape[1:])}")
    return x[:, 0], kernel[0]


def _with_bias(found: Tensor, operands: Sequence[Tensor]) -> Tensor:
    if len(operands) == 3:
        found = add(found, operands[2].reshape(1, -1, *[1] * (found.ndim - 2)))
    return found[:, None]
