"""Plots for a page and for a paper; colours are those of Okabe and Ito, which colour-blind readers tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogFormatter

from atomic_files import replacing
from zk.benchmark.published import SCALES
from zk.benchmark.report.data import COLUMNS, Benchmark, Pair, families, precision_series
from zk.benchmark.report.quantities import (
    ERROR,
    FILE,
    PEAK,
    PROOF,
    PROVE,
    PUBLIC,
    Quantity,
    measured,
    published_value,
    reading,
)
from zk.benchmark.report.sections_proofs import VALUE_BYTES, public_elements
from zk.benchmark.report.sections_scaling import SIZES, fit_points, points

_COLOURS = {"stock": "#D55E00", "ours": "#0072B2", "published": "#000000"}
_MARKERS = {"stock": "s", "ours": "o", "published": "x"}
_KINDS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_SHAPES = "osD^vP*X"
_LIMIT_GIB = 24

_Draw = Callable[[Benchmark], Figure | None]


def write_plots(benchmark: Benchmark, stem: Path) -> list[str]:
    """Write ``STEM-NAME.png`` and ``.pdf`` of every plot that has data; gives their names, and removes the others'."""
    drawn = []
    for name, draw in PLOTS.items():
        targets = [stem.with_name(f"{stem.name}-{name}.{kind}") for kind in ("png", "pdf")]
        figure = draw(benchmark)
        if figure is None:
            for target in targets:
                target.unlink(missing_ok=True)  # one of an earlier run would show other rows
            continue
        drawn.append(name)
        with replacing(targets[0]) as picture:
            figure.savefig(picture, format="png", dpi=160, metadata={"Software": None})
        with replacing(targets[1]) as document:
            figure.savefig(document, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return drawn


def prove_seconds(benchmark: Benchmark) -> Figure | None:
    """Proving seconds of every experiment: stock, ours and published."""
    return _by_experiment(benchmark, PROVE, "proving time of one proof (s)")


def peak_memory(benchmark: Benchmark) -> Figure | None:
    """Peak memory of every experiment, with a line at 24 GiB."""
    figure = _by_experiment(benchmark, PEAK, "peak memory of any stage (GiB)")
    if figure is not None:
        axes = figure.axes[0]
        axes.axvline(_LIMIT_GIB, color="#555555", linestyle="--", linewidth=1)
        axes.annotate(
            f"{_LIMIT_GIB} GiB", (_LIMIT_GIB, 1), (3, -9), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=8, color="#555555",
        )  # fmt: skip
    return figure


def _by_experiment(benchmark: Benchmark, quantity: Quantity, label: str) -> Figure | None:
    names = list(dict.fromkeys(pair.experiment for pair in benchmark.pairs))
    found: list[tuple[str, float, float, bool]] = []
    for pair in benchmark.pairs:
        height = names.index(pair.experiment) + (-0.17 if pair.scale_bits == max(SCALES) else 0.17)
        for column in COLUMNS:
            if (entry := reading(pair.row(column), quantity)) is not None:
                found.append((column, entry.value / quantity.unit, height, entry.predicted))
        if (value := published_value(pair, quantity)) is not None:
            found.append(("published", value / quantity.unit, height, False))
    if not found:
        return None
    figure = Figure(figsize=(7.2, 1.4 + 0.3 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    for side, value, height, predicted in found:
        axes.plot(
            [value], [height], linestyle="", marker=_MARKERS[side], markersize=5, color=_COLOURS[side],
            markerfacecolor="none" if predicted else _COLOURS[side],
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(axis="x", which="major", alpha=0.4)
    axes.hlines([place + 0.5 for place in range(len(names) - 1)], 0, 1, transform=axes.get_yaxis_transform(),
                colors="#DDDDDD", linewidths=0.6)  # fmt: skip
    marks = sorted(
        {(side, predicted) for side, _, _, predicted in found}, key=lambda mark: list(_COLOURS).index(mark[0])
    )
    _column_legend(figure, marks)
    _plain(axes.xaxis)
    axes.set_title(f"upper mark {max(SCALES)} bits, lower mark {min(SCALES)} bits", fontsize=9, loc="left")
    return figure


def _column_legend(figure: Figure, shown: Sequence[tuple[str, bool]]) -> None:
    marks = [
        Line2D([], [], linestyle="", marker=_MARKERS[side], color=_COLOURS[side], label=side
               + (", predicted" if predicted else ""), markerfacecolor="none" if predicted else _COLOURS[side])
        for side, predicted in shown
    ]  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=8, frameon=False)


def scaling(benchmark: Benchmark) -> Figure | None:
    """Proving seconds and peak memory against multiply-accumulates, with the fitted power laws."""
    groups = {key: rows for key, rows in families(benchmark.scaling).items() if points(rows, SIZES[0], PROVE)}
    if not groups:
        return None
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    kinds = list(dict.fromkeys((kind, scale) for kind, _, scale in groups))
    several = len({scale for _, scale in kinds}) > 1
    for axes, quantity, label in zip(panels, (PROVE, PEAK), ("proving time (s)", "peak memory (GiB)"), strict=True):
        for (kind, column, scale), rows in groups.items():
            name = f"{kind}, {column}" + (f", {scale} bits" if several else "")
            shape = _SHAPES[kinds.index((kind, scale)) % len(_SHAPES)]
            _fitted(axes, points(rows, SIZES[0], quantity), quantity, name, (_COLOURS[column], shape))
        _log_axes(axes, "multiply-accumulates", label)
    for axes in panels:
        axes.legend(fontsize=7, loc="upper left")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
        _plain(axes.yaxis)
    return figure


def _fitted(
    axes: Axes, found: list[tuple[float, float]], quantity: Quantity, name: str, style: tuple[str, str]
) -> None:
    if not found:
        return
    colour, shape = style
    fit = fit_points(found)
    label = name if fit is None else f"{name}: exponent {fit.exponent:.2f}"
    axes.scatter([x for x, _ in found], [y / quantity.unit for _, y in found], s=26, marker=shape, color=colour,
                 label=label)  # fmt: skip
    if fit is not None:
        ends = [found[0][0], found[-1][0]]
        dashes = "-" if shape == _SHAPES[0] else "--"
        axes.plot(ends, [fit.at(x) / quantity.unit for x in ends], color=colour, linewidth=1, linestyle=dashes)


def precision(benchmark: Benchmark) -> Figure | None:
    """Greatest error, and proving seconds, against the scale in bits."""
    series = precision_series(benchmark.precision)
    if not any(measured(row, quantity) for row in benchmark.precision for quantity in (ERROR, PROVE)):
        return None
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    panels = figure.subplots(1, 2)
    names = list(dict.fromkeys(name for name, _ in series))
    for (name, column), rows in series.items():
        place = names.index(name)
        label = f"{name}, {column}"
        dashes = "-" if column == "ours" else ":"
        for axes, quantity in zip(panels, (ERROR, PROVE), strict=True):
            found = [(row.scale_bits, value) for row in rows if (value := measured(row, quantity)) is not None]
            axes.plot([x for x, _ in found], [y for _, y in found], color=_KINDS[place % len(_KINDS)], linestyle=dashes,
                      marker=_SHAPES[place % len(_SHAPES)], markersize=4.5, linewidth=1.2, label=label,
                      markerfacecolor=None if column == "ours" else "none")  # fmt: skip
    for axes, label in zip(panels, ("greatest error of an output", "proving time (s)"), strict=True):
        axes.set_yscale("log")
        axes.set_xlabel("scale (bits)")
        axes.set_ylabel(label)
        axes.set_xticks(sorted({row.scale_bits for row in benchmark.precision}))
        axes.grid(which="major", alpha=0.4)
    _plain(panels[1].yaxis)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7.5, frameon=False)
    return figure


def sizes(benchmark: Benchmark) -> Figure | None:
    """Proof bytes against the bytes of its public values, and the published files beside them."""
    found = [
        (column, public, proof)
        for column in COLUMNS
        for row in benchmark.column(column)
        if (public := measured(row, PUBLIC)) is not None and (proof := measured(row, PROOF)) is not None
    ]
    if not found:
        return None
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for column in COLUMNS:
        own = [(public, proof) for side, public, proof in found if side == column]
        axes.scatter([x for x, _ in own], [y for _, y in own], s=26, marker=_MARKERS[column], color=_COLOURS[column],
                     label=f"{column}: proof", alpha=0.75)  # fmt: skip
    files = [point for pair in benchmark.pairs if (point := _published_file(pair)) is not None]
    if files:
        axes.scatter([x for x, _ in files], [y for _, y in files], s=26, marker=_MARKERS["published"],
                     color=_COLOURS["published"], label="published: EZKL's file, proof and public values")  # fmt: skip
    _log_axes(axes, "public values (bytes)", "proof, or file (bytes)")
    ends = [min(public for _, public, _ in found), max(public for _, public, _ in found)]
    axes.plot(ends, ends, color="#777777", linewidth=1, linestyle="--", label="as large as the public values")
    figure.legend(loc="outside lower center", ncols=2, fontsize=7.5, frameon=False)
    return figure


def _published_file(pair: Pair) -> tuple[float, float] | None:
    elements, size = public_elements(pair), published_value(pair, FILE)
    return (float(VALUE_BYTES * elements), size) if elements and size is not None else None


def _log_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(which="major", alpha=0.4)


def _plain(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, and between the powers of ten where there are few of these."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.5)))


PLOTS: dict[str, _Draw] = {
    "prove-seconds": prove_seconds,
    "peak-memory": peak_memory,
    "scaling": scaling,
    "precision": precision,
    "proof-bytes": sizes,
}
"""Plots by the last part of their file names."""
