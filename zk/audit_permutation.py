"""The permutation of a proving key: from polynomials of field elements to successors of cells, and its cycles.

Cell (column i, row j) has the name ``delta**i * omega**j``; the permutation polynomial of its column holds, at row j,
the name of the next cell in its cycle. A cell's number is ``i * rows + j``, a uint32.

Memory: 4 bytes a cell for the successors, and while they are found about 30 bytes for each cell that is not its own
successor; the cycles take about 28 bytes for each of those and 4 for every cell. The polynomials are only mapped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zk.audit_field import Words, evaluation_weights, geometric, inner_product, root_of_unity, times_constant
from zk.field import DELTA, MODULUS, MONTGOMERY_RADIX

Cells = NDArray[np.uint32]

_CHUNK = 1 << 20


def read_successors(values: Words, logrows: int) -> tuple[Cells, int]:
    """Successor of every cell, and how many values break the permutation.

    Args:
        values: values of the permutation polynomials, ``uint64 [columns, 2**logrows, 4]``, in Montgomery form.
        logrows: log2 of the number of rows.

    Returns:
        Successors, ``uint32 [columns * 2**logrows]``, and the number of cells that no value names. All four words
        are compared. Only if that number is 0 do the successors mean anything.

    """
    columns, rows = len(values), 1 << logrows
    powers = geometric(MONTGOMERY_RADIX, root_of_unity(logrows), logrows)
    successor = np.arange(columns * rows, dtype=np.uint32)
    moved, named, names = [], [], []
    for column in range(columns):
        own = times_constant(powers, pow(DELTA, column, MODULUS))
        away = np.flatnonzero((own != values[column]).any(axis=1))
        moved.append((away + column * rows).astype(np.uint32))
        names.append(own[away, 0])
        named.append(values[column][away, 0])
    cells = np.concatenate(moved)
    ranked = np.concatenate(names)
    del moved, names
    order = np.argsort(ranked)
    ranked.sort()  # in place: ranked[order] would hold a second copy
    start = 0
    for wanted in named:
        place = np.searchsorted(ranked, wanted).clip(0, cells.size - 1)
        successor[cells[start : start + wanted.size]] = cells[order[place]]
        start += wanted.size
    del ranked, order, named
    return successor, _mismatches(values, successor, powers)


def _mismatches(values: Words, successor: Cells, powers: Words) -> int:
    """Count the cells that are not named, in all four words, by exactly the cell that is to precede them."""
    rows = len(powers)
    seen = np.zeros(successor.size, bool)
    seen[successor] = True
    wrong = int(np.count_nonzero(~seen))
    if wrong:
        return wrong
    del seen
    before = np.empty_like(successor)
    before[successor] = np.arange(successor.size, dtype=np.uint32)
    for column in range(len(values)):
        own = times_constant(powers, pow(DELTA, column, MODULUS))
        source, row = np.divmod(before[column * rows : (column + 1) * rows], rows)
        wrong += int(np.count_nonzero((values[source, row] != own).any(axis=1)))
    return wrong


def cycle_labels(successor: Cells) -> Cells:
    """Least member of each cell's cycle, by pointer doubling among the cells that are not alone.

    Args:
        successor: a permutation of 0..n-1, ``uint32 [n]``.

    Returns:
        ``uint32 [n]``.

    """
    labels = np.arange(successor.size, dtype=np.uint32)
    active = np.flatnonzero(successor != labels).astype(np.uint32)
    place = np.zeros(successor.size, np.uint32)
    place[active] = np.arange(active.size, dtype=np.uint32)
    jump = place[successor[active]]
    del place
    least = np.arange(active.size, dtype=np.uint32)
    while True:
        lower = np.minimum(least, _gather(least, jump))
        if np.array_equal(lower, least):
            labels[active] = active[least]
            return labels
        least, jump = lower, _gather(jump, jump)


def _gather(source: Cells, index: Cells) -> Cells:
    """``source[index]`` by parts: numpy widens the whole index to 8 bytes otherwise."""
    result = np.empty_like(index)
    for start in range(0, index.size, _CHUNK):
        result[start : start + _CHUNK] = source[index[start : start + _CHUNK]]
    return result


def disagreeing_columns(values: Words, coefficients: Words, logrows: int, point: int) -> list[int]:
    """Columns whose values and coefficients, evaluated at one point, are different polynomials.

    Args:
        values: ``uint64 [columns, 2**logrows, 4]``, on the subgroup of order 2**logrows.
        coefficients: the same shape, least power first.
        logrows: log2 of the number of rows.
        point: drawn at random, outside the subgroup: equal polynomials agree everywhere, others at fewer than
            2**logrows of about 2**254 points.

    """
    weights, powers = evaluation_weights(logrows, point), geometric(1, point, logrows)
    return [
        column
        for column in range(len(values))
        if inner_product(weights, values[column]) != inner_product(powers, coefficients[column])
    ]
