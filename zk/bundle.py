"""The proof bundle: all that a verifier needs beside the SRS, as one folder or zip.

The proof is kept as its raw bytes and the public values as integers. EZKL's own JSON file holds the proof twice and the
public values several times; :meth:`Bundle.ezkl_proof` rebuilds the fields of it that ``ezkl.verify`` reads.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zk.bundle_files import read_members, write_members
from zk.bundle_format import (
    DESCRIBED,
    MANIFEST,
    PROOF,
    PUBLIC_VALUES,
    SETTINGS,
    VK,
    BundleError,
    Manifest,
    MemberRecord,
    PublicTensor,
    one_line,
    parse_json,
)
from zk.ceremony import srs_kind
from zk.circuit_cost import load_settings
from zk.errors import ArtifactError
from zk.field import int_to_felt
from zk.srs import check_srs_file, file_sha256
from zk.types import StageResult
from zk.verify import load_proof, public_integers

if TYPE_CHECKING:  # a verifier needs neither torch nor onnx, which the pipeline loads
    from zk.pipeline import ProofRun

_PACKAGES = ("ezkl", "torch", "onnx", "zkgan-search")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose members have the digests that its manifest gives; nothing else of it is checked yet.

    Attributes:
        path: where it lies.
        manifest: what the prover states.
        sha256: SHA-256 hex of the manifest, which names the whole bundle.
        proof: the proof's bytes.
        public_values: one tuple of integers (real numbers times ``2**scale_bits``) for each public tensor.
        settings: EZKL's settings.
        vk: the verification key's bytes.
        member_bytes: size of every member.

    """

    path: Path
    manifest: Manifest
    sha256: str
    proof: bytes
    public_values: tuple[tuple[int, ...], ...]
    settings: Mapping[str, Any]
    vk: bytes
    member_bytes: Mapping[str, int]

    def instances(self) -> list[list[str]]:
        """Give the public values as EZKL has them: one column of field elements."""
        return [[int_to_felt(value) for tensor in self.public_values for value in tensor]]

    def ezkl_proof(self) -> dict[str, Any]:
        """Rebuild EZKL's proof file: ``ezkl.verify`` reads "instances" and "proof", our loader "hex_proof" too."""
        return {"instances": self.instances(), "proof": list(self.proof), "hex_proof": f"0x{self.proof.hex()}"}


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
    proof, settings = load_proof(proof_path), load_settings(settings_path)
    if len(proof["instances"]) != 1:
        raise ArtifactError(f"a proof must have one column of public values; found {len(proof['instances'])}")
    public = public_tensors(settings, tuple(name for name, _ in graph_inputs(onnx_path)))
    try:
        vk = (workdir / VK).read_bytes()
    except OSError as error:
        raise ArtifactError(f"a bundle needs the verification key; {error}; run setup again") from error
    members = {
        PROOF: bytes(proof["proof"]),
        PUBLIC_VALUES: _json_bytes(_split(public_integers(proof), public)),
        SETTINGS: _json_bytes(settings),
        VK: vk,
    }
    manifest = Manifest(
        members={name: MemberRecord(len(members[name]), _sha256(members[name])) for name in DESCRIBED},
        model_sha256=file_sha256(onnx_path),
        config_sha256=None if config is None else config_sha256(config),
        srs_sha256=(srs_sha256 := file_sha256(srs_path)),
        srs_kind=srs_kind(srs_sha256),
        srs_logrows=check_srs_file(srs_path),
        logrows=int(settings["run_args"]["logrows"]),
        public=public,
        versions=versions(),
        wiring=run.wiring,
        wiring_reason=one_line(run.wiring_reason),
        verified=run.verified,
        inputs_match=run.inputs_match,
        tampered_rejected=run.tampered_rejected,
        stages=tuple(_clean(stage) for stage in run.stages),
    )
    members = {MANIFEST: json.dumps(manifest.to_json(), indent=1).encode(), **members}
    write_members(members, target, read_bundle)
    return read_bundle(target)


def read_bundle(path: Path) -> Bundle:
    """Read an untrusted bundle: its members within bounds, its manifest strictly, its digests.

    Raises:
        BundleError: it names the check that failed: "container", "format" or "digests".

    """
    members = read_members(path)
    manifest = Manifest.from_json(parse_json(members[MANIFEST], MANIFEST))
    for name in DESCRIBED:
        record, found = manifest.members[name], MemberRecord(len(members[name]), _sha256(members[name]))
        if record != found:
            raise BundleError(
                "digests", f"{name} must have SHA-256 {record.sha256} and {record.bytes} bytes; found {found.sha256}"
            )
    settings = parse_json(members[SETTINGS], SETTINGS)
    if not isinstance(settings, dict) or not isinstance(settings.get("run_args"), dict):
        raise BundleError("format", f"{SETTINGS} must be EZKL's settings; found other JSON")
    values = parse_json(members[PUBLIC_VALUES], PUBLIC_VALUES)
    if not isinstance(values, list) or not all(
        isinstance(tensor, list) and all(type(value) is int for value in tensor) for tensor in values
    ):
        raise BundleError("format", f"{PUBLIC_VALUES} must be lists of integers, one for each tensor")
    return Bundle(
        path=path,
        manifest=manifest,
        sha256=_sha256(members[MANIFEST]),
        proof=members[PROOF],
        public_values=tuple(tuple(tensor) for tensor in values),
        settings=settings,
        vk=members[VK],
        member_bytes={name: len(content) for name, content in members.items()},
    )


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
