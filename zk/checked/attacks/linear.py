"""Linear equations modulo a prime."""

from __future__ import annotations

from collections.abc import Sequence


def solve_modulo(matrix: Sequence[Sequence[int]], target: Sequence[int], prime: int, free: int = 0) -> list[int]:
    """Solve ``matrix x = target`` modulo a prime.

    Args:
        matrix: m rows of n coefficients.
        target: m right sides.
        prime: the modulus.
        free: value of every unknown that the equations leave open.

    Raises:
        ValueError: there is no solution.
    """
    rows = [[*map(lambda value: value % prime, row), side % prime] for row, side in zip(matrix, target, strict=True)]
    width = len(matrix[0])
    pivots: list[int] = []
    for column in range(width):
        top = len(pivots)
        found = next((index for index in range(top, len(rows)) if rows[index][column]), None)
        if found is None:
            continue
        rows[top], rows[found] = rows[found], rows[top]
        inverse = pow(rows[top][column], -1, prime)
        rows[top] = [value * inverse % prime for value in rows[top]]
        for index, row in enumerate(rows):
            if index != top and row[column]:
                factor = row[column]
                rows[index] = [(a - factor * b) % prime for a, b in zip(row, rows[top], strict=True)]
        pivots.append(column)
    if any(row[-1] for row in rows[len(pivots) :]):
        raise ValueError("the equations must have a solution; they contradict each other")
    solution = [free % prime] * width
    for row, column in zip(rows, pivots, strict=False):
        others = sum(row[index] * solution[index] for index in range(width) if index not in pivots)
        solution[column] = (row[-1] - others) % prime
    return solution
