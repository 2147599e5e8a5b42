"""Kinds of values beside the annotations of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from zk.json_fields import check_fields


@dataclass(frozen=True)
class Record:
    name: str
    rows: int | None = None
    seconds: float = 0.0
    filed: bool = False
    peaks: Mapping[str, int] | None = None


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "a", "rows": None, "seconds": 1, "filed": True, "peaks": {"prove": 1}},
        {"rows": 3.0, "seconds": float("nan"), "peaks": None},
    ],
)
def test_what_fits_passes(data: dict[str, Any]) -> None:
    check_fields(Record, data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", None), ("name", 3), ("rows", "3"), ("rows", 3.5), ("rows", True), ("rows", float("nan")),
        ("seconds", None), ("seconds", "1"), ("filed", 1), ("filed", "true"), ("peaks", [1]),
    ],
)  # fmt: skip
def test_other_kinds_are_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be .*; got "):
        check_fields(Record, {name: value})


def test_names_that_are_no_fields_are_refused() -> None:
    with pytest.raises(KeyError):
        check_fields(Record, {"other": 1})
