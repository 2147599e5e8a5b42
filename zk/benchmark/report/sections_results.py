"""All rows side by side, and beside the published figures."""

from __future__ import annotations

from collections.abc import Callable

from zk.benchmark.published import MEMORY_GB, SCALES, published_experiments, published_figures
from zk.benchmark.report.data import COLUMNS, Benchmark, Pair, is_proved
from zk.benchmark.report.quantities import (
    KEY,
    PEAK,
    PROOF,
    PROVE,
    PUBLIC,
    ROWS,
    SETUP,
    VERIFY,
    Quantity,
    measured,
    published_ratio,
    published_value,
    ratio,
    reading,
    show,
    show_ratio,
)
from zk.benchmark.report.text import NOTHING, count, listed, number, table, times
from zk.benchmark.row import LayerRow
from zk.benchmark.statistics import geometric_mean

_SHOWN = (SETUP, PROVE, VERIFY, PEAK, PROOF, PUBLIC)


def every_row(benchmark: Benchmark) -> list[str]:
    """One line for each experiment and scale, stock and ours side by side."""
    if not benchmark.pairs:
        return ["There are no rows.", ""]
    heads = ["experiment", "scale", "bits used", "outcome", "rows", "logrows", *(quantity.name for quantity in _SHOWN)]
    heads += ["max error", "wiring", "prove ratio", "peak ratio"]
    lines = []
    for pair in benchmark.pairs:
        cells = [pair.experiment, str(pair.scale_bits), _both(pair, lambda row: number(row.activation_bits))]
        cells.append(_both(pair, lambda row: str(row.outcome)))
        cells += [_both(pair, lambda row: number(row.rows)), _both(pair, lambda row: number(row.logrows))]
        cells += [f"{show_repeats(pair.stock, quantity)} / {show_repeats(pair.ours, quantity)}" for quantity in _SHOWN]
        cells += [_both(pair, lambda row: number(row.max_abs_error)), _both(pair, lambda row: row.wiring)]
        lines.append([*cells, *(show_ratio(ratio(pair, quantity)) for quantity in (PROVE, PEAK))])
    return [
        f"{count(len(benchmark.pairs), 'experiment')}, each scale its own; stock / ours in every cell. Proving is mean "
        "± sample standard deviation over the repeats, of which there are none from two minutes on; predictions are in "
        "italics; the largest part's logrows.",
        "",
        *table(heads, lines),
    ]


def show_repeats(row: LayerRow | None, quantity: Quantity) -> str:
    """A row's value; with its deviation where it is a mean of several provings."""
    text = show(row, quantity)
    if quantity is PROVE and row is not None and row.measured and row.prove_seconds_std is not None:
        return f"{text} ± {number(row.prove_seconds_std)}"
    return text


def _both(pair: Pair, cell: Callable[[LayerRow], str]) -> str:
    return " / ".join(NOTHING if row is None else cell(row) for row in (pair.stock, pair.ours))


def beside_published(benchmark: Benchmark) -> list[str]:
    """The published figures, their ratio to ours, and whether stock has the published rows."""
    known = [pair for pair in benchmark.pairs if pair.published is not None]
    lines = [
        f"The published benchmark was run on a workstation with {MEMORY_GB} GB of memory and an RTX 3090; ratios to it "
        "compare machines as well as circuits, and its proofs were not audited for wiring. It has figures for "
        f"{len(published_figures())} of {len(published_experiments()) * len(SCALES)} experiments.",
        "",
    ]
    if not known:
        return [*lines, "No row here has a published counterpart.", ""]
    heads = ("experiment", "scale", "rows", "stock rows equal", "setup s", "prove s", "proving key GiB")
    ratios = ("prove / ours", "setup / ours", "key / ours", "rows / ours")
    lines += table((*heads, *ratios), [_published_cells(pair) for pair in known])
    lines += [f"- {text}" for text in (_equal_rows(known), *_mean_ratios(known), _first_proofs(benchmark))]
    return [*lines, ""]


def _published_cells(pair: Pair) -> list[str]:
    shown = [quantity.show(published_value(pair, quantity)) for quantity in (ROWS, SETUP, PROVE, KEY)]
    ratios = [times(published_ratio(pair, quantity)) for quantity in (PROVE, SETUP, KEY, ROWS)]
    return [pair.experiment, str(pair.scale_bits), shown[0], _equality(pair), *shown[1:], *ratios]


def _equality(pair: Pair) -> str:
    stock = reading(pair.stock, ROWS)
    if stock is None:
        return NOTHING
    return "yes" if stock.value == published_value(pair, ROWS) else f"no: {number(int(stock.value))}"


def _equal_rows(known: list[Pair]) -> str:
    compared = [pair for pair in known if _equality(pair) != NOTHING]
    same = [pair for pair in compared if _equality(pair) == "yes"]
    if not compared:
        return "No stock row can be compared with the published count of rows."
    text = f"Stock has exactly the published rows in {len(same)} of {count(len(compared), 'experiment')}"
    others = [pair.label for pair in compared if pair not in same]
    return f"{text}; not in {listed(others)}." if others else f"{text}."


def _mean_ratios(known: list[Pair]) -> list[str]:
    lines = []
    for quantity in (PROVE, SETUP, KEY, ROWS):
        found = [value for pair in known if (value := published_ratio(pair, quantity)) is not None]
        if found:
            lines.append(
                f"Published / ours, {quantity.name}: geometric mean {times(geometric_mean(found))} over "
                f"{count(len(found), 'experiment')}, {times(min(found))} to {times(max(found))}."
            )
        stock = [
            value / own
            for pair in known
            if _equality(pair) == "yes"
            and (value := published_value(pair, quantity)) is not None
            and (own := measured(pair.stock, quantity)) is not None
        ]
        if stock and quantity is not ROWS:
            lines.append(
                f"Published / stock as measured here, {quantity.name}: geometric mean {times(geometric_mean(stock))} "
                f"over {count(len(stock), 'experiment')} with equal rows: what the machine and EZKL's version make."
            )
    return lines


def _first_proofs(benchmark: Benchmark) -> str:
    failed = {experiment.name: experiment.outcome for experiment in published_experiments() if not experiment.proved}
    said = []
    for column in COLUMNS:
        scales: dict[str, list[str]] = {}
        for pair in benchmark.pairs:
            if pair.experiment in failed and is_proved(pair.row(column)):
                scales.setdefault(pair.experiment, []).append(str(pair.scale_bits))
        names = [f"{name} at {listed(bits)} bits ({failed[name]})" for name, bits in scales.items()]
        proofs = sum(map(len, scales.values()))
        said.append(f"{column} has {count(proofs, 'proof')}" + (f": {listed(names)}" if names else ""))
    missing = len(failed) * len(SCALES)
    return f"Of the {missing} experiments that the published benchmark has no proof of, {'; '.join(said)}."
