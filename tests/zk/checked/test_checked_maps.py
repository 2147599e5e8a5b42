"""Linear maps against loops over Python integers, and their transposes against the definition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.checked.maps import LinearMap, convolution, identity, left_matrix, matrix, transposed_convolution
from zk.field import MODULUS
from zk.simulate import SimulationError

Padding = Sequence[tuple[int, int]]


def numbers(shape: Sequence[int], bits: int, seed: int) -> Tensor:
    """Integers of either sign, below ``2**bits`` in magnitude, the greatest magnitude among them."""
    source = torch.Generator().manual_seed(seed)
    found = torch.randint(-(1 << bits) + 1, 1 << bits, tuple(shape), generator=source)
    found.view(-1)[0] = (1 << bits) - 1
    return found


def objects(tensor: Tensor) -> np.ndarray:
    return tensor.numpy().astype(object)


def naive_convolution(
    a: np.ndarray, w: np.ndarray, b: np.ndarray, stride: Sequence[int], pads: Padding, dilation: Sequence[int], g: int
) -> np.ndarray:
    """``T[n, m, o] = sum_c,k W[m, c, k] a[n, c, o stride + k dilation - before] + b[m]``."""
    sides, kernel = a.shape[2:], w.shape[2:]
    outs = [
        (side + sum(pad) - (k - 1) * d - 1) // s + 1
        for side, pad, k, d, s in zip(sides, pads, kernel, dilation, stride, strict=True)
    ]
    found = np.zeros((a.shape[0], w.shape[0], *outs), object)
    for n, m, *place in np.ndindex(*found.shape):
        first = m // (w.shape[0] // g) * w.shape[1]
        total = int(b[m])
        for c, *tap in np.ndindex(*w.shape[1:]):
            at = [o * s + k * d - p[0] for o, s, k, d, p in zip(place, stride, tap, dilation, pads, strict=True)]
            if all(0 <= x < side for x, side in zip(at, sides, strict=True)):
                total += int(w[(m, c, *tap)]) * int(a[(n, first + c, *at)])
        found[(n, m, *place)] = total
    return found


def naive_transposed(
    a: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    stride: Sequence[int],
    pads: Padding,
    more: Sequence[int],
    dilation: Sequence[int],
    g: int,
) -> np.ndarray:
    """Every input element adds its multiple of the kernel at ``i stride + k dilation - before``."""
    sides, kernel, each = a.shape[2:], w.shape[2:], w.shape[1]
    outs = [
        (side - 1) * s - sum(p) + (k - 1) * d + 1 + extra
        for side, s, p, k, d, extra in zip(sides, stride, pads, kernel, dilation, more, strict=True)
    ]
    found = np.zeros((a.shape[0], each * g, *outs), object)
    for m in range(each * g):
        found[:, m] = int(b[m])
    for n, c, *place in np.ndindex(*a.shape):
        group = c // (a.shape[1] // g)
        for m, *tap in np.ndindex(each, *kernel):
            at = [i * s + k * d - p[0] for i, s, k, d, p in zip(place, stride, tap, dilation, pads, strict=True)]
            if all(0 <= x < out for x, out in zip(at, outs, strict=True)):
                found[(n, group * each + m, *at)] += int(w[(c, m, *tap)]) * int(a[(n, c, *place)])
    return found


CONVOLUTIONS = {  # input, weight, stride, padding, dilation, groups
    "plain": ((1, 2, 4, 4), (3, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "stride": ((2, 2, 5, 6), (2, 2, 3, 2), (2, 3), ((1, 1), (0, 0)), (1, 1), 1),
    "asymmetric": ((1, 1, 3, 4), (2, 1, 2, 3), (1, 2), ((0, 2), (3, 1)), (1, 1), 1),
    "dilation": ((1, 2, 6, 5), (2, 2, 3, 2), (1, 1), ((2, 1), (0, 2)), (2, 3), 1),
    "groups": ((1, 4, 3, 3), (6, 2, 2, 2), (1, 1), ((1, 0), (0, 1)), (1, 1), 2),
    "depthwise": ((1, 3, 4, 3), (3, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "one side": ((2, 4, 7), (4, 2, 3), (2,), ((2, 1),), (2,), 2),
}
TRANSPOSED = {  # input, weight, stride, padding, output_padding, dilation, groups
    "doubling": ((1, 2, 3, 3), (2, 3, 4, 4), (2, 2), ((1, 1), (1, 1)), (0, 0), (1, 1), 1),
    "output padding": ((2, 2, 3, 2), (2, 2, 3, 3), (2, 3), ((1, 1), (1, 1)), (1, 2), (1, 1), 1),
    "spare": ((1, 2, 3, 3), (2, 1, 2, 2), (2, 2), ((0, 0), (1, 0)), (1, 1), (1, 1), 1),
    "asymmetric": ((1, 1, 3, 3), (1, 2, 3, 3), (1, 2), ((0, 2), (2, 1)), (0, 0), (1, 1), 1),
    "groups": ((1, 4, 2, 2), (4, 2, 2, 3), (2, 1), ((0, 1), (1, 1)), (0, 0), (1, 2), 2),
    "one side": ((1, 2, 4), (2, 3, 3), (3,), ((1, 1),), (2,), (1,), 1),
}


def conv_case(name: str, bits: int = 8) -> tuple[LinearMap, Callable[[np.ndarray], np.ndarray]]:
    shape, kernel, stride, pads, dilation, groups = CONVOLUTIONS[name]
    weight, bias = numbers(kernel, bits, 1), numbers(kernel[:1], bits, 2)
    made = convolution(weight, bias, shape, stride=stride, padding=pads, dilation=dilation, groups=groups)
    return made, lambda a: naive_convolution(a, objects(weight), objects(bias), stride, pads, dilation, groups)


def transposed_case(name: str, bits: int = 8) -> tuple[LinearMap, Callable[[np.ndarray], np.ndarray]]:
    shape, kernel, stride, pads, more, dilation, groups = TRANSPOSED[name]
    weight, bias = numbers(kernel, bits, 1), numbers((kernel[1] * groups,), bits, 2)
    made = transposed_convolution(
        weight, bias, shape, stride=stride, padding=pads, output_padding=more, dilation=dilation, groups=groups
    )
    return made, lambda a: naive_transposed(a, objects(weight), objects(bias), stride, pads, more, dilation, groups)


def matrix_case(bits: int = 8) -> tuple[LinearMap, Callable[[np.ndarray], np.ndarray]]:
    weight, bias = numbers((5, 3), bits, 1), numbers((3,), bits, 2)
    return matrix(weight, bias, (2, 4, 5)), lambda a: a @ objects(weight) + objects(bias)


def left_case(bits: int = 8) -> tuple[LinearMap, Callable[[np.ndarray], np.ndarray]]:
    weight = numbers((3, 4), bits, 1)
    return left_matrix(weight, (2, 4, 5)), lambda a: np.stack([objects(weight) @ each for each in a])


CASES: dict[str, Callable[[int], tuple[LinearMap, Callable[[np.ndarray], np.ndarray]]]] = {
    **{f"convolution {name}": lambda bits, name=name: conv_case(name, bits) for name in CONVOLUTIONS},  # type: ignore[misc]
    **{f"transposed {name}": lambda bits, name=name: transposed_case(name, bits) for name in TRANSPOSED},  # type: ignore[misc]
    "matrix": matrix_case,
    "left matrix": left_case,
    "identity": lambda _: (identity((2, 3)), lambda a: a),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("weight_bits", "value_bits"), [(8, 8), (30, 26), (1, 55), (38, 18)])
def test_a_map_equals_its_definition(name: str, weight_bits: int, value_bits: int) -> None:
    """The last three reach sums beyond 2**53, which float64 would round: they are split."""
    made, naive = CASES[name](weight_bits)
    values = numbers(made.input_shape, value_bits, 3)
    found = made.forward(values)
    expected = naive(objects(values))
    assert found.dtype == torch.int64
    assert tuple(found.shape) == made.output_shape == expected.shape
    assert (objects(found) == expected).all()
    assert np.abs(expected).max() <= made.reach((1 << value_bits) - 1)


def test_the_splitting_is_needed() -> None:
    """One product in float64 gives other integers, so the comparison above can fail."""
    made, naive = matrix_case(30)
    values = numbers(made.input_shape, 26, 3)
    rounded = (values.double() @ made.weight.double()).long() + made.bias
    assert not (objects(rounded) == naive(objects(values))).all()


@pytest.mark.parametrize("name", CASES)
def test_results_beyond_62_bits_are_refused(name: str) -> None:
    made, _ = CASES[name](38)
    bits = 62 if name == "identity" else 30
    with pytest.raises(SimulationError, match="2\\*\\*62"):
        made.forward(numbers(made.input_shape, bits, 3))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bits", [1, 12, 38])
def test_a_transpose_moves_the_map_to_the_other_side(name: str, bits: int) -> None:
    """``<R, L a> = <L* R, a>`` and ``<R, b>`` modulo the field, for uniform R."""
    made, _ = CASES[name](bits)
    source = np.random.default_rng(5)
    size = math.prod(made.output_shape)
    drawn = [int.from_bytes(source.bytes(40), "big") % MODULUS for _ in range(size)]
    drawn[0] = MODULUS - 1
    random = np.array(drawn, object).reshape(made.output_shape)
    values = numbers(made.input_shape, 10, 6)
    left = int((objects(made.forward(values)) * random).sum()) % MODULUS
    transposed = made.transpose(random)
    assert transposed.shape == made.input_shape
    assert all(0 <= int(value) < MODULUS for value in transposed.ravel())
    right = (int((transposed * objects(values)).sum()) + made.bias_value(random)) % MODULUS
    assert left == right
    changed = made.weight.clone()
    changed.view(-1)[-1] += 1
    other = LinearMap(made.operation, changed, made.bias, made.input_shape, made.output_shape, made.macs, made.kind)
    assert (other.transpose(random) != transposed).any()


def test_weights_that_leave_no_limb_are_refused() -> None:
    made = matrix(torch.full((4, 4), 1 << 51), None, (1, 4))
    with pytest.raises(CheckedError, match="sums of weights"):
        made.transpose(np.ones((1, 4), object))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_convolution(data: st.DataObject) -> None:
    """One side, drawn at random: forward, shape and transpose."""
    draw = data.draw
    groups, each, kernel = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 4))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    pads = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    least = max(1, (kernel - 1) * dilation + 1 - sum(pads))
    shape = (1, groups * each, draw(st.integers(least, least + 4)))
    weight = numbers((groups * 2, each, kernel), 12, draw(st.integers(0, 99)))
    bias = numbers((groups * 2,), 12, 7)
    made = convolution(weight, bias, shape, stride=[stride], padding=[pads], dilation=[dilation], groups=groups)
    values = numbers(shape, 12, 8)
    expected = naive_convolution(objects(values), objects(weight), objects(bias), [stride], [pads], [dilation], groups)
    assert (objects(made.forward(values)) == expected).all()
    random = np.array(draw(st.lists(st.integers(0, MODULUS - 1), min_size=1, max_size=4)), object)
    random = np.resize(random, made.output_shape)
    right = int((made.transpose(random) * objects(values)).sum()) + made.bias_value(random)
    assert int((expected * random).sum()) % MODULUS == right % MODULUS


def test_multiply_accumulates() -> None:
    for made, expected in (
        (conv_case("groups")[0], math.prod(conv_case("groups")[0].output_shape) * 2 * 2 * 2),
        (transposed_case("doubling")[0], 2 * 3 * 3 * 3 * 4 * 4),
        (matrix_case()[0], 2 * 4 * 5 * 3),
        (left_case()[0], 2 * 3 * 4 * 5),
        (identity((2, 3)), 0),
    ):
        assert made.macs == expected


def test_the_cases_differ() -> None:
    """No two cases have one shape and one kind, else one of them would prove nothing more."""
    made = [CASES[name](4)[0] for name in CASES]
    keys = [(each.kind, each.input_shape, each.output_shape, tuple(each.weight.shape)) for each in made]
    assert all(left != right for left, right in itertools.combinations(keys, 2))
