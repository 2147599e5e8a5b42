"""Ways in which measured rows confirm, correct or refute a statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.tiers.published import TIERS
from search.tiers.row import TierRow, firsts
from zk.benchmark.report.text import number, percent, times

CONFIRMED, CORRECTED, REFUTED, OPEN = "confirmed", "corrected", "refuted", "open"
EQUAL_POINTS = 0.045
"""Accuracies of 1,000 images within this of each other are called equal: two standard deviations of the difference of
two shares of one half. Other seeds of training scatter more, so a verdict near this margin is a weak one."""

SEVERE = 0.15
"""A loss of accuracy above this is called severe."""

EQUAL_BUDGETS = 1.1
"""Trainings are compared if the longer one was shown at most this many times the images of the other."""

EQUAL_COSTS = 1.05
"""A cost counts as greater from this ratio on."""


@dataclass(frozen=True)
class Verdict:
    """What became of a statement: one of the four words above, and the figures that decide."""

    word: str
    figures: str


NOT_MEASURED = Verdict(OPEN, "not measured yet")
Decider = Callable[["Results"], Verdict]


class Results:
    """The first row of each experiment and regime; longer trainings, which come behind it, decide nothing."""

    def __init__(self, rows: Sequence[TierRow]) -> None:
        self._rows = firsts(rows)

    def of(self, id: str, regime: str = "strong") -> TierRow | None:
        """The scored row of an experiment; None without one."""
        row = self._rows.get((id, regime))
        return row if row is not None and row.scored else None

    def scored(self, regime: str = "strong", tier: int | None = None) -> list[TierRow]:
        """All scored rows of a regime, or of one tier of it, most accurate first."""
        rows = [row for row in self._rows.values() if row.scored and row.regime == regime]
        rows = [row for row in rows if row.tier == tier or (tier is None and row.tier in TIERS)]
        return sorted(rows, key=lambda row: -(row.accuracy or 0.0))


def unequal(row: TierRow, base: TierRow) -> str:
    """Why two rows cannot be compared; empty if they can."""
    for name in ("classifier_digest", "arithmetic", "samples"):
        mine, theirs = getattr(row, name), getattr(base, name)
        if mine != theirs:
            return f"{row.id} and {base.id} have other scores ({name} {mine} and {theirs})"
    few, many = sorted((row.images_trained or 0, base.images_trained or 0))
    if many > few * EQUAL_BUDGETS:
        return (
            f"{row.id} was trained on {number(row.images_trained)} images, {base.id} on {number(base.images_trained)}"
        )
    return ""


def gap(row: TierRow, base: TierRow) -> float:
    """By how much the first is more accurate, as a share."""
    return (row.accuracy or 0.0) - (base.accuracy or 0.0)


def side_by_side(row: TierRow, base: TierRow) -> str:
    """Both accuracies, operations, and the ratio of what they cost."""
    parts = []
    for name, words in (("parameters", "parameters"), ("rows", "rows"), ("predicted_prove_seconds", "proving seconds")):
        mine, theirs = getattr(row, name), getattr(base, name)
        if mine and theirs:
            parts.append(f"{times(mine / theirs)} the {words}")
    costs = f"; {', '.join(parts)}" if parts else ""
    return (
        f"{row.id} {percent(row.accuracy)} against {percent(base.accuracy)} of {base.id}, {number(row.images_trained)} "
        f"images each; operations {row.ops_rule} against {base.ops_rule}{costs}"
    )


def against(id: str, control: str, judge: Callable[[TierRow, TierRow], str]) -> Decider:
    """Decide by a row and its control; open unless both are there and on equal terms."""

    def decide(found: Results) -> Verdict:
        row, base = found.of(id), found.of(control)
        if row is None or base is None:
            return NOT_MEASURED
        if reason := unequal(row, base):
            return Verdict(OPEN, f"not comparable: {reason}")
        return Verdict(judge(row, base), side_by_side(row, base))

    return decide


def loses(row: TierRow, base: TierRow) -> str:
    """Whether it is worse: corrected if neither is, refuted if it is better."""
    found = gap(row, base)
    return CONFIRMED if found < -EQUAL_POINTS else CORRECTED if found <= EQUAL_POINTS else REFUTED


def loses_a_little(row: TierRow, base: TierRow) -> str:
    """Whether it is worse, and not severely: corrected if the loss is severe, or none can be told."""
    found = gap(row, base)
    return REFUTED if found > EQUAL_POINTS else CONFIRMED if -SEVERE <= found < -EQUAL_POINTS else CORRECTED


def loses_severely(row: TierRow, base: TierRow) -> str:
    """Whether it is severely worse: corrected if it is only worse."""
    found = gap(row, base)
    return CONFIRMED if found < -SEVERE else CORRECTED if found < -EQUAL_POINTS else REFUTED


def gains_nothing(row: TierRow, base: TierRow) -> str:
    """Whether it is no better."""
    return CONFIRMED if gap(row, base) <= EQUAL_POINTS else REFUTED


def costs_without_gain(cost: str) -> Callable[[TierRow, TierRow], str]:
    """Whether it costs more and is no better: corrected if it does not cost more, refuted if it is better."""

    def judge(row: TierRow, base: TierRow) -> str:
        if gap(row, base) > EQUAL_POINTS:
            return REFUTED
        return CONFIRMED if getattr(row, cost) > EQUAL_COSTS * getattr(base, cost) else CORRECTED

    return judge


def same_operations(row: TierRow, base: TierRow) -> str:
    """Whether the published rule counts as many operations."""
    return CONFIRMED if row.ops_rule == base.ops_rule else REFUTED


def stays_at(id: str, claimed: float) -> Decider:
    """Decide whether a generator, trained properly, stays at the published accuracy."""

    def decide(found: Results) -> Verdict:
        row, short = found.of(id), found.of(id, "published")
        if row is None:
            return NOT_MEASURED
        beside = "" if short is None else f" (published training: {percent(short.accuracy)})"
        figures = (
            f"{percent(row.accuracy)}, judge {percent(row.judge_accuracy)}, diversity {number(row.diversity)}{beside}, "
            f"published {percent(claimed)}"
        )
        return Verdict(REFUTED if (row.accuracy or 0) > claimed + EQUAL_POINTS else CONFIRMED, figures)

    return decide


def tier_range(tier: int, low: float, high: float) -> Decider:
    """Decide whether a tier stays in its published range once its generators are trained properly."""

    def decide(found: Results) -> Verdict:
        short, long = found.scored("published", tier), found.scored("strong", tier)
        if not short or not long:
            return NOT_MEASURED
        best, before = long[0], short[0]
        figures = (
            f"published {percent(low)} to {percent(high)}; with the published training at most "
            f"{percent(before.accuracy)} ({before.id}), trained properly {percent(best.accuracy)} ({best.id})"
        )
        gain = (best.accuracy or 0) - max(high, before.accuracy or 0)
        return Verdict(REFUTED if gain > EQUAL_POINTS else CONFIRMED, figures)

    return decide
