"""The prover's committed columns, filled."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from torch import Tensor

from zk.checked.evaluate import Run
from zk.checked.parts import Column, Part, remainder_of
from zk.checked.program import Program
from zk.field import MODULUS


def draw_salt(parts: Sequence[Part]) -> dict[str, list[int]]:
    """Random elements for every column that has salt, by the column's key; from the operating system's generator."""
    return {
        column_key(part, column): [secrets.randbelow(MODULUS) for _ in range(column.salt)]
        for part in parts
        for column in part.columns
    }


def column_key(part: Part, column: Column) -> str:
    """Name of a column in the whole proof: a part's own claims are its own, others are shared."""
    return f"{column.name}_{part.index}" if column is part.claimed else column.name


def committed_values(program: Program, inputs: Sequence[Tensor], run: Run) -> dict[str, Tensor]:
    """Every value that a column may hold, by name."""
    values = {slot.name: tensor for slot, tensor in zip(program.inputs, inputs, strict=True)}
    for claim, tensors in zip(program.claims, run.claims, strict=True):
        values[claim.output.name] = tensors[0]
        if claim.divided:
            values[remainder_of(claim).name] = tensors[1]
    return values


def fill_columns(part: Part, values: Mapping[str, Tensor], salt: Mapping[str, list[int]]) -> list[list[int]]:
    """The part's columns, the asked one left out, as integers."""
    columns = []
    for column in part.columns:
        found = [int(element) for value in column.values for element in values[value.name].flatten()]
        columns.append(found + salt[column_key(part, column)])
    return columns
