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
two shares of one half. For a figure against a published one, where a single training that gets there is enough."""

TRAINING_POINTS = 0.1
"""Accuracies of two trainings within this of each other are not told apart: trainings of one generator by one recipe
came out 4 to 10 points apart (decision 016), and there is one of each."""

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

    def among(self, ids: Sequence[str], regime: str) -> list[TierRow]:
        """The scored rows of these experiments in a regime, most accurate first."""
        return [row for row in self.scored(regime) if row.id in ids]

    def costed(self) -> list[TierRow]:
        """One row of each experiment of the tiers with a circuit, scored or not: its cost does not depend on training.

        Of generators with the same circuit only one is there.
        """
        found: dict[tuple[int, int, int], TierRow] = {}
        for row in self._rows.values():
            if row.tier in TIERS and row.ops_rule and row.einsum_instances and row.rows and row.predicted_prove_seconds:
                found.setdefault((row.ops_rule, row.einsum_instances, row.macs or 0), row)
        return list(found.values())

    def scored(self, regime: str = "strong", tier: int | None = None) -> list[TierRow]:
        """All scored rows of a regime, or of one tier of it, most accurate first."""
        rows = [row for row in self._rows.values() if row.scored and row.regime == regime]
        rows = [row for row in rows if row.tier == tier or (tier is None and row.tier in TIERS)]
        return sorted(rows, key=lambda row: -(row.accuracy or 0.0))


_SAME = ("classifier_digest", "classifier_accuracy", "real_inception_score", "arithmetic", "samples", "seed")
"""What scores must have in common; by accuracy and score on real images, weights of one digest are told apart."""


def unequal(row: TierRow, base: TierRow) -> str:
    """Why two rows cannot be compared; empty if they can."""
    for name in _SAME:
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
        f"images each; operations {row.ops_rule} against {base.ops_rule}, einsum entries "
        f"{number(row.einsum_instances)} against {number(base.einsum_instances)}{costs}"
    )


def against(id: str, control: str, judge: Callable[[TierRow, TierRow], str], note: str = "") -> Decider:
    """Decide by a row and its control; open unless both are there, on equal terms, and told apart.

    ``note`` stands before the figures.
    """

    def decide(found: Results) -> Verdict:
        row, base = found.of(id), found.of(control)
        if row is None or base is None:
            return NOT_MEASURED
        if reason := unequal(row, base):
            return Verdict(OPEN, f"not comparable: {reason}")
        word, figures = judge(row, base), note + side_by_side(row, base)
        if word == OPEN:
            figures += f"; one training of each tells less than {number(100 * TRAINING_POINTS)} points from nothing"
        return Verdict(word, figures)

    return decide


def loses(row: TierRow, base: TierRow) -> str:
    """Whether it is worse; refuted if it is better."""
    found = gap(row, base)
    return CONFIRMED if found < -TRAINING_POINTS else REFUTED if found > TRAINING_POINTS else OPEN


def loses_a_little(row: TierRow, base: TierRow) -> str:
    """Whether it is worse, and not severely: corrected if the loss is severe, refuted if it is better."""
    found = loses(row, base)
    return CORRECTED if found == CONFIRMED and gap(row, base) < -SEVERE else found


def loses_severely(row: TierRow, base: TierRow) -> str:
    """Whether it is severely worse; refuted if the loss is too small to be one, however the trainings scatter."""
    found = gap(row, base)
    return CONFIRMED if found < -SEVERE else REFUTED if found > TRAINING_POINTS - SEVERE else OPEN


def costs_without_gain(cost: str) -> Callable[[TierRow, TierRow], str]:
    """Whether it costs more without a gain that can be told: corrected if it does not cost more, refuted by a gain."""

    def judge(row: TierRow, base: TierRow) -> str:
        if gap(row, base) > TRAINING_POINTS:
            return REFUTED
        return CONFIRMED if getattr(row, cost) > EQUAL_COSTS * getattr(base, cost) else CORRECTED

    return judge


def learns_no_patterns(id: str, control: str, claimed: float) -> Decider:
    """Decide whether it stays at its published accuracy: corrected if it only stays behind its control."""

    def judge(row: TierRow, base: TierRow) -> str:
        if (row.accuracy or 0) <= claimed + EQUAL_POINTS:
            return CONFIRMED
        return CORRECTED if gap(row, base) < -TRAINING_POINTS else REFUTED

    return against(id, control, judge, f"published {percent(claimed)}; ")


def same_cost(row: TierRow, base: TierRow) -> str:
    """Whether it spares nothing: corrected if it does in einsum entries or in rows, refuted if in both."""
    spared = sum(
        (getattr(row, name) or 0) * EQUAL_COSTS < (getattr(base, name) or 0) for name in ("einsum_instances", "rows")
    )
    return (CONFIRMED, CORRECTED, REFUTED)[spared]


def fewer_parameters_only(row: TierRow, base: TierRow) -> str:
    """Whether it spares parameters and neither einsum entries nor rows: refuted if it spares no parameters."""
    return same_cost(row, base) if (row.parameters or 0) < (base.parameters or 0) else REFUTED


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


def tier_range(ids: Sequence[str], high: float, low: float | None = None) -> Decider:
    """Decide whether these experiments stay in their published range once they are trained properly."""

    def decide(found: Results) -> Verdict:
        short, long = (found.among(ids, regime) for regime in ("published", "strong"))
        if not short or not long:
            return NOT_MEASURED
        best, before = long[0], short[0]
        published = f"at most {percent(high)}" if low is None else f"{percent(low)} to {percent(high)}"
        figures = (
            f"published {published}; with the published training at most {percent(before.accuracy)} ({before.id}, of "
            f"{len(short)}), trained properly {percent(best.accuracy)} ({best.id}, of {len(long)})"
        )
        gain = (best.accuracy or 0) - max(high, before.accuracy or 0)
        return Verdict(REFUTED if gain > EQUAL_POINTS else CONFIRMED, figures)

    return decide
