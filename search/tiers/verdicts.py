"""What the measured rows say about the write-up's statements: confirmed, corrected or refuted, and by which figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from search.tiers.deciders import (
    CONFIRMED,
    CORRECTED,
    EQUAL_POINTS,
    NOT_MEASURED,
    OPEN,
    REFUTED,
    TRAINING_POINTS,
    Decider,
    Results,
    Verdict,
    against,
    costs_without_gain,
    fewer_parameters_only,
    gap,
    learns_no_patterns,
    loses,
    loses_a_little,
    loses_severely,
    same_cost,
    side_by_side,
    stays_at,
    tier_range,
    unequal,
)
from search.tiers.numbering import of_text_tier
from search.tiers.operations import (
    below_a_hundred,
    bottleneck,
    declared_numbers,
    entries_follow_the_rule,
    least_viable,
    quality,
    room_for_depth,
)
from search.tiers.published import CEILING, WANTED_ACCURACY, WANTED_DIVERSITY, WANTED_SCORE
from search.tiers.row import TierRow
from zk.benchmark.report.text import count, gib, number, percent

CHANCE = 0.1
"""Accuracy of images that have nothing to do with the class asked for."""

VIABLE = 0.7
"""What the write-up says a thousand operations are needed for."""

MEMORY_BYTES = 24 * 1024**3
"""What a proof may take here, a fifth of the machine that the published circuits did not fit."""


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


def _ceiling(found: Results) -> Verdict:
    rows = below_a_hundred(found)
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
    rows = below_a_hundred(found)
    if not rows:
        return NOT_MEASURED
    best = rows[0]
    figures = f"{best.id} reaches {percent(best.accuracy)} with {best.ops_rule} operations"
    return Verdict(REFUTED if (best.accuracy or 0) > VIABLE else CONFIRMED, figures)


def _success(found: Results) -> Verdict:
    rows = below_a_hundred(found)
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
    return Verdict(REFUTED if all_met else OPEN, figures)  # that none was found does not show that there is none


def _blobs(found: Results) -> Verdict:
    row = found.of("exp_026", "published")  # training=strong rewards latents that are told apart
    if row is None:
        return NOT_MEASURED
    figures = (
        f"with the published training {percent(row.accuracy)} of its images are of the class asked for (by chance "
        f"{percent(CHANCE)}), diversity {number(row.diversity)} (real {number(row.real_diversity)}), Inception Score "
        f"{number(row.inception_score)}"
    )
    same = ((row.diversity or 0) <= WANTED_DIVERSITY) + ((row.accuracy or 0) <= CHANCE + EQUAL_POINTS)
    return Verdict((REFUTED, CORRECTED, CONFIRMED)[same], figures)


def _both_worlds(found: Results) -> Verdict:
    row, *others = (found.of(id) for id in ("writeup_027", "exp_026", "exp_006"))
    known = [base for base in others if base is not None and row is not None and not unequal(row, base)]
    if row is None or len(known) < len(others):
        return NOT_MEASURED
    gaps = [gap(row, base) for base in known]
    beside = ", ".join(f"{base.id} {percent(base.accuracy)}" for base in known)
    figures = f"{percent(row.accuracy)} beside {beside}"
    if all(found < -TRAINING_POINTS for found in gaps):
        return Verdict(CONFIRMED, figures)
    return Verdict(REFUTED if any(found > TRAINING_POINTS for found in gaps) else OPEN, figures)


def _fewer_and_worse(row: TierRow, base: TierRow) -> str:
    worse = loses(row, base)
    if worse == OPEN:
        return OPEN
    return (REFUTED, CORRECTED, CONFIRMED)[((row.parameters or 0) < (base.parameters or 0)) + (worse == CONFIRMED)]


def _needs_parameters(row: TierRow, base: TierRow) -> str:
    if (row.parameters or 0) <= (base.parameters or 0):
        return REFUTED
    return CONFIRMED if (row.rows or 0) > (base.rows or 0) else CORRECTED


def _optimal(found: Results) -> Verdict:
    rows, base = below_a_hundred(found), found.of("exp_016")
    if not rows or base is None:
        return NOT_MEASURED
    better = [row for row in rows if not unequal(row, base) and gap(row, base) > TRAINING_POINTS]
    best = rows[0]
    figures = f"the best of {count(len(rows), 'generator')}: {side_by_side(best, base)}"
    return Verdict(REFUTED if better else OPEN, figures)


def _grows(found: Results) -> Verdict:
    row, base = found.of("progressive"), found.of("exp_006")
    if row is None:
        return NOT_MEASURED
    beside = "" if base is None or unequal(row, base) else f" (all of it at 32 pixels: {percent(base.accuracy)})"
    figures = (
        f"8, 16 and 32 pixels in turn, each size with a head of its own on one network, so that no weight has to move: "
        f"{percent(row.accuracy)}{beside}"
    )
    return Verdict(CORRECTED, figures)


def _compressed(found: Results) -> Verdict:
    verdict = against("distillation", "student", loses)(found)
    row, teacher = found.of("distillation"), found.of("exp_016")
    if row is None or teacher is None:
        return verdict
    sizes = ", ".join(
        f"{number((getattr(teacher, name) or 0) / (getattr(row, name) or 1))}x the {words}"
        for name, words in (("parameters", "parameters"), ("macs", "multiply-accumulates"))
    )
    return Verdict(verdict.word, f"{verdict.figures}; its teacher exp_016 has {percent(teacher.accuracy)} and {sizes}")


def _viable(found: Results) -> Verdict:
    rows = [row for row in below_a_hundred(found) if row.predicted_peak_bytes and row.arithmetic == "circuit"]
    good = [row for row in rows if (row.accuracy or 0) > VIABLE and (row.predicted_peak_bytes or 0) < MEMORY_BYTES]
    if not rows:
        return NOT_MEASURED
    if not good:
        return Verdict(CONFIRMED, f"none of {count(len(rows), 'circuit')} is above {percent(VIABLE)} and fits")
    best = good[0]
    figures = (
        f"{best.id}: {percent(best.accuracy)} of its circuit's own images, judge {percent(best.judge_accuracy)}; "
        f"{number(best.rows)} rows, predicted {number(best.predicted_prove_seconds)} s and "
        f"{gib(best.predicted_peak_bytes)} GiB to prove one; circuits of published shapes are proved below"
    )
    return Verdict(REFUTED, figures)


_WITHOUT_INT8 = tuple(id for id in of_text_tier(4) if id != "writeup_025")
"""The text's tier 4 without its INT8 weights, whose published 27.5 % are outside the range that it gives the tier."""

STATEMENTS: tuple[Statement, ...] = (
    Statement("tier 1", "too simple to learn spatial structure", tier_range(of_text_tier(1), 0.185, 0.118)),
    Statement(
        "tier 2", "better spatial structure but poor class separation", tier_range(of_text_tier(2), 0.287, 0.221)
    ),
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
    Statement("tier 3", "the best that a maximum of quality gives", tier_range(of_text_tier(3), CEILING)),
    Statement("tier 3", "29.4 % is the ceiling below 100 operations", _ceiling),
    Statement("tier 3", "no room for deeper features", room_for_depth),
    Statement("tier 3", "batch normalisation is essential", against("unnormalised", "exp_001", loses_severely)),
    Statement("tier 4", "unusual architectures do not help either", tier_range(_WITHOUT_INT8, 0.208, 0.132)),
    Statement(
        "23",
        "depthwise separable: fewer parameters, worse images",
        against("writeup_023", "plain_subpixel", _fewer_and_worse),
    ),
    Statement("23", "depthwise separable: spares no operation", against("writeup_023", "plain_subpixel", same_cost)),
    Statement("24", "four groups break the mixing of features", against("writeup_024", "plain_subpixel", loses)),
    Statement(
        "24",
        "four groups spare parameters and no operations",
        against("writeup_024", "plain_subpixel", fewer_parameters_only),
    ),
    Statement("25", "INT8 weights cost a little quality", against("writeup_025", "writeup_016", loses_a_little)),
    Statement("25", "INT8 weights spare no operation", against("writeup_025", "writeup_016", same_cost)),
    Statement(
        "26", "Linear layers alone have no spatial understanding", learns_no_patterns("exp_026", "exp_006", 0.194)
    ),
    Statement("why MLPs fail", "they generate the same blob regardless of the class", _blobs),
    Statement("why MLPs fail", "they need huge networks", against("exp_026", "exp_006", _needs_parameters)),
    Statement("27", "a hybrid is the worst of both worlds", _both_worlds),
    Statement(
        "28",
        "1x1 convolutions cannot learn spatial patterns",
        learns_no_patterns("writeup_028", "plain_subpixel", 0.153),
    ),
    Statement("attempt 1", "a student is too simple for its teacher", _compressed),
    Statement("attempt 2", "progressive training needs a fixed architecture", _grows),
    Statement("attempt 3", "binary weights: severe loss of quality", against("binary", "exp_006", loses_severely)),
    Statement("attempt 3", "ternary weights: severe loss of quality", against("ternary", "exp_006", loses_severely)),
    Statement("attempt 4", "MNIST at 28x28 stays under 40 %", stays_at("mnist", 0.40)),
    Statement("insight 1", "operations are the bottleneck of a circuit", bottleneck),
    Statement("insight 1", "EZKL makes an einsum entry of each operation", entries_follow_the_rule),
    Statement("success metrics", "no generator below 100 operations meets them all", _success),
    Statement("limits", "conditional images need about a thousand operations", _thousand),
    Statement("limits", "images get better with operations", quality),
    Statement("conclusions", "20 operations are the least that is viable", least_viable),
    Statement("conclusions", "plain convolutions with batch normalisation are the best architecture", _optimal),
    Statement("final verdict", "conditional GANs are not viable in zero knowledge", _viable),
    Statement("all tiers", "the declared numbers of operations", declared_numbers),
)
"""The write-up's key findings and reasons, in its order. What it says of other networks and of compilation stands with
their figures (:mod:`search.tiers.alternatives`, :mod:`search.tiers.limits`)."""
