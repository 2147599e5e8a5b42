"""The knowledge page: every published experiment as measured here, and what that says about the write-up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from atomic_files import write_text
from search.tiers.alternatives import alternatives_section
from search.tiers.arithmetic import rounding_section, weight_forms_section
from search.tiers.deciders import CONFIRMED, CORRECTED, OPEN, REFUTED, Results
from search.tiers.files import Row
from search.tiers.limits import compiled_section, limits_section
from search.tiers.numbering import numbering_section
from search.tiers.pictures import PICTURES, write_pictures
from search.tiers.published import (
    ATTEMPTS,
    BUDGET_OPERATIONS,
    TIERS,
    WANTED_DIVERSITY,
    PublishedExperiment,
    published_experiments,
)
from search.tiers.row import REGIMES, TierRow, firsts
from search.tiers.verdicts import STATEMENTS
from zk.benchmark.report.text import NOTHING, count, gib, listed, number, percent, sentence, table
from zk.benchmark.row import LayerRow

GOAL_ACCURACY = 0.8
"""What a generator must reach, within the write-up's operations and with its diversity, to be listed as one that the
write-up held to be impossible."""

_TITLES = {tier: f"Tier {tier}" for tier in TIERS} | {
    ATTEMPTS: "The attempts that never ran, an autoencoder, and controls"
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the page is made from; empty where nothing was measured.

    Attributes:
        rows: of the tiers.
        ladder: of ``experiment=compile_ladder``.
        measured_on: what the ladder was measured on, in words.
        alternatives: of ``benchmarks/alternatives.py``.
        roundings: of ``benchmarks/rounding.py``.
        weight_forms: of ``benchmarks/weight_forms.py``.
    """

    rows: Sequence[TierRow]
    ladder: tuple[LayerRow, ...] = ()
    measured_on: str = ""
    alternatives: Sequence[Row] = ()
    roundings: Sequence[Row] = ()
    weight_forms: Sequence[Row] = ()


def write_page(evidence: Evidence, stem: Path) -> list[Path]:
    """Write ``STEM.md``, ``STEM.json`` and the pictures ``STEM-NAME.png``; gives their paths."""
    text, data = stem.with_suffix(".md"), stem.with_suffix(".json")
    stem.parent.mkdir(parents=True, exist_ok=True)
    pictures = write_pictures(evidence.rows, evidence.ladder, stem)
    write_text(text, page(evidence, {name: path.name for name, path in pictures.items()}))
    write_text(data, json.dumps([row.to_json() for row in evidence.rows], indent=1, allow_nan=False) + "\n")
    return [text, data, *pictures.values()]


def page(evidence: Evidence, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
    """The page in Markdown; ``pictures`` are file names beside it, by name (:data:`search.tiers.pictures.PICTURES`)."""
    rows, results = evidence.rows, Results(evidence.rows)
    sections = (
        ("What was run", [*_overview(rows), *_picture("accuracy", pictures)]),
        (f"Below {BUDGET_OPERATIONS} operations, above {percent(GOAL_ACCURACY)}", _goal(rows, results)),
        ("The write-up's statements", _verdicts(results)),
        (
            "Limits of compilation",
            [*limits_section(evidence.ladder, evidence.measured_on), *_picture("ladder", pictures)],
        ),
        ("The model that the write-up compiled", compiled_section(evidence.ladder)),
        ("Roundings in training", rounding_section(evidence.roundings)),
        ("Integer weights", weight_forms_section(evidence.weight_forms)),
        ("Other networks", alternatives_section(evidence.alternatives, results)),
        *((_TITLES[tier], _tier(rows, tier)) for tier in (*TIERS, ATTEMPTS)),
        ("Two numberings", numbering_section()),
    )
    lines = [
        "# The published experiments",
        "",
        "Every published generator, trained as published (`training=published`) and properly (`training=strong`),",
        "scored, counted and compiled in checked form. Every figure is computed from the studies or taken from the",
        "publication.",
        "",
        "`training=published` is the write-up's: 1,530 steps of 64 images, BCE, its own rates. `training=strong` shows",
        "as many images to a projection discriminator with a class head, hinge loss and averaged weights; its recipe",
        "was chosen by trials of the write-up's best shape, exp_016, under this classifier, which no training sees",
        "([decision 016](../decisions/016-the-tiers-recipe-trades-variety-for-the-class.md)). There is one training",
        "of each, and trainings of one generator came out up to ten points apart: what is closer decides nothing.",
        "",
        "Published accuracies were given by another classifier (72.9 % of real test images), and published",
        "diversities, 0.001 to 0.08, by a formula that is not known: beside ours they show an order, no difference.",
        "",
    ]
    for title, text in sections:
        lines += [f"## {title}", "", *text]
    return "\n".join(lines).rstrip() + "\n"


def _picture(name: str, pictures: Mapping[str, str]) -> list[str]:
    return [f"![{PICTURES[name].title}]({pictures[name]})", ""] if name in pictures else []


def _overview(rows: Sequence[TierRow]) -> list[str]:
    lines = []
    for regime in REGIMES:
        mine = [row for row in firsts(rows).values() if row.regime == regime and row.tier in TIERS]
        done = [row for row in mine if row.scored]
        text = f"- `training={regime}`: {len(done)} of {len(mine)} experiments of the four tiers scored"
        if other := sorted({row.outcome for row in mine if not row.scored}):
            counts = [f"{sum(row.outcome == word for row in mine)} {word}" for word in other]
            text += f" ({listed(counts)})"
        if done:
            images = [row.images_trained or 0 for row in done]
            fewest, most = number(min(images)), number(max(images))
            text += f"; {fewest if fewest == most else f'{fewest} to {most}'} images each"
        lines.append(f"{text}.")
    if filed := sum(row.filed for row in rows):
        lines.append(f"- {count(filed, 'row')} of these kept from earlier pages; the studies are not on this machine.")
    lines += _computed_on([row for row in rows if row.scored])
    return [*lines, ""]


def _computed_on(scored: Sequence[TierRow]) -> list[str]:
    """A line for each classifier; a digest names a training, whose weights another machine may round otherwise."""
    groups: dict[tuple[str, float, float], list[TierRow]] = {}
    for row in scored:
        key = (row.classifier_digest, row.classifier_accuracy or 0.0, row.real_inception_score or 0.0)
        groups.setdefault(key, []).append(row)
    lines = []
    for (digest, accuracy, score), mine in sorted(groups.items()):
        first = mine[0]
        trained = sorted(other for other in groups if other[0] == digest)
        which = f", weights {trained.index((digest, accuracy, score)) + 1} of {len(trained)}" if trained[1:] else ""
        circuit = sum(row.arithmetic == "circuit" for row in mine)
        samples = listed(sorted({number(row.samples) for row in mine}))
        seeds = listed(sorted({str(row.seed) for row in mine}))
        lines.append(
            f"- {count(len(mine), 'row')} scored by the classifier {digest[:12]}{which} "
            f"({percent(first.classifier_accuracy)} of real test images) on {samples} images, seed {seeds}; "
            f"{circuit} of them in circuit arithmetic. As many real images: Inception Score "
            f"{number(first.real_inception_score)}, diversity {number(first.real_diversity)}."
        )
    return lines


def reaches_goal(row: TierRow) -> bool:
    """Whether it has fewer operations than 100, more than 80 % accuracy and a diversity above 0.05."""
    return (
        row.scored
        and row.tier in TIERS
        and (row.ops_rule or BUDGET_OPERATIONS) < BUDGET_OPERATIONS
        and (row.accuracy or 0.0) > GOAL_ACCURACY
        and (row.diversity or 0.0) > WANTED_DIVERSITY
    )


def _goal(rows: Sequence[TierRow], results: Results) -> list[str]:
    found = {row.id: row for row in rows if reaches_goal(row)}
    tiers = sorted({str(row.tier) for row in found.values()})
    text = f"{count(len(found), 'experiment')} above {percent(GOAL_ACCURACY)} with a diversity above {WANTED_DIVERSITY}"
    text += f", in {count(len(tiers), 'tier')} ({', '.join(tiers)})" if found else ""
    known = results.of("exp_016")
    own = "exp_016, the write-up's best, has not been trained yet."
    if known is not None:
        own = f"exp_016, the write-up's best at 29.4 %: {percent(known.accuracy)} here."
    equal = {row.id for row in firsts(rows).values() if reaches_goal(row)}
    longer = [id for id in found if id not in equal]
    if longer:
        own += f" By a longer training than the regime's own: {listed(longer)}."
    if not found:
        return [f"{sentence(text)}. {own}", ""]
    lines = [f"{sentence(text)}. {own} All trainings of these, the best first:", ""]
    mine = [row for row in rows if row.id in found and row.scored and row.regime == "strong"]
    return lines + table(
        ("experiment", "tier", "operations", "accuracy", "judge", "IS", "diversity", "arithmetic", "images", "rows"),
        (
            [
                row.id, str(row.tier), number(row.ops_rule), percent(row.accuracy), percent(row.judge_accuracy),
                number(row.inception_score), number(row.diversity), row.arithmetic, number(row.images_trained),
                number(row.rows),
            ]
            for row in sorted(mine, key=lambda row: -(row.accuracy or 0.0))
        ),
    )  # fmt: skip


def _verdicts(results: Results) -> list[str]:
    found = [(statement, statement.decide(results)) for statement in STATEMENTS]
    counts = [
        f"{sum(verdict.word == word for _, verdict in found)} {word}" for word in (CONFIRMED, CORRECTED, REFUTED, OPEN)
    ]
    lines = [f"Of {len(found)}: {listed(counts)}.", ""]
    return lines + table(
        ("where", "statement", "verdict", "by"),
        ((statement.place, statement.text, verdict.word, verdict.figures) for statement, verdict in found),
    )


def _tier(rows: Sequence[TierRow], tier: int) -> list[str]:
    known = [experiment for experiment in published_experiments() if experiment.tier == tier]
    found = firsts(rows)
    lines = table(
        ("experiment", "what", "regime", "outcome", "accuracy", "judge", "IS", "diversity", "arithmetic", "samples",
         "images"),
        (
            _scores(experiment, row, longer=row is not found[row.id, row.regime])
            for experiment in known
            for row in rows
            if row.id == experiment.id and (tier in TIERS or row.scored or row.regime == "strong")
        ),
    )  # fmt: skip
    return lines + table(
        ("experiment", "published ops", "accuracy", "diversity", "ops by rule", "einsums", "MACs", "parameters", "rows",
         "prove s, predicted", "GiB, predicted"),
        (_costs(experiment, [found[experiment.id, regime] for regime in REGIMES]) for experiment in known),
    )  # fmt: skip


def _scores(experiment: PublishedExperiment, row: TierRow, *, longer: bool) -> list[str]:
    return [
        experiment.id,
        experiment.name,
        f"{row.regime}, longer" if longer else row.regime,
        row.outcome + (f": {row.reason}" if row.reason else ""),
        percent(row.accuracy),
        percent(row.judge_accuracy),
        number(row.inception_score),
        number(row.diversity),
        row.arithmetic or NOTHING,
        number(row.samples),
        number(row.images_trained),
    ]


def _costs(experiment: PublishedExperiment, rows: Sequence[TierRow]) -> list[str]:
    row = next((row for row in reversed(rows) if row.rows is not None), rows[0])
    declared = NOTHING if experiment.declared_ops is None else str(experiment.declared_ops)
    counted = "" if experiment.counted_ops is None else f" ({experiment.counted_ops} counted)"
    return [
        experiment.id,
        declared + counted,
        percent(experiment.accuracy),
        number(experiment.diversity),
        number(row.ops_rule),
        number(row.einsum_instances),
        number(row.macs),
        number(row.parameters),
        number(row.rows),
        number(row.predicted_prove_seconds),
        gib(row.predicted_peak_bytes),
    ]
