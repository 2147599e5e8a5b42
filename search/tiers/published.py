"""The published experiments and their figures.

Source: "ZK-Optimized Conditional GAN Experiments: Technical Write-Up" and the table of configurations that goes with
it. The two number their experiments differently: ``exp_NNN`` are those of the table, ``writeup_NNN`` those of the text
where it describes another generator under that number.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "published.csv"

TIERS = (1, 2, 3, 4)
ATTEMPTS = 5
"""Number that the attempts that never ran go by, as a tier after the four."""

CEILING = 0.294
"""Best published accuracy, called the ceiling there."""

BUDGET_OPERATIONS = 100
"""Operations by the published rule that a circuit must stay below."""

WANTED_ACCURACY, WANTED_SCORE, WANTED_DIVERSITY = 0.6, 6.0, 0.05
"""The write-up's own criteria of success: share of the images, Inception Score, and diversity."""


@dataclass(frozen=True)
class PublishedExperiment:
    """One published experiment.

    Attributes:
        id: as in ``conf/experiment/tierN/ID.yaml``, or ``conf/experiment/advanced/ID.yaml``.
        tier: 1 to 4, or :data:`ATTEMPTS`.
        name: what is special about it.
        declared_ops: operations that the publication states; None where it states none.
        counted_ops: operations that its own rule gave; None where it published none.
        accuracy: share of 1,000 images, in 0..1; None if it was never trained.
        diversity: as published; None likewise.
        source: ``configurations`` or ``write-up``, which the figures are from.
        other: id of the same experiment in the other numbering; empty without one.
    """

    id: str
    tier: int
    name: str
    declared_ops: int | None
    counted_ops: int | None
    accuracy: float | None
    diversity: float | None
    source: str
    other: str


@cache
def published_experiments() -> tuple[PublishedExperiment, ...]:
    """All of them, by tier."""
    with _FILE.open(newline="") as file:
        return tuple(
            PublishedExperiment(
                line["id"],
                int(line["tier"]),
                line["name"],
                int(line["declared_ops"]) if line["declared_ops"] else None,
                int(line["counted_ops"]) if line["counted_ops"] else None,
                float(line["accuracy_percent"]) / 100 if line["accuracy_percent"] else None,
                float(line["diversity"]) if line["diversity"] else None,
                line["source"],
                line["other"],
            )
            for line in csv.DictReader(file)
        )
