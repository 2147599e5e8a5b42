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

DECISIVE_STEPS = (10, 50)
"""Few steps and many, which a diffusion model is judged at: too complex with few, or only with many."""

AUTOENCODER_OPERATIONS = 200
"""The least that the write-up estimates for an autoencoder."""

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
        ("an autoencoder takes 200 to 500 operations", _autoencoder(alternatives)),
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
    few, many = DECISIVE_STEPS
    figures = (
        f"{row['name']} takes {number(int(row['rows']))} rows and {times(step)} the generator's proving time; {few} "
        f"steps {number(few * int(row['rows']))} rows, {few * int(row['ops_rule'])} operations and "
        f"{times(few * step)}; {many} steps {number(many * int(row['rows']))} rows, "
        f"{number(many * int(row['ops_rule']))} operations and {times(many * step)}"
    )
    if few * step >= TOO_COMPLEX:
        return Verdict(CONFIRMED, figures)
    return Verdict(CORRECTED if many * step >= TOO_COMPLEX else REFUTED, figures)


def _autoencoder(alternatives: Sequence[Row]) -> Verdict:
    decoders = _of("generator", alternatives)
    if not decoders:
        return NOT_MEASURED
    ops = int(decoders[0]["ops_rule"])
    figures = f"an image takes the decoder only, which is a generator: {count(ops, 'operation')} for exp_006's shape"
    return Verdict(REFUTED if ops < AUTOENCODER_OPERATIONS else CONFIRMED, figures)


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
    more, entries = (int(row[name]) - int(base[name]) for name in ("ops_rule", "einsum_instances"))
    share = row["rows"] / base["rows"] - 1
    macs, rows = (number(int(row[name] - base[name])) for name in ("macs", "rows"))
    figures = (
        f"{count(more, 'operation')} and {entries} einsum entries more, {macs} more multiply-accumulates "
        f"({percent(row['macs'] / base['macs'] - 1)}) and {rows} more rows ({percent(share)}); "
        "what a class takes of the other layers' capacity is not told apart"
    )
    return Verdict(
        CONFIRMED if min(more, entries) >= CONDITIONING else CORRECTED if share >= 0.15 else REFUTED, figures
    )
