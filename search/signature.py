"""What makes the trials of a study comparable, and what changed where it differs."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Any

from search.space import Dimension, SearchSpace

_MISSING = "nothing"
_LONGEST = 60


def described(space: SearchSpace) -> dict[str, str]:
    """Return every dimension of ``space`` as text, by the place where it stands."""
    found = {f"{family}.{name}": _values(value) for family, own in space.families for name, value in own}
    found |= {name: _values(value) for name, value in space.shared}
    return found | {f"recipe.{name}": _values(value) for name, value in space.recipe}


def _values(dimension: Dimension) -> str:
    if dimension.choices:
        return " or ".join(map(str, dimension.choices))
    step = f" in steps of {dimension.step}" if dimension.step != 1 else ""
    return f"{dimension.low} to {dimension.high}{step}{', logarithmic' if dimension.log else ''}"


def changes(earlier: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> list[str]:
    """Return a sentence part for each value that differs between two nested mappings, by its place."""
    found = []
    for name in dict.fromkeys((*earlier, *now)):
        before, after = earlier.get(name), now.get(name)
        if before == after:
            continue
        where = f"{place}{name}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changes(before, after, f"{where}: ")
        else:
            texts = [_MISSING if value is None else str(value) for value in (before, after)]
            start = max(_first_difference(*texts) - _LONGEST // 2, 0)
            found.append(f"{where} was {_short(texts[0], start)}, is {_short(texts[1], start)}")
    return found


def _first_difference(one: str, other: str) -> int:
    return len(os.path.commonprefix([one, other]))


def _short(text: str, start: int) -> str:
    """Cut ``text`` to what stands around ``start``, if it is long."""
    if len(text) <= _LONGEST:
        return text
    shown = text[start : start + _LONGEST]
    return f"{'...' if start > 0 else ''}{shown}{'...' if start + _LONGEST < len(text) else ''}"
