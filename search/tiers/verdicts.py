"""What the measured rows say about the write-up's statements: confirmed, corrected or refuted, and by which figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import spearmanr

from search.tiers.published import CEILING, TIERS, published_experiments
from search.tiers.row import TierRow
from zk.benchmark.report.text import count, number, percent, times

CONFIRMED, CORRECTED, REFUTED, OPEN = "confirmed", "corrected", "refuted", "open"
EQUAL_POINTS = 0.03
"""Accuracies of 1,000 images within this of each other are called equal: two standard deviations of their difference
are 0.04 at an accuracy of one half and 0.03 at four fifths."""


@dataclass(frozen=True)
class Verdict:
    """What became of a statement: one of the four words above, and the figures that decide."""

    word: str
    figures: str


@dataclass(frozen=True)
class Statement:
    """A statement of the write-up.

    Attributes:
        place: where it stands there.
        text: what it says, in our words.
        decide: gives the verdict.
    """

    place: str
    text: str
    decide: Callable[[Results], Verdict]


class Results:
    """The rows, by experiment and regime."""

    def __init__(self, rows: Sequence[TierRow]) -> None:
        self._rows = {(row.id, row.regime): row for row in rows}

    def of(self, id: str, regime: str = "strong") -> TierRow | None:
        """The scored row of an experiment; None without one."""
        row = self._rows.get((id, regime))
        return row if row is not None and row.scored else None

    def scored(self, regime: str = "strong", tier: int | None = None) -> list[TierRow]:
        """All scored rows of a regime, or of one tier of it, most accurate first."""
        rows = [row for row in self._rows.values() if row.scored and row.regime == regime]
        rows = [row for row in rows if row.tier == tier or (tier is None and row.tier in TIERS)]
        return sorted(rows, key=lambda row: -(row.accuracy or 0.0))


def tier_statement(tier: int, text: str, low: float, high: float) -> Statement:
    """A tier's range of accuracies and why it ends there: the same generators decide, in both regimes."""

    def decide(found: Results) -> Verdict:
        short, long = found.scored("published", tier), found.scored("strong", tier)
        if not short or not long:
            return Verdict(OPEN, "not measured yet")
        best, before = long[0], short[0]
        figures = (
            f"published {percent(low)} to {percent(high)}; with the published training at most "
            f"{percent(before.accuracy)} ({before.id}), trained properly {percent(best.accuracy)} ({best.id})"
        )
        gain = (best.accuracy or 0) - max(high, before.accuracy or 0)
        return Verdict(REFUTED if gain > EQUAL_POINTS else CONFIRMED, figures)

    return Statement(f"tier {tier}", text, decide)


def against(place: str, text: str, id: str, control: str, *, worse: bool, saves: str = "") -> Statement:
    """A statement that a mechanism is ``worse`` than its control, or not; ``saves`` names a cost that it should save.

    Both are compared as trained properly: accuracy, operations by the rule, parameters, rows, predicted seconds.
    """

    def decide(found: Results) -> Verdict:
        row, base = found.of(id), found.of(control)
        if row is None or base is None:
            return Verdict(OPEN, "not measured yet")
        gap = (row.accuracy or 0) - (base.accuracy or 0)
        figures = (
            f"{id} {percent(row.accuracy)} against {percent(base.accuracy)} of {control}; operations "
            f"{row.ops_rule} against {base.ops_rule}; {_ratio(row, base)}"
        )
        if worse:
            word = CONFIRMED if gap < -EQUAL_POINTS else CORRECTED if gap <= EQUAL_POINTS else REFUTED
        else:
            word = CONFIRMED if gap > EQUAL_POINTS else REFUTED if gap < -EQUAL_POINTS else CORRECTED
        return Verdict(word, figures)

    return Statement(place, text, decide)


def _ratio(row: TierRow, base: TierRow) -> str:
    parts = []
    for name, words in (("parameters", "parameters"), ("rows", "rows"), ("predicted_prove_seconds", "proving seconds")):
        mine, theirs = getattr(row, name), getattr(base, name)
        if mine and theirs:
            parts.append(f"{times(mine / theirs)} the {words}")
    return ", ".join(parts)


def viable(place: str, text: str, id: str, claimed: float) -> Statement:
    """A statement that a generator stays at ``claimed``, or never ran."""

    def decide(found: Results) -> Verdict:
        row, short = found.of(id), found.of(id, "published")
        if row is None:
            return Verdict(OPEN, "not measured yet")
        beside = "" if short is None else f" (published training: {percent(short.accuracy)})"
        figures = (
            f"{percent(row.accuracy)}, judge {percent(row.judge_accuracy)}, diversity {number(row.diversity)}{beside}"
        )
        return Verdict(REFUTED if (row.accuracy or 0) > claimed + EQUAL_POINTS else CONFIRMED, figures)

    return Statement(place, text, decide)


def _ceiling(found: Results) -> Verdict:
    rows = [row for row in found.scored() if (row.ops_rule or 1000) < 100]
    if not rows:
        return Verdict(OPEN, "not measured yet")
    above = [row for row in rows if (row.accuracy or 0) > CEILING]
    best = rows[0]
    figures = (
        f"{count(len(above), 'generator')} of {len(rows)} below 100 operations are above it, the best at "
        f"{percent(best.accuracy)} with {best.ops_rule} ({best.id})"
    )
    return Verdict(REFUTED if above else CONFIRMED, figures)


def _operations(found: Results) -> Verdict:
    rows = [row for row in found.scored() if row.ops_rule and row.macs and row.rows]
    if len(rows) < 5:
        return Verdict(OPEN, "not measured yet")
    by_rule = float(spearmanr([row.ops_rule for row in rows], [row.rows for row in rows]).statistic)
    spread = [row.rows or 0 for row in rows if row.ops_rule == _commonest(rows)]
    figures = (
        f"rank correlation of operations with rows {number(by_rule)} over {count(len(rows), 'generator')}; of those "
        f"with {_commonest(rows)} operations the largest circuit has {times(max(spread) / min(spread))} the rows of "
        "the smallest"
    )
    return Verdict(CONFIRMED if by_rule > 0.9 else CORRECTED if by_rule > 0.5 else REFUTED, figures)


def _commonest(rows: Sequence[TierRow]) -> int:
    counts = [row.ops_rule or 0 for row in rows]
    return max(sorted(set(counts)), key=counts.count)


def _declared(found: Results) -> Verdict:
    rows = {row.id: row for row in found.scored()} | {row.id: row for row in found.scored("published")}
    counted = [(known.declared_ops, rows[known.id].ops_rule) for known in published_experiments() if known.id in rows]
    over = [declared / ops for declared, ops in counted if declared and ops]
    if not over:
        return Verdict(OPEN, "not measured yet")
    figures = (
        f"declared operations are {times(min(over))} to {times(max(over))} those that the write-up's own rule counts "
        f"on the built generators ({count(len(over), 'generator')})"
    )
    return Verdict(CONFIRMED if max(over) < 1.1 and min(over) > 0.9 else REFUTED, figures)


def _blobs(found: Results) -> Verdict:
    row = found.of("exp_026")
    if row is None:
        return Verdict(OPEN, "not measured yet")
    figures = (
        f"{percent(row.accuracy)} of its images are of the class asked for, diversity {number(row.diversity)} "
        f"(real {number(row.real_diversity)})"
    )
    return Verdict(REFUTED if (row.accuracy or 0) > 0.5 else CONFIRMED, figures)


STATEMENTS: tuple[Statement, ...] = (
    tier_statement(1, "too simple to learn spatial structure", 0.118, 0.185),
    tier_statement(2, "better spatial structure but poor class separation", 0.221, 0.287),
    against("tier 2", "skip connections cost operations without a gain", "writeup_012", "exp_006", worse=True),
    against("tier 2", "attention is too expensive for its gain", "exp_014", "exp_006", worse=True),
    Statement("tier 3", "29.4 % is the ceiling below 100 operations", _ceiling),
    tier_statement(3, "no room for deeper features", 0.193, 0.294),
    tier_statement(4, "unusual architectures do not help either", 0.132, 0.275),
    against("23", "depthwise separable: fewer parameters, worse images", "writeup_023", "exp_006", worse=True),
    against("24", "four groups break the mixing of features", "writeup_024", "exp_006", worse=True),
    against("25", "INT8 weights cost a little quality", "writeup_025", "writeup_016", worse=True),
    viable("26", "Linear layers alone have no spatial understanding", "exp_026", 0.194),
    Statement("why MLPs fail", "they generate the same blob regardless of the class", _blobs),
    against("27", "a hybrid is the worst of both worlds", "writeup_027", "exp_026", worse=True),
    viable("28", "1x1 convolutions cannot learn spatial patterns", "writeup_028", 0.153),
    viable("attempt 1", "a student is too simple for distillation", "distillation", CEILING),
    viable("attempt 2", "progressive training needs a fixed architecture", "progressive", CEILING),
    viable("attempt 3", "binary weights: severe loss of quality", "binary", CEILING),
    viable("attempt 3", "ternary weights: severe loss of quality", "ternary", CEILING),
    viable("attempt 4", "MNIST at 28x28 stays under 40 %", "mnist", 0.40),
    Statement("insight 1", "operations are the bottleneck of a circuit", _operations),
    Statement("all tiers", "the declared numbers of operations", _declared),
)
"""The write-up's key findings and reasons, in its order."""
