"""How cost grows with the size of a layer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from zk.benchmark.published import published_experiments, published_figures
from zk.benchmark.report.data import Benchmark, families
from zk.benchmark.report.quantities import PEAK, PROVE, ROWS, Quantity, measured, show
from zk.benchmark.report.text import NOTHING, count, number, table, times
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.statistics import PowerFit, power_fit

CONFIDENCE_ERRORS = 2
"""An exponent differs from 1 where it is more than this many standard errors away."""


STEP_MARGIN = 0.05
"""An exponent rises from step to step where it does so by more than this."""


@dataclass(frozen=True)
class Size:
    """A size of a layer that cost may follow."""

    name: str

    def of(self, row: LayerRow) -> int:
        """The size of a row's layer: multiply-accumulates, or elements of its input and output."""
        return row.macs if self.name == "MACs" else row.input_elements + row.output_elements


SIZES = (Size("MACs"), Size("elements"))


def points(rows: Sequence[LayerRow], size: Size, quantity: Quantity) -> list[tuple[float, float]]:
    """Measured (size, value) pairs, smallest first."""
    found = [(float(size.of(row)), value) for row in rows if (value := measured(row, quantity)) is not None]
    return sorted((x, y) for x, y in found if x > 0)


def fit_points(found: Sequence[tuple[float, float]]) -> PowerFit | None:
    """The power law through points; None where they have fewer than two sizes."""
    if len({x for x, _ in found}) < 2:
        return None
    return power_fit([x for x, _ in found], [y for _, y in found])


def scaling(benchmark: Benchmark) -> list[str]:
    """Exponents for each layer kind, and the published claim beside them."""
    lines = _published()
    if not benchmark.scaling:
        return ["There are no rows of a scaling study.", "", *lines]
    study = []
    for (kind, column, scale), rows in families(benchmark.scaling).items():
        for quantity in (PROVE, PEAK, ROWS):
            for size in SIZES:
                fit = fit_points(points(rows, size, quantity))
                study.append([kind, column, str(scale), quantity.name, size.name, *_cells(fit)])
    heads = ("layer", "column", "scale", "quantity", "against", "exponent", "standard error", "R²", "points")
    predicted = sum(row.outcome is RowOutcome.PREDICTED for row in benchmark.scaling)
    return [
        "Least squares on the logarithms: the quantity goes as the size to the exponent. Elements are those of input "
        "and output. Only measured values are fitted"
        + (f"; {count(predicted, 'predicted row')} left out, save where rows are counted." if predicted else "."),
        "",
        *table(heads, study),
        *[f"- {text}" for text in _verdicts(benchmark)],
        "",
        *_sizes(benchmark),
        *lines,
    ]


def _cells(fit: PowerFit | None) -> list[str]:
    if fit is None:
        return [NOTHING, NOTHING, NOTHING, NOTHING]
    several = fit.points > 2
    error = NOTHING if fit.exponent_error is None else f"{fit.exponent_error:.2f}"
    return [
        f"{fit.exponent:.2f}",
        error,
        f"{fit.r_squared:.3f}" if several and fit.r_squared else NOTHING,
        str(fit.points),
    ]


def _verdicts(benchmark: Benchmark) -> list[str]:
    lines = []
    for (kind, column, scale), rows in families(benchmark.scaling).items():
        found = points(rows, SIZES[0], PROVE)
        if (fit := fit_points(found)) is None:
            continue
        text = f"{kind}, {column}, scale {scale}: proving time against MACs is {growth(fit)}"
        steps = _steps(found)
        if len(steps) > 1:
            text += f"; from step to step its exponent goes from {steps[0]:.2f} to {steps[-1]:.2f}"
            if steps[-1] > steps[0] + STEP_MARGIN:
                text += ", as it does where costs that do not grow keep the smaller sizes up"
        lines.append(f"{text}.")
    return lines


def growth(fit: PowerFit) -> str:
    """What an exponent says, with its error."""
    if fit.exponent_error is None:
        return f"exponent {fit.exponent:.2f} between two sizes, which is no test of a law"
    reach = CONFIDENCE_ERRORS * fit.exponent_error
    known = f"exponent {fit.exponent:.2f} ± {fit.exponent_error:.2f}, {fit.points} points"
    if fit.exponent + reach < 1:
        return f"sub-linear ({known})"
    return f"super-linear ({known})" if fit.exponent - reach > 1 else f"not told apart from linear ({known})"


def _steps(found: Sequence[tuple[float, float]]) -> list[float]:
    """Exponent between each two neighbouring sizes, of the mean at each."""
    sizes = sorted({x for x, _ in found})
    means = [math.fsum(y for x, y in found if x == size) / sum(x == size for x, _ in found) for size in sizes]
    steps = zip(sizes[:-1], sizes[1:], means[:-1], means[1:], strict=True)
    return [math.log(right / left) / math.log(large / small) for small, large, left, right in steps]


def _sizes(benchmark: Benchmark) -> list[str]:
    lines = []
    for (_, column, scale), rows in families(benchmark.scaling).items():
        for row in rows:
            cells = [show(row, quantity) for quantity in (ROWS, PROVE, PEAK)]
            name = [row.experiment, column, str(scale), str(row.outcome)]
            lines.append([*name, number(row.macs), number(SIZES[1].of(row)), number(row.logrows), *cells])
    heads = ("layer", "column", "scale", "outcome", "MACs", "elements", "logrows", "rows", "prove s", "peak GiB")
    return table(heads, lines)


def published_dense() -> list[tuple[int, int, float]]:
    """The published Dense layers, smallest first: MACs, rows, mean proving seconds of each scale."""
    figures = published_figures()
    found = []
    for experiment in published_experiments():
        if shape := re.fullmatch(r"(\d+)->(\d+)", experiment.layer):
            macs = int(shape[1]) * int(shape[2])
            own = [entry for (name, _), entry in figures.items() if name == experiment.name]
            found += [(macs, entry.rows, entry.prove_seconds) for entry in own]
    return sorted(found)


def _published() -> list[str]:
    dense = published_dense()
    sizes = sorted({macs for macs, _, _ in dense})
    ends = [[entry for entry in dense if entry[0] == size] for size in (sizes[0], sizes[-1])]
    seconds = [math.fsum(entry[2] for entry in end) / len(end) for end in ends]
    rows = ends[1][0][1] / ends[0][0][1]
    grown = seconds[1] / seconds[0]
    steps = _steps([(float(count_rows), taken) for _, count_rows, taken in dense])
    fit = power_fit([entry[1] for entry in dense], [entry[2] for entry in dense])
    return [
        f"The published claim of sub-linear growth rests on two Dense layers: {times(rows)} the rows in "
        f"{times(grown)} the time, an exponent of {math.log(grown) / math.log(rows):.2f} between two points. With the "
        f"published Dense layer between them, {count(len(sizes), 'size')}, its own figures are {growth(fit)} against "
        f"rows, and from step to step {' and then '.join(f'{step:.2f}' for step in steps)}: the exponent "
        + (
            "rises with the size, as it does where a fixed cost is spread over more rows; it does not show that large "
            "models get cheaper without end."
            if steps[-1] > steps[0] + STEP_MARGIN
            else "does not rise with the size."
        ),
        "",
    ]
