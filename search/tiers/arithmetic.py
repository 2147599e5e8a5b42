"""What fewer bits cost: roundings seen in training or only after it, and integer weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search.tiers.deciders import EQUAL_POINTS
from search.tiers.files import Row, read_rows
from zk.benchmark.report.text import listed, number, percent, table, times

AFTER, DURING = "after training", "in training"
"""When a generator meets the roundings of its circuit."""


def read_roundings(path: Path) -> list[Row]:
    """Read what ``benchmarks/rounding.py`` wrote."""
    return read_rows(path, {"rounded", "bits", "circuit_accuracy", "own_accuracy"}, "benchmarks/rounding.py")


def read_weight_forms(path: Path) -> list[Row]:
    """Read what ``benchmarks/weight_forms.py`` wrote."""
    return read_rows(path, {"weights", "direct_rows", "checked_rows"}, "benchmarks/weight_forms.py")


def rounding_section(rows: Sequence[Row]) -> list[str]:
    """Each number of bits, rounded after and in training, and what the difference is worth."""
    if not rows:
        return ["Not measured yet: `python benchmarks/rounding.py`.", ""]
    lines = table(
        ("bits", "rounded", "accuracy, as trained", "accuracy, circuit", "judge", "diversity", "labels alike",
         "mean distance", "rows", "prove s, predicted"),
        (
            [
                str(row["bits"]),
                str(row["rounded"]),
                percent(row["own_accuracy"]),
                percent(row["circuit_accuracy"]),
                percent(row["circuit_judge_accuracy"]),
                number(row["circuit_diversity"]),
                percent(row["circuit_label_agreement"]),
                number(row["circuit_mean_abs_error"]),
                number(int(row["rows"])),
                number(row["predicted_prove_seconds"]),
            ]
            for row in sorted(rows, key=lambda row: (row["bits"], str(row["rounded"])))
        ),
    )  # fmt: skip
    images = listed(sorted({number(int(row["images_trained"])) for row in rows}))
    return [
        f"One generator, trained on {images} images: in float and then rounded by circuits of so many bits, or with",
        "the roundings of that circuit in its training. `As trained` is the score in training's own arithmetic;",
        "`labels alike` and `mean distance` (of pixels in [-1, 1]) compare the circuit's images with those.",
        "",
        *lines,
        _worth(rows),
        "",
    ]


def _worth(rows: Sequence[Row]) -> str:
    found = {(row["rounded"], row["bits"]): float(row["circuit_accuracy"]) for row in rows}
    pairs = {bits: (found[DURING, bits], found[AFTER, bits]) for kind, bits in found if kind == DURING
             if (AFTER, bits) in found}  # fmt: skip
    if not pairs:
        return "No number of bits was measured in both ways."
    better = [bits for bits, (during, after) in sorted(pairs.items()) if during - after > EQUAL_POINTS]
    worse = [bits for bits, (during, after) in sorted(pairs.items()) if after - during > EQUAL_POINTS]
    parts = []
    for bits, word in ((better, "better"), (worse, "worse")):
        if bits:
            parts.append(f"{word} at {listed([str(count) for count in bits])} bits")
    margin = f"more than {number(100 * EQUAL_POINTS)} points"
    if not parts:
        return f"Rounding in training changes no accuracy by {margin}; one training each."
    return f"Rounding in training is {' and '.join(parts)}, by {margin}; one training each."


def weight_forms_section(rows: Sequence[Row]) -> list[str]:
    """Rows and predicted seconds of one layer with float and with integer weights, in both forms of circuit."""
    if not rows:
        return ["Not measured yet: `python benchmarks/weight_forms.py`.", ""]
    lines = table(
        ("weights", "direct rows", "direct prove s, predicted", "checked rows", "checked prove s, predicted"),
        (
            [
                str(row["weights"]),
                number(int(row["direct_rows"])),
                number(row["direct_predicted_prove_seconds"]),
                number(int(row["checked_rows"])),
                number(row["checked_predicted_prove_seconds"]),
            ]
            for row in rows
        ),
    )
    base, *others = rows
    saved = [
        f"{times(row['direct_rows'] / base['direct_rows'])} and {times(row['checked_rows'] / base['checked_rows'])} "
        f"({row['weights']})"
        for row in others
    ]
    return [
        f"Rows of {base['layer']}. Integer weights leave products at the scale of their input, so nothing has to be",
        "divided behind them, unless each channel keeps a factor of its own.",
        "",
        *lines,
        f"Beside {base['weights']}, in direct and in checked form: {listed(saved)}.",
        "",
    ]
