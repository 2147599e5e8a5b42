"""Experiments by category, by speed and by layer, and the composite networks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zk.benchmark.report.data import COLUMNS, Benchmark, Pair
from zk.benchmark.report.quantities import (
    PEAK,
    PROVE,
    ROWS,
    Reading,
    experiment_means,
    italic,
    published_value,
    reading,
    show,
    summary,
    values,
)
from zk.benchmark.report.text import NOTHING, count, listed, number, percent, sentence, table, times
from zk.benchmark.row import LayerRow
from zk.benchmark.statistics import power_fit

SIDES = (*COLUMNS, "published")
"""The columns, and the published benchmark beside them."""

TIERS = ((0.0, 10.0, "under 10 s"), (10.0, 100.0, "10 to 100 s"), (100.0, float("inf"), "100 s and more"))
"""The published performance tiers: least seconds, seconds that are too many, name."""


def categories(benchmark: Benchmark) -> list[str]:
    """Mean, least and greatest of seconds, memory and rows in each category."""
    lines = []
    for category in dict.fromkeys(pair.category for pair in benchmark.pairs):
        for side in SIDES:
            own = [pair for pair in benchmark.pairs if pair.category == category]
            pairs = [pair for pair in own if (taken := _prove(pair, side)) is not None and not taken.predicted]
            cells = [category, side, str(len(pairs))]
            for quantity in (PROVE, PEAK, ROWS):
                found = summary(values(pairs, side, quantity))
                shown = (None,) * 3 if found is None else (found.mean, found.minimum, found.maximum)
                cells += [quantity.show(value) for value in shown]
            lines.append(cells)
    if not lines:
        return ["There are no rows.", ""]
    heads = [f"{quantity.name} {what}" for quantity in (PROVE, PEAK, ROWS) for what in ("mean", "min", "max")]
    return [
        "Measured values only, so a column that could not run its large experiments looks cheaper than it is: compare "
        "the number of measured experiments first.",
        "",
        *table(("category", "column", "measured", *heads), lines),
        *[f"- {text}" for text in _composite_cost(benchmark)],
        "",
    ]


def _composite_cost(benchmark: Benchmark) -> list[str]:
    lines = []
    for side in SIDES:
        means = [
            summary(values([pair for pair in benchmark.pairs if pair.category == category], side, PROVE))
            for category in ("composite", "core")
        ]
        if means[0] is not None and means[1] is not None:
            lines.append(
                f"{sentence(side)}: a measured composite network takes {times(means[0].mean / means[1].mean)} the mean "
                f"proving time of a measured core layer ({means[0].count} against {means[1].count} experiments)."
            )
    return lines


def tiers(benchmark: Benchmark) -> list[str]:
    """Which experiments prove in under 10 s, in 10 to 100 s, and in more."""
    if not benchmark.pairs:
        return ["There are no rows.", ""]
    lines = []
    for least, most, name in TIERS:
        for side in SIDES:
            found = [(pair, value) for pair in benchmark.pairs if (value := _prove(pair, side)) is not None]
            inside = [(pair, value) for pair, value in found if least <= value.value < most]
            amounts = [sum(value.predicted is predicted for _, value in inside) for predicted in (False, True)]
            lines.append([name, side, str(amounts[0]), italic(str(amounts[1]), bool(amounts[1])), _tier_names(inside)])
    none = [
        f"{sum(_prove(pair, side) is None for pair in benchmark.pairs)} of {len(benchmark.pairs)} {side}"
        for side in SIDES
    ]
    return [
        *table(("mean proving time", "column", "measured", "predicted", "experiments"), lines),
        f"Without a proving time, measured or predicted: {listed(none)}.",
        "",
    ]


def _prove(pair: Pair, side: str) -> Reading | None:
    if side != "published":
        return reading(pair.row(side), PROVE)
    value = published_value(pair, PROVE)
    return None if value is None else Reading(value, False)


def _tier_names(inside: Sequence[tuple[Pair, Reading]]) -> str:
    scales: dict[str, list[str]] = {}
    for pair, value in inside:
        scales.setdefault(pair.experiment, []).append(italic(str(pair.scale_bits), value.predicted))
    return ", ".join(f"{name} ({', '.join(bits)})" for name, bits in scales.items()) or NOTHING


def ranking(benchmark: Benchmark) -> list[str]:
    """Experiments from fast to slow, by their mean over the scales, and how well rows foretell seconds."""
    means = {side: experiment_means(benchmark, side, PROVE) for side in SIDES}
    ranks = {side: {name: place for place, name in enumerate(_by_value(means[side]), 1)} for side in SIDES}
    names = [*_by_value(means["ours"]), *(name for name in _by_value(means["stock"]) if name not in means["ours"])]
    if not names:
        return ["No experiment has a proving time at every scale that was run.", ""]
    lines = []
    for name in names:
        cells = [name]
        for side in ("ours", "stock", "published"):
            found = means[side].get(name)
            cells.append(NOTHING if found is None else italic(number(found.value), found.predicted))
            cells.append(str(ranks[side].get(name, NOTHING)))
        lines.append(cells)
    heads = [text for side in ("ours", "stock", "published") for text in (f"{side} prove s", "place")]
    own = _by_value(means["ours"])
    text = "Fastest first, mean over the scales; an italic mean rests on a prediction. "
    text += f"Of ours {own[0]} is first and {own[-1]} last." if own else "No experiment of ours has one."
    return [text, "", *table(("experiment", *heads), lines), *[f"- {line}" for line in _size_fits(benchmark)], ""]


def _by_value(means: dict[str, Reading]) -> list[str]:
    return sorted(means, key=lambda name: means[name].value)


def _size_fits(benchmark: Benchmark) -> list[str]:
    lines = []
    for side in SIDES:
        points = [
            (rows.value, seconds.value)
            for pair in benchmark.pairs
            if (seconds := _prove(pair, side)) is not None
            and not seconds.predicted
            and (rows := _rows(pair, side)) is not None
        ]
        if len(points) > 2 and len({rows for rows, _ in points}) > 1:
            fit = power_fit(*zip(*points, strict=True))
            lines.append(
                f"{sentence(side)}: proving seconds go as rows to the power {number(fit.exponent)} "
                f"(R² {number(fit.r_squared)}, {fit.points} measured experiments of all kinds)."
            )
    return lines


def _rows(pair: Pair, side: str) -> Reading | None:
    if side != "published":
        return reading(pair.row(side), ROWS)
    value = published_value(pair, ROWS)
    return None if value is None else Reading(value, False)


def composites(benchmark: Benchmark) -> list[str]:
    """The composite networks, with the accuracy that the circuit keeps."""
    pairs = [pair for pair in benchmark.pairs if pair.category == "composite"]
    if not pairs:
        return ["There are no rows of composite networks.", ""]
    heads = ("network", "scale", "column", "outcome", "rows", "prove s", "peak GiB", "whole test set", "float accuracy")
    lines, scored = [], []
    for pair in pairs:
        for column in COLUMNS:
            if (row := pair.row(column)) is None:
                continue
            cells = [pair.experiment, str(pair.scale_bits), column, str(row.outcome)]
            cells += [show(row, quantity) for quantity in (ROWS, PROVE, PEAK)]
            cells += [percent(row.test_accuracy), percent(row.float_accuracy), percent(row.circuit_accuracy)]
            lines.append([*cells, number(row.accuracy_images) if row.accuracy_images else NOTHING])
            if row.float_accuracy is not None and row.circuit_accuracy is not None:
                scored.append((abs(row.circuit_accuracy - row.float_accuracy), f"{pair.label}, {column}", row))
    said = [_accuracy(scored), *_fastest(benchmark)]
    return [*table((*heads, "circuit accuracy", "on test images"), lines), *[f"- {text}" for text in said], ""]


def _accuracy(scored: Sequence[tuple[float, str, LayerRow]]) -> str:
    if not scored:
        return "No row has both accuracies."
    gap, name, row = max(scored, key=lambda entry: entry[0])
    text = (
        f"{count(len(scored), 'row')} with both accuracies: the circuit's differs from the float network's by at most "
        f"{number(100 * gap)} percentage points ({name})"
    )
    share, images = row.circuit_accuracy, row.accuracy_images
    if share is None or not images:
        return f"{text}."
    error = math.sqrt(share * (1 - share) / images)
    return (
        f"{text}: {count(round(gap * images), 'image')} of the same {images:,}, while one standard error of either "
        f"share is {number(100 * error)} points. In ours an image whose values leave the tables has no proof, and "
        "counts as wrong. Accuracies of stock are simulated on the circuit's integers, those of rows that were not "
        "started, too."
    )


def _fastest(benchmark: Benchmark) -> list[str]:
    composite = {pair.experiment for pair in benchmark.pairs if pair.category == "composite"}
    lines = []
    for side in SIDES:
        means = {name: found for name, found in experiment_means(benchmark, side, PROVE).items() if name in composite}
        names = _by_value(means)
        if len(names) > 1:
            first = means[names[0]]
            others = [
                f"{name} {italic(times(means[name].value / first.value), means[name].predicted or first.predicted)}"
                for name in names[1:]
            ]
            best = f"{names[0]} is fastest" + (" by prediction" if first.predicted else "")
            lines.append(f"{sentence(side)}: {best}; relative to its proving time: {listed(others)}.")
    return lines
