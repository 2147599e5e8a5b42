"""Bundles that claim success: complete, and consistent in themselves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zk.bundle import BundlePart
from zk.bundle_format import MANIFEST, PROOF, PUBLIC_VALUES, SETTINGS, VK, member_name
from zk.bundle_manifest import Manifest, MemberRecord
from zk.bundle_write import versions
from zk.ceremony import srs_kind
from zk.checked.attacks.system import System
from zk.checked.public import part_public
from zk.srs import check_srs_file, file_sha256
from zk.types import Wiring


@dataclass(frozen=True)
class Forgery:
    """A bundle, and the verifier that it is meant for.

    Attributes:
        system: whose network the bundle is said to prove.
        parts: proofs with their keys, settings and public values.
        manifest: entries of the manifest that are not what they should be.
        stale: parts that the digests are of, if not the bundle's own.
        model: what the verifier holds for the model; None is the system's.
        pins: digests that the verifier knows, by argument of :func:`zk.bundle_check.verify_bundle`.
        rebuild: whether the verifier makes keys anew.
    """

    system: System
    parts: tuple[BundlePart, ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    stale: tuple[BundlePart, ...] | None = None
    model: Path | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    rebuild: bool = True

    def with_part(self, index: int = 0, **changes: Any) -> Forgery:
        """A copy in which one part differs."""
        parts = list(self.parts)
        parts[index] = dataclasses.replace(parts[index], **changes)
        return dataclasses.replace(self, parts=tuple(parts))

    def with_manifest(self, **changes: Any) -> Forgery:
        """A copy with other entries in its manifest."""
        return dataclasses.replace(self, manifest={**self.manifest, **changes})


def write_forgery(forgery: Forgery, folder: Path) -> None:
    """Write the bundle as a folder."""
    members = part_members(forgery.parts)
    described = members if forgery.stale is None else part_members(forgery.stale)
    manifest = dataclasses.replace(_claims(forgery, described), **forgery.manifest)
    folder.mkdir(parents=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    (folder / MANIFEST).write_text(json.dumps(manifest.to_json()))


def part_members(parts: tuple[BundlePart, ...]) -> dict[str, bytes]:
    """Files of a bundle, the manifest left out."""
    members: dict[str, bytes] = {}
    for index, part in enumerate(parts):
        files = {
            PROOF: part.proof,
            PUBLIC_VALUES: _json([list(tensor) for tensor in part.public_values]),
            SETTINGS: _json(dict(part.settings)),
            VK: part.vk,
        }
        members |= {member_name(name, index): content for name, content in files.items()}
    return members


def member_digest(content: bytes) -> str:
    """SHA-256 hex, as manifests have it."""
    return hashlib.sha256(content).hexdigest()


def _claims(forgery: Forgery, members: Mapping[str, bytes]) -> Manifest:
    system, options = forgery.system, forgery.system.circuit.program.options
    digest = file_sha256(system.srs)
    return Manifest(
        members={name: MemberRecord(len(content), member_digest(content)) for name, content in members.items()},
        model_sha256=file_sha256(system.onnx_path),
        config_sha256=None,
        srs_sha256=digest,
        srs_kind=srs_kind(digest),
        srs_logrows=check_srs_file(system.srs),
        logrows=options.logrows,
        public=tuple(
            tensor for circuit in system.circuit.parts[: len(forgery.parts)] for tensor in part_public(circuit.part)
        ),
        versions=versions(),
        wiring=Wiring.LINKED,
        wiring_reason="every cell is linked",
        verified=True,
        inputs_match=True,
        tampered_rejected=True,
        stages=(),
        checked_options=options.to_json(),
        parts=len(forgery.parts),
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
