"""Settings of two bundles side by side, whatever the second one holds."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from zk.bundle_settings import changed_settings

OURS: dict[str, Any] = {
    "run_args": {"logrows": 15},
    "num_rows": 100,
    "einsum_params": {"equations": [["ab,b->a", {"a": 2, "b": 3}], ["a,a->a", {"a": 2}]], "total_einsum_col_size": 0},
    "required_lookups": [{"ReLU": {}}, {"Tanh": {"scale": 7.0}}],
    "required_range_checks": [[0, 3], [0, 127]],
    "timestamp": 1,
}


def test_orders_and_times_do_not_count() -> None:
    theirs = copy.deepcopy(OURS)
    theirs["timestamp"] = 2
    theirs["einsum_params"]["equations"].reverse()
    theirs["required_lookups"].reverse()
    assert changed_settings(OURS, theirs) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_rows", 101),
        ("num_rows", 100.0),
        ("num_rows", None),
        ("run_args", {"logrows": True}),
        ("run_args", []),
        ("required_lookups", 5),
        ("required_lookups", {"ReLU": 1}),
        ("required_range_checks", [{1: 2}, {"a"}]),
        ("einsum_params", 5),
        ("einsum_params", {"equations": 5}),
        ("einsum_params", {"equations": [5]}),
        ("einsum_params", {"equations": [["a", 5]]}),
        ("einsum_params", {"equations": [["a", {"a": 1}, 3]]}),
    ],
)
def test_whatever_differs_is_named(name: str, value: object) -> None:
    assert changed_settings(OURS, {**OURS, name: value}) == [name]


def test_what_is_missing_or_new_is_named() -> None:
    theirs = {name: value for name, value in OURS.items() if name != "num_rows"} | {"more": 1}
    assert changed_settings(OURS, theirs) == ["more", "num_rows"]
