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
_CLAIM = {
    "stock": (
        "The published claim needs this correction.",
        "The published claim is confirmed for this column over these scales.",
    ),
    "ours": ("The published claim does not carry over to ours.", "The published claim carries over to ours."),
}
"""What follows for the published claim, which is about stock, if some layer is dearer, and if none is."""


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
        *[f"- {text}" for text in (*_verdicts(series, margin), *_heights(series))],
        "",
        *_between_columns(series),
        *_not_counted(benchmark.precision),
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
        text += f", not for {listed(dear)}. {_CLAIM[column][0]}" if dear else f". {_CLAIM[column][1]}"
        lines.append(text)
        if unknown := [name for name in own if name not in known]:
            lines.append(f"{sentence(column)}: not measured at both ends: {listed(unknown)}.")
    return lines


def _heights(series: dict[tuple[str, str], list[LayerRow]]) -> list[str]:
    """Where a column's circuits have one height at every scale, finer tables cost nothing until they need a higher."""
    lines = []
    for column in COLUMNS:
        own = {name: {row.logrows for row in rows} for (name, side), rows in series.items() if side == column}
        if own:
            level = [name for name, found in own.items() if len(found) == 1]
            heights = [height for found in own.values() for height in found if height is not None]
            text = f"{sentence(column)}: {len(level)} of {count(len(own), 'layer')} have one height at every scale"
            if heights:
                text += f"; heights go from 2^{min(heights)} to 2^{max(heights)}"
            lines.append(f"{text}.")
    return lines


def _between_columns(series: dict[tuple[str, str], list[LayerRow]]) -> list[str]:
    """Stock over ours at equal scales: where ours is the dearer of the two."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name in dict.fromkeys(name for name, _ in series):
        stock = {row.scale_bits: row for row in series.get((name, "stock"), [])}
        for row in series.get((name, "ours"), []):
            mine, theirs = measured(row, PROVE), measured(stock.get(row.scale_bits), PROVE)
            if mine is not None and theirs is not None and is_proved(row):
                found.setdefault(name, []).append((row.scale_bits, theirs / mine))
    pairs = [value for values in found.values() for _, value in values]
    if not pairs:
        return []
    lines = [
        f"Stock over ours at the same pinned scale, proving seconds: {times(min(pairs))} to {times(max(pairs))}, below "
        f"2x in {sum(value < 2 for value in pairs)} of {count(len(pairs), 'pair')} and below 1x, where ours is the "
        f"dearer, in {sum(value < 1 for value in pairs)}. A checked circuit's tables are as long as the circuit is "
        "high, so its height follows the bits, however few rows a small layer has.",
        "",
    ]
    shown = []
    for name, values in found.items():
        dear = [bits for bits, value in values if value < 1]
        ends = [value for _, value in values]
        shown.append([name, times(ends[0]), times(ends[-1]), listed([str(bits) for bits in dear]) or NOTHING])
    return [*lines, *table(("layer", "coarsest scale", "finest scale", "ours is dearer at"), shown)]


def _not_counted(rows: Sequence[LayerRow]) -> list[str]:
    """Proofs that EZKL accepts and that do not count, with the audit's reasons."""
    loose: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        if row.measured and not is_proved(row):
            reason = row.wiring_reason.partition(";")[0]
            loose[row.experiment, row.variant, row.wiring, reason] = (
                loose.get((row.experiment, row.variant, row.wiring, reason), 0) + 1
            )
    lines = [
        f"- {name}, {column}: {count(amount, 'proof')} accepted by EZKL and not counted, wiring {wiring} ({reason})."
        for (name, column, wiring, reason), amount in loose.items()
    ]
    return [*lines, ""] if lines else []


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
        equal = [left.experiment for left, right in both if same_circuit(left, right)]
        both = [pair for pair in both if not same_circuit(*pair)]
        said = []
        for quantity in (*_COSTS, ERROR):
            pairs = [(measured(left, quantity), measured(right, quantity)) for left, right in both]
            found = [left / right for left, right in pairs if left is not None and right is not None]
            if found:
                said.append(f"{quantity.name} {times(geometric_mean(found))} ({count(len(found), 'experiment')})")
        if said:
            text = f"- {sentence(column)} at {fine} bits over {coarse} bits, geometric means: {listed(said)}"
            if equal:
                text += f"; left out, because both scales lead to one circuit: {listed(equal)}"
            lines.append(f"{text}.")
    return [*lines, ""] if lines else []


def same_circuit(left: LayerRow, right: LayerRow) -> bool:
    """Whether two scales lead to one layout at one number of bits, so that they differ by chance alone."""
    return left.activation_bits == right.activation_bits and (left.rows, left.logrows) == (right.rows, right.logrows)


def scale_cost(benchmark: Benchmark, column: str) -> list[float]:
    """Proving time at the finer published scale over the coarser's, of experiments proved at both as two circuits."""
    rows = {(row.experiment, row.scale_bits): row for row in benchmark.column(column) if is_proved(row)}
    found = []
    for name, bits in rows:
        left, right = reading(rows[name, bits], PROVE), reading(rows.get((name, min(SCALES))), PROVE)
        if bits == max(SCALES) and left is not None and right is not None:
            if same_circuit(rows[name, bits], rows[name, min(SCALES)]):
                continue
            found.append(left.value / right.value)
    return found
