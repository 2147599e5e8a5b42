"""Which rows of a table are shown, and in what order."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.errors import ConfigError

Row = Mapping[str, Any]

_SAME: dict[str, Callable[[Any, Any], bool]] = {"=": operator.eq, "==": operator.eq, "!=": operator.ne}
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT = re.compile(r"\s*(?P<column>[^\s<>=!]+)\s*(?P<operator>==|!=|<=|>=|=|<|>)\s*(?P<value>[^\s<>=!](.*\S)?)\s*")
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Filter:
    """One comparison of a column with a value.

    Attributes:
        column: name of a figure or fact.
        operator: one of ``= == != < <= > >=``.
        value: as it was written.
    """

    column: str
    operator: str
    value: str

    def passes(self, row: Row) -> bool:
        """Say whether ``row`` has the column and the comparison holds; NaN and what was not measured never pass.

        Numbers are compared as numbers, truths with ``true`` or ``false``, lists as they are printed (``32-24-8``), and
        everything else as text, exactly. Text that is no number has no order, so it passes no ``<`` or ``>``.
        """
        found, number = row.get(self.column), as_number(self.value)
        if found is None or (isinstance(found, float) and math.isnan(found)):
            return False
        if self.operator in _ORDERED:
            left = as_number(found)
            return left is not None and number is not None and _ORDERED[self.operator](left, number)
        same = _SAME[self.operator]
        if isinstance(found, bool):
            return same(found, _TRUTHS.get(self.value.lower()))
        if isinstance(found, int | float):
            return same(found, number)
        return same(as_text(found), self.value)


def parse_filter(text: str) -> Filter:
    """Read a comparison such as ``rows<100000``, ``family=conv`` or ``proof.wiring!=linked``.

    Raises:
        ConfigError: it is no comparison, or orders by what is no number.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"a filter must be a comparison such as 'rows<100000' or 'family=conv', in quotes; got {text!r}"
        )
    found = Filter(match["column"], match["operator"], match["value"])
    number = as_number(found.value)
    if found.operator in _ORDERED and number is None:
        raise ConfigError(f"{found.operator} must be followed by a number; got {found.value!r} in {text!r}")
    return found


def passing(rows: Iterable[Row], filters: Sequence[Filter]) -> list[dict[str, Any]]:
    """Return the rows that pass all of ``filters``, in their order."""
    return [dict(row) for row in rows if all(one.passes(row) for one in filters)]


def in_order(rows: Iterable[Row], sort: str) -> list[dict[str, Any]]:
    """Return ``rows`` by column ``sort``, smallest first, or greatest first for ``-column``; equals keep their order.

    Rows without that figure, or with NaN, come last in both orders; where both occur, numbers come before text.
    """
    column, descending = sort.removeprefix("-"), sort.startswith("-")
    numbers, texts, rest = list[tuple[float, Row]](), list[tuple[str, Row]](), list[Row]()
    for row in rows:
        found = row.get(column)
        number = found if isinstance(found, int | float) else None
        if found is None or (number is not None and math.isnan(number)):
            rest.append(row)
        elif number is not None:
            numbers.append((number, row))
        else:
            texts.append((as_text(found), row))
    numbers.sort(key=lambda pair: pair[0], reverse=descending)
    texts.sort(key=lambda pair: pair[0], reverse=descending)
    return [dict(row) for row in (*(row for _, row in numbers), *(row for _, row in texts), *rest)]


def known_columns(rows: Iterable[Row]) -> list[str]:
    """Return the names that any of ``rows`` has, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def check_columns(rows: Sequence[Row], wanted: Iterable[str]) -> None:
    """Refuse names that no row has; without rows nothing is known, and nothing is refused.

    Raises:
        ConfigError: a name is unknown; the message lists the known ones.
    """
    known = known_columns(rows)
    unknown = [name for name in dict.fromkeys(wanted) if name not in known]
    if rows and unknown:
        raise ConfigError(f"unknown column {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def as_number(value: Any) -> float | None:
    """Return a number, or text that is one, as float; None for anything else, truths and NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def as_text(value: Any) -> str:
    """Return ``value`` as it is compared with text: lists with hyphens, ``32-24-8``."""
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
