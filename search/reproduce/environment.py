"""What a trial was recorded under beside what it is reproduced under; differences are stated, never refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.errors import RecordError

CHANGED = "+changes"
"""What :func:`search.provenance.commit` adds where the checkout differs from its commit."""


def environment_lines(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Return one sentence per difference, and one for each part in which there is none.

    Both are as ``provenance.json`` has them: ``commit``, ``packages`` and ``machine``, the latter two by name; a name
    that one side lacks is a difference. ``memory_bytes`` of less than 1 % counts as none, as kernels differ in what
    they keep.

    Raises:
        RecordError: the recorded side is no such mapping.
    """
    lines = [commit_line(str(recorded.get("commit", "unknown")), str(present.get("commit", "unknown")))]
    for part, same in (("packages", "same package versions"), ("machine", "same machine")):
        before, now = recorded.get(part) or {}, present.get(part) or {}
        if not isinstance(before, Mapping):
            raise RecordError(f"{part} of the record must be by name; got {before!r:.60}")
        found = [
            f"{name}: recorded {_value(before, name)}, this is {_value(now, name)}"
            for name in dict.fromkeys((*before, *now))
            if not _alike(name, before.get(name), now.get(name))
        ]
        lines += found or [same]
    return lines


def commit_line(recorded: str, present: str) -> str:
    """Say whether both are of one commit, and which of them had changes that no commit holds."""
    before, now = (text.removesuffix(CHANGED) for text in (recorded, present))
    if before == now != "unknown":
        changed = [name for name, text in (("the record", recorded), ("this", present)) if text.endswith(CHANGED)]
        return f"same commit {before}" + (f", but {' and '.join(changed)} with uncommitted changes" if changed else "")
    return f"recorded commit {_commit(recorded)}, this is {_commit(present)}"


def _commit(text: str) -> str:
    return text.replace(CHANGED, " (with uncommitted changes)")


def _value(values: Mapping[str, Any], name: str) -> str:
    return str(values[name]) if name in values else "not known"


def _alike(name: str, before: Any, now: Any) -> bool:
    if name == "memory_bytes" and isinstance(before, int) and isinstance(now, int):
        return 100 * abs(now - before) <= before
    return bool(before == now)
