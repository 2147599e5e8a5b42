"""What machine the benchmark needs, and where ours saves little."""

from __future__ import annotations

from zk.benchmark.published import MEMORY_GB
from zk.benchmark.report.data import COLUMNS, Benchmark, Pair
from zk.benchmark.report.quantities import (
    PEAK,
    PROVE,
    ROWS,
    SETUP,
    VERIFY,
    WITNESS,
    Reading,
    italic,
    measured,
    ratio,
    reading,
    show_ratio,
)
from zk.benchmark.report.text import GIB, NOTHING, count, gib, listed, number, sentence, table, times
from zk.benchmark.row import LayerRow
from zk.benchmark.statistics import summarize

MEMORY_SIZES_GIB = (4, 8, 16, 24)
"""Memory of machines that one can buy, in GiB."""

LITTLE = 2.0
"""A ratio of stock to ours below this is explained."""

_STAGES = (SETUP, WITNESS, PROVE, VERIFY)


def hardware(benchmark: Benchmark) -> list[str]:
    """Peak memory of both columns, and how many experiments fit a machine."""
    if not benchmark.pairs:
        return ["There are no rows.", ""]
    peaks = {column: [reading(row, PEAK) for row in benchmark.column(column)] for column in COLUMNS}
    known = {column: [entry for entry in peaks[column] if entry is not None] for column in COLUMNS}
    lines = []
    for column in COLUMNS:
        for predicted in (False, True):
            found = [entry.value for entry in known[column] if entry.predicted is predicted]
            if found:
                total = summarize(found)
                shown = map(gib, (total.minimum, total.median, total.mean, total.maximum))
                kind = "predicted" if predicted else "measured"
                lines.append([column, kind, str(total.count), *(italic(text, predicted) for text in shown)])
    fits = [[column, str(len(known[column])), *_fitting(known[column])] for column in COLUMNS]
    return [
        "Greatest memory of any stage's process; 1 GiB is 2^30 bytes.",
        "",
        *table(("column", "peak GiB", "rows", "min", "median", "mean", "max"), lines),
        "Rows whose peak is below a machine's whole memory, those by prediction in italics; the system and whatever "
        "else runs need some of it too:",
        "",
        *table(("column", "rows with a peak", *(f"{size} GiB" for size in MEMORY_SIZES_GIB)), fits),
        *[f"- {_needed(column, known[column], len(peaks[column]))}" for column in COLUMNS],
        *[f"- {text}" for text in _stages(benchmark)],
        "",
    ]


def _fitting(known: list[Reading]) -> list[str]:
    cells = []
    for size in MEMORY_SIZES_GIB:
        inside = [entry for entry in known if entry.value < size * GIB]
        guessed = sum(entry.predicted for entry in inside)
        cells.append(f"{len(inside) - guessed}" + (f" + *{guessed}*" if guessed else ""))
    return cells


def _needed(column: str, known: list[Reading], rows: int) -> str:
    if not known:
        return f"{sentence(column)}: no peak is known."
    most = max(known, key=lambda entry: entry.value)
    size = next((size for size in MEMORY_SIZES_GIB if most.value < size * GIB), None)
    amount = italic(f"{gib(most.value)} GiB", most.predicted)
    text = f"{sentence(column)}: the greatest of {count(len(known), 'known peak')} is {amount}"
    text += ", predicted; " if most.predicted else "; "
    text += f"a machine with {size} GiB holds them all" if size else f"more than {MEMORY_SIZES_GIB[-1]} GiB are needed"
    text += f" (the published machine had {MEMORY_GB} GB)"
    return f"{text}; {count(rows - len(known), 'row')} without a known peak." if rows > len(known) else f"{text}."


def _stages(benchmark: Benchmark) -> list[str]:
    lines = []
    for column in COLUMNS:
        tally: dict[str, int] = {}
        for row in benchmark.column(column):
            if row.measured and row.stage_peaks:
                stage = max(row.stage_peaks, key=lambda name: row.stage_peaks[name])
                tally[stage] = tally.get(stage, 0) + 1
        if tally:
            said = [f"{stage} in {amount}" for stage, amount in sorted(tally.items(), key=lambda item: -item[1])]
            lines.append(f"{sentence(column)}: the stage with the greatest peak is {listed(said)}.")
    return lines


def small_savings(benchmark: Benchmark) -> list[str]:
    """Experiments where stock takes less than twice what ours does, each with what the data say of the reason."""
    found = [(pair, entry) for pair in benchmark.pairs if (entry := ratio(pair, PROVE)) is not None]
    if not found:
        return ["No experiment has a ratio of proving times.", ""]
    small = sorted(((pair, entry) for pair, entry in found if entry.value < LITTLE), key=lambda item: item[1].value)
    peaks = [entry for pair in benchmark.pairs if (entry := ratio(pair, PEAK)) is not None]
    lines = [
        f"Stock takes less than {times(LITTLE)} the proving time of ours in {len(small)} of "
        f"{count(len(found), 'experiment')} with a ratio, {sum(entry.value < 1 for _, entry in small)} of them below "
        f"1x; the peak memory is below {times(LITTLE)} in {sum(entry.value < LITTLE for entry in peaks)} of "
        f"{len(peaks)}. Predicted ratios are counted"
        + (", and in italics." if small else ".")
        + (" Small layers at fine scales are another matter: see the precision study." if benchmark.precision else ""),
        "",
    ]
    if not small:
        return lines
    heads = ("experiment", "scale", "prove", "setup", "witness", "verify", "peak", "rows", "what the data show")
    rows = [
        [pair.experiment, str(pair.scale_bits)]
        + [show_ratio(ratio(pair, quantity)) for quantity in (PROVE, SETUP, WITNESS, VERIFY, PEAK, ROWS)]
        + [explanation(pair, benchmark)]
        for pair, _ in small
    ]
    return [*lines, *table(heads, rows)]


def explanation(pair: Pair, benchmark: Benchmark) -> str:
    """What the two rows of a pair show of a small ratio, in words."""
    stock, ours = pair.stock, pair.ours
    if stock is None or ours is None:
        return NOTHING
    said = [
        text for text in (_heights(stock, ours), _widths(stock, ours), _rows(pair), _fixed(ours, benchmark)) if text
    ]
    if ours.activation_bits and stock.activation_bits and ours.activation_bits > stock.activation_bits:
        said.append(f"ours works at {ours.activation_bits} bits, stock at {stock.activation_bits}")
    if ours.parts > stock.parts:
        said.append(f"ours is {ours.parts} circuits, stock {stock.parts}")
    if text := _stage(pair):
        said.append(text)
    return "; ".join(said) or "nothing in these rows explains it"


def _heights(stock: LayerRow, ours: LayerRow) -> str:
    if stock.logrows is None or ours.logrows is None:
        return ""
    if stock.logrows == ours.logrows:
        return f"both circuits are 2^{ours.logrows} high, and time goes by height and columns, not by the rows used"
    return f"stock is 2^{stock.logrows} high, ours 2^{ours.logrows}"


def _widths(stock: LayerRow, ours: LayerRow) -> str:
    if stock.columns is None or ours.columns is None:
        return ""
    amounts = f"{ours.columns} permutation columns to stock's {stock.columns}"
    return f"ours is no narrower, {amounts}" if ours.columns >= stock.columns else f"ours has {amounts}"


def _rows(pair: Pair) -> str:
    found = ratio(pair, ROWS)
    if found is None:
        return ""
    if found.value < 1:
        return f"ours has more rows: stock {times(found.value)} of them"
    if found.value < LITTLE:
        return f"stock has only {times(found.value)} the rows, so there is little to save"
    return f"stock has {times(found.value)} the rows"


def _fixed(ours: LayerRow, benchmark: Benchmark) -> str:
    seconds = measured(ours, PROVE)
    floor = [value for row in benchmark.column("ours") if (value := measured(row, PROVE)) is not None]
    if seconds is None or seconds > LITTLE * min(floor):
        return ""
    return (
        f"ours proves within {times(LITTLE)} of its fastest experiment ({number(min(floor))} s), so costs that every "
        "circuit has dominate"
    )


def _stage(pair: Pair) -> str:
    found = [(entry.value, quantity.name) for quantity in _STAGES if (entry := ratio(pair, quantity)) is not None]
    if len(found) < 2:
        return ""
    least, most = min(found), max(found)
    return f"least saved in {least[1].removesuffix(' s')} ({times(least[0])}), most in {most[1].removesuffix(' s')}"
