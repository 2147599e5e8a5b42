"""What a finer scale costs, and what it brings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from zk.benchmark.published import SCALES, published_figures
from zk.benchmark.report.data import COLUMNS, Benchmark, is_proved, precision_series
from zk.benchmark.report.quantities import ERROR, PEAK, PROVE, ROWS, Quantity, measured, reading, show
from zk.benchmark.report.text import EQUAL_MARGIN, NOTHING, count, listed, number, percent, sentence, table, times
from zk.benchmark.row import LayerRow
from zk.benchmark.statistics import LineFit, coefficient_of_variation, geometric_mean, line_fit

_COSTS = (ROWS, PROVE, PEAK)


def precision(benchmark: Benchmark) -> list[str]:
    """Figures at every scale, what the finest takes of the coarsest, and what becomes of the published claim."""
    lines = [*_published_claim(), *_two_scales(benchmark)]
    if not benchmark.precision:
        return ["There are no rows of a precision study.", "", *lines]
    series = precision_series(benchmark.precision)
    margin = seconds_margin(series)
    return [
        *_every_scale(series),
        "Finest over coarsest scale; the error's factor for each further bit is fitted to its logarithm, and 0.5 means "
        "that each bit halves it. An error of exactly 0 has no logarithm and is left out. A cost counts as greater "
        f"from {percent(EQUAL_MARGIN)} on; proving seconds, measured once in each row, from {percent(margin)} on: "
        "twice what those of a layer scatter between scales whose circuits have the same rows and height.",
        "",
        *_ends(series, margin),
        *[f"- {text}" for text in _verdicts(series, margin)],
        "",
        *lines,
    ]


def _every_scale(series: dict[tuple[str, str], list[LayerRow]]) -> list[str]:
    lines = [
        [name, column, str(row.scale_bits), number(row.activation_bits), str(row.outcome), number(row.logrows)]
        + [show(row, quantity) for quantity in _COSTS]
        + [number(row.max_abs_error), number(row.mean_abs_error)]
        for (name, column), rows in series.items()
        for row in rows
    ]
    heads = ("layer", "column", "scale", "used", "outcome", "logrows", *(quantity.name for quantity in _COSTS))
    return table((*heads, "max error", "mean error"), lines)


def seconds_margin(series: dict[tuple[str, str], list[LayerRow]]) -> float:
    """Twice the pooled relative deviation of proving seconds among equal circuits, at least :data:`EQUAL_MARGIN`.

    Circuits of one layer and column are equal if their rows and their heights are.
    """
    total, freedom = 0.0, 0
    for rows in series.values():
        sizes: dict[tuple[int | None, int | None], list[float]] = {}
        for row in rows:
            if (seconds := measured(row, PROVE)) is not None:
                sizes.setdefault((row.rows, row.logrows), []).append(seconds)
        for found in sizes.values():
            if (variation := coefficient_of_variation(found)) is not None:
                total += (len(found) - 1) * variation**2
                freedom += len(found) - 1
    return max(EQUAL_MARGIN, 2 * math.sqrt(total / freedom)) if freedom else EQUAL_MARGIN


def _ends(series: dict[tuple[str, str], list[LayerRow]], margin: float) -> list[str]:
    lines = []
    for (name, column), rows in series.items():
        fit = error_fit(rows)
        cells = [name, column, f"{rows[0].scale_bits} to {rows[-1].scale_bits}"]
        cells += [times(end_ratio(rows, quantity)) for quantity in _COSTS]
        cells += [NOTHING if fit is None else number(2**fit.slope), NOTHING if fit is None else str(fit.points)]
        lines.append([*cells, _verdict(rows, margin)])
    heads = ("layer", "column", "scales", *(f"{quantity.name} ratio" for quantity in _COSTS))
    return table((*heads, "max error for each bit", "points", "precision is"), lines)


def error_fit(rows: Sequence[LayerRow]) -> LineFit | None:
    """Line through the greatest error's base-2 logarithm against the asked scale in bits; None below two scales."""
    found = [(float(row.scale_bits), math.log2(error)) for row in rows if (error := measured(row, ERROR)) is not None]
    if len({bits for bits, _ in found}) < 2:
        return None
    return line_fit([bits for bits, _ in found], [error for _, error in found])


def end_ratio(rows: Sequence[LayerRow], quantity: Quantity) -> float | None:
    """Value at the finest scale over that at the coarsest; None where either was not measured, or they are one."""
    first, last = measured(rows[0], quantity), measured(rows[-1], quantity)
    return last / first if first is not None and last is not None and len(rows) > 1 else None


def _verdict(rows: Sequence[LayerRow], margin: float) -> str:
    found = [(quantity, end_ratio(rows, quantity)) for quantity in _COSTS]
    known = [(quantity, value) for quantity, value in found if value is not None]
    if len(known) < len(found):
        return "unknown"
    margins = {PROVE.name: margin}
    dear = [
        f"{quantity.name} {times(value)}"
        for quantity, value in known
        if value > 1 + margins.get(quantity.name, EQUAL_MARGIN)
    ]
    return f"not free: {', '.join(dear)}" if dear else "free"


def _verdicts(series: dict[tuple[str, str], list[LayerRow]], margin: float) -> list[str]:
    lines = []
    for column in COLUMNS:
        own = {name: _verdict(rows, margin) for (name, side), rows in series.items() if side == column}
        known = {name: verdict for name, verdict in own.items() if verdict != "unknown"}
        if own and not known:
            lines.append(f"{sentence(column)}: no layer was measured at both ends, so nothing follows.")
        if not known:
            continue
        dear = [f"{name} ({verdict.partition(': ')[2]})" for name, verdict in known.items() if verdict != "free"]
        text = f"{sentence(column)}: precision is free (within these margins) for {len(known) - len(dear)} of "
        text += count(len(known), "layer")
        text += (
            f", not for {listed(dear)}. The published claim needs this correction."
            if dear
            else (". The published claim is confirmed for this column over these scales.")
        )
        lines.append(text)
        if unknown := [name for name in own if name not in known]:
            lines.append(f"{sentence(column)}: not measured at both ends: {listed(unknown)}.")
    return lines


def _published_claim() -> list[str]:
    figures = published_figures()
    fine, coarse = max(SCALES), min(SCALES)
    names = [name for name, scale in figures if scale == fine and (name, coarse) in figures]
    prove = [figures[name, fine].prove_seconds / figures[name, coarse].prove_seconds for name in names]
    rows = [figures[name, fine].rows / figures[name, coarse].rows for name in names]
    return [
        f"The published claim that precision is free compares two scales, {coarse} and {fine} bits: over "
        f"{count(len(names), 'experiment')} the finer takes {times(geometric_mean(prove))} the proving time (geometric "
        f"mean; median {times(statistics.median(prove))}, {times(min(prove))} to {times(max(prove))}) and "
        f"{times(geometric_mean(rows))} the rows. It says nothing of the error, nor of scales outside these two.",
        "",
    ]


def _two_scales(benchmark: Benchmark) -> list[str]:
    fine, coarse = max(SCALES), min(SCALES)
    lines = []
    for column in COLUMNS:
        rows = {(row.experiment, row.scale_bits): row for row in benchmark.column(column)}
        both = [
            (rows[name, fine], rows[name, coarse]) for name, bits in rows if bits == fine and (name, coarse) in rows
        ]
        said = []
        for quantity in (*_COSTS, ERROR):
            pairs = [(measured(left, quantity), measured(right, quantity)) for left, right in both]
            found = [left / right for left, right in pairs if left is not None and right is not None]
            if found:
                said.append(f"{quantity.name} {times(geometric_mean(found))} ({count(len(found), 'experiment')})")
        if said:
            lines.append(f"- {sentence(column)} at {fine} bits over {coarse} bits, geometric means: {listed(said)}.")
    return [*lines, ""] if lines else []


def scale_cost(benchmark: Benchmark, column: str) -> list[float]:
    """Proving time at the finer published scale over that at the coarser, of experiments proved at both."""
    rows = {(row.experiment, row.scale_bits): row for row in benchmark.column(column) if is_proved(row)}
    found = []
    for name, bits in rows:
        left, right = reading(rows[name, bits], PROVE), reading(rows.get((name, min(SCALES))), PROVE)
        if bits == max(SCALES) and left is not None and right is not None:
            found.append(left.value / right.value)
    return found
