"""A comparison of studies as tables, Markdown and plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table

from search.comparison import Comparison, Pair, StudyResult
from search.tables import markdown_table, rich_table

TOLD = ("scored", "stopped", "infeasible", "failed")
"""Numbers of trials that are told even where they are 0."""
FAILED = ("diverged", "unscored", "interrupted")
_PAIR_HEADINGS = {
    "first": "A",
    "second": "B",
    "ratio": "hypervolume A / B",
    "first_covers": "of B's front, A covers",
    "second_covers": "of A's front, B covers",
    "first_seconds": "A's seconds to B's hypervolume",
    "second_seconds": "B's seconds to A's hypervolume",
}


def trial_counts(states: Mapping[str, int]) -> dict[str, int]:
    """Return numbers of trials: those of :data:`TOLD`, then any other state; :data:`FAILED` are counted together."""
    failed = sum(states.get(state, 0) for state in FAILED)
    others = {state: count for state, count in states.items() if state not in (*TOLD, *FAILED)}
    return {**{state: states.get(state, 0) for state in TOLD}, "failed": states.get("failed", 0) + failed, **others}


def tables(comparison: Comparison) -> list[Table]:
    """Return what a terminal shows: figures of each study, then each two of them."""
    rows, heading = _figure_rows(comparison)
    columns = ["figure", *(str(place) for place in range(len(comparison.studies)))]
    pairs = [_pair_row(pair) for pair in comparison.pairs]
    return [
        rich_table(rows, columns, "Studies", heading=heading),
        rich_table(pairs, list(_PAIR_HEADINGS), "In pairs", heading=_PAIR_HEADINGS.__getitem__),
    ]


def notes(comparison: Comparison) -> list[str]:
    """Return what is to be said beside the tables: warnings, then the reference point and how to read figures."""
    values = zip(comparison.objectives, comparison.reference, strict=True)
    point = ", ".join(f"{label.partition(' ')[2]} {_number(value)}" for label, value in values)
    return [
        *(f"warning: {text}" for text in comparison.warnings),
        f"Reference point: {point} ({comparison.reference_source}).",
        "A point covers another if it is nowhere worse. Seconds are those that trials took, added up in the order in "
        "which they ended; objectives are of the float generators.",
    ]


def as_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    rows, heading = _figure_rows(comparison)
    columns = ["figure", *(str(place) for place in range(len(comparison.studies)))]
    pairs = [_pair_row(pair) for pair in comparison.pairs]
    first, second = (
        markdown_table(rows, columns, heading=heading),
        markdown_table(pairs, list(_PAIR_HEADINGS), heading=_PAIR_HEADINGS.__getitem__),
    )
    return "\n\n".join([first, second, *notes(comparison)]) + "\n"


def as_values(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as values for JSON: what is not known is null, and seconds may be ``never``."""
    metrics = [label.partition(" ")[2] for label in comparison.objectives]
    return {
        "objectives": list(comparison.objectives),
        "reference": dict(zip(metrics, comparison.reference, strict=True)),
        "reference_source": comparison.reference_source,
        "warnings": list(comparison.warnings),
        "studies": [
            {
                "study": result.figures.name,
                "trials": trial_counts(result.figures.states),
                "trial_seconds": result.figures.trial_seconds,
                "train_images": result.figures.train_images,
                "front": result.front_size,
                "hypervolume": result.hypervolume,
                "seconds_to_own_hypervolume": result.own_seconds,
                "best": dict(zip(metrics, result.best, strict=False)),
            }
            for result in comparison.studies
        ],
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "hypervolume_ratio": pair.hypervolume_ratio,
                "share_of_second_covered_by_first": pair.first_covers,
                "share_of_first_covered_by_second": pair.second_covers,
                "first_seconds_to_hypervolume_of_second": _or_never(pair.first_seconds),
                "second_seconds_to_hypervolume_of_first": _or_never(pair.second_seconds),
            }
            for pair in comparison.pairs
        ],
    }


def _figure_rows(comparison: Comparison) -> tuple[list[dict[str, Any]], Callable[[str], str]]:
    """Rows of figures with a column for each study, by its place, and what gives the columns' headings."""
    studies = comparison.studies
    counts = [trial_counts(result.figures.states) for result in studies]
    states = dict.fromkeys(state for count in counts for state in count)
    figures: list[tuple[str, list[Any]]] = [(f"{state} trials", [c.get(state, 0) for c in counts]) for state in states]
    figures += [
        ("trial seconds, total", [_seconds(result.figures.trial_seconds) for result in studies]),
        ("images trained on", [int(result.figures.train_images) for result in studies]),
        ("front members", [result.front_size for result in studies]),
        ("hypervolume", [_number(result.hypervolume) for result in studies]),
        ("trial seconds until it had that", [_seconds(result.own_seconds) for result in studies]),
    ]
    for place, label in enumerate(comparison.objectives):
        metric = label.partition(" ")[2]
        figures.append((f"best {metric} ({label.partition(' ')[0]})", [_best(result, place) for result in studies]))
    rows = [{"figure": name, **{str(i): value for i, value in enumerate(values)}} for name, values in figures]
    return rows, lambda name: "" if name == "figure" else studies[int(name)].figures.name


def _best(result: StudyResult, place: int) -> str | None:
    return _number(result.best[place]) if result.best else None


def _pair_row(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "ratio": None if pair.hypervolume_ratio is None else _number(pair.hypervolume_ratio),
        "first_covers": None if pair.first_covers is None else f"{pair.first_covers:.1%}",
        "second_covers": None if pair.second_covers is None else f"{pair.second_covers:.1%}",
        "first_seconds": _seconds(pair.first_seconds),
        "second_seconds": _seconds(pair.second_seconds),
    }


def _number(value: float) -> str:
    return f"{value:,.5g}" if abs(value) < 1e5 else f"{value:,.0f}"


def _seconds(value: float | None) -> str | None:
    if value is None:
        return None
    if math.isinf(value):
        return "never"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _or_never(value: float | None) -> float | str | None:
    return "never" if value == math.inf else value
