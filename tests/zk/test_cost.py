"""Costs from settings, heights and predictions."""

import copy
from pathlib import Path
from typing import Any

import pytest

from zk.cost import (
    MAX_BLOCKS,
    block_count,
    choose_logrows,
    circuit_cost,
    load_settings,
    predict_peak_bytes,
    predict_prove_seconds,
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


def with_rows(rows: int) -> dict[str, Any]:
    settings = copy.deepcopy(SETTINGS)
    settings["num_rows"] = rows
    return settings


def test_cost_of_known_settings() -> None:
    cost = circuit_cost(SETTINGS)
    assert (cost.einsum_distinct, cost.einsum_instances) == (3, 4)
    assert (cost.rows, cost.total_assignments, cost.public_values) == (57_190, 114_380, 18 + 10 + 768)
    assert (cost.blocks, cost.columns) == (2, 14)  # as in the key of that circuit
    assert (cost.static_lookups, cost.range_checks) == (1, 2)
    assert cost.lookup_arguments == 3 * 2 * 2


def test_blocks_at_the_edges() -> None:
    usable = usable_rows(10)
    assert [block_count(rows, 10) for rows in (0, 1, usable - 1, usable, 2 * usable)] == [1, 1, 1, 2, 3]


def test_longest_table() -> None:
    assert table_rows(SETTINGS) == 16_384
    wide = copy.deepcopy(SETTINGS)
    wide["run_args"]["lookup_range"] = [-20_000, 20_000]
    assert table_rows(wide) == 40_001
    assert table_rows({**wide, "required_lookups": []}) == 16_384


def test_height_leaves_room_for_the_tables_and_is_least_in_memory() -> None:
    for rows in (100, 57_190, 600_000):
        settings = with_rows(rows)
        chosen = choose_logrows(settings, min_logrows=10, max_logrows=20)
        assert usable_rows(chosen) >= table_rows(settings)
        assert block_count(rows, chosen) <= MAX_BLOCKS
        allowed = [k for k in range(15, 21) if block_count(rows, k) <= MAX_BLOCKS]
        peaks = {k: predict_peak_bytes(circuit_cost(settings, k)) for k in allowed}
        assert peaks[chosen] == min(peaks.values())
    assert choose_logrows(SETTINGS, min_logrows=10, max_logrows=13) == 13
    assert choose_logrows(with_rows(10**7), min_logrows=10, max_logrows=17) == 17


def test_memory_of_measured_circuits() -> None:
    """Peaks of the prove stage of circuits with two activation and two range tables, as measured."""
    settings = copy.deepcopy(SETTINGS)
    settings["required_lookups"] *= 2
    for logrows, measured in ((12, 1532e6), (13, 1153e6), (15, 788e6), (16, 917e6)):
        ratio = predict_peak_bytes(circuit_cost(settings, logrows)) / measured
        assert 0.97 < ratio < 1.25


def test_predictions_grow_with_rows_and_are_of_the_right_order() -> None:
    costs = [circuit_cost(with_rows(rows), 15) for rows in (20_000, 40_000, 90_000, 400_000)]
    peaks, seconds = [predict_peak_bytes(c) for c in costs], [predict_prove_seconds(c) for c in costs]
    assert peaks == sorted(set(peaks))
    assert seconds == sorted(set(seconds))
    assert 0.6e9 < peaks[1] < 1.2e9  # measured 0.79 GB at two blocks
    assert 5.0 < seconds[1] < 60.0


def test_settings_must_be_settings(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    with pytest.raises(ArtifactError, match=r"settings in JSON"):
        load_settings(path)
    path.write_text("[1]")
    with pytest.raises(ArtifactError, match="found other JSON"):
        load_settings(path)


def test_the_height_holds_all_public_values() -> None:
    settings = {**with_rows(3000), "model_instance_shapes": [[1, 2500], [1, 2500]]}
    settings["required_lookups"], settings["required_range_checks"] = [], []
    assert choose_logrows(settings, min_logrows=8, max_logrows=20) >= 13
