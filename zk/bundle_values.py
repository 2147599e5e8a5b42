"""Checks of single untrusted values, each with an error that names the place. All raise BundleError, check "format"."""

from __future__ import annotations

import re
from typing import Any

from zk.bundle_format import MAX_TEXT, BundleError, one_line
from zk.srs import SrsKind
from zk.types import Outcome, Wiring

_SHA256 = re.compile(r"[0-9a-f]{64}")


def mismatch(where: str, wanted: str, found: Any) -> BundleError:
    """An error that names what must hold and what was found."""
    shown = one_line(repr(found))[:80] if isinstance(found, (str, int, float)) else type(found).__name__
    return BundleError("format", f"{where} must be {wanted}; found {shown}")


def object_of(value: Any, keys: tuple[str, ...], where: str) -> dict[str, Any]:
    """The value, if it is an object with exactly these keys."""
    if not isinstance(value, dict) or set(value) != set(keys):
        raise mismatch(where, f"an object with exactly {', '.join(keys)}", value)
    return value


def list_of(value: Any, most: int, where: str) -> list[Any]:
    """The value, if it is a list that is not too long."""
    if not isinstance(value, list) or len(value) > most:
        raise mismatch(where, f"a list of at most {most}", value)
    return value


def text_of(value: Any, where: str) -> str:
    """The value, if it is one printable line of bounded length."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise mismatch(where, f"one printable line of at most {MAX_TEXT} characters", value)
    return value


def choice_of(value: Any, kinds: type[Outcome] | type[Wiring] | type[SrsKind] | tuple[str, ...], where: str) -> str:
    """The value, if it is one of the names."""
    names = [str(kind) for kind in kinds]
    if value not in names:
        raise mismatch(where, f"one of {', '.join(names)}", value)
    return str(value)


def integer_of(value: Any, low: int, high: int, where: str) -> int:
    """The value, if it is an integer in range; true is none."""
    if type(value) is not int or not low <= value <= high:
        raise mismatch(where, f"an integer in {low}..{high}", value)
    return value


def boolean_of(value: Any, where: str) -> bool:
    """The value, if it is true or false."""
    if not isinstance(value, bool):
        raise mismatch(where, "true or false", value)
    return value


def digest_of(value: Any, where: str) -> str:
    """The value, if it is a SHA-256 in hex."""
    if not isinstance(value, str) or _SHA256.fullmatch(value) is None:
        raise mismatch(where, "a SHA-256 of 64 lower-case hex digits", value)
    return value
