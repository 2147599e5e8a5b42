"""What a circuit costs, read from ezkl's settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from json_files import read_json
from zk.errors import ArtifactError

BLINDING_ROWS = 7
"""Rows of each column that the prover reserves (a 2**8 circuit of 1210 rows was seen to take 5 blocks)."""

MOST_LOGROWS = 32
"""More than any reference string has (26)."""

_MOST_TENSORS, _MOST_AXES, _LONGEST_AXIS = 1 << 12, 16, 1 << 32


@dataclass(frozen=True)
class CircuitCost:
    """Figures of one circuit.

    Attributes:
        einsum_distinct: number of different einsums in the settings: equation together with its axis sizes. A
            convolution is not an einsum in ezkl, and most entries are digit recompositions of range checks and rebases.
        einsum_instances: number of entries in the settings; ezkl 23.0.5 appends one for each use, equal ones too (they
            differ only in the printed order of their axes). This is the count that the published limits call "ops".
        rows: rows of the dry layout, over all blocks.
        total_assignments: cells of that layout.
        total_const_size: number of distinct constants.
        static_lookups: number of different lookup tables of activations.
        range_checks: number of different range tables.
        dynamic_lookups: number of dynamic lookups.
        shuffles: number of shuffles.
        einsum_column_cells: cells of Freivalds columns; anything but 0 means an unlinked tensor (:mod:`zk.audit`).
        public_values: number of public inputs and outputs.
        num_inner_cols: columns of one dot product.
        logrows: height of the circuit is ``2**logrows``.
        blocks: column blocks that the rows fill at that height.
        columns: permutation columns that follow from the blocks.
        lookup_arguments: tables times the columns that may look into them.
        table_columns: columns that the longest table is split over; 1 is cheapest.
        shuffle_column_cells: cells of the columns of shuffles.
        dynamic_column_cells: cells of the columns of dynamic lookups.
        committed_columns: columns of committed tensors, one for each unless it is longer than a column.
        table_parts: for each table, those of lookups first, the columns that it is split over; empty where only the
            longest is known.

    """

    einsum_distinct: int
    einsum_instances: int
    rows: int
    total_assignments: int
    total_const_size: int
    static_lookups: int
    range_checks: int
    dynamic_lookups: int
    shuffles: int
    einsum_column_cells: int
    public_values: int
    num_inner_cols: int
    logrows: int
    blocks: int
    columns: int
    lookup_arguments: int
    table_columns: int
    shuffle_column_cells: int = 0
    dynamic_column_cells: int = 0
    table_parts: tuple[int, ...] = ()
    committed_columns: int = 0


def usable_rows(logrows: int) -> int:
    """Rows of a column that a layout may fill at height ``2**logrows``."""
    return max((1 << logrows) - BLINDING_ROWS, 1)


def block_count(rows: int, logrows: int) -> int:
    """Column blocks that a layout of ``rows`` rows takes (ezkl: whole division plus one)."""
    return rows // usable_rows(logrows) + 1


def load_settings(path: Path) -> dict[str, Any]:
    """Read a settings file.

    Raises:
        ArtifactError: missing, not JSON, not ezkl's settings, or with heights or shapes that no circuit has.

    """
    try:
        data = read_json(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} must be ezkl's settings in JSON; {error}; generate it again") from error
    if not isinstance(data, dict) or "run_args" not in data or "num_rows" not in data:
        raise ArtifactError(f"{path} must be ezkl's settings; found other JSON; generate it again")
    if problem := _unlike_a_circuit(data):
        raise ArtifactError(f"{path} must be ezkl's settings; {problem}; generate it again")
    return data


def _unlike_a_circuit(settings: dict[str, Any]) -> str:
    """Say what is no size of a circuit: a height is computed with as a power of two, a shape as a product."""
    arguments = settings["run_args"]
    if not isinstance(arguments, dict):
        return "run_args must be an object"
    logrows, shapes = arguments.get("logrows", 0), settings.get("model_instance_shapes", [])
    if type(logrows) is not int or not 0 <= logrows <= MOST_LOGROWS:
        return f"logrows must be an integer from 0 to {MOST_LOGROWS}"
    if not isinstance(shapes, list) or len(shapes) > _MOST_TENSORS:
        return f"model_instance_shapes must be a list of at most {_MOST_TENSORS} shapes"
    for shape in shapes:
        if not isinstance(shape, list) or len(shape) > _MOST_AXES:
            return f"a shape must be a list of at most {_MOST_AXES} axes"
        if any(type(axis) is not int or not 0 <= axis <= _LONGEST_AXIS for axis in shape):
            return f"an axis must be an integer from 0 to {_LONGEST_AXIS}"
    return ""


def table_lengths(settings: dict[str, Any]) -> list[int]:
    """Length of each table of a circuit: lookups, which all span one range, then ranges."""
    low, high = settings["run_args"]["lookup_range"]
    lookups = [int(high - low + 1)] * len(settings["required_lookups"])
    return lookups + [int(high - low + 1) for low, high in settings["required_range_checks"]]


def table_rows(settings: dict[str, Any]) -> int:
    """Length of the longest lookup or range table of a circuit."""
    return max(table_lengths(settings), default=1)


def public_value_count(settings: dict[str, Any]) -> int:
    """Count the public inputs and outputs of a circuit."""
    shapes = [math.prod(shape) for shape in settings["model_instance_shapes"]]
    return sum(shapes)


def circuit_cost(settings: dict[str, Any], logrows: int | None = None) -> CircuitCost:
    """Read the cost from settings, at their own height or at another one.

    Raises:
        ArtifactError: they lack an entry, or one is not what ezkl writes.
    """
    try:
        return _cost(settings, logrows)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ArtifactError(
            f"these must be ezkl's settings, with every entry that 23.0.5 writes; {type(error).__name__}: {error}; "
            "make them again"
        ) from error


def _cost(settings: dict[str, Any], logrows: int | None) -> CircuitCost:
    args = settings["run_args"]
    height = int(args["logrows"]) if logrows is None else logrows
    inner = int(args["num_inner_cols"])
    einsums = settings["einsum_params"]["equations"]
    blocks = block_count(int(settings["num_rows"]), height)
    constants = block_count(int(settings["total_const_size"]), height) if settings["total_const_size"] else 0
    sizes = settings.get("module_sizes", {}).get("polycommit", [])
    committed = sum(math.ceil(size / usable_rows(height)) for size in sizes)
    tables = len(settings["required_lookups"]) + len(settings["required_range_checks"])
    return CircuitCost(
        einsum_distinct=len({(equation, tuple(sorted(sizes.items()))) for equation, sizes in einsums}),
        einsum_instances=len(einsums),
        rows=int(settings["num_rows"]),
        total_assignments=int(settings["total_assignments"]),
        total_const_size=int(settings["total_const_size"]),
        static_lookups=len(settings["required_lookups"]),
        range_checks=len(settings["required_range_checks"]),
        dynamic_lookups=int(settings["num_dynamic_lookups"]),
        shuffles=int(settings["num_shuffles"]),
        einsum_column_cells=int(settings["einsum_params"]["total_einsum_col_size"]),
        public_values=public_value_count(settings),
        num_inner_cols=inner,
        logrows=height,
        blocks=blocks,
        columns=3 * inner * blocks + constants + (public_value_count(settings) > 0) + committed,
        lookup_arguments=tables * inner * blocks,
        table_columns=math.ceil(table_rows(settings) / usable_rows(height)),
        shuffle_column_cells=int(settings.get("total_shuffle_col_size", 0)),
        dynamic_column_cells=int(settings.get("total_dynamic_col_size", 0)),
        table_parts=tuple(math.ceil(length / usable_rows(height)) for length in table_lengths(settings)),
        committed_columns=committed,
    )
