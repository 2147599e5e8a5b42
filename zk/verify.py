"""Checking a proof: ezkl's own check, and the range check of public values that our circuits leave to the verifier."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from json_files import read_json
from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.errors import ArtifactError, VerificationError
from zk.field import MODULUS, felt_to_int, int_to_felt
from zk.types import Budget, Outcome, StageResult


@dataclass(frozen=True)
class PublicValues:
    """Public values of a proof, rescaled to real numbers.

    Attributes:
        inputs: one tuple for each public input tensor, flattened, in the order of the ONNX inputs.
        outputs: the same for the outputs.

    """

    inputs: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Verification:
    """Result of checking one proof.

    Attributes:
        accepted: ezkl accepts the proof and every public value is in range.
        reason: empty when accepted, else what failed.
        stage: the child process that ran ezkl's check.

    """

    accepted: bool
    reason: str
    stage: StageResult


def load_proof(path: Path) -> dict[str, Any]:
    """Read a proof file of ezkl.

    Raises:
        ArtifactError: missing, not JSON, or without the proof's fields.

    """
    try:
        data = read_json(path)
        if not isinstance(data["proof"], list):
            raise ValueError("its proof is no list of bytes")  # of a number, bytes() would make as many zeros
        if bytes(data["proof"]).hex() != str(data["hex_proof"]).removeprefix("0x") or not data["instances"]:
            raise ValueError("its two copies of the proof differ, or it has no public values")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} must be a proof written by ezkl; {error}; prove again") from error
    return dict(data)


def public_integers(proof: dict[str, Any]) -> tuple[int, ...]:
    """Public values of a proof as signed field elements, in the circuit's order.

    Raises:
        ArtifactError: an element is not 64 hex digits below the modulus.

    """
    try:
        return tuple(felt_to_int(felt) for column in proof["instances"] for felt in column)
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"public values must be field elements; {error}; the proof file is damaged") from error


def public_values(proof: dict[str, Any], settings: dict[str, Any]) -> PublicValues:
    """Split and rescale the public values, which are checked to be in range.

    The range is the one that ezkl's dropped range check would enforce: less than ``decomp_base**decomp_legs`` in
    magnitude. Without it an element near the modulus could pass for a small negative number's neighbour.

    Raises:
        VerificationError: a wrong number of values, or one out of range.
        ArtifactError: not field elements.

    """
    args = settings["run_args"]
    scales = _public_scales(settings)
    integers = public_integers(proof)
    counts = [math.prod(shape) for shape in settings["model_instance_shapes"]]
    if len(counts) != len(scales) or sum(counts) != len(integers):
        raise VerificationError(
            f"a proof must carry {sum(counts)} public values in {len(scales)} tensors; found {len(integers)} in "
            f"{len(counts)}; use the settings that made the proof"
        )
    bound = int(args["decomp_base"]) ** int(args["decomp_legs"])
    outside = [index for index, value in enumerate(integers) if not -bound < value < bound]
    if outside:
        raise VerificationError(
            f"public values must be less than {bound} in magnitude; {len(outside)} are not, first at index "
            f"{outside[0]}; the proof must be rejected"
        )
    tensors, position = [], 0
    for count, scale in zip(counts, scales, strict=True):
        tensors.append(tuple(value / 2.0**scale for value in integers[position : position + count]))
        position += count
    input_count = len(scales) - (len(settings["model_output_scales"]) if args["output_visibility"] == "Public" else 0)
    return PublicValues(tuple(tensors[:input_count]), tuple(tensors[input_count:]))


def _public_scales(settings: dict[str, Any]) -> list[int]:
    args = settings["run_args"]
    scales: list[int] = []
    if args["input_visibility"] == "Public":
        scales += settings["model_input_scales"]
    if args["output_visibility"] == "Public":
        scales += settings["model_output_scales"]
    return scales


def verify_proof(
    proof_path: Path,
    settings_path: Path,
    vk_path: Path,
    srs_path: Path,
    *,
    budget: Budget,
    log_path: Path,
    ranges: bool = True,
) -> Verification:
    """Check a proof in a child process, then the range of its public values, unless ``ranges`` leaves that to others.

    A proof that ezkl refuses with an exception is as rejected as one for which it returns False.

    Raises:
        ArtifactError: the proof or the settings are not files of ezkl.

    """
    proof, settings = load_proof(proof_path), load_settings(settings_path)
    paths = {"proof": proof_path, "settings": settings_path, "vk": vk_path, "srs": srs_path}
    kwargs = {name: str(path) for name, path in paths.items()}
    run = run_in_child("verify", "zk.backend:verify", kwargs, budget=budget, log_path=log_path)
    stage = run.result
    if not stage.ok:
        return Verification(False, stage.message, stage)
    if run.value is not True:
        reason = "ezkl.verify returned False"
        return Verification(False, reason, dataclasses.replace(stage, outcome=Outcome.REFUSED, message=reason))
    try:
        if ranges:
            public_values(proof, settings)
    except VerificationError as error:
        refused = dataclasses.replace(stage, outcome=Outcome.REFUSED, message=str(error))
        return Verification(False, str(error), refused)
    return Verification(True, "", stage)


def tamper_with_public_value(proof_path: Path, tampered_path: Path, index: int) -> None:
    """Write a copy of a proof with one to its ``index``-th public value (negative counts from the end), atomically."""
    proof = load_proof(proof_path)
    column = proof["instances"][-1]
    column[index] = int_to_felt((felt_to_int(column[index]) + 1) % MODULUS)
    temporary = tampered_path.with_suffix(".part")
    temporary.write_text(json.dumps(proof))
    os.replace(temporary, tampered_path)


if __name__ == "__main__":
    from zk.verify_cli import main

    raise SystemExit(main())
