"""The published benchmark: its experiments and its figures, facts to run again and to compare with.

Source: "EZKL CNN Benchmark - Analysis Summary", 29 November 2025, EZKL 23.0.3, 125 GB of memory; the two files under
``data/`` hold its list of experiments and its results table.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"

SCALES = (10, 7)
"""Scales in bits, which the published benchmark calls tolerance 0.5 and 2.0."""

MEMORY_GB = 125
"""Memory of the published benchmark's machine."""


@dataclass(frozen=True)
class PublishedExperiment:
    """One of the 20 experiments; the published outcome holds for both scales."""

    name: str
    category: str
    input_shape: tuple[int, ...]
    layer: str
    outcome: str

    @property
    def proved(self) -> bool:
        """Whether the published benchmark has a proof of it."""
        return self.outcome == "proved"


@dataclass(frozen=True)
class PublishedFigures:
    """What the published benchmark measured at one scale. ``proof_bytes`` is EZKL's file, public values included."""

    rows: int
    setup_seconds: float
    pk_bytes: int
    vk_bytes: int
    prove_seconds: float
    prove_seconds_std: float
    proof_file_bytes: int
    verify_seconds: float


@cache
def published_experiments() -> tuple[PublishedExperiment, ...]:
    """The 20 experiments, in the published order."""
    with (_DATA / "experiments.csv").open(newline="") as file:
        return tuple(
            PublishedExperiment(
                line["experiment"],
                line["category"],
                tuple(int(side) for side in line["input_shape"].split("x")),
                line["layer"],
                line["published_outcome"],
            )
            for line in csv.DictReader(file)
        )


@cache
def published_figures() -> dict[tuple[str, int], PublishedFigures]:
    """Measured figures by experiment and scale in bits; those that failed have none."""
    with (_DATA / "published.csv").open(newline="") as file:
        return {
            (line["experiment"], int(line["scale_bits"])): PublishedFigures(
                rows=int(line["num_rows"]),
                setup_seconds=float(line["setup_s"]),
                pk_bytes=round(float(line["pk_kb"]) * 1024),
                vk_bytes=round(float(line["vk_kb"]) * 1024),
                prove_seconds=float(line["prove_s_mean"]),
                prove_seconds_std=float(line["prove_s_std"]),
                proof_file_bytes=round(float(line["proof_kb"]) * 1024),
                verify_seconds=float(line["verify_s"]),
            )
            for line in csv.DictReader(file)
        }
