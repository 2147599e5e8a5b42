"""Writing a proof bundle, beside its target, read back before it gets its name."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zk.bundle import Bundle, read_bundle
from zk.bundle_files import write_members
from zk.bundle_format import MANIFEST, PROOF, PUBLIC_VALUES, SETTINGS, VK, member_name, one_line
from zk.bundle_manifest import Manifest, MemberRecord, PublicTensor
from zk.ceremony import srs_kind
from zk.circuit_cost import load_settings
from zk.errors import ArtifactError
from zk.srs import check_srs_file, file_sha256
from zk.types import StageResult, Wiring
from zk.verify import load_proof, public_integers

if TYPE_CHECKING:  # a verifier needs neither torch nor onnx, which the pipeline loads
    from zk.pipeline import ProofRun

_PACKAGES = ("ezkl", "torch", "onnx", "zkgan-search")


@dataclass(frozen=True)
class PartFiles:
    """What one part of a new bundle consists of: EZKL's files, and what its public tensors are."""

    proof: Path
    settings: Path
    vk: Path
    public: tuple[PublicTensor, ...]


@dataclass(frozen=True)
class Verdicts:
    """What the prover states about a run, as :class:`zk.pipeline.ProofRun` has it."""

    wiring: Wiring
    wiring_reason: str
    verified: bool
    inputs_match: bool
    tampered_rejected: bool
    stages: tuple[StageResult, ...]


def write_bundle(
    run: ProofRun,
    workdir: Path,
    target: Path,
    *,
    onnx_path: Path,
    srs_path: Path,
    config: Mapping[str, Any] | None,
) -> Bundle:
    """Write the bundle of a run, also of one that does not count: its manifest then says so.

    It is written beside ``target``, read back, and renamed.

    Args:
        run: what :func:`zk.pipeline.prove_sample` gave.
        workdir: its folder, with settings, verification key and proof.
        target: folder to make, or a file ending in .zip; must not exist.
        onnx_path: the model that was proved.
        srs_path: the SRS that it was proved with.
        config: JSON values whose digest is recorded; None records none.

    Raises:
        ArtifactError: the run made no proof, a file is missing or damaged, or ``target`` exists.

    """
    from zk.graph_inputs import graph_inputs  # here, because reading a bundle does without onnx

    proof_path, settings_path = workdir / "proof.json", workdir / SETTINGS
    if run.stage("prove") is None or not proof_path.exists():
        raise ArtifactError(f"a bundle needs a proof; the run ended as {run.outcome} before one; prove again")
    public = public_tensors(load_settings(settings_path), tuple(name for name, _ in graph_inputs(onnx_path)))
    verdicts = Verdicts(
        run.wiring, run.wiring_reason, run.verified, run.inputs_match, run.tampered_rejected, run.stages
    )
    part = PartFiles(proof_path, settings_path, workdir / VK, public)
    return write_parts(verdicts, [part], target, onnx_path=onnx_path, srs_path=srs_path, config=config)


def write_parts(
    verdicts: Verdicts,
    parts: Sequence[PartFiles],
    target: Path,
    *,
    onnx_path: Path,
    srs_path: Path,
    config: Mapping[str, Any] | None,
    checked_options: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write the bundle of one circuit or several; the arguments are those of :func:`write_bundle`.

    Args:
        verdicts: of the whole run.
        parts: files of each circuit, in order.
        target: see there.
        onnx_path: see there.
        srs_path: see there.
        config: see there.
        checked_options: layout of a checked circuit; None for a direct one.

    Raises:
        ArtifactError: see there.

    """
    members: dict[str, bytes] = {}
    for index, files in enumerate(parts):
        members |= {member_name(name, index): content for name, content in _part_members(files).items()}
    settings = load_settings(parts[0].settings)
    manifest = Manifest(
        members={name: MemberRecord(len(content), _sha256(content)) for name, content in members.items()},
        model_sha256=file_sha256(onnx_path),
        config_sha256=None if config is None else config_sha256(config),
        srs_sha256=(srs_sha256 := file_sha256(srs_path)),
        srs_kind=srs_kind(srs_sha256),
        srs_logrows=check_srs_file(srs_path),
        logrows=int(settings["run_args"]["logrows"]),
        public=tuple(
            dataclasses.replace(tensor, part=index) for index, files in enumerate(parts) for tensor in files.public
        ),
        versions=versions(),
        wiring=verdicts.wiring,
        wiring_reason=one_line(verdicts.wiring_reason),
        verified=verdicts.verified,
        inputs_match=verdicts.inputs_match,
        tampered_rejected=verdicts.tampered_rejected,
        stages=tuple(_clean(stage) for stage in verdicts.stages),
        checked_options=checked_options,
        parts=len(parts),
    )
    members = {MANIFEST: json.dumps(manifest.to_json(), indent=1).encode(), **members}
    write_members(members, target, read_bundle)
    return read_bundle(target)


def _part_members(files: PartFiles) -> dict[str, bytes]:
    proof, settings = load_proof(files.proof), load_settings(files.settings)
    if len(proof["instances"]) != 1:
        raise ArtifactError(f"a proof must have one column of public values; found {len(proof['instances'])}")
    try:
        vk = files.vk.read_bytes()
    except OSError as error:
        raise ArtifactError(f"a bundle needs the verification key; {error}; run setup again") from error
    values = _json_bytes(_split(public_integers(proof), files.public))
    return {PROOF: bytes(proof["proof"]), PUBLIC_VALUES: values, SETTINGS: _json_bytes(settings), VK: vk}


def public_tensors(settings: Mapping[str, Any], input_names: tuple[str, ...] = ()) -> tuple[PublicTensor, ...]:
    """Give the public tensors of a circuit in its order, from settings that are known to be well-formed."""
    args = settings["run_args"]
    slots: list[tuple[str, str, int]] = []
    if args["input_visibility"] == "Public":
        scales = settings["model_input_scales"]
        names = input_names if len(input_names) == len(scales) else [f"input{i}" for i in range(len(scales))]
        slots += [(one_line(name), "input", scale) for name, scale in zip(names, scales, strict=True)]
    if args["output_visibility"] == "Public":
        slots += [(f"output{i}", "output", scale) for i, scale in enumerate(settings["model_output_scales"])]
    shapes = settings["model_instance_shapes"]
    if len(shapes) != len(slots):
        raise ArtifactError(f"settings must give a shape for each of {len(slots)} public tensors; found {len(shapes)}")
    return tuple(
        PublicTensor(name, role, tuple(shape), scale) for (name, role, scale), shape in zip(slots, shapes, strict=True)
    )


def versions() -> dict[str, str]:
    """Versions of what makes a proof; "absent" where a package is not installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def config_sha256(config: Mapping[str, Any]) -> str:
    """SHA-256 hex over the canonical JSON (sorted keys, no spaces) of a configuration."""
    return _sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode())


def _clean(stage: StageResult) -> StageResult:
    return StageResult(stage.stage, stage.outcome, stage.wall_seconds, stage.peak_rss_bytes, one_line(stage.message))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _split(values: tuple[int, ...], public: tuple[PublicTensor, ...]) -> list[list[int]]:
    tensors, position = [], 0
    for tensor in public:
        tensors.append(list(values[position : position + tensor.size]))
        position += tensor.size
    if position != len(values):
        raise ArtifactError(f"a proof must carry {position} public values; found {len(values)}; prove again")
    return tensors
