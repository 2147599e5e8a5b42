"""What numbers of operations say, and do not say, about circuits and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scipy.stats import spearmanr

from search.tiers.deciders import CONFIRMED, CORRECTED, EQUAL_POINTS, NOT_MEASURED, REFUTED, Results, Verdict
from search.tiers.published import BUDGET_OPERATIONS, CEILING, published_experiments
from search.tiers.row import TierRow
from zk.benchmark.report.text import count, number, percent, times

FEWEST = 5
"""Generators that a rank correlation needs at least."""

LEAST_VIABLE = 20
"""Operations that the write-up calls the least that is viable."""


def below_a_hundred(found: Results) -> list[TierRow]:
    """The properly trained generators below the write-up's limit, most accurate first."""
    return [row for row in found.scored() if row.ops_rule is not None and row.ops_rule < BUDGET_OPERATIONS]


def bottleneck(found: Results) -> Verdict:
    """Whether operations order circuits by what they cost."""
    rows = found.costed()
    if len(rows) < FEWEST:
        return NOT_MEASURED
    by_rule, in_seconds, by_entries = (
        _ranks(rows, *pair)
        for pair in (
            (lambda row: row.ops_rule, lambda row: row.rows),
            (lambda row: row.ops_rule, lambda row: row.predicted_prove_seconds),
            (lambda row: row.einsum_instances, lambda row: row.rows),
        )
    )
    commonest = _commonest(rows)
    spread = [row.rows or 0 for row in rows if row.ops_rule == commonest]
    figures = (
        f"rank correlation over {count(len(rows), 'circuit')}: of operations with rows {number(by_rule)}, with "
        f"predicted proving seconds {number(in_seconds)}; of einsum entries with rows {number(by_entries)}; of those "
        f"with {commonest} operations the largest has {times(max(spread) / min(spread))} the rows of the smallest"
    )
    found_ranks = (by_rule, in_seconds, by_entries)
    return Verdict(CONFIRMED if min(found_ranks) > 0.9 else CORRECTED if max(found_ranks) > 0.5 else REFUTED, figures)


def entries_follow_the_rule(found: Results) -> Verdict:
    """Whether EZKL makes as many einsum entries as the published rule counts operations."""
    ratios = [(row.einsum_instances or 0) / (row.ops_rule or 1) for row in found.costed()]
    if not ratios:
        return NOT_MEASURED
    figures = (
        f"EZKL's settings list {times(min(ratios))} to {times(max(ratios))} as many einsum entries as the rule counts "
        f"operations ({count(len(ratios), 'circuit')})"
    )
    return Verdict(_alike(ratios), figures)


def quality(found: Results) -> Verdict:
    """Whether more operations go with better images, by the write-up's own numbers and by the rule."""
    declared = {known.id: known.declared_ops for known in published_experiments()}
    rows = [row for row in found.scored() if row.ops_rule and row.macs and declared[row.id]]
    if len(rows) < FEWEST:
        return NOT_MEASURED
    by_name, by_rule, by_size = (
        _ranks(rows, key, lambda row: row.accuracy)
        for key in (lambda row: declared[row.id], lambda row: row.ops_rule, lambda row: row.macs)
    )
    numbers = [declared[row.id] or 0 for row in rows]
    figures = (
        f"rank correlation of accuracy with declared operations ({min(numbers)} to {max(numbers)}) {number(by_name)}, "
        f"with those of the rule {number(by_rule)}, with multiply-accumulates {number(by_size)}, over "
        f"{count(len(rows), 'generator')}, one training each"
    )
    best = max(by_name, by_rule)
    return Verdict(CONFIRMED if best > 0.7 else CORRECTED if best > 0.3 else REFUTED, figures)


def declared_numbers(found: Results) -> Verdict:
    """Whether the declared operations are those that the write-up's own rule counts."""
    rows = {row.id: row for row in found.scored()} | {row.id: row for row in found.scored("published")}
    counted = [(known.declared_ops, rows[known.id].ops_rule) for known in published_experiments() if known.id in rows]
    over = [declared / ops for declared, ops in counted if declared and ops]
    if not over:
        return NOT_MEASURED
    figures = (
        f"declared operations are {times(min(over))} to {times(max(over))} those that the write-up's own rule counts "
        f"on the built generators ({count(len(over), 'generator')})"
    )
    return Verdict(_alike(over), figures)


def least_viable(found: Results) -> Verdict:
    """Whether nothing below 20 operations gives images as good as the published best."""
    rows = [row for row in found.scored() if row.ops_rule is not None and row.ops_rule < LEAST_VIABLE]
    if not rows:
        return NOT_MEASURED
    above = [row for row in rows if (row.accuracy or 0) > CEILING + EQUAL_POINTS]
    least = min(above or rows, key=lambda row: (row.ops_rule or 0, -(row.accuracy or 0)))
    figures = (
        f"{len(above)} of {count(len(rows), 'generator')} with fewer, by the rule, are above the published best; "
        f"{least.id} has {least.ops_rule} and {percent(least.accuracy)}"
    )
    return Verdict(REFUTED if above else CONFIRMED, figures)


def room_for_depth(found: Results) -> Verdict:
    """Whether a hundred operations leave no room for layers beyond those of the published best."""
    row, base = found.of("exp_018"), found.of("exp_016")
    if row is None or base is None or row.ops_rule is None:
        return NOT_MEASURED
    figures = (
        f"{row.id}, with two residual blocks more, has {row.ops_rule} operations by the rule where exp_016 has "
        f"{base.ops_rule}, and {number(row.rows)} rows against {number(base.rows)}; it scores {percent(row.accuracy)}"
    )
    return Verdict(REFUTED if row.ops_rule < BUDGET_OPERATIONS else CONFIRMED, figures)


def _ranks(rows: Sequence[TierRow], one: Callable[[TierRow], object], two: Callable[[TierRow], object]) -> float:
    return float(spearmanr([one(row) for row in rows], [two(row) for row in rows]).statistic)


def _alike(ratios: Sequence[float]) -> str:
    return CONFIRMED if max(ratios) < 1.1 and min(ratios) > 0.9 else REFUTED


def _commonest(rows: Sequence[TierRow]) -> int:
    counts = [row.ops_rule or 0 for row in rows]
    return max(sorted(set(counts)), key=counts.count)
