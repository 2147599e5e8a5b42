"""What a report says of proofs, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.proving import PROOF_SIZES, ProofAttempt, ProvingPlan, fits
from zk.pipeline import ProofRun
from zk.types import Budget, StageResult

_GIB = 2**30


def cheapest(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the row with the least predicted peak memory."""
    return min(rows, key=lambda row: (row["predicted_peak_bytes"], row["predicted_prove_seconds"]))


def proof_sentences(
    attempts: Sequence[ProofAttempt], rows: Sequence[Mapping[str, Any]], plan: ProvingPlan
) -> list[str]:
    """Return what is to be said of ``attempts``; the first sentence is the verdict.

    ``rows`` are all trials with a predicted circuit, on the front or not.
    """
    if not rows:
        return ["Nothing was proved: no candidate has a circuit."]
    if not attempts and any(row["front"] and fits(row, plan.budget) for row in rows):
        return ["Nothing was proved: proving.attempts is 0."]
    if not attempts:
        return _nothing_fits(cheapest([row for row in rows if row["front"]] or rows), plan.budget)
    sentences = [_verdict(attempts[-1])]
    for attempt in attempts:
        sentences += [f"Trial {attempt.trial}: {_stage_sentence(stage)}" for stage in attempt.run.stages]
    return sentences + _figures(attempts[-1].run)


def _nothing_fits(row: Mapping[str, Any], budget: Budget) -> list[str]:
    memory, seconds = row["predicted_peak_bytes"] / _GIB, row["predicted_prove_seconds"]
    of_front = "front member" if row["front"] else "candidate"
    return [
        f"Nothing was proved: no {of_front} fits {budget.memory_bytes / _GIB:.1f} GiB and {budget.wall_seconds:.0f} s.",
        f"The cheapest is trial {row['trial']}: {row['rows']:,} rows at logrows {row['logrows']}, predicted to need "
        f"{memory:.1f} GiB and {seconds:.0f} s to prove.",
    ]


def _verdict(attempt: ProofAttempt) -> str:
    run = attempt.run
    if run.counts_as_proved:
        return (
            f"Trial {attempt.trial}: one image proved and verified at logrows {run.logrows}; wiring {run.wiring}; "
            f"{len(run.tamper_reasons)} tampered copies of the public values rejected."
        )
    return (
        f"Nothing counts as proved; last tried was trial {attempt.trial}: {run.outcome}, verified {run.verified}, "
        f"wiring {run.wiring} ({run.wiring_reason or 'the audit did not run'})."
    )


def _figures(run: ProofRun) -> list[str]:
    sizes = {name: getattr(run, name) for name in PROOF_SIZES}
    sentences = (
        ["; ".join(f"{name} {value:,}" for name, value in sizes.items() if value)] if any(sizes.values()) else []
    )
    if run.fidelity is not None:
        sentences.append(
            f"The proved image differs from the float generator's by {run.fidelity.mean_abs_error:.4f} on average and "
            f"{run.fidelity.max_abs_error:.4f} at most, on [-1, 1]."
        )
    return sentences


def _stage_sentence(stage: StageResult) -> str:
    figures = f"{stage.stage} {stage.outcome}, {stage.wall_seconds:.1f} s, peak {stage.peak_rss_bytes / _GIB:.2f} GiB"
    return f"{figures}: {stage.message}" if stage.message else figures
