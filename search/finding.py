"""One thing that was looked at on a machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a finding means."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "MISSING"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, what it means, and what was found."""

    name: str
    state: State
    text: str
