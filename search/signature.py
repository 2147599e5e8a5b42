"""What makes the trials of a study comparable, and what changed where it differs."""

from __future__ import annotations

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
            found.append(f"{where} was {_short(before)}, is {_short(after)}")
    return found


def _short(value: Any) -> str:
    text = _MISSING if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
