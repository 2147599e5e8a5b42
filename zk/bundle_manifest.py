"""The manifest of a proof bundle: what the prover states. Every value of an untrusted one is checked as it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zk.bundle_format import FORMAT_NAME, FORMAT_VERSION, MAX_PARTS, BundleError, member_limit_bytes, member_names
from zk.bundle_values import boolean_of, choice_of, digest_of, integer_of, list_of, mismatch, object_of, text_of
from zk.srs import MAX_SRS_LOGROWS, SrsKind
from zk.types import Outcome, StageResult, Wiring

_MAX_VERSIONS, _MAX_STAGES, _MAX_TENSORS, _MAX_AXES, _MAX_AXIS = 32, 512, 256, 8, 1 << 24


@dataclass(frozen=True)
class MemberRecord:
    """Size in bytes and SHA-256 hex of one member."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class PublicTensor:
    """One public tensor.

    Attributes:
        name: in the ONNX graph.
        role: "input", "output", or "check" for values that a checked circuit makes zero.
        shape: of the tensor.
        scale_bits: integers are real numbers times ``2**scale_bits``.
        part: circuit that gives it out.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    scale_bits: int
    part: int = 0

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Manifest:
    """What the prover states about a bundle. Only the digests of members can be checked without further means.

    Attributes:
        members: every other member.
        model_sha256: the ONNX model.
        config_sha256: canonical JSON of the configuration; None if there was none.
        srs_sha256: the SRS file.
        srs_kind: whether it is a ceremony's.
        srs_logrows: its height.
        logrows: height of the circuit.
        public: public tensors in the circuit's order, inputs first.
        versions: of ezkl, torch, onnx, python and zkgan-search.
        wiring: verdict of the audit.
        wiring_reason: its reason.
        verified: ezkl had accepted the proof and its public values were in range.
        inputs_match: the public inputs were the asked ones.
        tampered_rejected: changed copies were rejected.
        stages: what ran, with outcome, seconds and peak bytes.
        checked_options: layout of a checked circuit (:mod:`zk.checked`), as JSON; None for a direct one.
        parts: number of circuits, each with members of its own.

    """

    members: Mapping[str, MemberRecord]
    model_sha256: str
    config_sha256: str | None
    srs_sha256: str
    srs_kind: SrsKind
    srs_logrows: int
    logrows: int
    public: tuple[PublicTensor, ...]
    versions: Mapping[str, str]
    wiring: Wiring
    wiring_reason: str
    verified: bool
    inputs_match: bool
    tampered_rejected: bool
    stages: tuple[StageResult, ...]
    checked_options: Mapping[str, Any] | None = None
    parts: int = 1

    @property
    def counts_as_proved(self) -> bool:
        """Whether the prover's own record says that the run counts (as :class:`zk.pipeline.ProofRun` does)."""
        verdicts = self.verified and self.inputs_match and self.tampered_rejected and self.wiring is Wiring.LINKED
        return verdicts and all(stage.ok for stage in self.stages)

    @property
    def outcome(self) -> Outcome:
        """Outcome of the last stage that ran."""
        return self.stages[-1].outcome if self.stages else Outcome.REFUSED

    def to_json(self) -> dict[str, Any]:
        """Give the manifest as JSON values, in the order in which a reader wants them."""
        return {
            "format": FORMAT_NAME,
            "format_version": FORMAT_VERSION,
            "counts_as_proved": self.counts_as_proved,
            "outcome": str(self.outcome),
            "verified": self.verified,
            "inputs_match": self.inputs_match,
            "tampered_rejected": self.tampered_rejected,
            "audit": {"verdict": str(self.wiring), "reason": self.wiring_reason},
            "circuit": "direct" if self.checked_options is None else "checked",
            "checked_options": None if self.checked_options is None else dict(self.checked_options),
            "parts": self.parts,
            "logrows": self.logrows,
            "public": [
                {"name": t.name, "role": t.role, "shape": list(t.shape), "scale_bits": t.scale_bits, "part": t.part}
                for t in self.public
            ],
            "model_sha256": self.model_sha256,
            "config_sha256": self.config_sha256,
            "srs": {"sha256": self.srs_sha256, "kind": str(self.srs_kind), "logrows": self.srs_logrows},
            "members": {name: {"bytes": m.bytes, "sha256": m.sha256} for name, m in self.members.items()},
            "versions": dict(self.versions),
            "stages": [
                {
                    "stage": s.stage,
                    "outcome": str(s.outcome),
                    "wall_seconds": s.wall_seconds,
                    "peak_rss_bytes": s.peak_rss_bytes,
                    "message": s.message,
                }
                for s in self.stages
            ],
        }

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """Rebuild a manifest from untrusted JSON values.

        Raises:
            BundleError: check "format": a key is missing or unknown, or a value has the wrong type or range.

        """
        claimed = ("counts_as_proved", "outcome", "verified", "inputs_match", "tampered_rejected", "audit", "logrows")
        form = ("circuit", "checked_options", "parts")
        keys = (
            "format",
            "format_version",
            *claimed,
            *form,
            "public",
            "model_sha256",
            "config_sha256",
            "srs",
            "members",
        )
        top = object_of(data, (*keys, "versions", "stages"), "manifest")
        version = top["format_version"]
        if top["format"] != FORMAT_NAME or type(version) is not int or version != FORMAT_VERSION:
            raise BundleError("format", f"the manifest must be of {FORMAT_NAME!r}, version {FORMAT_VERSION}")
        audit = object_of(top["audit"], ("verdict", "reason"), "audit")
        srs = object_of(top["srs"], ("sha256", "kind", "logrows"), "srs")
        parts = integer_of(top["parts"], 1, MAX_PARTS, "parts")
        described = member_names(parts)[1:]
        members = object_of(top["members"], described, "members")
        checked = choice_of(top["circuit"], ("direct", "checked"), "circuit") == "checked"
        if isinstance(top["checked_options"], dict) != checked or (parts > 1 and not checked):
            raise BundleError("format", "checked circuits, and only they, have checked_options and may have parts")
        if not isinstance(top["versions"], dict) or len(top["versions"]) > _MAX_VERSIONS:
            raise BundleError("format", "versions must be an object of few entries")
        manifest = cls(
            members={name: _member(members[name], name) for name in described},
            model_sha256=digest_of(top["model_sha256"], "model_sha256"),
            config_sha256=None if top["config_sha256"] is None else digest_of(top["config_sha256"], "config_sha256"),
            srs_sha256=digest_of(srs["sha256"], "srs.sha256"),
            srs_kind=SrsKind(choice_of(srs["kind"], SrsKind, "srs.kind")),
            srs_logrows=integer_of(srs["logrows"], 1, MAX_SRS_LOGROWS, "srs.logrows"),
            logrows=integer_of(top["logrows"], 1, MAX_SRS_LOGROWS, "logrows"),
            public=tuple(_tensor(item, parts) for item in list_of(top["public"], _MAX_TENSORS, "public")),
            versions={text_of(name, "versions"): text_of(value, "versions") for name, value in top["versions"].items()},
            wiring=Wiring(choice_of(audit["verdict"], Wiring, "audit.verdict")),
            wiring_reason=text_of(audit["reason"], "audit.reason"),
            verified=boolean_of(top["verified"], "verified"),
            inputs_match=boolean_of(top["inputs_match"], "inputs_match"),
            tampered_rejected=boolean_of(top["tampered_rejected"], "tampered_rejected"),
            stages=tuple(_stage(item) for item in list_of(top["stages"], _MAX_STAGES, "stages")),
            checked_options=top["checked_options"],
            parts=parts,
        )
        counts = boolean_of(top["counts_as_proved"], "counts_as_proved")
        if (counts, top["outcome"]) != (manifest.counts_as_proved, str(manifest.outcome)):
            raise BundleError("format", "counts_as_proved and outcome must follow from the rest of the manifest")
        return manifest


def _member(value: Any, name: str) -> MemberRecord:
    record = object_of(value, ("bytes", "sha256"), name)
    return MemberRecord(
        integer_of(record["bytes"], 0, member_limit_bytes(name), name), digest_of(record["sha256"], name)
    )


def _tensor(value: Any, parts: int) -> PublicTensor:
    tensor = object_of(value, ("name", "role", "shape", "scale_bits", "part"), "public tensor")
    shape = [integer_of(axis, 1, _MAX_AXIS, "axis") for axis in list_of(tensor["shape"], _MAX_AXES, "shape")]
    role = choice_of(tensor["role"], ("input", "output", "check"), "role")
    return PublicTensor(
        text_of(tensor["name"], "name"),
        role,
        tuple(shape),
        integer_of(tensor["scale_bits"], 0, 64, "scale"),
        integer_of(tensor["part"], 0, parts - 1, "part"),
    )


def _stage(value: Any) -> StageResult:
    stage = object_of(value, ("stage", "outcome", "wall_seconds", "peak_rss_bytes", "message"), "stage")
    seconds = stage["wall_seconds"]
    if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
        raise mismatch("wall_seconds", "a number of seconds", seconds)
    return StageResult(
        text_of(stage["stage"], "stage"),
        Outcome(choice_of(stage["outcome"], Outcome, "stage outcome")),
        float(seconds),
        integer_of(stage["peak_rss_bytes"], 0, 1 << 62, "peak_rss_bytes"),
        text_of(stage["message"], "message"),
    )
