"""The second column: the planner's checked circuit, its input secret, its network and its output public."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zk.benchmark.case import INPUT, Case, Draft, Limits
from zk.benchmark.figures import UNKNOWN, ended_badly, prediction_figures, stage_figures
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.srs_times import srs_seconds
from zk.bundle_check import verify_bundle
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.digits import split_input
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedCandidate
from zk.checked.planner import plan_checked
from zk.checked.prove import Proving
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.checked.simulate import CheckedSimulator
from zk.checked.tiles import Rows, tile_convolution, tile_cuts
from zk.cost_model import CostModel
from zk.errors import ZkError
from zk.plan import PlanGoal
from zk.srs import srs_path
from zk.stages import Repeats
from zk.types import Budget

STATEMENT = "input private and committed, parameters public, output public"
RANGE_MARGIN = 1.5
"""How far integers may reach beyond the samples'; their greatest is about four deviations of a normal input."""

BAND_ELEMENTS = 1 << 18
"""A convolution whose output has more elements is proved in bands of rows, each a circuit of its own."""

MEAN_ERROR = 1e9
"""The scale is given, so the error is what it gives: it is reported, not bounded."""


def draft_ours(case: Case, folder: Path, srs: Path, limits: Limits, model: CostModel | None) -> Draft:
    """Plan a network's checked circuit; nothing is proved yet."""
    started = time.monotonic()
    budget = Budget(limits.draft_bytes, limits.draft_seconds)
    try:
        network, chosen, why = _fastest(case, folder, limits, budget, model)
    except ZkError as refusal:
        return Draft(case.row("ours", outcome=RowOutcome.REFUSED, message=str(refusal), statement=STATEMENT))
    finally:
        shutil.rmtree(folder / "plan", ignore_errors=True)
    cost = max(chosen.costs, key=lambda found: found.columns)
    row = case.row(
        "ours",
        outcome=RowOutcome.PREDICTED,
        message=why,
        statement=STATEMENT,
        activation_bits=chosen.options.activation_bits if network.bits is None else case.scale_bits,
        rows=chosen.rows,
        logrows=chosen.options.logrows,
        inner_columns=chosen.options.num_inner_cols,
        columns=cost.columns,
        parts=len(chosen.costs),
        public_value_bytes=32 * sum(found.public_values for found in chosen.costs),
        **prediction_figures(chosen.predicted),
    )
    if why:
        return Draft(row)

    def prove() -> LayerRow:
        circuit = build_checked(network.onnx, chosen.options, folder / "circuit", budget=budget)
        proving = Proving(
            folder / "proof",
            srs,
            Budget(limits.memory_bytes, limits.stage_seconds),
            repeats=Repeats(limits.repeats, limits.repeat_below_seconds / len(chosen.costs)),  # all parts together
        )
        run = prove_checked(network.onnx, circuit, tuple(found[0] for found in network.inputs), proving)
        figures = _figures(run) | _errors(case, network, run)
        if run.counts_as_proved:
            figures |= _verified(run, circuit, network.onnx, folder / "bundle.zip", proving)
        figures |= _scored(case, circuit)
        figures |= {"srs_seconds": srs_seconds(srs, chosen.options.logrows, run.stages)}
        for name in ("proof", "circuit"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "bundle.zip").unlink(missing_ok=True)
        total = time.monotonic() - started
        return dataclasses.replace(row, **{**UNKNOWN, **figures, "total_seconds": total})

    return Draft(row, chosen.predicted_peak_bytes, prove)


@dataclass(frozen=True, eq=False)
class _Network:
    """What is proved: the network, or for a convolution of a tall output the bands of it.

    Attributes:
        onnx: the graph.
        inputs: for each of its inputs a tensor [N, ...].
        names: of its inputs, all private.
        cuts: where it is cut into circuits; none leaves that to the planner.
        bits: scale of the activations; None takes the case's, or a finer one.
        bands: rows of the network's output that each output of the graph has; none where it has the whole.
    """

    onnx: Path
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    cuts: tuple[int, ...] = ()
    bits: int | None = None
    bands: tuple[Rows, ...] = ()

    def in_order(self, output: Tensor) -> Tensor:
        """Flatten the network's output [N, C, H, W] as the graph's outputs follow each other."""
        parts = [output[:, :, rows.start : rows.stop] for rows in self.bands] or [output]
        return torch.cat([part.flatten() for part in parts])


def _fastest(
    case: Case, folder: Path, limits: Limits, budget: Budget, model: CostModel | None
) -> tuple[_Network, CheckedCandidate, str]:
    """The network as it is, or with its input in two digits, whichever is predicted to be proved faster."""
    found = []
    onnx = case.export(folder)
    for network in (_network(case, onnx, folder, budget), *_in_digits(case, onnx, folder)):
        found.append((network, *_chosen(case, network, folder / "plan", limits, budget, model)))
    return min(found, key=lambda entry: (entry[2] != "", entry[1].predicted_prove_seconds))


def _in_digits(case: Case, onnx: Path, folder: Path) -> list[_Network]:
    """A linear layer whose input has two digits; of others the tables are read by more than the input."""
    if not isinstance(case.module, nn.Linear) or case.scale_bits < 2:
        return []
    target = folder / "digits.onnx"
    digits = split_input(onnx, target, case.scale_bits // 2, case.scale_bits - case.scale_bits // 2)
    return [_Network(target, digits.split(case.inputs), digits.names, bits=digits.coarse_bits)]


def _network(case: Case, onnx: Path, folder: Path, budget: Budget) -> _Network:
    elements = case.output_elements
    if elements <= BAND_ELEMENTS or not isinstance(case.module, nn.Conv2d):
        return _Network(onnx, (case.inputs,), (INPUT,))
    tiled = folder / "tiled.onnx"
    tiling = tile_convolution(onnx, tiled, math.ceil(elements / BAND_ELEMENTS))
    names = tuple(rows.name for rows in tiling.piece_rows)
    pieces = [tiling.pieces(sample) for sample in case.inputs]
    inputs = tuple(torch.stack(column) for column in zip(*pieces, strict=True))
    program = build_checked(tiled, CheckedOptions(private_inputs=names), folder / "cut", budget=budget).program
    return _Network(tiled, inputs, names, tile_cuts(program), bands=tiling.band_rows)


def _chosen(
    case: Case, network: _Network, folder: Path, limits: Limits, budget: Budget, model: CostModel | None
) -> tuple[CheckedCandidate, str]:
    """The fastest candidate that fits, or else the smallest and why it does not."""
    plan = plan_checked(
        network.onnx,
        network.inputs,
        folder,
        goal=PlanGoal(memory_bytes=limits.memory_bytes, mean_abs_error=MEAN_ERROR, range_margin=RANGE_MARGIN),
        base=CheckedOptions(private_inputs=network.names, cuts=network.cuts),
        budget=budget,
        model=model,
        least_bits=network.bits or case.scale_bits,
        pinned=limits.pinned or network.bits is not None,
    )
    if plan.best is not None:
        return plan.best, ""
    return min(plan.candidates, key=lambda found: found.predicted_peak_bytes), plan.reasons


def _figures(run: CheckedRun) -> dict[str, Any]:
    bad = ended_badly(run.stages)
    sound = run.counts_as_proved
    checks = [stage for stage in run.stages if stage.stage in ("verify", "tamper")]
    figures: dict[str, Any] = stage_figures([part.stages for part in run.proof.parts], [*run.proof.shared, *checks])
    figures |= {
        "outcome": bad[0] if bad else (RowOutcome.PROVED if sound else RowOutcome.VERIFIED_ONLY),
        "message": bad[1] if bad else ("" if sound else f"wiring {run.wiring}: {run.wiring_reason}"),
        "wiring": str(run.wiring),
        "wiring_reason": run.wiring_reason,
    }
    for name in ("pk_bytes", "vk_bytes", "proof_bytes", "public_value_bytes"):
        figures[name] = sum(getattr(part, name) for part in run.proof.parts) or None
    files = [part.folder / "proof.json" for part in run.proof.parts]
    figures["proof_file_bytes"] = sum(path.stat().st_size for path in files if path.exists()) or None
    return figures


def _verified(run: CheckedRun, circuit: CheckedCircuit, onnx: Path, target: Path, proving: Proving) -> dict[str, Any]:
    """Write the bundle and let the verifier judge it, who trusts the key here and nothing else."""
    write_checked_bundle(run, circuit, target, onnx_path=onnx, proving=proving, config=None)
    srs = srs_path(proving.srs_dir, run.proof.logrows, proving.srs_kind)
    started = time.monotonic()
    result = verify_bundle(target, srs, budget=proving.budget, model_path=onnx, rebuild=False)
    seconds = time.monotonic() - started
    figures: dict[str, Any] = {"bundle_verify_seconds": seconds, "bundle_bytes": target.stat().st_size}
    if not result.accepted:
        failed = "; ".join(f"{check.name}: {check.reason}" for check in result.checks if check.name in result.failed)
        figures |= {"outcome": RowOutcome.VERIFIED_ONLY, "message": f"the bundle is rejected: {failed}"}
    return figures


def _errors(case: Case, network: _Network, run: CheckedRun) -> dict[str, Any]:
    """Distance of the public outputs from the network that was asked for, whatever form of it was proved."""
    if run.fidelity is None:
        return {}
    with torch.no_grad():
        expected = network.in_order(case.module(case.sample)).double()
    distance = (torch.tensor(run.fidelity.output, dtype=torch.float64) - expected).abs()
    return {"max_abs_error": float(distance.max()), "mean_abs_error": float(distance.mean())}


def _scored(case: Case, circuit: CheckedCircuit) -> dict[str, Any]:
    """Accuracy of the circuit's integers on test images, whose proofs would show the same; empty for a layer."""
    if case.trained is None:
        return {}
    images, labels = case.trained.images, case.trained.labels
    found = CheckedSimulator(circuit).run([images.unsqueeze(1)])
    right = (found.outputs[0].argmax(1) == labels) & found.in_range  # what no table holds cannot be proved
    return {"circuit_accuracy": float(right.double().mean())}
