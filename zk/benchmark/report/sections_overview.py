"""What is compared, and how it ended overall."""

from __future__ import annotations

from collections import Counter

from zk.benchmark.published import SCALES, published_experiments
from zk.benchmark.report.data import COLUMNS, Benchmark, Pair, is_proved, missing_rows
from zk.benchmark.report.quantities import PEAK, PROVE, ROWS, SETUP, mean_ratio, measured, ratios
from zk.benchmark.report.text import NOTHING, count, listed, number, percent, sentence, table, times
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.statistics import geometric_mean

_STATEMENTS = (
    ("made by", "EZKL with its default options, calibrated", "the planner's checked circuit"),
    ("input", "public", "private, committed to"),
    ("weights and biases", "private", "public, part of the statement"),
    ("output", "public", "public"),
)
_MEANINGS = (
    "- *proved*: verified, tampered copies rejected, every committed or public value wired. Nothing else counts.",
    "- *verified_only*: EZKL accepts the proof and the wiring audit does not: some value is tied to nothing, so a "
    "dishonest prover may choose it. Its times and sizes are measured all the same.",
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
    if lines[-1]:
        lines.append("")
    return [*lines, "Outcomes:", "", *_MEANINGS, ""]


def overall(benchmark: Benchmark) -> list[str]:
    """Outcomes of both columns, mean ratios, and how long it took."""
    if not benchmark.pairs:
        return ["There are no rows.", ""]
    lines = _completeness(benchmark) + _outcomes(benchmark)
    lines += [f"- {_proved(benchmark, column)}" for column in COLUMNS]
    lines += [f"- {_memory(benchmark)}", f"- {_unlinked(benchmark)}"]
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
        return f"{text}; {said} were not started, since their predicted memory is above the limit."
    return f"{text}, and every row was started."


def _unlinked(benchmark: Benchmark) -> str:
    amounts = {column: _tally(benchmark, column, RowOutcome.VERIFIED_ONLY) for column in COLUMNS}
    if not any(amounts.values()):
        return "No proof that EZKL accepted failed the wiring audit."
    said = [f"{count(amount, 'row')} of {column}" for column, amount in amounts.items()]
    return f"Accepted by EZKL, yet not wired: {listed(said)}."


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
    ]


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
