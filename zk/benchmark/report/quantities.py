"""The quantities that rows are compared by, and which of their values are measured and which predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zk.benchmark.published import PublishedFigures
from zk.benchmark.report.data import Benchmark, Pair, is_proved
from zk.benchmark.report.text import GIB, NOTHING, number, times
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.statistics import Summary, geometric_mean, summarize


@dataclass(frozen=True)
class Quantity:
    """Something that every row has a value of.

    Attributes:
        name: heading, with its unit.
        of: the value of a row, in seconds, bytes or rows.
        guess: the prediction, for a row that was not started and has no value of its own.
        published: the published value, where there is one.
        counted: it comes from the layout or a simulation, so a row that was not started has it exactly.
        unit: what a value is divided by to be shown.
    """

    name: str
    of: Callable[[LayerRow], float | None]
    guess: Callable[[LayerRow], float | None] = lambda row: None
    published: Callable[[PublishedFigures], float] | None = None
    counted: bool = False
    unit: int = 1

    def show(self, value: float | None) -> str:
        """A value in the unit of the heading."""
        return NOTHING if value is None else number(value if self.unit == 1 else value / self.unit)


@dataclass(frozen=True)
class Reading:
    """A positive value, and whether it is a prediction or rests on one."""

    value: float
    predicted: bool


ROWS = Quantity("rows", lambda row: row.rows, published=lambda figures: figures.rows, counted=True)
SETUP = Quantity("setup s", lambda row: row.setup_seconds, published=lambda figures: figures.setup_seconds)
WITNESS = Quantity("witness s", lambda row: row.witness_seconds)
PROVE = Quantity(
    "prove s",
    lambda row: row.prove_seconds,
    lambda row: row.predicted_prove_seconds,
    lambda figures: figures.prove_seconds,
)
VERIFY = Quantity("verify s", lambda row: row.verify_seconds, published=lambda figures: figures.verify_seconds)
BUNDLE_VERIFY = Quantity("whole verification s", lambda row: row.bundle_verify_seconds)
PEAK = Quantity("peak GiB", lambda row: row.peak_rss_bytes, lambda row: row.predicted_peak_bytes, unit=GIB)
KEY = Quantity("proving key GiB", lambda row: row.pk_bytes, published=lambda figures: figures.pk_bytes, unit=GIB)
PROOF = Quantity("proof bytes", lambda row: row.proof_bytes)
PUBLIC = Quantity("public-value bytes", lambda row: row.public_value_bytes)
ERROR = Quantity("max error", lambda row: row.max_abs_error, counted=True)
FILE = Quantity(
    "proof file bytes", lambda row: row.proof_file_bytes, published=lambda figures: figures.proof_file_bytes
)


def reading(row: LayerRow | None, quantity: Quantity) -> Reading | None:
    """The value of a row that was proved, accepted or predicted; None for any other, and for what is not known.

    A row that broke off has no reading: its peak would be no more than a lower limit.
    """
    if row is None or not (row.measured or row.outcome is RowOutcome.PREDICTED):
        return None
    value = quantity.of(row)
    if value is None and not row.measured:
        value = quantity.guess(row)
    if value is None or value <= 0:
        return None
    return Reading(value, predicted=not row.measured and not quantity.counted)


def measured(row: LayerRow | None, quantity: Quantity) -> float | None:
    """The value of a row where it is no prediction."""
    found = reading(row, quantity)
    return None if found is None or found.predicted else found.value


def ratio(pair: Pair, quantity: Quantity) -> Reading | None:
    """Stock over ours; only where ours is proved. Predicted where stock was not started."""
    stock, ours = reading(pair.stock, quantity), measured(pair.ours, quantity)
    if stock is None or ours is None or not is_proved(pair.ours):
        return None
    return Reading(stock.value / ours, stock.predicted)


def published_value(pair: Pair, quantity: Quantity) -> float | None:
    """The published value of an experiment."""
    if pair.published is None or quantity.published is None:
        return None
    return quantity.published(pair.published)


def published_ratio(pair: Pair, quantity: Quantity) -> float | None:
    """Published over ours; only where ours is proved."""
    published, ours = published_value(pair, quantity), measured(pair.ours, quantity)
    return published / ours if published is not None and ours is not None and is_proved(pair.ours) else None


def ratios(pairs: Iterable[Pair], quantity: Quantity, *, predicted: bool) -> list[float]:
    """Ratios of stock to ours: those both measured, or those with a prediction."""
    found = (ratio(pair, quantity) for pair in pairs)
    return [entry.value for entry in found if entry is not None and entry.predicted is predicted]


def values(pairs: Iterable[Pair], column: str, quantity: Quantity) -> list[float]:
    """Values of "stock", "ours" or "published" that were measured."""
    if column == "published":
        found = [published_value(pair, quantity) for pair in pairs]
    else:
        found = [measured(pair.row(column), quantity) for pair in pairs]
    return [value for value in found if value is not None]


def summary(found: list[float]) -> Summary | None:
    """The summary of values, if there are any."""
    return summarize(found) if found else None


def mean_ratio(found: list[float]) -> float | None:
    """The geometric mean of ratios, if there are any."""
    return geometric_mean(found) if found else None


def show(row: LayerRow | None, quantity: Quantity) -> str:
    """A row's value for a table, predictions in italics."""
    found = reading(row, quantity)
    return NOTHING if found is None else italic(quantity.show(found.value), found.predicted)


def show_ratio(found: Reading | None) -> str:
    """A ratio for a table, in italics if it rests on a prediction."""
    return NOTHING if found is None else italic(times(found.value), found.predicted)


def italic(text: str, predicted: bool) -> str:
    """Text, in italics if it is predicted."""
    return f"*{text}*" if predicted else text


def experiment_means(benchmark: Benchmark, column: str, quantity: Quantity) -> dict[str, Reading]:
    """Mean over the scales of each experiment; predicted if a scale is. An experiment that lacks a scale has none."""
    found: dict[str, list[Reading | None]] = {}
    for pair in benchmark.pairs:
        if column == "published":
            value = published_value(pair, quantity)
            entry = None if value is None else Reading(value, False)
        else:
            entry = reading(pair.row(column), quantity)
        found.setdefault(pair.experiment, []).append(entry)
    complete = {name: [entry for entry in entries if entry is not None] for name, entries in found.items()}
    return {
        name: Reading(summarize([entry.value for entry in entries]).mean, any(entry.predicted for entry in entries))
        for name, entries in complete.items()
        if entries and len(entries) == len(found[name])
    }
