"""From an ONNX file to its circuit's cost, and to a verified, audited proof of one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zk.ceremony import srs_stage
from zk.circuit_cost import CircuitCost, circuit_cost, load_settings
from zk.errors import OptionError
from zk.export import run_onnx
from zk.srs import SrsKind
from zk.stages import ONCE, Repeats, StageFailed, StageRunner, write_json
from zk.types import Budget, CircuitOptions, Outcome, StageResult, Wiring
from zk.verify import load_proof, public_values, tamper_with_public_value, verify_proof

Tensors = Sequence[torch.Tensor | NDArray[np.float32]]


@dataclass(frozen=True)
class CircuitMeasurement:
    """Cost of a circuit without keys.

    Attributes:
        stages: what ran, failures included.
        cost: read from the settings; None if there are none.
        outcome: of the last stage; ok means that the circuit compiled.
        message: why not, if not.

    """

    stages: tuple[StageResult, ...]
    cost: CircuitCost | None
    outcome: Outcome
    message: str


@dataclass(frozen=True)
class Fidelity:
    """The circuit's output beside the float model's (onnxruntime), on the same inputs.

    Attributes:
        output: the public output, flattened, rescaled to real numbers.
        max_abs_error: greatest absolute difference.
        mean_abs_error: mean absolute difference.
        input_max_abs_error: greatest difference between the asked and the proof's public inputs.

    """

    output: tuple[float, ...]
    max_abs_error: float
    mean_abs_error: float
    input_max_abs_error: float


@dataclass(frozen=True)
class ProofRun:
    """One attempt to prove one sample.

    Attributes:
        stages: what ran, failures included; a stage that is absent was skipped.
        verified: ezkl accepted the proof and every public value is in range.
        inputs_match: the proof's public inputs are the asked ones, rounded to the input scale.
        tampered_rejected: every copy with one changed public value was rejected.
        tamper_reasons: how each of them was rejected.
        wiring: verdict of the audit of the proving key; unchecked if it did not run.
        wiring_reason: its reason.
        proof_bytes: size of the proof itself.
        public_value_bytes: 32 bytes for each public value.
        proof_file_bytes: size of ezkl's JSON file, which holds the proof twice and the public values several times.
        vk_bytes: size of the verification key.
        pk_bytes: size of the proving key.
        cost: figures of the settings that were compiled; None if there are none.
        logrows: height of the circuit; None if unknown.
        input_scale_bits: input scale after calibration.
        param_scale_bits: parameter scale after calibration.
        lookup_range: range of the activation tables after calibration.
        fidelity: None before a proof exists, or where the outputs are not public.

    """

    stages: tuple[StageResult, ...]
    verified: bool = False
    inputs_match: bool = False
    tampered_rejected: bool = False
    tamper_reasons: tuple[str, ...] = ()
    wiring: Wiring = Wiring.UNCHECKED
    wiring_reason: str = ""
    proof_bytes: int = 0
    public_value_bytes: int = 0
    proof_file_bytes: int = 0
    vk_bytes: int = 0
    pk_bytes: int = 0
    cost: CircuitCost | None = None
    logrows: int | None = None
    input_scale_bits: int | None = None
    param_scale_bits: int | None = None
    lookup_range: tuple[int, int] | None = None
    fidelity: Fidelity | None = None

    @property
    def counts_as_proved(self) -> bool:
        """Verified on the asked inputs, tampered copies rejected, and the audit (:mod:`zk.audit`) said linked."""
        return self.verified and self.inputs_match and self.tampered_rejected and self.wiring is Wiring.LINKED

    @property
    def outcome(self) -> Outcome:
        """Outcome of the last stage that ran."""
        return self.stages[-1].outcome if self.stages else Outcome.REFUSED

    def stage(self, name: str) -> StageResult | None:
        """Give the result of a stage, or None if it was skipped."""
        return next((result for result in self.stages if result.stage == name), None)


def measure_circuit(
    onnx_path: Path, workdir: Path, *, options: CircuitOptions, budget: Budget, threads: int | None = None
) -> CircuitMeasurement:
    """Draft settings and compile: seconds, no keys, no calibration; fit for a constraint on an untrained module.

    Rows do not depend on the weights' values, nor on the lookup range.
    """
    runner = StageRunner(workdir, options, budget, threads=threads)
    cost: CircuitCost | None = None
    message = ""
    try:
        cost = circuit_cost(runner.settings(onnx_path))
        runner.compile(onnx_path)
    except StageFailed as failure:
        message = str(failure)
    return CircuitMeasurement(tuple(runner.results), cost, runner.results[-1].outcome, message)


def prove_sample(
    onnx_path: Path,
    inputs: Tensors,
    workdir: Path,
    *,
    options: CircuitOptions,
    budget: Budget,
    srs_dir: Path,
    calibration_inputs: Sequence[Tensors] = (),
    stage_budgets: Mapping[str, Budget] | None = None,
    threads: int | None = None,
    keep_proving_key: bool = False,
    srs_kind: SrsKind = SrsKind.TEST_ONLY,
    reference: Path | None = None,
    repeats: Repeats = ONCE,
    private_values: int | None = None,
) -> ProofRun:
    """Prove one sample, verify it, audit the wiring, and try tampered copies.

    Args:
        onnx_path: model with a fixed batch of one.
        inputs: its inputs, in the order of the graph, float.
        workdir: receives settings, keys, witness, proof and logs.
        options: layout of the circuit.
        budget: limits of each stage.
        srs_dir: cache of SRS files.
        calibration_inputs: further input tuples; the range of the tables comes from these and from ``inputs``.
        stage_budgets: other limits for some stages ("settings", "calibrate", "compile", "srs", "setup", "witness",
            "prove", "verify", "audit", "tamper").
        threads: worker threads of ezkl; None leaves it to ezkl.
        keep_proving_key: leave the proving key in ``workdir``; it may take gigabytes.
        srs_kind: a local SRS for tests, or the public ceremony's (:mod:`zk.ceremony`).
        reference: the float model that outputs are compared with, where ``onnx_path`` is a form of it with constants
            rounded (:mod:`zk.deferral`); None compares with ``onnx_path``.
        repeats: how often to prove, for its time; the last proof is kept.
        private_values: how many values are private, for the audit; None leaves such a circuit unchecked.

    Raises:
        OptionError: ``inputs`` is empty or holds a value that is not finite.

    """
    samples = [[_flat(tensor) for tensor in sample] for sample in (inputs, *calibration_inputs)]
    if not inputs or any(not np.isfinite(values).all() for sample in samples for values in sample):
        raise OptionError("inputs must be finite and not empty; found otherwise; check the latent and the class")
    runner = StageRunner(workdir, options, budget, stage_budgets, threads)
    found: dict[str, Any] = {}
    try:
        srs = _make_proof(runner, onnx_path, samples, (srs_dir, srs_kind), repeats, found)
        _check_proof(runner, reference or onnx_path, samples[0], srs, private_values, found)
    except StageFailed:
        pass
    finally:
        if not keep_proving_key:
            runner.file("pk.key").unlink(missing_ok=True)
    return ProofRun(stages=tuple(runner.results), **found)


def _flat(tensor: torch.Tensor | NDArray[np.float32]) -> NDArray[np.float64]:
    array = tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else tensor
    return np.asarray(array, np.float64).ravel()


def _make_proof(
    runner: StageRunner,
    onnx: Path,
    samples: list[list[NDArray[np.float64]]],
    srs_source: tuple[Path, SrsKind],
    repeats: Repeats,
    found: dict[str, Any],
) -> Path:
    path = {name: runner.file(name) for name in ("vk.key", "pk.key", "witness.json", "proof.json", "input.json")}
    write_json(path["input.json"], {"input_data": [values.tolist() for values in samples[0]]})
    calibration = runner.file("calibration.json")
    columns = [np.concatenate([sample[i] for sample in samples]).tolist() for i in range(len(samples[0]))]
    write_json(calibration, {"input_data": columns})
    found["cost"] = circuit_cost(runner.settings(onnx))
    # ezkl calibrates at one scale for inputs and parameters; where they differ, the given range of the tables stands.
    equal = runner.options.input_scale_bits == runner.options.param_scale_bits
    settings = runner.calibrate(onnx, calibration) if equal else load_settings(runner.file("settings.json"))
    args = settings["run_args"]
    found |= {
        "cost": circuit_cost(settings),
        "logrows": int(args["logrows"]),
        "input_scale_bits": int(args["input_scale"]),
        "param_scale_bits": int(args["param_scale"]),
        "lookup_range": (int(args["lookup_range"][0]), int(args["lookup_range"][1])),
    }
    compiled = str(runner.compile(onnx))
    srs_file = srs_stage(runner, srs_source[0], found["logrows"], srs_source[1])
    srs = str(srs_file)
    vk, pk, witness, proof = (str(path[name]) for name in ("vk.key", "pk.key", "witness.json", "proof.json"))
    keys = {"compiled": compiled, "vk": vk, "pk": pk, "srs": srs}
    runner.run("setup", "zk.backend:setup", keys, path["vk.key"], path["pk.key"])
    found |= {"vk_bytes": path["vk.key"].stat().st_size, "pk_bytes": path["pk.key"].stat().st_size}
    data = {"data": str(path["input.json"]), "compiled": compiled, "witness": witness, "vk": vk, "srs": srs}
    runner.run("witness", "zk.backend:gen_witness", data, path["witness.json"])
    proving = {"witness": witness, "compiled": compiled, "pk": pk, "proof": proof, "srs": srs}
    runner.run_repeatedly(repeats, "prove", "zk.backend:prove", proving, path["proof.json"])
    return srs_file


def _check_proof(
    runner: StageRunner,
    onnx: Path,
    sample: list[NDArray[np.float64]],
    srs: Path,
    private_values: int | None,
    found: dict[str, Any],
) -> None:
    proof_path, settings_path, vk = runner.file("proof.json"), runner.file("settings.json"), runner.file("vk.key")
    proof, settings = load_proof(proof_path), load_settings(settings_path)
    found |= {
        "proof_bytes": len(proof["proof"]),
        "public_value_bytes": 32 * sum(len(column) for column in proof["instances"]),
        "proof_file_bytes": proof_path.stat().st_size,
    }
    checked = verify_proof(
        proof_path, settings_path, vk, srs, budget=runner.budget("verify"), log_path=runner.log("verify")
    )
    found["verified"] = checked.accepted
    runner.record(checked.stage)
    _compare(runner, onnx, sample, proof, settings, found)
    audit: dict[str, Any] = {"pk": str(runner.file("pk.key")), "settings": str(settings_path), "vk": str(vk)}
    audit |= {"private_values": private_values}
    report = runner.run("audit", "zk.audit:audit_to_json", audit)
    found |= {"wiring": Wiring(report["verdict"]), "wiring_reason": report["reason"]}
    _try_tampered(runner, proof_path, srs, found)


def _compare(
    runner: StageRunner,
    onnx: Path,
    sample: list[NDArray[np.float64]],
    proof: dict[str, Any],
    settings: dict[str, Any],
    found: dict[str, Any],
) -> None:
    values = public_values(proof, settings)
    if runner.options.input_visibility != "public" or not values.outputs:
        return
    asked = np.concatenate(sample)
    given = np.concatenate([np.asarray(tensor) for tensor in values.inputs])
    input_error = float(np.abs(asked - given).max()) if asked.shape == given.shape else float("inf")
    expected = run_onnx(onnx, tuple(values.astype(np.float32) for values in sample))[0].ravel().astype(np.float64)
    difference = np.abs(np.asarray(values.outputs[0]) - expected)
    fidelity = Fidelity(values.outputs[0], float(difference.max()), float(difference.mean()), input_error)
    half_step = 0.5 / 2.0**runner.options.input_scale_bits
    found |= {"fidelity": fidelity, "inputs_match": input_error <= half_step * (1 + 1e-6)}


def _try_tampered(runner: StageRunner, proof_path: Path, srs: Path, found: dict[str, Any]) -> None:
    """Change the first and the last value of the public output, one at a time; each copy must be rejected."""
    copy = runner.file("tampered-proof.json")
    outputs = len(found["fidelity"].output) if "fidelity" in found else 1
    reasons: list[str] = []
    rejected, seconds, peak = True, 0.0, 0
    for index in sorted({-outputs, -1}):
        tamper_with_public_value(proof_path, copy, index)
        checked = verify_proof(
            copy,
            runner.file("settings.json"),
            runner.file("vk.key"),
            srs,
            budget=runner.budget("tamper"),
            log_path=runner.log("tamper"),
        )
        rejected = rejected and not checked.accepted and checked.stage.outcome is Outcome.REFUSED
        reasons.append(checked.reason or "accepted")
        seconds += checked.stage.wall_seconds
        peak = max(peak, checked.stage.peak_rss_bytes)
    copy.unlink(missing_ok=True)
    found |= {"tampered_rejected": rejected, "tamper_reasons": tuple(reasons)}
    outcome = Outcome.OK if rejected else Outcome.REFUSED
    message = "" if rejected else f"a tampered copy was not rejected: {'; '.join(reasons)}"
    runner.record(StageResult("tamper", outcome, seconds, peak, message))
