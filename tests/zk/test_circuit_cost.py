"""Figures of a circuit, read from settings."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.circuit_cost import (
    BLINDING_ROWS,
    block_count,
    circuit_cost,
    load_settings,
    public_value_count,
    table_rows,
    usable_rows,
)
from zk.errors import ArtifactError

SETTINGS: dict[str, Any] = {
    "run_args": {"logrows": 15, "num_inner_cols": 2, "lookup_range": [-2048, 2048]},
    "num_rows": 57_190,
    "total_assignments": 114_380,
    "total_const_size": 206,
    "num_dynamic_lookups": 0,
    "num_shuffles": 0,
    "einsum_params": {
        "equations": [
            ["mk,nk->mn", {"m": 1, "k": 18, "n": 128}],
            ["abc,abc->ab", {"a": 1, "b": 3, "c": 2}],
            ["abc,abc->ab", {"c": 2, "b": 3, "a": 1}],
            ["abc,abc->ab", {"c": 2, "b": 4, "a": 1}],
        ],
        "total_einsum_col_size": 0,
    },
    "model_instance_shapes": [[1, 18], [1, 10], [1, 3, 16, 16]],
    "required_lookups": [{"Tanh": {"scale": 128.0}}],
    "required_range_checks": [[-1, 1], [0, 16383]],
}


def test_cost_of_known_settings() -> None:
    cost = circuit_cost(SETTINGS)
    assert (cost.einsum_distinct, cost.einsum_instances) == (3, 4)
    assert (cost.rows, cost.total_assignments, cost.public_values) == (57_190, 114_380, 18 + 10 + 768)
    assert (cost.logrows, cost.blocks, cost.columns) == (15, 2, 14)  # as in the key of that circuit
    assert (cost.static_lookups, cost.range_checks) == (1, 2)
    assert cost.lookup_arguments == 3 * 2 * 2
    assert (cost.num_inner_cols, cost.total_const_size, cost.table_columns) == (2, 206, 1)


def test_figures_that_are_only_copied() -> None:
    changed = {**SETTINGS, "num_dynamic_lookups": 3, "num_shuffles": 5}
    changed["einsum_params"] = {"equations": [], "total_einsum_col_size": 7}
    cost = circuit_cost(changed)
    assert (cost.dynamic_lookups, cost.shuffles, cost.einsum_column_cells) == (3, 5, 7)
    assert (cost.einsum_distinct, cost.einsum_instances) == (0, 0)
    assert (cost.shuffle_column_cells, cost.dynamic_column_cells) == (0, 0)
    cost = circuit_cost({**changed, "total_shuffle_col_size": 11, "total_dynamic_col_size": 13})
    assert (cost.shuffle_column_cells, cost.dynamic_column_cells) == (11, 13)


@pytest.mark.parametrize(
    ("logrows", "blocks", "columns", "table_columns"),
    [(16, 1, 8, 1), (15, 2, 14, 1), (14, 4, 26, 2), (12, 14, 86, 5), (7, 473, 2841, 136)],
)
def test_another_height_changes_blocks_columns_and_splits(
    logrows: int, blocks: int, columns: int, table_columns: int
) -> None:
    cost = circuit_cost(SETTINGS, logrows)  # 16,384 rows of the longest table; 206 constants take two columns at 2**7
    assert (cost.logrows, cost.blocks, cost.columns) == (logrows, blocks, columns)
    assert (cost.table_columns, cost.lookup_arguments) == (table_columns, 6 * blocks)
    assert circuit_cost(SETTINGS).logrows == 15


def test_blocks_at_the_edges() -> None:
    usable = usable_rows(10)
    assert usable == 1024 - BLINDING_ROWS == 1017
    assert [block_count(rows, 10) for rows in (0, 1, usable - 1, usable, 2 * usable)] == [1, 1, 1, 2, 3]
    assert block_count(1210, 8) == 5  # as a 2**8 circuit was seen to take
    assert (usable_rows(2), usable_rows(3)) == (1, 1)


@settings(deadline=None)
@given(st.integers(0, 10**7), st.integers(6, 26))
def test_blocks_hold_all_rows_and_no_block_stays_empty(rows: int, logrows: int) -> None:
    blocks, usable = block_count(rows, logrows), usable_rows(logrows)
    assert (blocks - 1) * usable <= rows < blocks * usable


def test_longest_table() -> None:
    assert table_rows(SETTINGS) == 16_384
    wide = copy.deepcopy(SETTINGS)
    wide["run_args"]["lookup_range"] = [-20_000, 20_000]
    assert table_rows(wide) == 40_001
    assert table_rows({**wide, "required_lookups": []}) == 16_384
    assert table_rows({**wide, "required_lookups": [], "required_range_checks": []}) == 1


@pytest.mark.parametrize(("shapes", "expected"), [([], 0), ([[]], 1), ([[4, 5]], 20), ([[2, 3], [1, 1, 7]], 13)])
def test_public_values(shapes: list[list[int]], expected: int) -> None:
    assert public_value_count({"model_instance_shapes": shapes}) == expected


def test_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(SETTINGS))
    assert load_settings(path) == SETTINGS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "in JSON; .*; generate it again"),
        ("", "in JSON; .*; generate it again"),
        ("{", "in JSON; .*; generate it again"),
        ("[1]", "found other JSON"),
        ("{}", "found other JSON"),
        ('{"run_args": {}}', "found other JSON"),
        ('{"num_rows": 1, "run_args": []}', "run_args must be an object"),
        ('{"num_rows": 1, "run_args": {"logrows": 8000000000}}', "logrows must be an integer from 0 to 32"),
        ('{"num_rows": 1, "run_args": {"logrows": -5}}', "logrows must be"),
        ('{"num_rows": 1, "run_args": {}, "model_instance_shapes": 5}', "must be a list of at most"),
        ('{"num_rows": 1, "run_args": {}, "model_instance_shapes": [["x", 2000000000]]}', "an axis must be an integer"),
        ('{"num_rows": 1, "run_args": {}, "model_instance_shapes": [[1' + "0" * 40 + "]]}", "an axis must be"),
        ('{"num_rows": 1, "run_args": {}, "model_instance_shapes": [[' + "1," * 20 + "1]]}", "at most 16 axes"),
    ],
)
def test_settings_must_be_settings(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "s.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=rf"s\.json must be ezkl's settings.*{message}"):
        load_settings(path)
