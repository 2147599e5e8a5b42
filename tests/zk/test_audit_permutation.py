"""Successors and cycles: against naive walks, at their edges, and how much memory they take."""

import tracemalloc

import numpy as np
import pytest
from audit_circuits import cut, interpolate

from zk.audit_field import Words, root_of_unity, times_constant, to_integers, to_words
from zk.audit_permutation import cycle_labels, disagreeing_columns, read_successors
from zk.field import DELTA, MODULUS, MONTGOMERY_RADIX


def polynomials(successor: np.ndarray, logrows: int) -> Words:
    """Values of the permutation polynomials, with the names of cells computed by Python's integers."""
    rows, omega = 1 << logrows, root_of_unity(logrows)
    powers = to_words([MONTGOMERY_RADIX * pow(omega, row, MODULUS) for row in range(rows)])
    columns = successor.size // rows
    names = np.concatenate([times_constant(powers, pow(DELTA, column, MODULUS)) for column in range(columns)])
    first = to_words([MONTGOMERY_RADIX * DELTA * omega])[0]
    assert columns == 1 or np.array_equal(names[rows + 1], first)
    return names[successor].reshape(columns, rows, 4)


@pytest.mark.parametrize(("logrows", "columns"), [(3, 1), (4, 5), (7, 3)])
def test_a_random_permutation_comes_back(logrows: int, columns: int) -> None:
    successor = np.random.default_rng(logrows).permutation(columns << logrows).astype(np.uint32)
    found, unnamed = read_successors(polynomials(successor, logrows), logrows)
    assert unnamed == 0
    assert found.dtype == np.uint32
    assert np.array_equal(found, successor)


def test_the_identity_comes_back() -> None:
    successor = np.arange(32, dtype=np.uint32)
    found, unnamed = read_successors(polynomials(successor, 4), 4)
    assert unnamed == 0
    assert np.array_equal(found, successor)


def test_two_cells_with_one_successor_are_counted() -> None:
    successor = np.random.default_rng(0).permutation(32).astype(np.uint32)
    successor[3] = successor[4]
    assert read_successors(polynomials(successor, 4), 4)[1] == 1
    successor[9] = successor[4]
    assert read_successors(polynomials(successor, 4), 4)[1] == 2


@pytest.mark.parametrize("word", range(4))
def test_every_word_of_a_value_counts(word: int) -> None:
    values = polynomials(np.random.default_rng(1).permutation(32).astype(np.uint32), 4)
    values[1, 5, word] ^= np.uint64(1 << 40)
    assert read_successors(values, 4)[1] > 0


def test_a_value_that_is_not_reduced_is_no_name() -> None:
    values = polynomials(np.roll(np.arange(32, dtype=np.uint32), 1), 4)
    number = to_integers(values[0, :1])[0] + MODULUS
    values[0, 0] = np.frombuffer(number.to_bytes(32, "little"), "<u8")
    assert read_successors(values, 4)[1] > 0


def test_cycle_labels_against_a_naive_walk() -> None:
    generator = np.random.default_rng(1)
    for size in (1, 2, 7, 64, 501):
        successor = generator.permutation(size).astype(np.uint32)
        expected = np.full(size, -1)
        for start in range(size):
            cell = start
            while expected[cell] < 0:
                expected[cell] = start
                cell = successor[cell]
        assert np.array_equal(cycle_labels(successor), expected)


def test_cycle_labels_of_one_long_and_of_no_cycle() -> None:
    ring = np.roll(np.arange(1000, dtype=np.uint32), -1)
    assert set(cycle_labels(ring).tolist()) == {0}
    assert np.array_equal(cycle_labels(np.arange(10, dtype=np.uint32)), np.arange(10))


def test_a_cut_makes_two_cycles_of_one() -> None:
    ring = np.roll(np.arange(10, dtype=np.uint32), -1)
    labels = cycle_labels(cut(ring, np.array([2, 3, 7])))
    assert labels.tolist() == [0, 0, 2, 2, 0, 0, 0, 2, 0, 0]


def test_values_that_disagree_with_their_coefficients_are_named() -> None:
    values = polynomials(np.random.default_rng(2).permutation(48).astype(np.uint32), 4)
    coefficients = np.stack([to_words(interpolate(to_integers(column), root_of_unity(4))) for column in values])
    assert disagreeing_columns(values, coefficients, 4, 987654321) == []
    other = values.copy()
    other[1, 0], other[1, 1] = values[1, 1], values[1, 0]
    assert disagreeing_columns(other, coefficients, 4, 987654321) == [1]
    coefficients[2, 15, 0] ^= np.uint64(1)
    assert disagreeing_columns(other, coefficients, 4, 987654321) == [1, 2]


def test_memory_stays_within_what_the_module_says() -> None:
    logrows, columns = 14, 12
    cells = columns << logrows
    successor = np.arange(cells, dtype=np.uint32)
    moved = np.flatnonzero(np.random.default_rng(3).random(cells) < 0.5)
    successor[moved] = np.random.default_rng(4).permutation(moved)
    values = polynomials(successor, logrows)
    scratch = 16 << 20  # blocks of fixed size: limbs of 2**15 elements and the powers of one column
    tracemalloc.start()
    try:
        found, unnamed = read_successors(values, logrows)
        assert tracemalloc.get_traced_memory()[1] < 40 * cells + scratch
        tracemalloc.reset_peak()
        cycle_labels(found)
        assert tracemalloc.get_traced_memory()[1] < 30 * cells
    finally:
        tracemalloc.stop()
    assert unnamed == 0
    assert np.array_equal(found, successor)
