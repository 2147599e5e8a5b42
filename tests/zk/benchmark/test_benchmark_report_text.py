"""Numbers and words of the report."""

import pytest

from zk.benchmark.report.text import count, listed, number, percent, sentence, table, times


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (0.0, "0"),
        (1234567, "1,234,567"),
        (1234.5, "1,234"),
        (99.96, "100"),
        (9.999, "10.0"),
        (1.0, "1.00"),
        (0.01234, "0.0123"),
        (-2.345, "-2.35"),
        (0.00012345, "1.23e-04"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_words() -> None:
    assert (count(0, "row"), count(1, "row"), count(2, "row")) == ("no rows", "1 row", "2 rows")
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert (times(1), percent(0.25), percent(1), sentence("ours")) == ("1.00x", "25.0 %", "100 %", "Ours")
    assert table(("a", "b"), [("x|y\nz", "1")])[2] == "| x\\|y z | 1 |"
