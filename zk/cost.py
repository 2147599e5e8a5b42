"""What a circuit costs, read from ezkl's settings, and a small conservative prediction of memory and time."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zk.errors import ArtifactError

BLINDING_ROWS = 7
"""Rows of each column that the prover reserves (a 2**8 circuit of 1210 rows was seen to take 5 blocks)."""

MAX_BLOCKS = 8
"""Most blocks that :func:`choose_logrows` takes freely: more were measured only with split tables, and each block adds
about 4 KB of proof."""

# Fitted with benchmarks/zk_cost.py: bytes (or seconds) are
# base + 2**logrows * split * (per_row + per_column * columns + per_lookup * lookup_arguments).
# Memory: six of its runs (logrows 10..15), its 16x16 generator at logrows 15 and 16, and a lone 3x3 convolution of
# 919,552 rows at logrows 20; all within 4 %, a seventh run held out within 1 %; then raised by 5 %.
# Seconds: five of these, timed on two slow cores shared with other work; within a factor of two, more when loaded.
PROVE_BYTES = (4.12e7, 2531.0, 497.0, 959.0)
SETUP_BYTES = (4.13e7, 1779.0, 404.0, 331.0)
PROVE_SECONDS = (0.5, 9.2e-5, 0.0, 5.0e-5)
# A table split over columns raises the degree of the lookup argument, hence the extended domain (measured 1.86, 1.83
# and 2.51 for prove at 2, 3 and 5 parts; 1.55 or less for setup).
_SPLIT_FACTOR, _SPLIT_STEP = 1.87, 0.22


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


def usable_rows(logrows: int) -> int:
    """Rows of a column that a layout may fill at height ``2**logrows``."""
    return max((1 << logrows) - BLINDING_ROWS, 1)


def block_count(rows: int, logrows: int) -> int:
    """Column blocks that a layout of ``rows`` rows takes (ezkl: whole division plus one)."""
    return rows // usable_rows(logrows) + 1


def load_settings(path: Path) -> dict[str, Any]:
    """Read a settings file.

    Raises:
        ArtifactError: missing, not JSON, or not ezkl's settings.

    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} must be ezkl's settings in JSON; {error}; generate it again") from error
    if not isinstance(data, dict) or "run_args" not in data or "num_rows" not in data:
        raise ArtifactError(f"{path} must be ezkl's settings; found other JSON; generate it again")
    return data


def table_rows(settings: dict[str, Any]) -> int:
    """Length of the longest lookup or range table of a circuit."""
    low, high = settings["run_args"]["lookup_range"]
    longest = high - low + 1 if settings["required_lookups"] else 1
    return int(max([longest, *(high - low + 1 for low, high in settings["required_range_checks"])]))


def public_value_count(settings: dict[str, Any]) -> int:
    """Count the public inputs and outputs of a circuit."""
    shapes = [math.prod(shape) for shape in settings["model_instance_shapes"]]
    return sum(shapes)


def circuit_cost(settings: dict[str, Any], logrows: int | None = None) -> CircuitCost:
    """Read the cost from settings, at their own height or at another one."""
    args = settings["run_args"]
    height = int(args["logrows"]) if logrows is None else logrows
    inner = int(args["num_inner_cols"])
    einsums = settings["einsum_params"]["equations"]
    blocks = block_count(int(settings["num_rows"]), height)
    constants = block_count(int(settings["total_const_size"]), height)
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
        columns=3 * inner * blocks + constants + 1,
        lookup_arguments=tables * inner * blocks,
        table_columns=math.ceil(table_rows(settings) / usable_rows(height)),
    )


def _linear(coefficients: tuple[float, float, float, float], cost: CircuitCost) -> float:
    base, per_row, per_column, per_lookup = coefficients
    split = _SPLIT_FACTOR + _SPLIT_STEP * (cost.table_columns - 2) if cost.table_columns > 1 else 1.0
    height = split * (1 << cost.logrows)
    return base + height * (per_row + per_column * cost.columns + per_lookup * cost.lookup_arguments)


def predict_peak_bytes(cost: CircuitCost) -> int:
    """Peak resident memory of the most demanding stage (prove or setup), in bytes; meant to err on the high side."""
    return int(max(_linear(PROVE_BYTES, cost), _linear(SETUP_BYTES, cost)))


def predict_prove_seconds(cost: CircuitCost) -> float:
    """Wall-clock seconds of the prove stage on the two slow cores where the constants were measured."""
    return _linear(PROVE_SECONDS, cost)


def choose_logrows(settings: dict[str, Any], *, min_logrows: int, max_logrows: int) -> int:
    """Height with the least predicted memory; ties go to the greater.

    Public values fill one column, so a height below their number is never taken, unless ``max_logrows`` asks for it. A
    table longer than a column is split, which costs more than the height saves, and beyond :data:`MAX_BLOCKS` blocks
    the prediction is untested; such heights are considered only when ``max_logrows`` leaves no other.
    """
    public = public_value_count(settings)
    heights = [h for h in range(min_logrows, max_logrows + 1) if usable_rows(h) >= public] or [max_logrows]
    roomy = [height for height in heights if usable_rows(height) >= table_rows(settings)] or [max_logrows]
    few = [height for height in roomy if block_count(int(settings["num_rows"]), height) <= MAX_BLOCKS] or [roomy[-1]]
    return min(few, key=lambda height: (predict_peak_bytes(circuit_cost(settings, height)), -height))


if __name__ == "__main__":
    from zk.cost_cli import main

    raise SystemExit(main())
