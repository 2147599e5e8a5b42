"""An input in two digits: a finer input than the tables hold, where nothing but a product reads it.

The tables of a circuit bound its inputs, so an input at a fine scale asks for long tables and a tall circuit. A network
that only multiplies its input with weights needs no table for it. Here such an input becomes two, a coarse one and a
fine one, ``x = coarse + 2**-fine_bits * fine``; both are looked up at the coarse scale, and the factor is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.lower import load_model
from zk.lowering import Graph

COARSE, FINE = "_coarse", "_fine"


@dataclass(frozen=True)
class Digits:
    """How an input was split.

    Attributes:
        names: of the two inputs.
        coarse_bits: scale of both, the circuit's scale of activations.
        fine_bits: how much finer the two together are.
    """

    names: tuple[str, str]
    coarse_bits: int
    fine_bits: int

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split real numbers into the two digits, rounded to ``2**-(coarse_bits + fine_bits)``.

        Args:
            x: of any shape; the digits have it, too.

        Returns:
            Multiples of ``2**-coarse_bits``; the second is within half of ``2**(fine_bits - coarse_bits)``.
        """
        whole = torch.floor(x.double() * 2.0 ** (self.coarse_bits + self.fine_bits) + 0.5)
        coarse = torch.floor(whole / 2.0**self.fine_bits + 0.5)
        fine = whole - coarse * 2.0**self.fine_bits
        return coarse / 2.0**self.coarse_bits, fine / 2.0**self.coarse_bits


def split_input(source: Path, target: Path, coarse_bits: int, fine_bits: int) -> Digits:
    """Write a network with its input in two digits.

    Args:
        source: ONNX file with one input.
        target: ONNX file to write; its inputs are called like the source's, with ``_coarse`` and ``_fine`` behind.
        coarse_bits: scale of the digits.
        fine_bits: bits of the fine one.

    Raises:
        LoweringError: ``source`` is no ONNX model.
        CheckedError: it has several inputs, or a number of bits is not positive.
    """
    model = load_model(source)
    graph = Graph(model)
    if len(graph.inputs) != 1 or coarse_bits < 1 or fine_bits < 1:
        raise CheckedError(
            "a network of one input can be given in digits of at least one bit; got inputs "
            f"{graph.inputs}, {coarse_bits} and {fine_bits} bits"
        )
    (name,) = graph.inputs
    names = name + COARSE, name + FINE
    shape = list(graph.shape(name))
    kept = [slot for slot in model.graph.input if slot.name != name]
    slots = [helper.make_tensor_value_info(digit, onnx.TensorProto.FLOAT, shape) for digit in names]
    factor = numpy_helper.from_array(np.array(2.0**-fine_bits, np.float32), f"{name}_unit")
    nodes = [
        helper.make_node("Mul", [names[1], factor.name], [f"{name}_small"], name=f"{name}_small"),
        helper.make_node("Add", [names[0], f"{name}_small"], [name], name=f"{name}_whole"),
        *model.graph.node,
    ]
    initializers = [*model.graph.initializer, factor]
    written = helper.make_graph(nodes, model.graph.name, [*slots, *kept], list(model.graph.output), initializers)
    made = helper.make_model(written, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, str(target))
    return Digits(names, coarse_bits, fine_bits)
