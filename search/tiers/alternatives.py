"""What else the write-up weighed: diffusion models, autoencoders, classifiers, by their circuits' cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search.tiers.deciders import (
    CONFIRMED,
    CORRECTED,
    NOT_MEASURED,
    REFUTED,
    Results,
    Verdict,
    against,
    loses,
)
from search.tiers.files import Row, read_rows
from zk.benchmark.report.text import count, gib, number, percent, table, times

STEPS = (1, 10, 50, 1000)
"""Denoising steps of one image: a distilled sampler, few-step samplers (Song et al. 2021), the original."""

FEWEST_CONSTRAINTS = 500_000_000
"""The least that the write-up estimates for a diffusion model."""

UNCONDITIONAL = "unconditional"
"""Kind of the generator without a class."""

CONDITIONING = 15
"""Operations that a class is said to cost, of a budget of 100."""

TOO_COMPLEX = 100
"""The least factor over a generator that it speaks of."""


def read_alternatives(path: Path) -> list[Row]:
    """Read what ``benchmarks/alternatives.py`` wrote; nothing where it was not run."""
    return read_rows(path, {"name", "kind", "rows", "predicted_prove_seconds"}, "benchmarks/alternatives.py")


def alternatives_section(alternatives: Sequence[Row], results: Results) -> list[str]:
    """Costs of every network, of a diffusion model's image, and the write-up's verdicts."""
    if not alternatives:
        return ["Not measured yet: `python benchmarks/alternatives.py`.", ""]
    lines = table(
        ("network", "operations", "MACs", "parameters", "rows", "prove s, predicted", "GiB, predicted"),
        (
            [
                row["name"],
                number(row["ops_rule"]),
                number(row["macs"]),
                number(row["parameters"]),
                number(int(row["rows"])),
                number(row["predicted_prove_seconds"]),
                gib(row["predicted_peak_bytes"]),
            ]
            for row in alternatives
        ),
    )
    denoisers = _of("denoiser", alternatives)
    lines += ["Proving seconds of an image by the number of its denoising steps, predicted:", ""]
    lines += table(
        ("denoiser", *(count(steps, "step") for steps in STEPS)),
        ([row["name"], *(number(steps * row["predicted_prove_seconds"]) for steps in STEPS)] for row in denoisers),
    )
    verdicts = (
        ("diffusion models are 100 to 1000 times too complex", _diffusion(alternatives)),
        ("autoencoders are more promising than adversarial training", against("exp_006", "vae", loses)(results)),
        ("classifiers are easier than generators", _classifier(alternatives)),
        ("a class costs 15 operations, 15 % of the budget", _conditioning(alternatives)),
    )
    return lines + table(("statement", "verdict", "by"), ([text, v.word, v.figures] for text, v in verdicts))


def _of(kind: str, alternatives: Sequence[Row]) -> list[Row]:
    return [row for row in alternatives if row["kind"] == kind]


def _diffusion(alternatives: Sequence[Row]) -> Verdict:
    denoisers, generators = _of("denoiser", alternatives), _of("generator", alternatives)
    if not denoisers or not generators:
        return NOT_MEASURED
    row, base = denoisers[len(denoisers) // 2], generators[0]
    step = row["predicted_prove_seconds"] / base["predicted_prove_seconds"]
    total = 50 * int(row["rows"])
    figures = (
        f"{row['name']} takes {number(int(row['rows']))} rows and {times(step)} the generator's proving time; 50 steps "
        f"{number(total)} rows and {times(50 * step)}"
    )
    if total >= FEWEST_CONSTRAINTS or 50 * step >= TOO_COMPLEX:
        return Verdict(CONFIRMED, figures)
    return Verdict(CORRECTED if 50 * step > 10 else REFUTED, figures)


def _classifier(alternatives: Sequence[Row]) -> Verdict:
    classifiers, generators = _of("classifier", alternatives), _of("generator", alternatives)
    if not classifiers or not generators:
        return NOT_MEASURED
    ratio = classifiers[0]["predicted_prove_seconds"] / generators[0]["predicted_prove_seconds"]
    figures = (
        f"{number(int(classifiers[0]['rows']))} rows against {number(int(generators[0]['rows']))}, {times(ratio)} the "
        "proving time"
    )
    return Verdict(CONFIRMED if ratio < 0.9 else CORRECTED if ratio < 1.1 else REFUTED, figures)


def _conditioning(alternatives: Sequence[Row]) -> Verdict:
    with_class, without = _of("generator", alternatives), _of(UNCONDITIONAL, alternatives)
    if not with_class or not without:
        return NOT_MEASURED
    row, base = with_class[0], without[0]
    more = int(row["ops_rule"]) - int(base["ops_rule"])
    share = row["rows"] / base["rows"] - 1
    macs, rows = (number(int(row[name] - base[name])) for name in ("macs", "rows"))
    figures = (
        f"{count(more, 'operation')} more by the published rule, {macs} more multiply-accumulates "
        f"({percent(row['macs'] / base['macs'] - 1)}) and {rows} more rows ({percent(share)})"
    )
    return Verdict(CONFIRMED if more >= CONDITIONING else CORRECTED if share >= 0.15 else REFUTED, figures)
