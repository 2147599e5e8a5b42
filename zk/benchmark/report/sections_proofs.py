"""Verification, proof sizes, and how far repeats differ."""

from __future__ import annotations

from zk.benchmark.published import PublishedFigures, published_figures
from zk.benchmark.report.data import Benchmark, Pair
from zk.benchmark.report.quantities import (
    BUNDLE_VERIFY,
    FILE,
    PROOF,
    PROVE,
    PUBLIC,
    VERIFY,
    measured,
    published_value,
    summary,
    values,
)
from zk.benchmark.report.sections_groups import SIDES
from zk.benchmark.report.text import NOTHING, count, listed, number, percent, sentence, table, times
from zk.benchmark.row import LayerRow
from zk.benchmark.statistics import coefficient_of_variation, geometric_mean, line_fit, summarize

VALUE_BYTES = 32
"""Bytes of a public value: one field element."""


def verification(benchmark: Benchmark) -> list[str]:
    """Verifying seconds, and proving over verifying."""
    lines, said = [], []
    for side in SIDES:
        found = summary(values(benchmark.pairs, side, VERIFY))
        if found is None:
            continue
        lines.append([side, str(found.count), *map(number, (found.mean, found.minimum, found.median, found.maximum))])
        if ratios := [value for pair in benchmark.pairs if (value := _prove_over_verify(pair, side)) is not None]:
            said.append(
                f"{sentence(side)}: proving takes {times(geometric_mean(ratios))} the time of verifying (geometric "
                f"mean over {count(len(ratios), 'experiment')}; {times(min(ratios))} to {times(max(ratios))}); at "
                f"least 100x in {sum(value >= 100 for value in ratios)}."
            )
    if not lines:
        return ["No verification was measured.", ""]
    heads = ("verify s", "measured", "mean", "min", "median", "max")
    return [
        'The published summary puts verification "2-3 orders of magnitude" below proving; 100x is two.',
        "",
        *table(heads, lines),
        *[f"- {text}" for text in [*said, *_whole(benchmark)]],
        "",
    ]


def _whole(benchmark: Benchmark) -> list[str]:
    """What the verifier of ours does beside EZKL's verification."""
    found = summary(values(benchmark.pairs, "ours", BUNDLE_VERIFY))
    if found is None:
        return []
    return [
        "A checked proof also needs the verifier to compute what it asks for from the network. The whole verification "
        f"of a bundle, its key given, takes ours {number(found.mean)} s on average over "
        f"{count(found.count, 'experiment')} (median {number(found.median)} s, {number(found.minimum)} s to "
        f"{number(found.maximum)} s); stock has no such step." + _against_whole(benchmark)
    ]


def _against_whole(benchmark: Benchmark) -> str:
    both = [
        (prove / whole, row)
        for row in benchmark.column("ours")
        if (prove := measured(row, PROVE)) is not None and (whole := measured(row, BUNDLE_VERIFY)) is not None
    ]
    if not both:
        return ""
    text = f" Proving takes {times(geometric_mean([value for value, _ in both]))} its time"
    slower = [f"{row.experiment} at scale {row.scale_bits} ({times(value)})" for value, row in both if value < 1]
    return f"{text}, and less than it for {listed(slower)}." if slower else f"{text}."


def _prove_over_verify(pair: Pair, side: str) -> float | None:
    if side == "published":
        prove, verify = published_value(pair, PROVE), published_value(pair, VERIFY)
    else:
        prove, verify = measured(pair.row(side), PROVE), measured(pair.row(side), VERIFY)
    return prove / verify if prove is not None and verify is not None else None


def proof_sizes(benchmark: Benchmark) -> list[str]:
    """The proof itself, its public values, and EZKL's file apart."""
    lines = []
    for side in SIDES:
        for quantity in (PROOF, PUBLIC, FILE):
            if found := summary(values(benchmark.pairs, side, quantity)):
                shown = (found.minimum, found.median, found.mean, found.maximum)
                lines.append([side, quantity.name, str(found.count), *(f"{value:,.0f}" for value in shown)])
    return [
        *table(("column", "size", "measured", "min", "median", "mean", "max"), lines),
        *[f"- {text}" for side in ("stock", "ours") if (text := _shares(benchmark, side))],
        f"- {_published_files(benchmark)}",
        "",
    ]


def _shares(benchmark: Benchmark, column: str) -> str:
    pairs = [
        (proof, public)
        for row in benchmark.column(column)
        if (proof := measured(row, PROOF)) is not None and (public := measured(row, PUBLIC)) is not None
    ]
    if not pairs:
        return ""
    more = sum(public > proof for proof, public in pairs)
    proofs = [proof for proof, _ in pairs]
    return (
        f"{sentence(column)}: {number(min(proofs))} to {number(max(proofs))} bytes of proof; the public values are "
        f"larger than the proof in {more} of {count(len(pairs), 'experiment')}."
    )


def _published_files(benchmark: Benchmark) -> str:
    figures = published_figures()
    largest = sorted(figures, key=lambda key: -figures[key].proof_file_bytes)[:6]
    sizes = [figures[key].proof_file_bytes / 1024**2 for key in largest]
    text = f"The {len(largest)} largest published proof sizes are {number(min(sizes))} to {number(max(sizes))} MiB"
    points = [
        (float(public_elements(pair)), float(pair.published.proof_file_bytes))
        for pair in benchmark.pairs
        if pair.published is not None and public_elements(pair)
    ]
    if len({x for x, _ in points}) < 2:
        return f"{text}; there are too few rows here to say what they hold."
    fit = line_fit([x for x, _ in points], [y for _, y in points])
    text += (
        f" of EZKL's JSON file. Over {count(fit.points, 'experiment')} the published sizes follow the line "
        f"{number(float(fit.intercept))} + {number(float(fit.slope))} bytes for each element of input and output "
        f"(R² {_r_squared(fit.r_squared)}), where a public value has {VALUE_BYTES} bytes, {2 * VALUE_BYTES} digits in "
        "hex"
    )
    shares = [_value_share(pair, pair.published, fit.slope) for pair in benchmark.pairs if pair.published is not None]
    large = [share for key, share in shares if key in largest and share is not None]
    return (
        f"{text}: by it, public values are at least {percent(min(large))} of each of the largest files."
        if large
        else (f"{text}.")
    )


def _r_squared(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _value_share(pair: Pair, figures: PublishedFigures, slope: float) -> tuple[tuple[str, int], float | None]:
    elements = public_elements(pair)
    share = slope * elements / figures.proof_file_bytes if elements else None
    return (pair.experiment, pair.scale_bits), share


def public_elements(pair: Pair) -> int:
    """Public values of the published statement: elements of the input and the output; 0 where they are not known."""
    row = pair.stock or pair.ours
    return row.input_elements + row.output_elements if row is not None and row.input_elements else 0


def variability(benchmark: Benchmark) -> list[str]:
    """How far repeats of one proof differ, and how far experiments of one category do: two different things."""
    lines: list[list[str]] = []
    said: list[str] = []
    for side in SIDES:
        for category in dict.fromkeys(pair.category for pair in benchmark.pairs):
            pairs = [pair for pair in benchmark.pairs if pair.category == category]
            repeats = [value for pair in pairs if (value := _repeat_variation(pair, side)) is not None]
            between = values(pairs, side, PROVE)
            if not between:
                continue
            spread = percent(coefficient_of_variation(between))
            within = (percent(summarize(repeats).mean), percent(max(repeats))) if repeats else (NOTHING, NOTHING)
            lines.append([side, category, str(len(repeats)), *within, str(len(between)), spread])
        said += _repeats(benchmark, side)
    if not lines:
        return ["No proving time was measured.", ""]
    heads = (
        "column",
        "category",
        "repeated",
        "mean CV of repeats",
        "greatest",
        "experiments",
        "CV between experiments",
    )
    return [
        "CV: coefficient of variation, sample standard deviation over mean, of proving seconds. Between repeats of one "
        "proof it tells how well a time is known. Between the experiments of a category it tells how different those "
        "layers are, and nothing of how predictable any of them is; the published variability is of this second kind.",
        "",
        *table(heads, lines),
        *[f"- {text}" for text in (said or ["No proof was repeated."])],
        "",
    ]


def _repeats(benchmark: Benchmark, side: str) -> list[str]:
    found = [(value, pair.label) for pair in benchmark.pairs if (value := _repeat_variation(pair, side)) is not None]
    if not found:
        return []
    mean, (most, name) = summarize([value for value, _ in found]).mean, max(found)
    return [
        f"{sentence(side)}: over {count(len(found), 'repeated proof')} the deviation of proving time is "
        f"{percent(mean)} of its mean on average, at most {percent(most)} ({name})."
    ]


def _repeat_variation(pair: Pair, side: str) -> float | None:
    if side == "published":
        figures = pair.published
        return None if figures is None else figures.prove_seconds_std / figures.prove_seconds
    return repeat_variation(pair.row(side))


def repeat_variation(row: LayerRow | None) -> float | None:
    """Deviation over mean of a row's repeated provings; None where there are none."""
    if row is None or not row.measured or row.prove_seconds_std is None or not row.prove_seconds:
        return None
    return row.prove_seconds_std / row.prove_seconds
