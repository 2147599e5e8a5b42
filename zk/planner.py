"""Choosing how a model becomes a circuit: the rewrites, scales and digits that prove it fastest in the memory there is.

No keys are made. Each candidate layout is drafted by ezkl (settings, compilation: seconds) and run by the integer
simulator (:mod:`zk.simulate`) on sample inputs, which tells how far its integers reach, hence how many digits a check
needs and how long its tables must be, and how far its outputs lie from the float model's.

Two habits of ezkl decide most of the cost. A product raises the scale, and dividing back costs over 20 rows an element:
networks whose activations are sums and absolute values never need it and can let the scale grow (a great
``scale_rebase_multiplier``). A looked-up activation needs a table as long as the range of its integers, so there the
division pays.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from zk.cost import CircuitCost, circuit_cost, predict_peak_bytes, predict_prove_seconds
from zk.errors import OptionError, ZkError
from zk.export import run_onnx
from zk.fidelity import FidelityReport, fidelity_report
from zk.lower import load_model
from zk.lowering import ABSOLUTE_RULES, RULES, lower
from zk.simulate import IntegerCircuit, read_circuit
from zk.stages import StageRunner
from zk.types import Budget, CircuitOptions

LOWERED, ABSOLUTE = "lowered", "absolute"

NEVER_REBASE = 10
"""Greatest multiplier that options allow: scales up to ten times the base are left to grow."""

PLAIN_MULTIPLIERS = (1, 2)
ABSOLUTE_MULTIPLIERS = (2, NEVER_REBASE)
"""The rules of :data:`zk.lowering.ABSOLUTE_RULES` raise the scale: not worth a try where each step is undone."""
LEGS = (1, 2, 3, 4)
LARGEST_TABLE_BITS = 19

GROWN_DIGITS = (1 << 14, 3)
"""Base and number of digits for a scale that grows: 42 bits, four products at 7 bits each with room for the values."""

LOOKED_UP = frozenset(("Tanh", "Sigmoid", "HardSwish", "Erf", "Exp", "Sqrt", "Sin", "Cos", "Softmax", "Pow", "Log"))
"""Operators that ezkl computes by a table as long as the range of their input's integers."""


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
        form: which rewrites the model had: "lowered", or "absolute" with :data:`zk.lowering.ABSOLUTE_RULES` as well.
        options: of the circuit; logrows, digits and lookup range are set.
        cost: figures of its settings; None if ezkl refused it.
        predicted_peak_bytes: of key generation and proving; 0 without a cost.
        predicted_prove_seconds: on the machine that :mod:`zk.cost` was fitted on; 0.0 without a cost.
        fidelity: outputs on the samples against the float model; None if they could not be simulated.
        verdict: empty if it fulfils the goal, else what it breaks.
    """

    form: str
    options: CircuitOptions
    cost: CircuitCost | None
    predicted_peak_bytes: int
    predicted_prove_seconds: float
    fidelity: FidelityReport | None
    verdict: str


@dataclass(frozen=True)
class Plan:
    """The candidates, fastest first, and the model file of the best one; None where no candidate fulfils the goal."""

    candidates: tuple[Candidate, ...]
    best: Candidate | None
    onnx_path: Path | None

    @property
    def reasons(self) -> str:
        """What the candidates break, each reason once."""
        return "; ".join(sorted({found.verdict for found in self.candidates}))


def plan_circuit(
    onnx_path: Path,
    samples: Sequence[torch.Tensor],
    workdir: Path,
    *,
    goal: PlanGoal,
    base: CircuitOptions,
    budget: Budget,
) -> Plan:
    """Find the layout with the least predicted proving time that fulfils ``goal``.

    Args:
        onnx_path: trained model with a fixed batch of one and float32 inputs.
        samples: for each input a tensor [N, ...]; ranges and fidelity come from these N samples.
        workdir: receives the forms of the model and a folder for each candidate.
        goal: what to keep.
        base: visibilities and whatever else the plan leaves alone.
        budget: limits of each call of ezkl.

    Raises:
        LoweringError: the model cannot be read or rewritten.
    """
    forms = _write_forms(onnx_path, workdir)
    expected = _float_outputs(onnx_path, samples)
    candidates: list[Candidate] = []
    for form, path in forms.items():
        for multiplier in _multipliers(form, forms):
            for input_bits in goal.input_scales:
                for param_bits in goal.param_scales:
                    options = dataclasses.replace(
                        base,
                        scale_rebase_multiplier=multiplier,
                        input_scale_bits=input_bits,
                        param_scale_bits=param_bits,
                    )
                    folder = workdir / f"candidate-{len(candidates)}"
                    candidates.append(_draft(form, path, samples, expected, folder, options, goal, budget))
    ranked = sorted(candidates, key=_order)
    best = ranked[0] if ranked[0].verdict == "" else None
    return Plan(tuple(ranked), best, forms[best.form] if best else None)


@dataclass(frozen=True)
class Layout:
    """A form of a model and options to lay it out with; ``name`` is fit for a folder."""

    name: str
    onnx_path: Path
    options: CircuitOptions


def untrained_layouts(onnx_path: Path, workdir: Path, base: CircuitOptions) -> list[Layout]:
    """Layouts that can be compared before there are trained weights, whose integers' reach nobody knows yet.

    The lowered model with ``base``; and, where nothing is looked up, the one whose scale grows, with digits for any
    network of this kind (:data:`GROWN_DIGITS`). A plan on the trained weights chooses among more.

    Raises:
        LoweringError: the model cannot be read or rewritten.
    """
    forms = _write_forms(onnx_path, workdir)
    layouts = [Layout("direct", forms[LOWERED], base)]
    grown = forms.get(ABSOLUTE, forms[LOWERED])
    if not any(node.op_type in LOOKED_UP for node in load_model(grown).graph.node):
        base_of_digits, legs = GROWN_DIGITS
        options = dataclasses.replace(
            base, scale_rebase_multiplier=NEVER_REBASE, decomp_base=base_of_digits, decomp_legs=legs
        )
        layouts.append(Layout("grown", grown, options))
    return layouts


def _write_forms(onnx_path: Path, workdir: Path) -> dict[str, Path]:
    """The model with the rewrites that always pay, and with those that pay where the scale may grow, if there are any.

    What a rewrite saves is not measured here: whole layouts are compared.
    """
    model = load_model(onnx_path)
    workdir.mkdir(parents=True, exist_ok=True)
    plain = lower(model, [rule for rule in RULES if rule not in ABSOLUTE_RULES]).model
    more = lower(plain, RULES)
    models = {LOWERED: plain} | ({ABSOLUTE: more.model} if more.steps else {})
    paths = {form: workdir / f"{form}.onnx" for form in models}
    for form, found in models.items():
        onnx.save(found, str(paths[form]))
    return paths


def _multipliers(form: str, forms: dict[str, Path]) -> tuple[int, ...]:
    if form == ABSOLUTE:
        return ABSOLUTE_MULTIPLIERS
    return PLAIN_MULTIPLIERS if ABSOLUTE in forms else (*PLAIN_MULTIPLIERS, NEVER_REBASE)


def _float_outputs(onnx_path: Path, samples: Sequence[torch.Tensor]) -> torch.Tensor:
    rows = zip(*(tensor.unbind() for tensor in samples), strict=True)
    found = [run_onnx(onnx_path, tuple(x.float().cpu().numpy() for x in row))[0].ravel() for row in rows]
    return torch.from_numpy(np.stack(found)).double()


def _draft(
    form: str,
    path: Path,
    samples: Sequence[torch.Tensor],
    expected: torch.Tensor,
    folder: Path,
    options: CircuitOptions,
    goal: PlanGoal,
    budget: Budget,
) -> Candidate:
    try:
        simulation = compiled_circuit(path, folder, options, budget).run(samples)
        bound = max(simulation.decomposed_peak, 1) * goal.range_margin
        low, high = (round(end * goal.range_margin) for end in simulation.looked_up)
        options = dataclasses.replace(options, lookup_range=(min(low, -1), max(high, 1)))
        found = fidelity_report(expected, simulation.outputs[0].reshape(expected.shape))
        drafts = [_lay_out(path, folder, digits, budget) for digits in _with_digits(options, bound)]
        options, cost = min(drafts, key=lambda draft: predict_prove_seconds(draft[1]))
    except ZkError as refusal:
        return Candidate(form, options, None, 0, 0.0, None, str(refusal))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak, seconds = predict_peak_bytes(cost), predict_prove_seconds(cost)
    return Candidate(form, options, cost, peak, seconds, found, _verdict(found, peak, goal))


def _order(found: Candidate) -> tuple[bool, float, float]:
    rows = found.cost.rows if found.cost is not None else math.inf
    return found.verdict != "", found.predicted_prove_seconds or math.inf, rows


def _verdict(found: FidelityReport, peak_bytes: int, goal: PlanGoal) -> str:
    if found.mean_abs_error > goal.mean_abs_error:
        return f"mean error {found.mean_abs_error:.4f} above {goal.mean_abs_error}"
    if peak_bytes > goal.memory_bytes:
        return f"predicted memory {peak_bytes / 2**30:.1f} GiB above {goal.memory_bytes / 2**30:.1f}"
    return ""


def compiled_circuit(onnx_path: Path, folder: Path, options: CircuitOptions, budget: Budget) -> IntegerCircuit:
    """Compile a model at ``options`` in ``folder`` and read it for the simulator.

    Raises:
        StageFailed: EZKL refuses it, or a stage leaves the budget.
        SimulationError: it has an operator that is not simulated.
    """
    runner = StageRunner(folder, options, budget)
    settings = runner.settings(onnx_path)
    return read_circuit(runner.compile(onnx_path), settings)


def _with_digits(options: CircuitOptions, bound: float) -> list[CircuitOptions]:
    """Options with each number of digits whose table is not too long; the fewest rows are not always the fastest."""
    found = []
    for legs in LEGS:
        bits = max(2, math.ceil(math.log2(bound) / legs))
        if bits <= LARGEST_TABLE_BITS:
            found.append(dataclasses.replace(options, decomp_base=1 << bits, decomp_legs=legs))
    if not found:
        raise OptionError(f"integers reach {bound:.3g}, beyond {max(LEGS)} digits of {LARGEST_TABLE_BITS} bits")
    return found[:2]


def _lay_out(path: Path, folder: Path, options: CircuitOptions, budget: Budget) -> tuple[CircuitOptions, CircuitCost]:
    cost = circuit_cost(StageRunner(folder, options, budget).settings(path))
    return dataclasses.replace(options, logrows=cost.logrows), cost


def format_plan(plan: Plan) -> str:
    """Lay the candidates out as text, the best first."""
    lines = [
        f"{'form':<9} {'rebase':>6} {'bits':>7} {'digits':>8} {'tables':>16} {'rows':>11} {'k':>3} "
        f"{'GiB':>6} {'seconds':>8} {'error':>8}  verdict"
    ]
    for found in plan.candidates:
        options, cost = found.options, found.cost
        rebase = "never" if options.scale_rebase_multiplier == NEVER_REBASE else f"x{options.scale_rebase_multiplier}"
        digits = f"{options.decomp_legs}x{int(math.log2(options.decomp_base))}b"
        bits = f"{options.input_scale_bits}/{options.param_scale_bits}"
        if cost is None:
            lines.append(f"{found.form:<9} {rebase:>6} {bits:>7} refused: {found.verdict}")
            continue
        table = f"{options.lookup_range[0]}..{options.lookup_range[1]}" if cost.static_lookups else "none"
        error = f"{found.fidelity.mean_abs_error:.4f}" if found.fidelity else "-"
        lines.append(
            f"{found.form:<9} {rebase:>6} {bits:>7} {digits:>8} {table:>16} {cost.rows:>11,} {cost.logrows:>3} "
            f"{found.predicted_peak_bytes / 2**30:>6.1f} {found.predicted_prove_seconds:>8.1f} {error:>8}  "
            f"{found.verdict or ('chosen' if found is plan.best else 'fits')}"
        )
    return "\n".join(lines)
