"""Layer normalisation in checked form: sums as claims, and the inverse square root of one number by table.

``y = (x - m) r gain + shift`` with the mean m of x, the variance v of x and ``r = (v + epsilon)**-0.5``. Sums are
divided by claims, whose quotients must stay in the tables' range: squares are added up in groups first. EZKL looks a
power of a constant exponent up in a static table; its square root and its quotient are not tied to what they are made
from, and are not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from zk.checked.bound import check_bindable
from zk.checked.errors import CheckedError
from zk.checked.kinds import ForeignScales, repeated, round_constant, round_factor, uniform
from zk.checked.maps import matrix
from zk.checked.options import CheckedOptions
from zk.checked.program import Exact, Foreign, Raise, Times, Value
from zk.checked.record import Record
from zk.lowering.graph import attributes_of

OUTPUT_BITS = 60
"""What is given out must stay below 2**62 in magnitude; the greatest bits of a value are kept this low."""


def layer_norm(
    node: onnx.NodeProto,
    value: Value,
    constants: Mapping[str, NDArray[Any]],
    record: Record,
    options: CheckedOptions,
    foreign_bits: ForeignScales,
    given_out: bool,
) -> Value:
    """Write the steps of a LayerNormalization node.

    Args:
        node: its scale and bias are among ``constants``.
        value: what is normalised, [..., normalised axes ...].
        constants: of the node, by name.
        record: receives the steps.
        options: layout.
        foreign_bits: gives the scale of the table of powers.
        given_out: nothing but the network's outputs reads the result, so that it may have any number of bits.

    Returns:
        The result, at the scale that its factors add up to; whoever reads it divides it.

    Raises:
        CheckedError: no sum can be brought into the tables' range at these options.
    """
    return _LayerNorm(node, value, constants, record, options, foreign_bits).write(given_out)


@final
class _LayerNorm:
    def __init__(
        self,
        node: onnx.NodeProto,
        value: Value,
        constants: Mapping[str, NDArray[Any]],
        record: Record,
        options: CheckedOptions,
        foreign_bits: ForeignScales,
    ) -> None:
        facts = attributes_of(node)
        axis = int(facts.get("axis", -1)) % len(value.shape)
        self._node = node
        self._value = value
        self._epsilon = float(facts.get("epsilon", 1e-5))
        self._groups, self._size = math.prod(value.shape[:axis]), math.prod(value.shape[axis:])
        gain, shift = (
            None if name not in constants else np.broadcast_to(constants[name], value.shape[axis:]).reshape(1, -1)
            for name in (node.input[1], node.input[2] if len(node.input) > 2 else "")
        )
        self._gain = None if gain is None or uniform(gain) == 1.0 else gain
        self._shift = shift
        self._record = record
        self._options = options
        self._foreign_bits = foreign_bits

    def write(self, given_out: bool) -> Value:
        """Write all steps."""
        bits, record = self._options.activation_bits, self._record
        value = self._reshaped(record.divide_down(self._value, bits), (self._groups, self._size))
        centred = self._difference(value, self._mean(value))
        found = self._product(centred, self._inverse_root(self._mean(self._product(centred, centred), self._floor())))
        if self._gain is not None:
            if not given_out or found.bits + self._options.logrows > OUTPUT_BITS:
                found = record.divide_down(found, bits)
            found = self._gained(found, self._gain)
        if self._shift is not None:
            found = self._shifted(found, self._shift)
        return self._reshaped(found, self._value.shape)

    def _floor(self) -> int:
        """Epsilon as the variance's offset, at least what rounds to 1: the table has no finite entry at 0."""
        divisor = self._options.divisor
        return max(round(self._epsilon * divisor * 2.0**self._options.activation_bits), divisor // 2)

    def _mean(self, value: Value, offset: int = 0) -> Value:
        """Mean of a value over its last axis, [groups, 1] at the activations' scale.

        Each claim adds up groups of elements and divides by the tables' length. Squares have twice the bits, which
        leaves few elements a group; their quotients are half the groups' means, so that a single element as great as
        the tables hold is still in range.

        Args:
            value: [groups, elements].
            offset: added before the last division.
        """
        options = self._options
        wanted = 2.0 ** (options.activation_bits - value.bits) / value.shape[1]
        factor = 1.0
        while True:
            left, excess = value.shape[1], value.bits - options.activation_bits
            most = max(1, round(options.divisor / 2.0 ** (excess + 1))) if excess else options.divisor
            exact = options.divisor * wanted / factor
            if left <= most and abs(round(exact) - exact) <= exact * self._tolerance:
                return self._sums(value, left, round(exact), offset)
            count = _greatest_divisor(left, most)
            if count == 1 and not excess and left > 1:
                raise CheckedError(
                    f"{self._node.name!r} must add {left} numbers up in equal groups of at most {options.divisor}, the "
                    f"tables' length; {left} has no such divisor; use a greater logrows"
                )
            weight = max(1, math.floor(options.divisor / (count * 2.0 ** (excess + bool(excess)))))
            value = self._sums(value, count, weight, 0)
            factor *= weight / options.divisor

    @property
    def _tolerance(self) -> float:
        """Relative error of a weight that is hidden by the rounding of what it makes: D itself is 2^k (1 - 2^(3-k))."""
        return 1.05 * 2.0**-self._options.activation_bits

    def _sums(self, value: Value, count: int, weight: int, offset: int) -> Value:
        """Claim ``(weight * sum + offset) / divisor`` of every ``count`` neighbours: [groups, elements / count].

        The sum itself is EZKL's. As a part of the claim it would take as many rows, and the verifier would have to ask
        for as many elements, which makes the circuit higher.
        """
        shape = self._groups, value.shape[1] // count
        source = self._reshaped(value, (*shape, count))
        if count > 1:
            name, total = self._fresh(), Value(self._fresh(), (*shape, 1), value.bits, value.declared)
            node = onnx.helper.make_node("ReduceSum", [source.name, name], [total.name], name=total.name)
            self._record.steps.append(Exact(node, (source,), {name: np.array([2], np.int64)}, total))
            source = total
        found = matrix(torch.tensor([[weight]]), torch.tensor([offset]), source.shape)
        if self._options.weights == "bound":
            check_bindable(self._node.name, found)
        output = Value(self._fresh(), shape, self._options.activation_bits, 0)
        self._record.claim(self._node.name or output.name, found, (source,), output, True, 1, "lookup")
        return output

    def _inverse_root(self, variance: Value) -> Value:
        """``variance**-0.5`` by table.

        The table's function is taken of ``variance * 2**(-2 fine)`` at as many bits more, which makes its entries
        ``2**(3 fine)`` times greater: that many more bits does the result have, as far as one division takes them back.
        """
        bits = self._options.activation_bits
        fine = min((self._options.logrows - 1 - bits) // 3, bits)
        level = bits + 2 * fine
        source = Value(self._fresh(), variance.shape, level, level)
        self._record.steps.append(Raise(variance, source))
        name, exponent = self._fresh(), self._fresh()
        node = onnx.helper.make_node("Pow", [source.name, exponent], [name], name=f"{self._node.name}/rsqrt")
        constants = {exponent: np.array(-0.5, np.float32)}
        found = self._foreign_bits(node, (source,), constants)
        if found != level:
            raise CheckedError(f"EZKL's table of powers must keep the scale of {level} bits; it gives {found}")
        output = Value(name, variance.shape, level + fine, level)
        self._record.steps.append(Foreign(node, (source,), constants, output))
        return output

    def _difference(self, left: Value, right: Value) -> Value:
        if left.declared or left.bits != right.bits:
            left, right = self._record.level(left), self._record.level(right)
        output = Value(self._fresh(), left.shape, max(left.bits, right.bits), max(left.declared, right.declared))
        node = onnx.helper.make_node("Sub", [left.name, right.name], [output.name], name=f"{self._node.name}/centred")
        self._record.steps.append(Exact(node, (left, right), {}, output))
        return output

    def _product(self, left: Value, right: Value) -> Value:
        output = Value(self._fresh(), left.shape, left.bits + right.bits, left.declared + right.declared)
        self._record.steps.append(Times((left, right), None, output))
        return output

    def _gained(self, value: Value, gain: NDArray[Any]) -> Value:
        """Multiply by the gain, without a division of what is given out."""
        bits = self._options.activation_bits
        if uniform(gain) is not None:
            return self._record.scaled(value, gain)
        real = self._record.own(repeated(np.asarray(round_factor(gain, bits) / 2.0**bits), value.shape))
        output = Value(self._fresh(), value.shape, value.bits + bits, value.declared + bits)
        self._record.steps.append(Times((value,), np.asarray(real * 2.0**bits, np.int64), output))
        return output

    def _shifted(self, value: Value, shift: NDArray[Any]) -> Value:
        rounded = round_constant(shift, self._options.activation_bits)
        if not rounded.any():
            return value
        value = self._record.level(value)
        name, output = self._fresh(), Value(self._fresh(), value.shape, value.bits, value.declared)
        node = onnx.helper.make_node("Add", [value.name, name], [output.name], name=f"{self._node.name}/shifted")
        constants = {name: self._record.own(repeated(rounded, value.shape))}
        self._record.steps.append(Exact(node, (value,), constants, output))
        return output

    def _reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        if value.shape == shape:
            return value
        name, output = self._fresh(), Value(self._fresh(), shape, value.bits, value.declared)
        node = onnx.helper.make_node("Reshape", [value.name, name], [output.name], name=output.name)
        self._record.steps.append(Exact(node, (value,), {name: np.array(shape, np.int64)}, output))
        return output

    def _fresh(self) -> str:
        return self._record.fresh(self._node.output[0])


def _greatest_divisor(number: int, most: int) -> int:
    """The greatest divisor of a number up to ``most``."""
    small = [divisor for divisor in range(1, math.isqrt(number) + 1) if number % divisor == 0]
    return max(divisor for divisor in (*small, *(number // divisor for divisor in small)) if divisor <= most)
