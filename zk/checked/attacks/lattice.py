"""Small integers that satisfy one linear equation over the field: what a prover needs who may choose after a challenge.

A check is one equation, and whatever the circuit looks up must be small. With enough unknowns small solutions exist by
counting, and lattice reduction finds them: Lenstra, Lenstra and Lovász's algorithm in integers (Cohen, A Course in
Computational Algebraic Number Theory, algorithm 2.6.7), then Babai's nearest plane.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.field import MODULUS

Rows = list[list[int]]


def small_solution(coefficients: Sequence[int], target: int, modulus: int = MODULUS) -> list[int]:
    """Solve ``sum c_i x_i = target`` modulo ``modulus`` in small integers.

    Args:
        coefficients: n of them, the first one invertible.
        target: right side.
        modulus: prime.

    Returns:
        x, about ``modulus ** (1 / n)`` in magnitude, times a few.
    """
    inverse = pow(coefficients[0], -1, modulus)
    rows = [[modulus] + [0] * (len(coefficients) - 1)]
    for index, value in enumerate(coefficients[1:], 1):
        row = [-value * inverse % modulus] + [0] * (len(coefficients) - 1)
        row[index] = 1
        rows.append(row)
    start = [target * inverse % modulus] + [0] * (len(coefficients) - 1)
    return residue(reduce_basis(rows), start)


def reduce_basis(rows: Rows) -> Rows:
    """Give a basis of short vectors of the lattice that independent rows span."""
    return _Reduction(rows).run()


def residue(basis: Rows, vector: Sequence[int]) -> list[int]:
    """Subtract from a vector a lattice point near it; the basis should be reduced."""
    found = _Reduction([*basis, list(vector)])
    found.orthogonalise()
    found.size_reduce(len(basis))
    return found.rows[-1]


class _Reduction:
    """The rows, the determinants ``d`` of their leading Gram matrices (``d[k + 1]`` of k + 1 rows), and ``d mu``."""

    def __init__(self, rows: Rows) -> None:
        self.rows = [list(row) for row in rows]
        self._d = [1]
        self._scaled: Rows = []

    def run(self) -> Rows:
        self._add(0)
        k = 1
        while k < len(self.rows):
            if k == len(self._scaled):
                self._add(k)
            self._reduce(k, k - 1)
            d, coefficient = self._d, self._scaled[k][k - 1]
            if 4 * (d[k + 1] * d[k - 1] + coefficient * coefficient) < 3 * d[k] * d[k]:
                self._swap(k)
                k = max(1, k - 1)
                continue
            for other in range(k - 2, -1, -1):
                self._reduce(k, other)
            k += 1
        return self.rows

    def orthogonalise(self) -> None:
        """Compute every coefficient."""
        for k in range(len(self._scaled), len(self.rows)):
            self._add(k)

    def size_reduce(self, k: int) -> None:
        """Subtract from row ``k`` what brings it nearest to zero, plane by plane."""
        for other in range(k - 1, -1, -1):
            self._reduce(k, other)

    def _add(self, k: int) -> None:
        found: list[int] = []
        for j in range(k + 1):
            value = sum(a * b for a, b in zip(self.rows[k], self.rows[j], strict=True))
            for i in range(j):
                value = (self._d[i + 1] * value - found[i] * (self._scaled[j][i] if j < k else found[i])) // self._d[i]
            found.append(value)
        self._d.append(found.pop())
        self._scaled.append(found)

    def _reduce(self, k: int, other: int) -> None:
        d, mine, theirs = self._d[other + 1], self._scaled[k], self._scaled[other]
        if 2 * abs(mine[other]) <= d:
            return
        times = (2 * mine[other] + d) // (2 * d)
        self.rows[k] = [a - times * b for a, b in zip(self.rows[k], self.rows[other], strict=True)]
        mine[other] -= times * d
        for i in range(other):
            mine[i] -= times * theirs[i]

    def _swap(self, k: int) -> None:
        rows, scaled, d = self.rows, self._scaled, self._d
        rows[k], rows[k - 1] = rows[k - 1], rows[k]
        for j in range(k - 1):
            scaled[k][j], scaled[k - 1][j] = scaled[k - 1][j], scaled[k][j]
        between = scaled[k][k - 1]
        middle = (d[k - 1] * d[k + 1] + between * between) // d[k]
        for i in range(k + 1, len(scaled)):
            kept = scaled[i][k]
            scaled[i][k] = (d[k + 1] * scaled[i][k - 1] - between * kept) // d[k]
            scaled[i][k - 1] = (middle * kept + between * scaled[i][k]) // d[k + 1]
        d[k] = middle
