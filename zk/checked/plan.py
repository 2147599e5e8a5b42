"""What a plan of a checked circuit compared and chose, and how it explains itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zk.checked.options import CheckedOptions
from zk.circuit_cost import CircuitCost
from zk.cost import CostPrediction
from zk.fidelity import FidelityReport


@dataclass(frozen=True)
class CheckedCandidate:
    """One layout.

    Attributes:
        options: of the circuit; logrows is set.
        costs: figures of every part.
        predicted: of every part.
        verdict: empty if it fits, else what it breaks.
    """

    options: CheckedOptions
    costs: tuple[CircuitCost, ...]
    predicted: tuple[CostPrediction, ...]
    verdict: str

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(cost.rows for cost in self.costs)

    @property
    def predicted_peak_bytes(self) -> int:
        """Memory to have free for the most demanding stage of any part."""
        return max(found.admission_bytes for found in self.predicted)

    @property
    def predicted_prove_seconds(self) -> float:
        """Wall clock of the prove stages, one part after the other."""
        return sum(found.seconds["prove"].middle for found in self.predicted)


@dataclass(frozen=True)
class CheckedPlan:
    """What was compared and chosen.

    Attributes:
        candidates: fastest first.
        best: the choice; None where no candidate fits.
        fidelity: of the chosen scales on the samples.
        foreign: operators that EZKL computes in its own form.
        source: the float model.
    """

    candidates: tuple[CheckedCandidate, ...]
    best: CheckedCandidate | None
    fidelity: FidelityReport
    foreign: tuple[str, ...]
    source: Path

    @property
    def reasons(self) -> str:
        """What the candidates break, each reason once."""
        return "; ".join(sorted({found.verdict for found in self.candidates}))


def format_checked_plan(plan: CheckedPlan) -> str:
    """Lay the candidates out as text, the best first; "w" is the number of inner columns, seconds those of proving."""
    lines = [
        f"{'tables':>8} {'bits':>5} {'w':>2} {'rows':>10} {'k':>3} {'parts':>5} {'GiB':>6} {'seconds':>8}  verdict"
    ]
    for found in plan.candidates:
        options = found.options
        verdict = found.verdict or ("chosen" if found is plan.best else "fits")
        lines.append(
            f"{options.divisor:>8,} {options.activation_bits:>5} {options.num_inner_cols:>2} {found.rows:>10,} "
            f"{options.logrows:>3} {len(found.costs):>5} {found.predicted_peak_bytes / 2**30:>6.2f} "
            f"{found.predicted_prove_seconds:>8.1f}  {verdict}"
        )
    error = plan.fidelity
    lines.append(f"mean error {error.mean_abs_error:.5f}, PSNR {error.psnr_db:.1f} dB on {error.samples} samples")
    if plan.foreign:
        lines.append(f"left to EZKL: {', '.join(plan.foreign)}")
    return "\n".join(lines)
