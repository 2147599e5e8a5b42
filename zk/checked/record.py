"""Steps of a program as they are written down: scales brought together, values divided, looked up and multiplied."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import numpy as np
import onnx
from numpy.typing import NDArray

from zk.checked.errors import CheckedError
from zk.checked.kinds import power_shift, repeated, round_factor, uniform
from zk.checked.maps import LinearMap, identity
from zk.checked.options import CheckedOptions
from zk.checked.program import RELU, Claim, Exact, Lookup, Raise, Step, Times, Value

_VARIANTS = 4096


@final
class Record:
    """The steps of a program so far.

    Args:
        options: layout.
        taken: names that no step may give to a value.
    """

    def __init__(self, options: CheckedOptions, taken: Iterable[str]) -> None:
        self.steps: list[Step] = []
        self._options = options
        self._taken = set(taken)
        self._claims = 0
        self._constants: set[tuple[tuple[int, ...], bytes]] = set()

    def divide_down(self, value: Value, most_bits: int, in_range: str = "lookup") -> Value:
        """Bring a value of more than ``most_bits`` down to the activations' scale by a claim of its own."""
        options = self._options
        if value.bits <= most_bits:
            return value
        lift = self.lift(value.name, value.bits - options.activation_bits)
        output = Value(self.fresh(value.name), value.shape, options.activation_bits, 0)
        self.claim(value.name, identity(value.shape), (value,), output, True, lift, in_range)
        return output

    def lift(self, name: str, shift: int) -> int:
        """Power of two that makes a division by about ``2**shift`` one by the tables' length."""
        if shift >= self._options.logrows:
            raise CheckedError(
                f"{name!r} must be divided by less than 2**{self._options.logrows}; it takes 2**{shift}; raise logrows "
                "or lower activation_bits"
            )
        return 1 << (self._options.logrows - shift)

    def narrowed(self, values: Sequence[Value], more_bits: int = 0) -> list[Value]:
        """Divide factors down, the one of most bits first, until one claim can divide their product."""
        options, found = self._options, list(values)
        most = options.activation_bits + options.logrows - 1 - more_bits
        while sum(value.bits for value in found) > most:
            widest = max(range(len(found)), key=lambda index: found[index].bits)
            if found[widest].bits <= options.activation_bits:
                break
            found[widest] = self.divide_down(found[widest], options.activation_bits)
        return found

    def copy(self, value: Value) -> Value:
        """Claim a value again, so that its declared scale is 0."""
        output = Value(self.fresh(value.name), value.shape, value.bits, 0)
        self.claim(value.name, identity(value.shape), (value,), output, False, 1, "table")
        return output

    def level(self, value: Value) -> Value:
        """Raise the declared scale to what the integers mean."""
        if value.declared == value.bits:
            return value
        output = Value(self.fresh(value.name), value.shape, value.bits, value.bits)
        self.steps.append(Raise(value, output))
        return output

    def readable(self, function: str, value: Value) -> Value:
        """Bring a value to the scales that a table reads."""
        bits = self._options.activation_bits
        value = self.divide_down(value, bits, "table")
        if function == RELU:
            return self.copy(value) if value.declared else value
        if value.bits != bits:
            raise CheckedError(f"{function} must read values at {bits} bits; {value.name!r} has {value.bits}")
        return self.level(value)

    def look_up(self, function: str, value: Value) -> Value:
        """Apply an activation."""
        value = self.readable(function, value)
        output = Value(self.fresh(value.name), value.shape, value.bits, value.declared)
        self.steps.append(Lookup(function, value, output))
        return output

    def scaled(self, value: Value, constant: NDArray[Any], shape: tuple[int, ...] | None = None) -> Value:
        """Multiply by a constant at the activations' scale; by 2^-j exactly."""
        bits = self._options.activation_bits
        shape = value.shape if shape is None else shape
        factor = uniform(constant)
        shift = None if factor is None else power_shift(factor)
        integers = round_factor(constant, bits) if shift is None else constant
        if shift is None and (factor := uniform(integers)) is not None:
            shift = power_shift(factor / 2.0**bits)
        if factor is not None:
            value = self.expanded(value, shape)
        if shift == 0:
            return value
        (value,) = self.narrowed([value], bits if shift is None else shift)
        if shift is not None:
            output = Value(self.fresh(value.name), shape, value.bits + shift, value.declared + shift)
            self.steps.append(Raise(value, output))
            return output
        output = Value(self.fresh(value.name), shape, value.bits + bits, value.declared + bits)
        real = self.own(repeated(np.asarray(integers / 2.0**bits), shape))
        self.steps.append(Times((value,), np.asarray(real * 2.0**bits, np.int64), output))
        return output

    def own(self, variants: Iterator[NDArray[Any]]) -> NDArray[Any]:
        """The first variant of a constant that the program does not hold yet, else the first of all.

        EZKL's parser merges equal constants, leading axes of size one apart. One of several readers it splits into
        digits, ten rows and a range check each, and rounds at another scale than one of a single reader.
        """
        first = next(variants)
        for found in itertools.chain((first,), itertools.islice(variants, _VARIANTS)):
            leading = next((axis for axis, size in enumerate(found.shape) if size != 1), found.ndim)
            key = found.shape[leading:], found.astype(np.float32).tobytes()
            if key not in self._constants:
                self._constants.add(key)
                return found
        return first

    def expanded(self, value: Value, shape: tuple[int, ...]) -> Value:
        """Repeat a value along axes; it gets all of them first, because EZKL takes missing ones for the last."""
        for kind, target in (("Reshape", (1,) * (len(shape) - len(value.shape)) + value.shape), ("Expand", shape)):
            if value.shape == target:
                continue
            output = Value(self.fresh(value.name), target, value.bits, value.declared)
            size = f"{output.name}_shape"
            node = onnx.helper.make_node(kind, [value.name, size], [output.name], name=output.name)
            self.steps.append(Exact(node, (value,), {size: np.array(target, np.int64)}, output))
            value = output
        return value

    def claim(
        self,
        node: str,
        found: LinearMap | None,
        inputs: tuple[Value, ...],
        output: Value,
        divided: bool,
        lift: int,
        in_range: str,
    ) -> None:
        """Append a claim (:class:`zk.checked.program.Claim`)."""
        bound = self._options.weights == "bound" and found is not None and found.kind != "identity"
        self.steps.append(Claim(self._claims, node, found, inputs, output, divided, lift, in_range, bound))
        self._claims += 1

    def fresh(self, name: str) -> str:
        """Give a name of its own to what is made of a value."""
        number = 1
        while (found := f"{name}_s{number}") in self._taken:
            number += 1
        self._taken.add(found)
        return found
