"""From a network and one input to proofs that count, and their bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zk.bundle import Bundle
from zk.bundle_format import SETTINGS, VK
from zk.bundle_write import PartFiles, Verdicts, write_parts
from zk.checked.circuit import CheckedCircuit, PartCircuit
from zk.checked.evaluate import quantise
from zk.checked.prove import CheckedProof, PartProof, Proving, make_proofs
from zk.checked.public import part_public
from zk.circuit_cost import CircuitCost
from zk.errors import ArtifactError
from zk.export import run_onnx
from zk.pipeline import Fidelity
from zk.srs import srs_path
from zk.types import Outcome, StageResult, Wiring
from zk.verify import load_proof, public_integers, tamper_with_public_value, verify_proof


@dataclass(frozen=True)
class CheckedRun:
    """One attempt to prove one input in checked form.

    Attributes:
        proof: of every part, as far as it came.
        stages: of all parts, and of the checks behind them.
        verified: EZKL accepted every part's proof, and all checks are zero.
        inputs_match: the public inputs are the asked ones.
        tampered_rejected: every copy with one changed public value was rejected.
        wiring: linked only if every part is.
        wiring_reason: that of the first part that is not, else of all.
        tamper_reasons: how each copy was rejected.
        fidelity: error of all outputs against the float network; None before a proof exists.
    """

    proof: CheckedProof
    stages: tuple[StageResult, ...]
    verified: bool
    inputs_match: bool
    tampered_rejected: bool
    wiring: Wiring
    wiring_reason: str
    fidelity: Fidelity | None
    tamper_reasons: tuple[str, ...] = ()

    @property
    def counts_as_proved(self) -> bool:
        """Verified on the asked inputs, tampered copies rejected, and every part's wiring linked."""
        return self.verified and self.inputs_match and self.tampered_rejected and self.wiring is Wiring.LINKED

    @property
    def outcome(self) -> Outcome:
        """Outcome of the last stage that ran."""
        return self.stages[-1].outcome if self.stages else Outcome.REFUSED

    def total_seconds(self, stage: str) -> float:
        """Wall clock of a stage over all parts."""
        return sum(found.wall_seconds for found in self.stages if found.stage == stage)

    @property
    def merged_stages(self) -> tuple[StageResult, ...]:
        """Each stage once: seconds of all parts added up, the greatest peak, the outcome of the first that failed."""
        merged: dict[str, StageResult] = {}
        for stage in self.stages:
            known = merged.get(stage.stage)
            if known is None:
                merged[stage.stage] = stage
                continue
            worse = known if not known.ok else stage
            merged[stage.stage] = StageResult(
                stage.stage,
                worse.outcome,
                known.wall_seconds + stage.wall_seconds,
                max(known.peak_rss_bytes, stage.peak_rss_bytes),
                "" if worse.ok else worse.message,
                (*known.output_bytes, *stage.output_bytes),
                known.work_seconds + stage.work_seconds,
            )
        return tuple(merged.values())

    @property
    def cost(self) -> CircuitCost | None:
        """Figures of the one part; of several, the first's with the rows and cells of all."""
        costs = [part.cost for part in self.proof.parts if part.cost is not None]
        if not costs:
            return None
        rows, cells = sum(cost.rows for cost in costs), sum(cost.total_assignments for cost in costs)
        return dataclasses.replace(costs[0], rows=rows, total_assignments=cells)

    @property
    def proof_bytes(self) -> int:
        """Bytes of the proofs themselves, of all parts."""
        return sum(part.proof_bytes for part in self.proof.parts)

    @property
    def public_value_bytes(self) -> int:
        """Bytes of the public values of all parts."""
        return sum(part.public_value_bytes for part in self.proof.parts)

    @property
    def vk_bytes(self) -> int:
        """Bytes of the verification keys of all parts."""
        return sum(part.vk_bytes for part in self.proof.parts)

    @property
    def peak_rss_bytes(self) -> int:
        """Greatest peak of any stage."""
        return max((stage.peak_rss_bytes for stage in self.stages), default=0)


def prove_checked(onnx_path: Path, circuit: CheckedCircuit, inputs: Sequence[Tensor], proving: Proving) -> CheckedRun:
    """Prove one input, check the proofs, and try tampered copies.

    Args:
        onnx_path: the network, for its float outputs.
        circuit: built from it.
        inputs: real numbers, one tensor for each input.
        proving: where and within what.

    Raises:
        CheckedError: the input leaves the tables' range.
    """
    proof = make_proofs(circuit, inputs, proving)
    wiring, reason = _wiring(proof.parts, len(circuit.parts))
    if not proof.complete:
        return CheckedRun(proof, proof.stages, False, False, False, wiring, reason, None)
    srs = srs_path(proving.srs_dir, proof.logrows, proving.srs_kind)
    results: list[StageResult] = []
    verified = match = True
    for part, found in zip(circuit.parts, proof.parts, strict=True):
        checked = verify_proof(
            found.folder / "proof.json",
            found.folder / SETTINGS,
            found.folder / VK,
            srs,
            budget=proving.budget,
            log_path=found.folder / "verify.log",
            ranges=False,
        )
        results.append(checked.stage)
        zero, equal = _public_values(circuit, part, found, inputs)
        verified = verified and checked.accepted and zero
        match = match and equal
    tampered, reasons = _try_tampered(circuit, proof, srs, proving)
    results.append(tampered)
    return CheckedRun(
        proof=proof,
        stages=(*proof.stages, *results),
        verified=verified,
        inputs_match=match,
        tampered_rejected=tampered.ok,
        wiring=wiring,
        wiring_reason=reason,
        fidelity=_fidelity(onnx_path, circuit, proof, inputs),
        tamper_reasons=reasons,
    )


def write_checked_bundle(
    run: CheckedRun,
    circuit: CheckedCircuit,
    target: Path,
    *,
    onnx_path: Path,
    proving: Proving,
    config: Mapping[str, Any] | None,
) -> Bundle:
    """Write the bundle of a run, also of one that does not count: its manifest then says so.

    Raises:
        ArtifactError: a part has no proof, or ``target`` exists.
    """
    if not run.proof.complete:
        raise ArtifactError(f"a bundle needs a proof of every part; the run ended as {run.outcome}; prove again")
    parts = [
        PartFiles(found.folder / "proof.json", found.folder / SETTINGS, found.folder / VK, part_public(part.part))
        for part, found in zip(circuit.parts, run.proof.parts, strict=True)
    ]
    verdicts = Verdicts(
        run.wiring, run.wiring_reason, run.verified, run.inputs_match, run.tampered_rejected, run.stages
    )
    return write_parts(
        verdicts,
        parts,
        target,
        onnx_path=onnx_path,
        srs_path=srs_path(proving.srs_dir, run.proof.logrows, proving.srs_kind),
        config=config,
        checked_options=circuit.program.options.to_json(),
    )


def _wiring(parts: Sequence[PartProof], count: int) -> tuple[Wiring, str]:
    """The first verdict that is not linked; linked only where all ``count`` parts are."""
    open_ones = [part for part in parts if part.wiring is not Wiring.LINKED]
    if open_ones:
        return open_ones[0].wiring, open_ones[0].wiring_reason
    if len(parts) < count:
        return Wiring.UNCHECKED, f"{count - len(parts)} of {count} parts have no key"
    return Wiring.LINKED, "; ".join(part.wiring_reason for part in parts)


def _public_values(
    circuit: CheckedCircuit, part: PartCircuit, found: PartProof, inputs: Sequence[Tensor]
) -> tuple[bool, bool]:
    """Whether all checks are zero, and the public inputs the asked ones."""
    values = public_integers(load_proof(found.folder / "proof.json"))
    checks = len(part.part.claims) + 1
    wanted = {
        slot.name: tensor
        for slot, tensor in zip(circuit.program.inputs, quantise(circuit.program, inputs), strict=True)
    }
    asked = [int(element) for value in part.part.public_inputs for element in wanted[value.name].flatten()]
    return not any(values[:checks]), list(values[checks : checks + len(asked)]) == asked


def _try_tampered(
    circuit: CheckedCircuit, proof: CheckedProof, srs: Path, proving: Proving
) -> tuple[StageResult, tuple[str, ...]]:
    """Change the first check and the last public value of each part, one at a time; each copy must be rejected."""
    accepted, reasons, seconds, peak = list[str](), list[str](), 0.0, 0
    for part, found in zip(circuit.parts, proof.parts, strict=True):
        count = sum(tensor.size for tensor in part_public(part.part))
        copy = found.folder / "tampered-proof.json"
        for index in sorted({0, count - 1}):
            tamper_with_public_value(found.folder / "proof.json", copy, index)
            checked = verify_proof(
                copy,
                found.folder / SETTINGS,
                found.folder / VK,
                srs,
                budget=proving.budget,
                log_path=found.folder / "tamper.log",
                ranges=False,
            )
            if checked.accepted or checked.stage.outcome is not Outcome.REFUSED:
                accepted.append(f"part {part.part.index}, value {index}: {checked.reason or 'accepted'}")
            reasons.append(checked.reason or "accepted")
            seconds += checked.stage.wall_seconds
            peak = max(peak, checked.stage.peak_rss_bytes)
        copy.unlink(missing_ok=True)
    if accepted:
        failed = f"not rejected: {'; '.join(accepted)}"
        return StageResult("tamper", Outcome.REFUSED, seconds, peak, failed), tuple(reasons)
    return StageResult("tamper", Outcome.OK, seconds, peak), tuple(reasons)


def _fidelity(onnx_path: Path, circuit: CheckedCircuit, proof: CheckedProof, inputs: Sequence[Tensor]) -> Fidelity:
    expected = run_onnx(onnx_path, tuple(tensor.numpy().astype(np.float32) for tensor in inputs))
    outputs = zip(circuit.program.outputs, proof.run.outputs, strict=True)
    output = np.concatenate([tensor.double().flatten().numpy() / 2.0**value.bits for value, tensor in outputs])
    difference = np.abs(output - np.concatenate([tensor.ravel() for tensor in expected]).astype(np.float64))
    half_step = 0.5 / 2.0**circuit.program.options.activation_bits
    return Fidelity(tuple(output.tolist()), float(difference.max()), float(difference.mean()), half_step)
