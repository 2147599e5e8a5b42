"""A part of a program as the ONNX graph that EZKL compiles.

Inputs: the part's columns and ``asked``, integers, each to be committed. Outputs: ``checks``, one value for each
claim and one for the range lookups, all zero in an honest proof; the public inputs; the network's outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from zk.checked.bound import bound_input_side, bound_offset
from zk.checked.layout import ASKED, Layout, Span
from zk.checked.parts import Part, remainder_of
from zk.checked.program import RELU, Claim, Exact, Foreign, Lookup, Raise, Times

CHECKS = "checks"
_OPSET = 17


def emit_model(part: Part, layout: Layout) -> onnx.ModelProto:
    """Write the checked graph of a part."""
    return Emitter(part, layout).model()


class Emitter:
    """Writes one part's graph, node by node."""

    def __init__(self, part: Part, layout: Layout) -> None:
        self._part = part
        self._options = part.program.options
        self._layout = layout
        self._spans = dict(zip((claim.index for claim in part.claims), layout.claims, strict=True))
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._serial = 0

    def model(self) -> onnx.ModelProto:
        """Write all of it."""
        part = self._part
        sizes = {column.name: column.size for column in part.columns} | {ASKED: self._layout.asked_size}
        slots = [
            helper.make_tensor_value_info(_own(name), TensorProto.INT64, [1, size]) for name, size in sizes.items()
        ]
        for name in sizes:
            self._node("Cast", [_own(name)], _real(name), to=TensorProto.FLOAT)
        rests = {remainder_of(claim).name for claim in part.claims}
        for column in part.columns:
            for value in column.values:
                if value.name not in rests:
                    self.slice(self._layout.values[value.name], value.shape, value.name)
        for step in part.steps:
            self._step(step)
        checks = [self._check(claim) for claim in part.claims]
        checks.append(self._range_check())
        self._node("Concat", checks, _own(CHECKS), axis=1)
        outputs: list[tuple[str, tuple[int, ...]]] = [(_own(CHECKS), (1, len(checks)))]
        for value in part.public_inputs:
            outputs.append((self._raised(value.name, value.bits, _own(f"public:{value.name}")), value.shape))
        for index, value in enumerate(part.outputs):
            outputs.append((self._node("Identity", [value.name], _own(f"result:{index}")), value.shape))
        targets = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in outputs]
        graph = helper.make_graph(self._nodes, "checked", slots, targets, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="zkgan-search")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model

    # steps

    def _step(self, step: Any) -> None:
        if isinstance(step, Raise):
            self._raised(step.input.name, step.output.declared - step.input.declared, step.output.name)
        elif isinstance(step, Lookup):
            function = "HardSwish" if step.function == RELU else step.function
            self._node(function, [step.input.name], step.output.name)
        elif isinstance(step, Times):
            names = [value.name for value in step.inputs]
            if step.constant is not None:
                names.append(self.integers(step.constant))
            self._node("Mul", names, step.output.name)
        elif isinstance(step, (Exact, Foreign)):
            for name, array in step.constants.items():
                self._constants.append(numpy_helper.from_array(np.asarray(array), name))
            copy = onnx.NodeProto()
            copy.CopyFrom(step.node)
            self._nodes.append(copy)

    # checks

    def _check(self, claim: Claim) -> str:
        """One value: the claim's side less the offset less the input's side."""
        spans = self._spans[claim.index]
        side = self._folded(spans.result, claim, spans.weighted_rows or spans.rows)
        if spans.remainder is not None:
            rest = self._folded(spans.remainder, claim, spans.rows)
            side = self.fresh("Add", [side, rest])
        if spans.offset is not None:
            side = self.fresh("Sub", [side, self._offset(claim, spans.offset)])
        return self.fresh("Sub", [side, self._input_side(claim)])

    def _folded(self, span: Span, claim: Claim, weights: Span) -> str:
        """``r T s`` for the part of a column that holds T."""
        rows, columns = claim.factors
        tensor = self.slice(span, (rows, columns))
        spans = self._spans[claim.index]
        if spans.columns is not None:
            tensor = self.fresh("MatMul", [tensor, self.asked(spans.columns, (columns, 1))])
        return self.fresh("MatMul", [self.asked(weights, (1, rows)), tensor])

    def _offset(self, claim: Claim, span: Span) -> str:
        if claim.bound:
            return bound_offset(self, claim, span, self._spans[claim.index])
        assert self._layout.one is not None
        return self.fresh("MatMul", [self.asked(span, (1, 1)), self.asked(self._layout.one, (1, 1))])

    def _input_side(self, claim: Claim) -> str:
        spans = self._spans[claim.index]
        if claim.bound:
            return bound_input_side(self, claim, spans)
        if claim.map is not None:
            size = claim.inputs[0].size
            values = self.reshape(claim.inputs[0].name, (1, size))
            return self.fresh("MatMul", [values, self.asked(spans.transposed, (size, 1))])
        left, right = claim.inputs
        batch, (height, inner), width = math.prod(left.shape[:-2]), left.shape[-2:], right.shape[-1]
        rows = self.asked(spans.transposed, (batch, 1, height))
        left_side = self.fresh("MatMul", [rows, self.reshape(left.name, (batch, height, inner))])
        right_side = self.reshape(right.name, (batch * inner, width))
        if spans.columns is not None:
            right_side = self.fresh("MatMul", [right_side, self.asked(spans.columns, (width, 1))])
        flat = self.reshape(left_side, (1, batch * inner)), self.reshape(right_side, (batch * inner, 1))
        return self.fresh("MatMul", list(flat))

    def _range_check(self) -> str:
        """Look up whatever no step of the network looks up. The sum keeps EZKL from dropping it, times 0 hides it."""
        part, layout = self._part, self._layout
        spans = [layout.remainders] if layout.remainders.size else []
        spans += [self._spans[claim.index].result for claim in part.claims if claim.in_range == "lookup"]
        spans += [layout.values[value.name] for value in part.ranged]
        function, declared = self._range_table()
        sums = []
        for span in spans:
            values = self.slice(span, (1, span.size))
            if declared:
                values = self._raised(values, declared, self._name("raised"))
            sums.append(self._sum(self.fresh(function, [values])))
        total = sums[0] if sums else self.asked(Layout.ZERO, (1, 1))
        for other in sums[1:]:
            total = self.fresh("Add", [total, other])
        return self.fresh("MatMul", [total, self.asked(Layout.ZERO, (1, 1))])

    def _sum(self, source: str) -> str:
        return self.fresh("ReduceSum", [source, self.constant(np.array([1], np.int64))], keepdims=1)

    def _range_table(self) -> tuple[str, int]:
        """A table that the network uses anyway, or ReLU's."""
        lookups = [step for step in self._part.steps if isinstance(step, Lookup)]
        if not lookups or any(step.function == RELU for step in lookups):
            return "HardSwish", 0
        return lookups[0].function, lookups[0].input.declared

    # small parts

    def slice(self, span: Span, shape: Sequence[int], name: str | None = None) -> str:
        """Cut a piece from a committed column."""
        bounds = [self.constant(np.array([number], np.int64)) for number in (span.start, span.stop, 1)]
        return self.reshape(self.fresh("Slice", [_real(span.column), *bounds]), shape, name)

    def asked(self, span: Span, shape: Sequence[int]) -> str:
        """Cut a piece from the asked column."""
        return self.slice(span, shape)

    def reshape(self, source: str, shape: Sequence[int], name: str | None = None) -> str:
        """Add a Reshape."""
        return self._node("Reshape", [source, self.constant(np.array(shape, np.int64))], name or self._name("r"))

    def _raised(self, source: str, bits: int, name: str) -> str:
        return self._node("Mul", [source, self.constant(np.array(2.0**-bits, np.float32))], name)

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant, floats as float32."""
        name = self._name("c")
        kept = array if np.issubdtype(array.dtype, np.integer) else array.astype(np.float32)
        self._constants.append(numpy_helper.from_array(kept, name))
        return name

    def integers(self, values: NDArray[Any]) -> str:
        """Add integer constants, declared at the activations' scale."""
        return self.constant(values.astype(np.float64) / 2.0**self._options.activation_bits)

    def fresh(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and name its output."""
        return self._node(kind, inputs, self._name(kind.lower()), **attributes)

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self._nodes)}_{output}", **attributes))
        return output

    def _name(self, hint: str) -> str:
        self._serial += 1
        return _own(f"{hint}:{self._serial}")


def _own(name: str) -> str:
    """A name that no value of a network has."""
    return f"zk:{name}"


def _real(name: str) -> str:
    return _own(f"real:{name}")
