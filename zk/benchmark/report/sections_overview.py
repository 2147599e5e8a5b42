"""What is compared, and how it ended overall."""

from __future__ import annotations

import re
from collections import Counter

from zk.benchmark.published import SCALES, published_experiments
from zk.benchmark.report.data import COLUMNS, Benchmark, Pair, is_proved, missing_rows
from zk.benchmark.report.quantities import PEAK, PROVE, ROWS, SETUP, mean_ratio, measured, ratio, ratios
from zk.benchmark.report.text import NOTHING, count, listed, number, percent, sentence, table, times
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.statistics import geometric_mean

_LIMIT = re.compile(r"above ([0-9.]+): not started")
_STATEMENTS = (
    ("made by", "EZKL as published: its default options, calibrated", "the planner's checked circuit"),
    ("input", "public", "private, committed to"),
    ("weights and biases", "private", "public, part of the statement"),
    ("output", "public", "public"),
)
_MEANINGS = (
    "- *proved*: verified, tampered copies rejected, every committed or public value wired. Nothing else counts.",
    "- *verified_only*: EZKL accepts the proof, and it does not count. Either a value is tied to nothing, so a "
    "dishonest prover may choose it (wiring *unlinked*), or the audit does not know the layout and cannot tell "
    "(*unchecked*). Its times and sizes are measured all the same.",
    "- *predicted*: not started, because the predicted memory is above the limit. Its seconds and bytes are "
    "predictions, and stand *in italics* wherever they are shown, as does every ratio that rests on them. A predicted "
    "peak is the memory that would have had to be free, a margin included, so a ratio of it is an upper one.",
    "- *refused*, *out_of_memory*, *timed_out*: no proof, and no figures.",
)


def statements(benchmark: Benchmark) -> list[str]:
    """What each column proves, and what the outcomes mean."""
    names = published_experiments()
    lines = [
        f"Two columns take the {count(len(names), 'network')} of the published benchmark at "
        f"{count(len(SCALES), 'scale')} ({listed([f'{scale} bits' for scale in SCALES])}). They do not prove the "
        "same statement:",
        "",
        *table(("", *COLUMNS), _STATEMENTS),
        "Stock hides the weights and publishes the input; ours hides the input and publishes the weights. A ratio "
        "between the columns compares two ways to prove a layer, not two proofs of one statement: whoever has to hide "
        "the weights gets nothing from ours, and whoever has to hide the input gets nothing from stock.",
        "",
    ]
    for column in COLUMNS:
        said = Counter(row.statement for row in benchmark.column(column) if row.statement)
        lines += [f"- {column}, {count(amount, 'row')}: {text}" for text, amount in said.most_common()]
    lines += [f"- {text}" for text in (_empty(benchmark), _finer(benchmark), _split(benchmark)) if text]
    if lines[-1]:
        lines.append("")
    return [*lines, "Outcomes:", "", *_MEANINGS, ""]


def _empty(benchmark: Benchmark) -> str:
    stock = [row for row in benchmark.column("stock") if row.measured]
    bare = sorted({row.experiment for row in stock if not row.parameters})
    if not bare:
        return ""
    rows = sum(not row.parameters for row in stock)
    return (
        f"{rows} of {count(len(stock), 'measured stock row')} are of layers without parameters ({listed(bare)}): with "
        "input and output public, such a proof shows what anybody can compute."
    )


def _finer(benchmark: Benchmark) -> str:
    ours = [row for row in benchmark.column("ours") if row.activation_bits]
    finer = sum(row.activation_bits != row.scale_bits for row in ours)
    if not finer:
        return ""
    return (
        "The scale is the one that was asked for. Ours works at that one, or at a finer one where its tables have the "
        f"room anyway ({finer} of {count(len(ours), 'row')}); the bits used stand beside it."
    )


def _split(benchmark: Benchmark) -> str:
    rows = [row for row in benchmark.column("ours") if row.parts > 1]
    if not rows:
        return ""
    names = listed([f"{row.experiment} at scale {row.scale_bits} ({row.parts})" for row in rows])
    return (
        f"Proved as several circuits that share what they commit to: {names}. Their seconds and bytes are sums over "
        "the circuits, their peak is the greatest."
    )


def overall(benchmark: Benchmark) -> list[str]:
    """Outcomes of both columns, mean ratios, and how long it took."""
    if not benchmark.pairs:
        return ["There are no rows.", ""]
    lines = _completeness(benchmark) + _outcomes(benchmark)
    lines += [f"- {_proved(benchmark, column)}" for column in COLUMNS]
    lines += [f"- {text}" for text in (_memory(benchmark), _uncalibrated(benchmark), _unlinked(benchmark)) if text]
    if text := _duration(benchmark):
        lines.append(f"- {text}")
    lines += [f"- {text}" for column in COLUMNS for text in _foresight(benchmark, column)]
    return [*lines, "", *_mean_ratios(benchmark.pairs), *_failures(benchmark)]


def _completeness(benchmark: Benchmark) -> list[str]:
    missing = missing_rows(benchmark.rows)
    if not missing:
        return []
    return [
        f"{count(len(missing), 'row')} of the benchmark "
        f"{'is' if len(missing) == 1 else 'are'} not there: {listed(missing)}.",
        "",
    ]


def _outcomes(benchmark: Benchmark) -> list[str]:
    tallies = {column: Counter(row.outcome for row in benchmark.column(column)) for column in COLUMNS}
    rows = [(str(outcome), *(str(tallies[column][outcome]) for column in COLUMNS)) for outcome in RowOutcome]
    return table(("outcome", *COLUMNS), [*rows, ("all", *(str(tallies[column].total()) for column in COLUMNS))])


def _proved(benchmark: Benchmark, column: str) -> str:
    rows = benchmark.column(column)
    proved = sum(is_proved(row) for row in rows)
    names = len({row.experiment for row in rows})
    whole = sum(
        all(is_proved(row) for row in rows if row.experiment == name) for name in {row.experiment for row in rows}
    )
    return (
        f"{sentence(column)}: {proved} of {count(len(rows), 'row')} proved and wired "
        f"({percent(_share(proved, rows))}); {whole} of {count(names, 'experiment')} at every scale that was run."
    )


def _share(amount: int, rows: list[LayerRow]) -> float | None:
    return amount / len(rows) if rows else None


def _memory(benchmark: Benchmark) -> str:
    failed = {column: _tally(benchmark, column, RowOutcome.OUT_OF_MEMORY) for column in COLUMNS}
    waiting = {column: _tally(benchmark, column, RowOutcome.PREDICTED) for column in COLUMNS}
    said = listed([f"{count(amount, 'row')} of {column}" for column, amount in failed.items()])
    text = f"Out of memory: {said}" if any(failed.values()) else "No row of either column ran out of memory"
    if any(waiting.values()):
        said = listed([count(amount, f"{column} row") for column, amount in waiting.items()])
        limits = sorted({found[1] for row in benchmark.rows if (found := _LIMIT.search(row.message))}, key=float)
        limit = f" of {listed(limits)} GiB" if limits else ""
        return f"{text}; {said} were not started, since their predicted memory is above the limit{limit}."
    return f"{text}, and every row was started."


def _uncalibrated(benchmark: Benchmark) -> str:
    rows = [row for row in benchmark.rows if "not calibrated" in row.message]
    if not rows:
        return ""
    names = listed([f"{row.experiment} at scale {row.scale_bits}" for row in rows])
    return f"Sized without calibration, which itself ran into its limit of memory or time: {names}."


def _unlinked(benchmark: Benchmark) -> str:
    amounts = {column: _tally(benchmark, column, RowOutcome.VERIFIED_ONLY) for column in COLUMNS}
    text = "No proof of these rows that EZKL accepted failed the wiring audit"
    if any(amounts.values()):
        said = [f"{count(amount, 'row')} of {column}" for column, amount in amounts.items()]
        text = f"Accepted by EZKL, yet not counted: {listed(said)}"
    beside = [row for row in benchmark.precision if row.measured]
    loose = Counter((row.variant, row.wiring) for row in beside if row.outcome is RowOutcome.VERIFIED_ONLY)
    if loose:
        said = [f"{count(amount, f'{column} row')} {wiring}" for (column, wiring), amount in sorted(loose.items())]
        text += f"; of the {len(beside)} proofs of the precision study, {listed(said)} (section 10 gives the reasons)"
    return f"{text}."


def _tally(benchmark: Benchmark, column: str, outcome: RowOutcome) -> int:
    return sum(row.outcome is outcome for row in benchmark.column(column))


def _duration(benchmark: Benchmark) -> str:
    spent = [row.total_seconds for row in benchmark.column("ours") if row.total_seconds is not None]
    known = benchmark.machine.get("ours_total_seconds")
    parts = []
    if spent:
        parts.append(f"its {count(len(spent), 'row')} with a time add up to {_hours(sum(spent))}")
    if known is not None and (not spent or abs(known - sum(spent)) > 1):
        parts.append(f"recorded for the column are {_hours(float(known))}")
    return f"Time of ours, planning, repeats and tampering included: {'; '.join(parts)}." if parts else ""


def _foresight(benchmark: Benchmark, column: str) -> list[str]:
    """How far the measured values of a column are from what was predicted of the same rows."""
    said = []
    for quantity in (PROVE, PEAK):
        found = [
            value / guess
            for row in benchmark.column(column)
            if (value := measured(row, quantity)) is not None and (guess := quantity.guess(row))
        ]
        if found:
            said.append(f"{quantity.name} {times(geometric_mean(found))} ({_range(found)})")
    if not said:
        return []
    return [f"{sentence(column)}, measured over predicted where both are known, geometric mean: {', '.join(said)}."]


def _hours(seconds: float) -> str:
    return f"{number(float(seconds))} s ({number(seconds / 3600)} hours)"


def _mean_ratios(pairs: tuple[Pair, ...]) -> list[str]:
    rows = []
    for quantity in (PROVE, PEAK, SETUP, ROWS):
        both, guessed = (ratios(pairs, quantity, predicted=predicted) for predicted in (False, True))
        cells = [quantity.name, str(len(both)), times(mean_ratio(both)), _range(both), str(len(guessed))]
        rows.append([*cells, f"*{times(geometric_mean(guessed))}*" if guessed else NOTHING, _range(guessed, "*")])
    heads = ("stock / ours", "measured pairs", "geometric mean", "range")
    return [
        "Stock over ours, where ours is proved: above 1x ours takes less. Measured means that stock was measured too, "
        "wired or not; in predicted pairs stock was not started. Rows are counted, never predicted.",
        "",
        *table((*heads, "predicted pairs", "geometric mean", "range"), rows),
        *_composition(pairs),
    ]


def _composition(pairs: tuple[Pair, ...]) -> list[str]:
    """Which experiments the measured means are of, and the means of each."""
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        if (entry := ratio(pair, PROVE)) is not None and not entry.predicted:
            found.setdefault(pair.experiment, []).append(pair)
    if not found:
        return []
    said = [
        f"{name} {times(mean_ratio(ratios(own, PROVE, predicted=False)))} and "
        f"{times(mean_ratio(ratios(own, PEAK, predicted=False)))}"
        for name, own in found.items()
    ]
    return [f"The measured pairs by experiment, geometric means of prove s and peak GiB: {listed(said)}.", ""]


def _range(found: list[float], mark: str = "") -> str:
    return f"{mark}{times(min(found))} to {times(max(found))}{mark}" if found else NOTHING


def _failures(benchmark: Benchmark) -> list[str]:
    lines = [
        f"- {row.experiment} at scale {row.scale_bits}, {column}: {row.outcome}"
        + (f" ({row.message or row.wiring_reason})" if row.message or row.wiring_reason else "")
        for column in COLUMNS
        for row in benchmark.column(column)
        if row.outcome not in (RowOutcome.PROVED, RowOutcome.PREDICTED)
    ]
    if not lines:
        return ["Every row that was started is proved.", ""]
    return [f"Started and not proved, {count(len(lines), 'row')}:", "", *lines, ""]
