"""What the measured rows say about the write-up's statements: confirmed, corrected or refuted, and by which figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import spearmanr

from search.tiers.deciders import (
    CONFIRMED,
    CORRECTED,
    EQUAL_POINTS,
    NOT_MEASURED,
    REFUTED,
    Decider,
    Results,
    Verdict,
    against,
    costs_without_gain,
    gains_nothing,
    gap,
    loses,
    loses_a_little,
    loses_severely,
    same_operations,
    stays_at,
    tier_range,
    unequal,
)
from search.tiers.published import (
    BUDGET_OPERATIONS,
    CEILING,
    WANTED_ACCURACY,
    WANTED_DIVERSITY,
    WANTED_SCORE,
    published_experiments,
)
from search.tiers.row import TierRow
from zk.benchmark.report.text import count, number, percent, times

CHANCE = 0.1
"""Accuracy of images that have nothing to do with the class asked for."""

VIABLE = 0.7
"""What the write-up says a thousand operations are needed for."""


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
    decide: Decider


def _below_a_hundred(found: Results) -> list[TierRow]:
    return [row for row in found.scored() if row.ops_rule is not None and row.ops_rule < BUDGET_OPERATIONS]


def _ceiling(found: Results) -> Verdict:
    rows = _below_a_hundred(found)
    if not rows:
        return NOT_MEASURED
    above = [row for row in rows if (row.accuracy or 0) > CEILING + EQUAL_POINTS]
    best = rows[0]
    figures = (
        f"{len(above)} of {count(len(rows), 'generator')} below 100 operations above it, the best at "
        f"{percent(best.accuracy)} with {best.ops_rule} ({best.id})"
    )
    return Verdict(REFUTED if above else CONFIRMED, figures)


def _thousand(found: Results) -> Verdict:
    rows = _below_a_hundred(found)
    if not rows:
        return NOT_MEASURED
    best = rows[0]
    figures = f"{best.id} reaches {percent(best.accuracy)} with {best.ops_rule} operations"
    return Verdict(REFUTED if (best.accuracy or 0) > VIABLE else CONFIRMED, figures)


def _operations(found: Results) -> Verdict:
    rows = [row for row in found.scored() if row.ops_rule and row.rows]
    if len(rows) < 5:
        return NOT_MEASURED
    by_rule = float(spearmanr([row.ops_rule for row in rows], [row.rows for row in rows]).statistic)
    spread = [row.rows or 0 for row in rows if row.ops_rule == _commonest(rows)]
    figures = (
        f"rank correlation of operations with rows {number(by_rule)} over {count(len(rows), 'generator')}; of those "
        f"with {_commonest(rows)} operations the largest circuit has {times(max(spread) / min(spread))} the rows of "
        "the smallest"
    )
    return Verdict(CONFIRMED if by_rule > 0.9 else CORRECTED if by_rule > 0.5 else REFUTED, figures)


def _quality(found: Results) -> Verdict:
    rows = [row for row in found.scored() if row.ops_rule and row.macs]
    if len(rows) < 5:
        return NOT_MEASURED
    accuracies = [row.accuracy for row in rows]
    by_rule = float(spearmanr([row.ops_rule for row in rows], accuracies).statistic)
    by_size = float(spearmanr([row.macs for row in rows], accuracies).statistic)
    figures = (
        f"rank correlation of accuracy with operations {number(by_rule)}, with multiply-accumulates {number(by_size)}, "
        f"over {count(len(rows), 'generator')}"
    )
    return Verdict(CONFIRMED if by_rule > 0.7 else CORRECTED if by_rule > 0.3 else REFUTED, figures)


def _success(found: Results) -> Verdict:
    rows = _below_a_hundred(found)
    if not rows:
        return NOT_MEASURED
    tests: dict[str, Callable[[TierRow], bool]] = {
        f"accuracy above {percent(WANTED_ACCURACY)}": lambda row: (row.accuracy or 0) > WANTED_ACCURACY,
        f"Inception Score above {number(WANTED_SCORE)}": lambda row: (row.inception_score or 0) > WANTED_SCORE,
        f"diversity above {number(WANTED_DIVERSITY)}": lambda row: (row.diversity or 0) > WANTED_DIVERSITY,
    }
    each = ", ".join(f"{name}: {sum(map(test, rows))}" for name, test in tests.items())
    all_met = sum(all(test(row) for test in tests.values()) for row in rows)
    real = f"{number(rows[0].real_inception_score)} for as many real images"
    figures = f"of {count(len(rows), 'generator')}, {each} ({real}); all of it: {all_met}"
    return Verdict(REFUTED if all_met else CONFIRMED, figures)


def _commonest(rows: Sequence[TierRow]) -> int:
    counts = [row.ops_rule or 0 for row in rows]
    return max(sorted(set(counts)), key=counts.count)


def _declared(found: Results) -> Verdict:
    rows = {row.id: row for row in found.scored()} | {row.id: row for row in found.scored("published")}
    counted = [(known.declared_ops, rows[known.id].ops_rule) for known in published_experiments() if known.id in rows]
    over = [declared / ops for declared, ops in counted if declared and ops]
    if not over:
        return NOT_MEASURED
    figures = (
        f"declared operations are {times(min(over))} to {times(max(over))} those that the write-up's own rule counts "
        f"on the built generators ({count(len(over), 'generator')})"
    )
    return Verdict(CONFIRMED if max(over) < 1.1 and min(over) > 0.9 else REFUTED, figures)


def _blobs(found: Results) -> Verdict:
    row = found.of("exp_026")
    if row is None:
        return NOT_MEASURED
    figures = (
        f"{percent(row.accuracy)} of its images are of the class asked for (by chance {percent(CHANCE)}), diversity "
        f"{number(row.diversity)} (real {number(row.real_diversity)})"
    )
    if (row.accuracy or 0) <= CHANCE + EQUAL_POINTS:
        return Verdict(CONFIRMED, figures)
    return Verdict(REFUTED if (row.diversity or 0) > WANTED_DIVERSITY else CORRECTED, figures)


def _both_worlds(found: Results) -> Verdict:
    row, *others = (found.of(id) for id in ("writeup_027", "exp_026", "exp_006"))
    known = [base for base in others if base is not None and row is not None and not unequal(row, base)]
    if row is None or len(known) < len(others):
        return NOT_MEASURED
    worse = [base for base in known if gap(row, base) < -EQUAL_POINTS]
    beside = ", ".join(f"{base.id} {percent(base.accuracy)}" for base in known)
    return Verdict((REFUTED, CORRECTED, CONFIRMED)[len(worse)], f"{percent(row.accuracy)} beside {beside}")


def _fewer_and_worse(row: TierRow, base: TierRow) -> str:
    fewer = (row.parameters or 0) < (base.parameters or 0)
    return (REFUTED, CORRECTED, CONFIRMED)[fewer + (gap(row, base) < -EQUAL_POINTS)]


STATEMENTS: tuple[Statement, ...] = (
    Statement("tier 1", "too simple to learn spatial structure", tier_range(1, 0.118, 0.185)),
    Statement("tier 2", "better spatial structure but poor class separation", tier_range(2, 0.221, 0.287)),
    Statement(
        "tier 2",
        "skip connections cost operations without a gain",
        against("writeup_012", "exp_006", costs_without_gain("ops_rule")),
    ),
    Statement(
        "tier 2",
        "attention is too expensive for its gain",
        against("writeup_014", "exp_006", costs_without_gain("predicted_prove_seconds")),
    ),
    Statement("tier 3", "29.4 % is the ceiling below 100 operations", _ceiling),
    Statement("tier 3", "no room for deeper features", tier_range(3, 0.193, 0.294)),
    Statement("tier 3", "batch normalisation is essential", against("exp_002", "exp_001", loses)),
    Statement("tier 4", "unusual architectures do not help either", tier_range(4, 0.132, 0.275)),
    Statement(
        "23",
        "depthwise separable: fewer parameters, worse images",
        against("writeup_023", "plain_subpixel", _fewer_and_worse),
    ),
    Statement(
        "23", "depthwise separable: as many operations", against("writeup_023", "plain_subpixel", same_operations)
    ),
    Statement("24", "four groups break the mixing of features", against("writeup_024", "plain_subpixel", loses)),
    Statement("25", "INT8 weights cost a little quality", against("writeup_025", "writeup_016", loses_a_little)),
    Statement("25", "INT8 weights spare no operation", against("writeup_025", "writeup_016", same_operations)),
    Statement("26", "Linear layers alone have no spatial understanding", stays_at("exp_026", 0.194)),
    Statement("why MLPs fail", "they generate the same blob regardless of the class", _blobs),
    Statement("27", "a hybrid is the worst of both worlds", _both_worlds),
    Statement("28", "1x1 convolutions cannot learn spatial patterns", stays_at("writeup_028", 0.153)),
    Statement(
        "attempt 1", "a student is too simple for its teacher", against("distillation", "student", gains_nothing)
    ),
    Statement("attempt 2", "progressive training needs a fixed architecture", stays_at("progressive", CEILING)),
    Statement("attempt 3", "binary weights: severe loss of quality", against("binary", "exp_006", loses_severely)),
    Statement("attempt 3", "ternary weights: severe loss of quality", against("ternary", "exp_006", loses_severely)),
    Statement("attempt 4", "MNIST at 28x28 stays under 40 %", stays_at("mnist", 0.40)),
    Statement("success metrics", "no generator below 100 operations meets them all", _success),
    Statement("limits", "conditional images need about a thousand operations", _thousand),
    Statement("insight 1", "operations are the bottleneck of a circuit", _operations),
    Statement("limits", "images get better with operations", _quality),
    Statement("all tiers", "the declared numbers of operations", _declared),
)
"""The write-up's key findings and reasons, in its order."""
