"""The published benchmark's future work as measured rows, what to do, and how all of it was made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zk.benchmark.published import SCALES, published_experiments
from zk.benchmark.report.data import COLUMNS, Benchmark, is_proved, precision_series
from zk.benchmark.report.quantities import (
    PEAK,
    PROOF,
    PROVE,
    PUBLIC,
    ROWS,
    experiment_means,
    italic,
    measured,
    reading,
    show,
)
from zk.benchmark.report.sections_precision import error_fit, scale_cost
from zk.benchmark.report.text import (
    EQUAL_MARGIN,
    GIB,
    NOTHING,
    count,
    gib,
    listed,
    number,
    percent,
    sentence,
    table,
    times,
)
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.statistics import geometric_mean

_BATCH = re.compile(r"(?P<network>.+?)[_-]*(?:batch|images?)[_-]?(?P<images>[1-9]\d*)")
_CHOICES = (
    ("activation", ("ReLU", "SiLU", "Tanh", "Poly")),
    ("pooling", ("MaxPool2d_k2", "AvgPool2d_k2")),
    ("3x3 convolution", ("Conv2d_k3_s1", "Conv2d_k3_s2", "DepthwiseConv2d")),
    ("normalisation", ("BatchNorm2d", "LayerNorm")),
    ("composite network", ("CNN_ReLU", "CNN_Poly", "CNN_Mixed", "CNN_Strided")),
)


def batch_of(row: LayerRow) -> tuple[str, int]:
    """Network and number of images of a row: a name ends in "_batch16" or "_images16", others hold one."""
    found = _BATCH.fullmatch(row.experiment)
    return (found["network"], int(found["images"])) if found else (row.experiment, 1)


def future_work(benchmark: Benchmark) -> list[str]:
    """What the published benchmark left for later, with seconds per image where a proof holds several."""
    rows = sorted((*_unproved(benchmark), *benchmark.future), key=_place)
    if not rows:
        return ["There are no rows of future work.", ""]
    lines = []
    for row in rows:
        network, images = batch_of(row)
        seconds = reading(row, PROVE)
        each = NOTHING if seconds is None else italic(number(seconds.value / images), seconds.predicted)
        cells = [network, str(images), str(row.scale_bits), row.variant, str(row.outcome), number(row.logrows)]
        lines.append(
            [*cells, *(show(row, quantity) for quantity in (ROWS, PROVE, PEAK)), each, number(row.max_abs_error)]
        )
    heads = ("network", "images", "scale", "column", "outcome", "logrows", "rows", "prove s", "peak GiB")
    proved = sum(row.outcome is RowOutcome.PROVED for row in rows)
    return [
        *table((*heads, "prove s per image", "max error"), lines),
        f"- {proved} of {count(len(rows), 'row')} proved and wired.",
        *[f"- {text}" for text in _batches(rows)],
        *[f"- {text}" for text in _unfinished(rows)],
        "",
    ]


def _unfinished(rows: Sequence[LayerRow]) -> list[str]:
    waiting = sum(row.outcome is RowOutcome.PREDICTED for row in rows)
    lines = [f"{count(waiting, 'row')} not started, since the predicted memory is above the limit."] if waiting else []
    return lines + [
        f"Started and not proved: {row.experiment} at scale {row.scale_bits}, {row.variant}: {row.outcome}"
        + (f" ({row.message})" if row.message else "")
        for row in rows
        if not is_proved(row) and row.outcome is not RowOutcome.PREDICTED
    ]


def _unproved(benchmark: Benchmark) -> list[LayerRow]:
    """Rows of experiments that the published benchmark has no proof of, unless the future rows have them too."""
    failed = {experiment.name for experiment in published_experiments() if not experiment.proved}
    known = {(*batch_of(row), row.scale_bits, row.variant) for row in benchmark.future}
    return [
        row
        for row in benchmark.rows
        if row.experiment in failed and (*batch_of(row), row.scale_bits, row.variant) not in known
    ]


def _place(row: LayerRow) -> tuple[str, int, int, int]:
    network, images = batch_of(row)
    return network, images, -row.scale_bits, COLUMNS.index(row.variant)


def _batches(rows: Sequence[LayerRow]) -> list[str]:
    found: dict[tuple[str, int, str], list[tuple[int, float]]] = {}
    for row in rows:
        network, images = batch_of(row)
        seconds = measured(row, PROVE)
        if seconds is not None and is_proved(row):
            found.setdefault((network, row.scale_bits, row.variant), []).append((images, seconds / images))
    lines = []
    for (network, scale, column), sizes in found.items():
        if len(sizes) < 2:
            continue
        (few, dear), (many, cheap) = sizes[0], min(sizes, key=lambda size: size[1])
        share = cheap / dear
        each = listed([f"{number(seconds)} s at {images}" for images, seconds in sizes])
        verdict = (
            f"least at {many} ({times(share)} of {few})" if share < 1 - EQUAL_MARGIN else "a larger batch does not pay"
        )
        lines.append(
            f"{network} at scale {scale}, {column}, seconds an image by images in one proof: {each}; {verdict}."
        )
    return lines


def recommendations(benchmark: Benchmark) -> list[str]:
    """Advice, each piece with the comparison that it follows from; only pieces that the rows bear out."""
    said = [
        *(text for column in COLUMNS for text in _scale(benchmark, column)),
        *(text for kind, names in _CHOICES for column in COLUMNS if (text := _choice(benchmark, column, kind, names))),
        *_wiring(benchmark),
        *_sizes(benchmark),
        *_memory(benchmark),
    ]
    return [*(f"- {text}" for text in said or ["No comparison of these rows gives a recommendation."]), ""]


def _scale(benchmark: Benchmark, column: str) -> list[str]:
    found = scale_cost(benchmark, column)
    if not found:
        return []
    cost, fine, coarse = geometric_mean(found), max(SCALES), min(SCALES)
    advice = (
        f"take {fine} bits rather than {coarse}" if cost < 1 + EQUAL_MARGIN else f"choose {fine} bits only where needed"
    )
    fits = [error_fit(rows) for (_, side), rows in precision_series(benchmark.precision).items() if side == column]
    factors = [2**fit.slope for fit in fits if fit is not None]
    text = (
        f"{sentence(column)}, scale: {advice}; the finer takes {times(cost)} the proving time over "
        f"{count(len(found), 'experiment')} proved at both as two circuits"
    )
    if factors:
        text += f", and each bit multiplies the greatest error by {number(geometric_mean(factors))}"
        text += f" ({count(len(factors), 'layer')})"
    return [f"{text}."]


def _choice(benchmark: Benchmark, column: str, kind: str, names: Iterable[str]) -> str:
    """The cheapest of alternatives, among those proved at every scale that was run; empty below two of these."""
    unproved = {row.experiment for row in benchmark.column(column) if not is_proved(row)}
    means = experiment_means(benchmark, column, PROVE)
    order = sorted(
        (name for name in names if name in means and name not in unproved), key=lambda name: means[name].value
    )
    if len(order) < 2:
        return ""
    ratios = [means[name].value / means[order[0]].value for name in order]
    head = f"{sentence(column)}, {kind}"
    if ratios[-1] < 1 + EQUAL_MARGIN:
        return f"{head}: choose by accuracy; {listed(order)} prove within {percent(EQUAL_MARGIN)} of each other."
    others = listed([f"{name} {times(value)}" for name, value in zip(order[1:], ratios[1:], strict=True)])
    return f"{head}: {order[0]} is the cheapest proved; relative to its proving time: {others}."


def _wiring(benchmark: Benchmark) -> list[str]:
    lines = []
    for column in COLUMNS:
        accepted = [row for row in (*benchmark.rows, *benchmark.precision) if row.variant == column and row.measured]
        loose = [row for row in accepted if row.outcome is RowOutcome.VERIFIED_ONLY]
        if loose:
            lines.append(
                f"{sentence(column)}: audit the wiring before trusting a proof; {len(loose)} of "
                f"{count(len(accepted), 'accepted proof')}, those of the precision study among them, leave a value "
                "untied or cannot be audited."
            )
    return lines


def _sizes(benchmark: Benchmark) -> list[str]:
    shares = [
        public / (public + proof)
        for column in COLUMNS
        for row in benchmark.column(column)
        if (public := measured(row, PUBLIC)) is not None and (proof := measured(row, PROOF)) is not None
    ]
    if not shares:
        return []
    return [
        "Report proof bytes and public-value bytes apart: the public values are "
        f"{percent(min(shares))} to {percent(max(shares))} of the two together, over {count(len(shares), 'proof')}."
    ]


def _memory(benchmark: Benchmark) -> list[str]:
    lines = []
    for column in COLUMNS:
        peaks = [
            (peak, row.experiment)
            for row in benchmark.column(column)
            if (peak := measured(row, PEAK)) and is_proved(row)
        ]
        if peaks:
            most, name = max(peaks)
            waiting = sum(row.outcome is RowOutcome.PREDICTED for row in benchmark.column(column))
            text = (
                f"{sentence(column)}, memory: plan for {gib(most)} GiB, the greatest peak of {len(peaks)} proved rows"
            )
            text += f" ({name})"
            text += (
                f"; {count(waiting, 'row')} more would need what was predicted and not measured." if waiting else "."
            )
            lines.append(text)
    return lines


def provenance(benchmark: Benchmark) -> list[str]:
    """Machine, commit, commands and packages, as they were recorded."""
    machine = benchmark.machine
    if not machine:
        return ["Nothing was recorded of the machine, the commit or the command.", ""]
    memory = machine.get("memory_bytes")
    shown = {
        "processor": machine.get("cpu"),
        "cores": machine.get("cores"),
        "memory": None if memory is None else f"{number(memory / GIB)} GiB",
        "commit": machine.get("commit"),
    }
    for study, found in (("", machine), *benchmark.beside.items()):
        if by_commit := found.get("rows_by_commit"):
            name = f"commits of the {study} study" if study else "commit"
            shown[name] = ", ".join(f"{commit} ({count(rows, 'row')})" for commit, rows in by_commit.items())
    lines = [f"- {name}: {value if value is not None else 'not recorded'}" for name, value in shown.items()]
    commands = machine.get("command") or []
    commands = [commands] if isinstance(commands, str) else commands
    if commands:
        lines += ["", "Rows are filled by several runs of the same commands; the last one was", ""]
        lines += [
            "```sh",
            *(_without_places(str(command)) for command in commands),
            "```",
            "",
            "and from nothing, all of it is",
        ]
        whole = [f"python -m search experiment=layer_{study} dataset.root=FOLDER" for study in _studies(benchmark)]
        lines += ["", "```sh", *whole, "```"]
    packages: Mapping[str, Any] = machine.get("packages") or {}
    if packages:
        versions = table(("package", "version"), [(name, str(version)) for name, version in sorted(packages.items())])
        lines += ["", *versions]
    return [*lines, ""]


def _without_places(command: str) -> str:
    """Leave out where one machine keeps its data."""
    return re.sub(r"\bdataset\.root=\S+", "dataset.root=FOLDER", command)


def _studies(benchmark: Benchmark) -> list[str]:
    """Names of the studies that have rows, the benchmark itself first."""
    beside = {"scaling": benchmark.scaling, "precision": benchmark.precision, "future": benchmark.future}
    return ["benchmark", *(study for study, rows in beside.items() if rows)]
