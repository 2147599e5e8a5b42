"""Numbers, tables and lists as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

NOTHING = "-"
"""What a table shows where there is no value."""

GIB = 2**30
"""Bytes of a GiB."""

EQUAL_MARGIN = 0.05
"""Two figures within this share of each other are called equal in sentences."""


def number(value: float | None) -> str:
    """Three significant digits; counts, and what is above 100, to the unit; a dash for None."""
    if value is None:
        return NOTHING
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.2e}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def gib(value: float | None) -> str:
    """Bytes in GiB."""
    return NOTHING if value is None else number(value / GIB)


def percent(share: float | None) -> str:
    """A share in percent."""
    return NOTHING if share is None else f"{number(float(100 * share))} %"


def times(ratio: float | None) -> str:
    """A ratio, as a multiplier."""
    return NOTHING if ratio is None else f"{number(float(ratio))}x"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """A counted noun: "1 row", "2 rows", "no rows"."""
    return f"{amount or 'no'} {noun if amount == 1 else plural or noun + 's'}"


def listed(items: Sequence[str]) -> str:
    """Items as they stand in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def cell(text: str) -> str:
    """Text that cannot break a table."""
    return " ".join(text.split()).replace("|", "\\|")


def sentence(text: str) -> str:
    """Text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table: the first column to the left, the others to the right; closed by an empty line."""
    lines = [f"| {' | '.join(headings)} |", f"| --- |{' ---: |' * (len(headings) - 1)}"]
    return [*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows), ""]
