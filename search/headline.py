"""The headline scores of a front member: its circuit's, or else the float generator's, and it says which."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CIRCUIT, FLOAT = "circuit", "float"
HEADLINE_SCORES = ("accuracy", "judge_accuracy", "inception_score", "diversity", "frechet_distance")
"""Scores of float and of circuit images: in a row ``accuracy`` is float, ``circuit_accuracy`` the circuit's."""
HEADLINE_COLUMNS = (*(f"headline_{name}" for name in HEADLINE_SCORES), "headline_arithmetic")
CIRCUIT_COLUMNS = tuple(f"circuit_{name}" for name in HEADLINE_SCORES)
_FLOAT_ONLY = ("mode_entropy_normalised", "cas")


@dataclass(frozen=True)
class Headline:
    """What a front member is shown with.

    Attributes:
        arithmetic: ``circuit`` or ``float``, of all scores alike.
        scores: finite values by the names of :data:`HEADLINE_SCORES`; all of them for a circuit.
        reason: why they are not the circuit's; empty if they are.
    """

    arithmetic: str
    scores: Mapping[str, float]
    reason: str


def headline(row: Mapping[str, Any]) -> Headline:
    """Choose the headline of ``row``: the circuit's scores if all are finite and nothing refused it, else float ones.

    The two are never mixed, and a score that is missing, NaN or infinite is left out.
    """
    circuit, reason = _finite(row, "circuit_"), str(row.get("circuit_failure") or "")
    missing = [f"circuit_{name}" for name in HEADLINE_SCORES if name not in circuit]
    if not missing and not reason:
        return Headline(CIRCUIT, circuit, "")
    unscored = f"no finite {', '.join(missing)}" if circuit else "its circuit's images were not scored"
    return Headline(FLOAT, _finite(row, ""), reason or unscored)


def _finite(row: Mapping[str, Any], prefix: str) -> dict[str, float]:
    values = {name: row.get(prefix + name) for name in HEADLINE_SCORES}
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def with_headline(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``row`` with :data:`HEADLINE_COLUMNS` after its first columns, and ``float_reason`` if they are float."""
    found = headline(row)
    first = {name: row[name] for name in ("trial", "state", "front") if name in row}
    added: dict[str, Any] = {f"headline_{name}": value for name, value in found.scores.items()}
    added["headline_arithmetic"] = found.arithmetic
    if found.reason:
        added["float_reason"] = found.reason
    rest = {name: value for name, value in row.items() if name not in (*HEADLINE_COLUMNS, "float_reason", *first)}
    return first | added | rest


def in_headline_order(rows: Sequence[Mapping[str, Any]], metric: str, *, maximise: bool) -> list[dict[str, Any]]:
    """Return ``rows`` (see :func:`with_headline`) best headline first, if ``metric`` is a score; else as they are.

    The circuits' scores come before float ones, which are not comparable with them. Equals keep their order.
    """

    def rank(row: Mapping[str, Any]) -> tuple[bool, float]:
        value = row.get(f"headline_{metric}")
        cost = math.inf if value is None else -value if maximise else value
        return row["headline_arithmetic"] != CIRCUIT, cost

    found = [dict(row) for row in rows]
    return sorted(found, key=rank) if metric in HEADLINE_SCORES else found


def column_heading(name: str) -> str:
    """Return the heading of column ``name``: headlines are plain (``accuracy``), the others ``float_accuracy``."""
    if name in (*HEADLINE_SCORES, *_FLOAT_ONLY):
        return f"float_{name}"
    return name.removeprefix("headline_")


def headline_notes(front: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is to be said beside a table of ``front``: what its scores are of, and who shows float ones, why."""
    if not front:
        return []
    return [
        "Arithmetic circuit: scores of the images that the member's circuit computes, roundings and tables included. "
        "Columns named float: scores of the float generator.",
        *(f"Trial {row['trial']} shows float scores: {row['float_reason']}" for row in front if "float_reason" in row),
    ]
