"""Arrays of scalars against Python's integers."""

import random

import numpy as np
import pytest

from zk.audit_field import (
    evaluation_weights,
    geometric,
    inner_product,
    root_of_unity,
    times_constant,
    to_integers,
    to_words,
)
from zk.field import MODULUS, felt_to_int, int_to_felt

EDGES = [0, 1, 2, MODULUS - 1, MODULUS - 2, MODULUS // 2, (1 << 24) - 1, 1 << 24, (1 << 64) - 1, 1 << 192]


def test_words_are_little_endian_and_come_back() -> None:
    assert to_integers(to_words(EDGES)) == EDGES
    assert to_words([1 << 64]).tolist() == [[0, 1, 0, 0]]
    assert to_integers(to_words([-1, MODULUS])) == [MODULUS - 1, 0]
    assert to_words([5]).astype("<u8").tobytes().hex() == int_to_felt(5)
    assert felt_to_int(to_words([-3]).astype("<u8").tobytes().hex()) == -3


def test_products_are_exact_and_reduced() -> None:
    generator = random.Random(1)
    values = EDGES + [generator.randrange(MODULUS) for _ in range(300)]
    for constant in [*EDGES, *(generator.randrange(MODULUS) for _ in range(30))]:
        assert to_integers(times_constant(to_words(values), constant)) == [v * constant % MODULUS for v in values]
    assert times_constant(to_words([]), 3).shape == (0, 4)


def test_products_of_more_elements_than_one_part_holds() -> None:
    words = np.tile(to_words([MODULUS - 1, 7]), (40_000, 1))
    assert np.array_equal(times_constant(words, MODULUS - 1), np.tile(to_words([1, MODULUS - 7]), (40_000, 1)))


def test_geometric_series() -> None:
    assert to_integers(geometric(3, MODULUS - 5, 4)) == [3 * pow(-5, j, MODULUS) % MODULUS for j in range(16)]
    assert to_integers(geometric(9, 2, 0)) == [9]


def test_root_of_unity_has_exactly_its_order() -> None:
    for logrows in (1, 5, 28):
        omega = root_of_unity(logrows)
        assert pow(omega, 1 << logrows, MODULUS) == 1
        assert pow(omega, 1 << (logrows - 1), MODULUS) == MODULUS - 1


def test_inner_products_of_strided_views() -> None:
    generator = random.Random(2)
    left, right = ([generator.randrange(MODULUS) for _ in range(70_000)] for _ in range(2))
    expected = sum(a * b for a, b in zip(left, right, strict=True)) % MODULUS
    padded = np.zeros((70_000, 5), np.uint64)
    padded[:, :4] = to_words(right)
    assert inner_product(to_words(left), padded[:, :4]) == expected
    assert inner_product(to_words([MODULUS - 1] * 9), to_words([MODULUS - 1] * 9)) == 9
    assert inner_product(to_words([]), to_words([])) == 0


@pytest.mark.parametrize("logrows", [3, 5, 13])
def test_weights_evaluate_a_polynomial_from_its_values(logrows: int) -> None:
    point, omega = 1234567890123, root_of_unity(logrows)
    coefficients = [5, MODULUS - 2, 0, 7]
    values = [sum(c * pow(omega, i * j, MODULUS) for i, c in enumerate(coefficients)) for j in range(1 << logrows)]
    expected = sum(c * pow(point, i, MODULUS) for i, c in enumerate(coefficients)) % MODULUS
    weights = evaluation_weights(logrows, point)
    assert inner_product(weights, to_words(values)) == expected
    assert inner_product(weights, to_words([1] * (1 << logrows))) == 1


def test_weights_refuse_a_point_of_the_subgroup() -> None:
    with pytest.raises(ValueError, match="outside the subgroup"):
        evaluation_weights(4, root_of_unity(4))
