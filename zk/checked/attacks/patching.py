"""Replacing an attribute for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within the context, ``owner.name`` is ``value``."""
    kept = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


class Anything:
    """Equal to everything: a comparison with it always passes."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class AnyInteger(int):
    """An integer that is equal to everything."""

    __eq__ = Anything.__eq__
    __ne__ = Anything.__ne__
    __hash__ = int.__hash__
