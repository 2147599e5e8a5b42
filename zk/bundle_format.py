"""What a proof bundle holds: its members and their bounds, and how untrusted JSON is read.

Everything that reads here expects hostile input: sizes are bounded, JSON is parsed strictly, and values are checked for
their type and range before they are used (:mod:`zk.bundle_manifest` does so for the manifest).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from zk.errors import ArtifactError

FORMAT_NAME = "zkgan-search proof bundle"
FORMAT_VERSION = 3
MANIFEST, PROOF, PUBLIC_VALUES, SETTINGS, VK = (
    "manifest.json",
    "proof.bin",
    "public_values.json",
    "settings.json",
    "vk.key",
)
DESCRIBED = (PROOF, PUBLIC_VALUES, SETTINGS, VK)
"""Members of each part whose size and digest the manifest gives, that is, all but itself."""

MAX_PARTS = 32
"""Most circuits that one bundle may consist of."""

MEMBER_LIMITS_BYTES: Mapping[str, int] = MappingProxyType(
    {MANIFEST: 1 << 18, PROOF: 1 << 24, PUBLIC_VALUES: 1 << 22, SETTINGS: 1 << 22, VK: 1 << 28}
)
"""Largest sizes that are read. A circuit of 2**20 rows has a key of about 10 MB, a proof of under 1 MB."""

MAX_JSON_DEPTH = 16
MAX_TEXT = 600
_PART = re.compile(r"part([1-9][0-9]?)-(.+)")


class BundleError(ArtifactError):
    """A bundle that cannot be used.

    Attributes:
        check: the check that failed: "container" (files, sizes), "format" (JSON and manifest) or "digests".

    """

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"bundle check {check!r} failed: {message}")
        self.check = check


def member_name(name: str, part: int) -> str:
    """Name of a part's member; the first part's have no prefix."""
    return name if part == 0 else f"part{part}-{name}"


def member_names(parts: int) -> tuple[str, ...]:
    """All members of a bundle of so many parts."""
    return (MANIFEST, *(member_name(name, part) for part in range(parts) for name in DESCRIBED))


def member_limit_bytes(name: str) -> int:
    """Largest size of a member that is read; 0 for a name that no member has."""
    found = _PART.fullmatch(name)
    if found is None:
        return MEMBER_LIMITS_BYTES.get(name, 0)
    return MEMBER_LIMITS_BYTES[found[2]] if found[2] in DESCRIBED and int(found[1]) < MAX_PARTS else 0


def parse_json(content: bytes, name: str) -> Any:
    """Parse untrusted JSON strictly: UTF-8, no duplicate keys (parsers disagree on them), finite numbers, not deep.

    Raises:
        BundleError: check "format".

    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("an object has a key twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    def finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:40]} is no number that JSON's readers agree on")
        return value

    try:
        value = json.loads(content.decode(), object_pairs_hook=unique, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise BundleError("format", f"{name} must be strict JSON; {error}") from error
    level, depth = [value], 1
    while level := [child for node in level for child in _children(node) if isinstance(child, (dict, list))]:
        depth += 1
        if depth > MAX_JSON_DEPTH:
            raise BundleError("format", f"{name} must be nested at most {MAX_JSON_DEPTH} deep")
    return value


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def one_line(text: str) -> str:
    """Reduce text to what a manifest may carry: printable, one line, at most 600 characters."""
    joined = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in joined)[:MAX_TEXT]
