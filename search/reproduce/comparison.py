"""Recorded figures beside reproduced ones: the difference, and whether it is within the tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

EXACT = 1e-6
"""Default tolerance. On one machine with the same versions and number of threads, trainings on the CPU repeated
themselves bit for bit (convolutions and sub-pixel layers, float32 and bfloat16), and loaded weights gave the same
images; this allows for what a sum in another order changes. With another number of threads, weights differed by 5e-3
after 60 steps."""


class Verdict(StrEnum):
    """How a reproduced figure stands to the recorded one."""

    WITHIN = "within"
    OUTSIDE = "outside"
    MISSING = "not reproduced"
    UNRECORDED = "not recorded"


@dataclass(frozen=True)
class Comparison:
    """One figure, or one word, of the record beside the reproduced one.

    Attributes:
        group: what it is of: ``circuit``, ``training``, ``scores``, ``circuit scores``, ``proof``.
        name: as in the record.
        recorded: None where the record has none.
        reproduced: None where the reproduction has none.
        difference: reproduced less recorded; None between words and where one is missing, NaN where either is NaN.
        verdict: see :class:`Verdict`.
    """

    group: str
    name: str
    recorded: float | str | None
    reproduced: float | str | None
    difference: float | None
    verdict: Verdict

    @property
    def holds(self) -> bool:
        """Whether nothing recorded is contradicted: within the tolerance, or not recorded at all."""
        return self.verdict in (Verdict.WITHIN, Verdict.UNRECORDED)


def compare_figures(
    group: str, recorded: Mapping[str, float], reproduced: Mapping[str, float], *, tolerance: float
) -> list[Comparison]:
    """Compare by name, recorded names first.

    A figure is within if both are finite and differ by at most ``tolerance`` times the larger of 1 and the recorded
    magnitude: absolute for shares and the like, relative for rows and bytes. NaN and infinities are never within.
    """
    return [
        _compare(group, name, recorded.get(name), reproduced.get(name), tolerance)
        for name in dict.fromkeys((*recorded, *reproduced))
    ]


def _compare(group: str, name: str, recorded: float | None, reproduced: float | None, tolerance: float) -> Comparison:
    if recorded is None or reproduced is None:
        verdict = Verdict.UNRECORDED if recorded is None else Verdict.MISSING
        return Comparison(group, name, recorded, reproduced, None, verdict)
    difference = reproduced - recorded
    within = math.isfinite(recorded) and abs(difference) <= tolerance * max(1.0, abs(recorded))
    return Comparison(group, name, recorded, reproduced, difference, Verdict.WITHIN if within else Verdict.OUTSIDE)


def compare_words(group: str, recorded: Mapping[str, str], reproduced: Mapping[str, str]) -> list[Comparison]:
    """Compare outcomes and the like, which are equal or not."""
    found = []
    for name in dict.fromkeys((*recorded, *reproduced)):
        before, now = recorded.get(name), reproduced.get(name)
        verdict = Verdict.WITHIN if before == now else Verdict.OUTSIDE
        if before is None or now is None:
            verdict = Verdict.UNRECORDED if before is None else Verdict.MISSING
        found.append(Comparison(group, name, before, now, None, verdict))
    return found


def failures(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Return those that do not hold."""
    return [comparison for comparison in comparisons if not comparison.holds]
