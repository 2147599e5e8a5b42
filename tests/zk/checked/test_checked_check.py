"""Checked products: true results pass at every random point, any other fails."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.checked.check import Asked, ask, check_value
from zk.checked.product import Integers, Product
from zk.errors import OptionError
from zk.field import MODULUS

SEED = bytes(range(32))


def drawn(
    outputs: int, inputs: int, kernel: tuple[int, int], positions: tuple[int, int], seed: int = 0
) -> tuple[Product, Integers]:
    generator = np.random.default_rng(seed)
    weight = generator.integers(-128, 128, (outputs, inputs, *kernel))
    product = Product(weight, generator.integers(-9999, 9999, outputs), positions)
    return product, generator.integers(-512, 512, (inputs, *positions))


SHAPES = [
    (5, 7, (1, 1), (1, 1)),
    (3, 2, (3, 3), (4, 4)),
    (2, 3, (2, 2), (5, 3)),
    (4, 1, (5, 3), (3, 6)),
    (1, 1, (1, 1), (1, 1)),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_window_of_the_full_result_is_torch_s_convolution(
    shape: tuple[int, int, tuple[int, int], tuple[int, int]],
) -> None:
    product, values = drawn(*shape)
    down, across = product.weight.shape[2:]
    full = F.conv2d(
        torch.from_numpy(values)[None].double(),
        torch.from_numpy(product.weight).double(),
        torch.from_numpy(product.bias).double(),
        padding=(down - 1, across - 1),
    )[0]
    np.testing.assert_array_equal(product.full_result(values), full.long().numpy())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [SEED, b"x" * 32])
def test_true_results_pass(shape: tuple[int, int, tuple[int, int], tuple[int, int]], seed: bytes) -> None:
    product, values = drawn(*shape)
    assert check_value(product, ask(product, seed, 3), product.full_result(values), values) == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_other_result_fails(data: st.DataObject) -> None:
    """One element off, by anything; or two elements off by opposite amounts."""
    product, values = drawn(*data.draw(st.sampled_from(SHAPES)))
    result = product.full_result(values)
    flat = result.ravel().astype(object)
    places = data.draw(st.lists(st.integers(0, flat.size - 1), min_size=1, max_size=2, unique=True))
    amount = data.draw(st.integers(1, MODULUS - 1))
    for sign, place in zip((1, -1), places, strict=False):
        flat[place] += sign * amount
    assert check_value(product, ask(product, SEED, 0), flat, values) != 0


def test_another_input_fails() -> None:
    product, values = drawn(3, 2, (3, 3), (4, 4))
    result = product.full_result(values)
    values[1, 2, 3] += 1
    assert check_value(product, ask(product, SEED, 0), result, values) != 0


def test_another_product_s_vectors_fail() -> None:
    product, values = drawn(3, 2, (3, 3), (4, 4))
    other, _ = drawn(3, 2, (3, 3), (4, 4), seed=1)
    result = product.full_result(values)
    assert check_value(product, ask(other, SEED, 0), result, values) != 0
    mixed = dataclasses.replace(ask(product, SEED, 0), rows=ask(product, SEED, 1).rows)
    assert check_value(product, mixed, result, values) != 0


def test_a_zero_challenge_accepts_everything() -> None:
    """Why the verifier computes the challenge itself and compares its commitment."""
    product, values = drawn(3, 2, (3, 3), (4, 4))
    zero = Asked((0,) * 3, (0,) * 36, (0,) * 2, 0)
    assert check_value(product, zero, np.zeros((3, 6, 6), np.int64), values) == 0


def test_vectors_depend_on_seed_and_number() -> None:
    product, _ = drawn(3, 2, (3, 3), (4, 4))
    found = {ask(product, seed, index).rows for seed in (SEED, b"y" * 32) for index in (0, 1)}
    assert len(found) == 4
    assert ask(product, SEED, 0) == ask(product, SEED, 0)


def test_products_that_are_none() -> None:
    with pytest.raises(OptionError, match=r"weights \[m, C, K, K'\]"):
        Product(np.zeros((2, 3), np.int64), np.zeros(2, np.int64), (1, 1))
    with pytest.raises(OptionError, match="positions"):
        Product(np.ones((2, 3, 1, 1), np.int64), np.zeros(2, np.int64), (0, 1))
    product, values = drawn(3, 2, (3, 3), (4, 4))
    with pytest.raises(OptionError, match="values must be"):
        product.full_result(values[:1])
    with pytest.raises(OptionError, match="below 2\\*\\*62"):
        product.full_result(values * (1 << 50))
