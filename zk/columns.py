"""The columns of a circuit of ezkl 23.0.5, and the sizes of its keys and proof that follow from them.

With w inner columns, b blocks and T tables (lookup and range tables together):

- advice columns: 3 w b;
- permutation columns: the advice columns, a column of constants for each block that these fill, and the public values;
- lookup arguments: for a table in p parts (one, unless it is longer than a column) p times the w b inputs, which one
  argument holds (degree - 3) / (1 + p) of, rounded down;
- fixed columns: constants, tables (two for a lookup, one for a range, for each part), T w b lookup selectors, and the
  combinations that halo2 packs the other selectors into;
- degree: a product over w columns has degree w + 2, a lookup 5, each further part of the longest table one more. The
  quotient lives on a domain ``extension`` times as long as a column, the power of two that is at least degree - 1;
- shuffles (and, taken to be alike but not tested, dynamic lookups) add three advice columns for each block of theirs,
  w b lookup arguments with a selector each and one more, and have degree 6;
- Freivalds columns: 6 w more advice columns for each block of theirs, and gates of their own.

How many combinations of selectors there are depends on which gates are on together and on the degree;
:data:`_COMBINATIONS` holds what keys had. It is the only approximate number here, off by two columns where tested.
Sizes are exact when the number of fixed columns is (``tests/zk/test_columns.py``): a key holds three polynomials of the
extended domain and, for each fixed and permutation column, values, coefficients and a coset; a proof holds 32 bytes for
each element counted in :func:`proof_bytes`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zk.circuit_cost import CircuitCost, block_count

ELEMENT_BYTES, POINT_BYTES = 32, 64

_COMBINATIONS: Mapping[tuple[int, int], float] = {
    (1, 3): 6.5, (1, 5): 3.0, (1, 6): 2.3,
    (2, 4): 6.0, (2, 5): 4.33, (2, 6): 3.33, (2, 7): 2.0, (2, 9): 1.0,
    (3, 5): 6.0, (3, 6): 4.5,
    (4, 6): 5.8, (8, 10): 7.0,
}  # fmt: skip
"""Combinations of simple selectors per block, by inner columns and degree (keys of 50 circuits)."""

_FREIVALDS_COMBINATIONS = {1: 19, 2: 13}
_FREIVALDS_CHALLENGES = 2


@dataclass(frozen=True)
class Columns:
    """How many columns and arguments a circuit has.

    Attributes:
        logrows: a column has ``2**logrows`` rows.
        blocks: blocks of columns whose sums are carried from row to row; Freivalds blocks count twice.
        advice: columns of the witness.
        fixed: constants, tables and selectors (approximate).
        permutation: columns that take part in copy constraints.
        selectors: selector bitmaps in the verification key.
        lookups: lookup arguments.
        degree: greatest degree of a constraint.
    """

    logrows: int
    blocks: int
    advice: int
    fixed: int
    permutation: int
    selectors: int
    lookups: int
    degree: int

    @property
    def rows(self) -> int:
        """Rows of a column."""
        return 1 << self.logrows

    @property
    def extension(self) -> int:
        """Length of the extended domain, in columns."""
        return 1 << math.ceil(math.log2(self.degree - 1))

    @property
    def grand_products(self) -> int:
        """Polynomials of the permutation argument."""
        return math.ceil(self.permutation / (self.degree - 2))


def circuit_columns(cost: CircuitCost) -> Columns:
    """Columns of the circuit that ``cost`` describes."""
    tables, inner, blocks = cost.static_lookups + cost.range_checks, cost.num_inner_cols, cost.blocks
    shuffled = sum(
        block_count(cells, cost.logrows) for cells in (cost.shuffle_column_cells, cost.dynamic_column_cells) if cells
    )
    freivalds = block_count(cost.einsum_column_cells, cost.logrows) if cost.einsum_column_cells else 0
    constants = block_count(cost.total_const_size, cost.logrows) if cost.total_const_size else 0
    advice = 3 * inner * blocks + 3 * shuffled + 6 * inner * freivalds + cost.committed_columns
    looked_up = (tables + shuffled) * inner * blocks
    parts = cost.table_parts or (cost.table_columns,) * tables
    degree = max(inner + 2, 4 + max(parts, default=-1), 6 if shuffled else 3)
    arguments = sum(part * math.ceil(inner * blocks / ((degree - 3) // (1 + part))) for part in parts)
    tabled = 2 * sum(parts[: cost.static_lookups]) + sum(parts[cost.static_lookups :])
    combined = round(_combinations(inner, degree) * blocks)
    combined += _FREIVALDS_COMBINATIONS[min(inner, 2)] * freivalds
    gates = 3 * freivalds * (inner + 2 * freivalds) + (8 + 4 * _FREIVALDS_CHALLENGES) * freivalds
    return Columns(
        logrows=cost.logrows,
        blocks=blocks + 2 * freivalds,
        advice=advice,
        fixed=max(constants, 1) + tabled + looked_up + shuffled + combined,
        permutation=advice + constants + (cost.public_values > 0),
        selectors=blocks * (3 * inner + 6) + looked_up + shuffled + gates,
        lookups=arguments + shuffled * inner * blocks,
        degree=degree,
    )


def _combinations(inner: int, degree: int) -> float:
    """What :data:`_COMBINATIONS` says, or else of the nearest degree and of the nearest width."""
    key = min(_COMBINATIONS, key=lambda known: (abs(known[0] - inner), abs(known[1] - degree)))
    return _COMBINATIONS[key]


def verification_key_bytes(columns: Columns) -> int:
    """Size of the verification key: 7 bytes, a commitment for each column, a bitmap for each selector."""
    return 7 + POINT_BYTES * (columns.fixed + columns.permutation) + columns.selectors * columns.rows // 8


def proving_key_bytes(columns: Columns) -> int:
    """Size of the proving key, which begins with the verification key; each list and polynomial has its length."""
    extended = columns.extension * columns.rows
    held = columns.fixed + columns.permutation
    polynomials = 3 * (4 + ELEMENT_BYTES * extended) + held * (2 * columns.rows + extended) * ELEMENT_BYTES
    return verification_key_bytes(columns) + polynomials + 6 * 4 + held * 3 * 8


def proof_bytes(columns: Columns) -> int:
    """Size of the proof itself.

    Found by solving for the elements of 40 proofs: one for each fixed and permutation column and block, three for an
    advice column, five for a grand product, seven for a lookup argument, two for each piece of the quotient, and six.
    """
    per_column = columns.fixed + columns.permutation + 3 * columns.advice + columns.blocks
    arguments = 5 * columns.grand_products + 7 * columns.lookups + 2 * (columns.degree - 1)
    return ELEMENT_BYTES * (6 + per_column + arguments)
