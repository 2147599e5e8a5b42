"""What a plan must keep, what it may choose from, and how it explains itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from zk.circuit_cost import CircuitCost
from zk.cost import CostPrediction
from zk.errors import OptionError
from zk.fidelity import FidelityReport
from zk.plan_forms import NEVER_REBASE
from zk.types import CircuitOptions


@dataclass(frozen=True)
class PlanGoal:
    """What a plan must keep, beside being the fastest.

    Attributes:
        memory_bytes: bound on the predicted peak memory of key generation and proving.
        mean_abs_error: bound on the mean distance of the circuit's outputs from the float model's on the samples.
        range_margin: how far integers may reach beyond what the samples reached, as a factor.
        param_scales: scales of the weights, in bits, to try.
        input_scales: scales of inputs and activations, in bits, to try.

    Raises:
        OptionError: a bound is not positive, the margin below one, or no scale is given.
    """

    memory_bytes: int
    mean_abs_error: float = 0.02
    range_margin: float = 2.0
    param_scales: tuple[int, ...] = (7,)
    input_scales: tuple[int, ...] = (7,)

    def __post_init__(self) -> None:
        if self.memory_bytes <= 0 or not self.mean_abs_error > 0 or not self.range_margin >= 1:
            raise OptionError(
                "a plan's bounds must be positive and its margin at least 1; got "
                f"memory_bytes={self.memory_bytes}, mean_abs_error={self.mean_abs_error}, margin={self.range_margin}"
            )
        if not self.param_scales or not self.input_scales:
            raise OptionError("a plan needs scales to try; got none; give param_scales and input_scales")


@dataclass(frozen=True)
class Candidate:
    """One layout.

    Attributes:
        form: which rewrites the model had (:class:`zk.plan_forms.Form`).
        options: of the circuit; logrows, digits and lookup range are set.
        cost: figures of its settings; None if ezkl refused it.
        predicted: seconds and bytes of every stage, on the machine of the cost model; None without a cost.
        fidelity: outputs on the samples against the float model; None if they could not be simulated.
        verdict: empty if it fulfils the goal, else what it breaks.
    """

    form: str
    options: CircuitOptions
    cost: CircuitCost | None
    predicted: CostPrediction | None
    fidelity: FidelityReport | None
    verdict: str

    @property
    def predicted_peak_bytes(self) -> int:
        """Memory to have free for the most demanding stage; 0 without a cost."""
        return self.predicted.admission_bytes if self.predicted is not None else 0

    @property
    def predicted_prove_seconds(self) -> float:
        """Wall clock of the prove stage; infinite without a cost."""
        return self.predicted.seconds["prove"].middle if self.predicted is not None else math.inf


@dataclass(frozen=True)
class Plan:
    """What was compared and chosen.

    Attributes:
        candidates: fastest first.
        best: the choice; None where no candidate fulfils the goal.
        onnx_path: its form of the model; None without a choice. Constants may be rounded in it.
        source: the float model that all of them stand for.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate | None
    onnx_path: Path | None
    source: Path

    @property
    def reasons(self) -> str:
        """What the candidates break, each reason once."""
        return "; ".join(sorted({found.verdict for found in self.candidates}))


def format_plan(plan: Plan) -> str:
    """Lay the candidates out as text, the best first; "w" is the number of inner columns, seconds those of proving."""
    lines = [
        f"{'form':<10} {'rebase':>6} {'bits':>7} {'digits':>6} {'tables':>15} {'w':>2} {'rows':>10} {'k':>3} "
        f"{'GiB':>5} {'seconds':>8} {'error':>7}  verdict"
    ]
    for found in plan.candidates:
        options, cost = found.options, found.cost
        rebase = "never" if options.scale_rebase_multiplier == NEVER_REBASE else f"x{options.scale_rebase_multiplier}"
        weights = options.param_scale_bits or "whole"  # the deferred forms hold whole numbers
        bits = f"{options.input_scale_bits}/{weights}"
        if cost is None:
            lines.append(f"{found.form:<10} {rebase:>6} {bits:>7} refused: {found.verdict}")
            continue
        digits = f"{options.decomp_legs}x{int(math.log2(options.decomp_base))}b"
        table = f"{options.lookup_range[0]}..{options.lookup_range[1]}" if cost.static_lookups else "none"
        error = f"{found.fidelity.mean_abs_error:.4f}" if found.fidelity else "-"
        lines.append(
            f"{found.form:<10} {rebase:>6} {bits:>7} {digits:>6} {table:>15} {options.num_inner_cols:>2} "
            f"{cost.rows:>10,} {cost.logrows:>3} {found.predicted_peak_bytes / 2**30:>5.1f} "
            f"{found.predicted_prove_seconds:>8.1f} {error:>7}  "
            f"{found.verdict or ('chosen' if found is plan.best else 'fits')}"
        )
    return "\n".join(lines)
