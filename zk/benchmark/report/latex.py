"""The tables of a paper, for LaTeX with the package booktabs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from zk.benchmark.report.data import COLUMNS, Benchmark, precision_series
from zk.benchmark.report.quantities import (
    PEAK,
    PROOF,
    PROVE,
    PUBLIC,
    ROWS,
    Quantity,
    Reading,
    ratio,
    reading,
    summary,
    values,
)
from zk.benchmark.report.text import number, times
from zk.benchmark.row import LayerRow

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_NOTHING = "--"


def escape(text: str) -> str:
    """Text in which no character is an instruction to LaTeX."""
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def latex_tables(benchmark: Benchmark) -> str:
    """All tables: experiments, categories, precision; one without data is left out, with a comment in its place."""
    tables = (
        ("experiments", _experiments),
        ("categories", _categories),
        ("precision", _precision),
    )
    head = "% Needs \\usepackage{booktabs}. Italics: predicted, not measured."
    return "\n".join([head, *(_table(benchmark, name, build) for name, build in tables)]) + "\n"


_Rows = tuple[str, Sequence[str], Iterable[Sequence[str]]]


def _table(benchmark: Benchmark, name: str, build: Callable[[Benchmark], _Rows]) -> str:
    caption, heads, lines = build(benchmark)
    body = [" & ".join(line) + r" \\" for line in lines]
    if not body:
        return f"% No data for the table of {name}."
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:layer-benchmark-{name}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            " & ".join(map(escape, heads)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _experiments(benchmark: Benchmark) -> _Rows:
    heads = ["experiment", "scale", *(f"outcome {column}" for column in COLUMNS)]
    heads += [f"{quantity.name} {column}" for quantity in (ROWS, PROVE, PEAK) for column in COLUMNS]
    heads += ["proof bytes ours", "public bytes ours", "prove ratio"]
    lines = []
    for pair in benchmark.pairs:
        cells = [escape(pair.experiment), str(pair.scale_bits)]
        cells += [_NOTHING if (row := pair.row(column)) is None else escape(row.outcome) for column in COLUMNS]
        cells += [_shown(pair.row(column), quantity) for quantity in (ROWS, PROVE, PEAK) for column in COLUMNS]
        cells += [_shown(pair.ours, quantity) for quantity in (PROOF, PUBLIC)]
        lines.append([*cells, _marked(ratio(pair, PROVE), times)])
    caption = "Every experiment with EZKL's defaults (stock) and with the planner's checked circuit (ours)."
    return caption, heads, lines


def _categories(benchmark: Benchmark) -> _Rows:
    lines = []
    for category in dict.fromkeys(pair.category for pair in benchmark.pairs):
        pairs = [pair for pair in benchmark.pairs if pair.category == category]
        for side in (*COLUMNS, "published"):
            cells = [escape(category), side, str(len(values(pairs, side, PROVE)))]
            for quantity in (PROVE, PEAK):
                found = summary(values(pairs, side, quantity))
                shown = (None,) * 3 if found is None else (found.mean, found.minimum, found.maximum)
                cells += [_NOTHING if value is None else quantity.show(value) for value in shown]
            lines.append(cells)
    heads = [f"{quantity.name} {what}" for quantity in (PROVE, PEAK) for what in ("mean", "min", "max")]
    return "Measured proving time and peak memory by category.", ["category", "column", "measured", *heads], lines


def _precision(benchmark: Benchmark) -> _Rows:
    lines = [
        [escape(name), column, str(row.scale_bits)]
        + [_shown(row, quantity) for quantity in (ROWS, PROVE, PEAK)]
        + [_NOTHING if row.max_abs_error is None else _scientific(row.max_abs_error)]
        for (name, column), rows in precision_series(benchmark.precision).items()
        for row in rows
    ]
    heads = ["layer", "column", "scale", *(quantity.name for quantity in (ROWS, PROVE, PEAK)), "max error"]
    return "Cost and greatest error by scale in bits.", heads, lines


def _shown(row: LayerRow | None, quantity: Quantity) -> str:
    return _marked(reading(row, quantity), quantity.show)


def _marked(found: Reading | None, show: Callable[[float], str]) -> str:
    if found is None:
        return _NOTHING
    text = escape(show(found.value))
    return rf"\textit{{{text}}}" if found.predicted else text


def _scientific(value: float) -> str:
    digits, mark, power = number(value).partition("e")
    return rf"${digits} \times 10^{{{int(power)}}}$" if mark else digits
