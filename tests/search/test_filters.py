"""Filters and orders of rows."""

import math
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import ConfigError
from search.filters import Filter, check_columns, in_order, known_columns, parse_filter, passing

NAN = math.nan
FIGURES = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(10**6), 10**6),
    st.booleans(),
    st.sampled_from(["conv", "mlp", "7", "nan"]),
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("headline_accuracy>=0.6", ("headline_accuracy", ">=", "0.6")),
        ("rows<100000", ("rows", "<", "100000")),
        ("rows <= 1e5", ("rows", "<=", "1e5")),
        (" family = conv ", ("family", "=", "conv")),
        ("family==conv", ("family", "==", "conv")),
        ("proof.wiring!=linked", ("proof.wiring", "!=", "linked")),
        ("reason=width 9 is < 10", ("reason", "=", "width 9 is < 10")),
        ("delta>-3", ("delta", ">", "-3")),
        ("widths=32-24", ("widths", "=", "32-24")),
    ],
)
def test_a_comparison_has_three_parts(text: str, parts: tuple[str, str, str]) -> None:
    assert parse_filter(text) == Filter(*parts)


@pytest.mark.parametrize("text", ["", "rows", "rows<", "<5", "=conv", "rows=>5", "rows<<5", "a b<3", "rows>="])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a filter must be a comparison such as"):
        parse_filter(text)


@pytest.mark.parametrize("text", ["family<conv", "rows>=many", "rows<nan", "rows>true"])
def test_order_needs_a_number(text: str) -> None:
    with pytest.raises(ConfigError, match="must be followed by a number; got"):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "row", "passes"),
    [
        ("rows<10", {"rows": 9}, True),
        ("rows<10", {"rows": 10}, False),
        ("rows<=10", {"rows": 10.0}, True),
        ("rows>10", {"rows": math.inf}, True),
        ("rows=10", {"rows": 10.0}, True),
        ("rows=1e1", {"rows": 10}, True),
        ("rows!=10", {"rows": 11}, True),
        ("rows!=10", {"rows": 10}, False),
        ("rows=ten", {"rows": 10}, False),
        ("rows!=ten", {"rows": 10}, True),
        ("rows<10", {"rows": "9"}, True),
        ("rows<10", {"rows": "few"}, False),
        ("rows<10", {"rows": True}, False),
        ("family=conv", {"family": "conv"}, True),
        ("family=conv", {"family": "Conv"}, False),
        ("family!=conv", {"family": "mlp"}, True),
        ("digest=0e1", {"digest": "0e2"}, False),
        ("front=true", {"front": True}, True),
        ("front=yes", {"front": True}, True),
        ("front=false", {"front": True}, False),
        ("front!=true", {"front": False}, True),
        ("front=1", {"front": True}, False),
        ("widths=32-24", {"widths": [32, 24]}, True),
        ("widths=32-24", {"widths": (32, 2, 4)}, False),
        ("widths>3", {"widths": [4]}, False),
    ],
)
def test_values_are_compared_as_what_they_are(text: str, row: dict[str, Any], passes: bool) -> None:
    assert parse_filter(text).passes(row) is passes


@pytest.mark.parametrize("symbol", ["=", "==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("row", [{}, {"rows": None}, {"rows": NAN}, {"other": 1}])
def test_what_was_not_measured_never_passes(symbol: str, row: dict[str, Any]) -> None:
    assert not parse_filter(f"rows{symbol}5").passes(row)


@given(found=st.floats(), bound=st.floats(allow_nan=False), symbol=st.sampled_from(["<", "<=", ">", ">=", "=", "!="]))
def test_numbers_are_compared_as_python_does_but_for_nan(found: float, bound: float, symbol: str) -> None:
    plain = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
    expected = found != bound if symbol == "!=" else plain[symbol](found, bound)
    assert parse_filter(f"x{symbol}{bound!r}").passes({"x": found}) is (expected and not math.isnan(found))


def test_all_filters_must_pass_and_order_is_kept() -> None:
    rows = [{"n": n, "family": "conv" if n % 2 else "mlp"} for n in (5, 3, 4, 1)]
    filters = [parse_filter("n<5"), parse_filter("family=conv")]
    assert [row["n"] for row in passing(rows, filters)] == [3, 1]
    assert passing(rows, []) == rows
    assert passing([], filters) == []


def test_order_puts_what_was_not_measured_last_both_ways() -> None:
    rows = [{"x": 2}, {"x": NAN}, {"x": -math.inf}, {}, {"x": 3.5}, {"x": None}]
    up, down = in_order(rows, "x"), in_order(rows, "-x")
    assert [row.get("x") for row in up[:3]] == [-math.inf, 2, 3.5]
    assert [row.get("x") for row in down[:3]] == [3.5, 2, -math.inf]
    assert [list(row) for row in up[3:]] == [list(row) for row in down[3:]] == [["x"], [], ["x"]]


@pytest.mark.parametrize("sort", ["x", "-x"])
def test_equals_keep_their_order(sort: str) -> None:
    rows = [{"x": 1, "n": 0}, {"x": 1.0, "n": 1}, {"x": True, "n": 2}]
    assert [row["n"] for row in in_order(rows, sort)] == [0, 1, 2]


@given(values=st.lists(FIGURES, max_size=8), descending=st.booleans())
def test_order_loses_no_row_and_sorts_numbers(values: list[Any], descending: bool) -> None:
    rows = [{"n": place, "x": value} for place, value in enumerate(values)]
    found = in_order(rows, "-x" if descending else "x")
    assert sorted(row["n"] for row in found) == list(range(len(rows)))
    figures = [row["x"] for row in found if isinstance(row["x"], int | float) and not math.isnan(row["x"])]
    assert figures == sorted(figures, reverse=descending)
    texts = [row["x"] for row in found if isinstance(row["x"], str)]
    assert texts == sorted(texts, reverse=descending)


def test_an_unknown_column_is_answered_by_the_known_ones() -> None:
    rows = [{"b": 1}, {"a": 2}]
    assert known_columns(rows) == ["b", "a"]
    check_columns(rows, ["a", "b", "a"])
    with pytest.raises(ConfigError, match="unknown column c, d; known: a, b$"):
        check_columns(rows, ["a", "c", "d", "c"])
    check_columns([], ["anything"])
