"""What a proof bundle holds: its members, their bounds, and the manifest that describes them.

Everything that reads here expects hostile input: sizes are bounded, JSON is parsed strictly, and every value of the
manifest is checked for its type and range before it is used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from zk.errors import ArtifactError
from zk.srs import MAX_SRS_LOGROWS, SrsKind
from zk.types import Outcome, StageResult, Wiring

FORMAT_NAME = "zkgan-search proof bundle"
FORMAT_VERSION = 1
MANIFEST, PROOF, PUBLIC_VALUES, SETTINGS, VK = (
    "manifest.json",
    "proof.bin",
    "public_values.json",
    "settings.json",
    "vk.key",
)
DESCRIBED = (PROOF, PUBLIC_VALUES, SETTINGS, VK)
"""Members whose size and digest the manifest gives, that is, all but itself."""

MEMBER_LIMITS_BYTES: Mapping[str, int] = MappingProxyType(
    {MANIFEST: 1 << 18, PROOF: 1 << 24, PUBLIC_VALUES: 1 << 22, SETTINGS: 1 << 22, VK: 1 << 28}
)
"""Largest sizes that are read. A circuit of 2**20 rows has a key of about 10 MB, a proof of under 1 MB."""

MAX_JSON_DEPTH = 16
_MAX_TEXT, _MAX_STAGES, _MAX_TENSORS, _MAX_AXES, _MAX_AXIS = 600, 32, 64, 8, 1 << 24
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BundleError(ArtifactError):
    """A bundle that cannot be used.

    Attributes:
        check: the check that failed: "container" (files, sizes), "format" (JSON and manifest) or "digests".

    """

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"bundle check {check!r} failed: {message}")
        self.check = check


@dataclass(frozen=True)
class MemberRecord:
    """Size in bytes and SHA-256 hex of one member."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class PublicTensor:
    """One public tensor: its name in the ONNX graph, "input" or "output", its shape and its scale in bits."""

    name: str
    role: str
    shape: tuple[int, ...]
    scale_bits: int

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
            "logrows": self.logrows,
            "public": [
                {"name": t.name, "role": t.role, "shape": list(t.shape), "scale_bits": t.scale_bits}
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
        keys = ("format", "format_version", *claimed, "public", "model_sha256", "config_sha256", "srs", "members")
        top = _object(data, (*keys, "versions", "stages"), "manifest")
        if top["format"] != FORMAT_NAME or top["format_version"] != FORMAT_VERSION:
            raise BundleError("format", f"the manifest must be of {FORMAT_NAME!r}, version {FORMAT_VERSION}")
        audit = _object(top["audit"], ("verdict", "reason"), "audit")
        srs = _object(top["srs"], ("sha256", "kind", "logrows"), "srs")
        members = _object(top["members"], DESCRIBED, "members")
        if not isinstance(top["versions"], dict) or len(top["versions"]) > _MAX_STAGES:
            raise BundleError("format", "versions must be an object of few entries")
        manifest = cls(
            members={name: _member(members[name], name) for name in DESCRIBED},
            model_sha256=_digest(top["model_sha256"], "model_sha256"),
            config_sha256=None if top["config_sha256"] is None else _digest(top["config_sha256"], "config_sha256"),
            srs_sha256=_digest(srs["sha256"], "srs.sha256"),
            srs_kind=SrsKind(_choice(srs["kind"], SrsKind, "srs.kind")),
            srs_logrows=_integer(srs["logrows"], 1, MAX_SRS_LOGROWS, "srs.logrows"),
            logrows=_integer(top["logrows"], 1, MAX_SRS_LOGROWS, "logrows"),
            public=tuple(_tensor(item) for item in _list(top["public"], _MAX_TENSORS, "public")),
            versions={_text(name, "versions"): _text(value, "versions") for name, value in top["versions"].items()},
            wiring=Wiring(_choice(audit["verdict"], Wiring, "audit.verdict")),
            wiring_reason=_text(audit["reason"], "audit.reason"),
            verified=_boolean(top["verified"], "verified"),
            inputs_match=_boolean(top["inputs_match"], "inputs_match"),
            tampered_rejected=_boolean(top["tampered_rejected"], "tampered_rejected"),
            stages=tuple(_stage(item) for item in _list(top["stages"], _MAX_STAGES, "stages")),
        )
        if (top["counts_as_proved"], top["outcome"]) != (manifest.counts_as_proved, str(manifest.outcome)):
            raise BundleError("format", "counts_as_proved and outcome must follow from the rest of the manifest")
        return manifest


def parse_json(content: bytes, name: str) -> Any:
    """Parse untrusted JSON strictly: UTF-8, no duplicate keys (parsers disagree on them), no NaN, no deep nesting.

    Raises:
        BundleError: check "format".

    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("an object has a key twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(content.decode(), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise BundleError("format", f"{name} must be strict JSON; {error}") from error
    level, depth = [value], 1
    while level := [child for node in level for child in _children(node) if isinstance(child, (dict, list))]:
        depth += 1
        if depth > MAX_JSON_DEPTH:
            raise BundleError("format", f"{name} must be nested at most {MAX_JSON_DEPTH} deep")
    return value


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def one_line(text: str) -> str:
    """Reduce text to what a manifest may carry: printable, one line, at most 600 characters."""
    joined = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in joined)[:_MAX_TEXT]


def _fail(where: str, wanted: str, found: Any) -> BundleError:
    shown = one_line(repr(found))[:80] if isinstance(found, (str, int, float)) else type(found).__name__
    return BundleError("format", f"{where} must be {wanted}; found {shown}")


def _object(value: Any, keys: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise _fail(where, f"an object with exactly {', '.join(keys)}", value)
    return value


def _list(value: Any, most: int, where: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise _fail(where, f"a list of at most {most}", value)
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise _fail(where, f"one printable line of at most {_MAX_TEXT} characters", value)
    return value


def _choice(value: Any, kinds: type[Outcome] | type[Wiring] | type[SrsKind] | tuple[str, ...], where: str) -> str:
    names = [str(kind) for kind in kinds]
    if value not in names:
        raise _fail(where, f"one of {', '.join(names)}", value)
    return str(value)


def _integer(value: Any, low: int, high: int, where: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _fail(where, f"an integer in {low}..{high}", value)
    return value


def _boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _fail(where, "true or false", value)
    return value


def _digest(value: Any, where: str) -> str:
    if not isinstance(value, str) or _SHA256.fullmatch(value) is None:
        raise _fail(where, "a SHA-256 of 64 lower-case hex digits", value)
    return value


def _member(value: Any, name: str) -> MemberRecord:
    record = _object(value, ("bytes", "sha256"), name)
    return MemberRecord(_integer(record["bytes"], 0, MEMBER_LIMITS_BYTES[name], name), _digest(record["sha256"], name))


def _tensor(value: Any) -> PublicTensor:
    tensor = _object(value, ("name", "role", "shape", "scale_bits"), "public tensor")
    shape = [_integer(axis, 1, _MAX_AXIS, "axis") for axis in _list(tensor["shape"], _MAX_AXES, "shape")]
    role = _choice(tensor["role"], ("input", "output"), "role")
    return PublicTensor(
        _text(tensor["name"], "name"), role, tuple(shape), _integer(tensor["scale_bits"], 0, 64, "scale")
    )


def _stage(value: Any) -> StageResult:
    stage = _object(value, ("stage", "outcome", "wall_seconds", "peak_rss_bytes", "message"), "stage")
    seconds = stage["wall_seconds"]
    if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
        raise _fail("wall_seconds", "a number of seconds", seconds)
    return StageResult(
        _text(stage["stage"], "stage"),
        Outcome(_choice(stage["outcome"], Outcome, "stage outcome")),
        float(seconds),
        _integer(stage["peak_rss_bytes"], 0, 1 << 62, "peak_rss_bytes"),
        _text(stage["message"], "message"),
    )
