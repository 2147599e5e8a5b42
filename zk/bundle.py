"""The proof bundle: all that a verifier needs beside the SRS, as one folder or zip; :mod:`zk.bundle_write` makes one.

The proof is kept as its raw bytes and the public values as integers. EZKL's own JSON file holds the proof twice and the
public values several times; :meth:`BundlePart.ezkl_proof` rebuilds the fields of it that ``ezkl.verify`` reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zk.bundle_files import read_members
from zk.bundle_format import (
    DESCRIBED,
    MANIFEST,
    PROOF,
    PUBLIC_VALUES,
    SETTINGS,
    VK,
    BundleError,
    member_name,
    parse_json,
)
from zk.bundle_manifest import Manifest, MemberRecord
from zk.field import int_to_felt


@dataclass(frozen=True)
class BundlePart:
    """One circuit of a bundle.

    Attributes:
        proof: the proof's bytes.
        public_values: one tuple of integers (real numbers times ``2**scale_bits``) for each public tensor.
        settings: EZKL's settings.
        vk: the verification key's bytes.

    """

    proof: bytes
    public_values: tuple[tuple[int, ...], ...]
    settings: Mapping[str, Any]
    vk: bytes

    def instances(self) -> list[list[str]]:
        """Give the public values as EZKL has them: one column of field elements."""
        return [[int_to_felt(value) for tensor in self.public_values for value in tensor]]

    def ezkl_proof(self) -> dict[str, Any]:
        """Rebuild EZKL's proof file: ``ezkl.verify`` reads "instances" and "proof", our loader "hex_proof" too."""
        return {"instances": self.instances(), "proof": list(self.proof), "hex_proof": f"0x{self.proof.hex()}"}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose members have the digests that its manifest gives; nothing else of it is checked yet.

    Attributes:
        path: where it lies.
        manifest: what the prover states.
        sha256: SHA-256 hex of the manifest, which names the whole bundle.
        parts: its circuits; a direct one is alone.
        member_bytes: size of every member.

    """

    path: Path
    manifest: Manifest
    sha256: str
    parts: tuple[BundlePart, ...]
    member_bytes: Mapping[str, int]

    @property
    def proof(self) -> bytes:
        """The first part's proof."""
        return self.parts[0].proof

    @property
    def public_values(self) -> tuple[tuple[int, ...], ...]:
        """The first part's public values."""
        return self.parts[0].public_values

    @property
    def settings(self) -> Mapping[str, Any]:
        """The first part's settings."""
        return self.parts[0].settings

    @property
    def vk(self) -> bytes:
        """The first part's verification key."""
        return self.parts[0].vk


def read_bundle(path: Path) -> Bundle:
    """Read an untrusted bundle: its members within bounds, its manifest strictly, its digests.

    Raises:
        BundleError: it names the check that failed: "container", "format" or "digests".

    """
    members = read_members(path)
    manifest = Manifest.from_json(parse_json(members[MANIFEST], MANIFEST))
    if set(manifest.members) | {MANIFEST} != set(members):
        raise BundleError("format", f"the manifest must describe all members; it describes {len(manifest.members)}")
    for name, record in manifest.members.items():
        found = MemberRecord(len(members[name]), _sha256(members[name]))
        if record != found:
            raise BundleError(
                "digests", f"{name} must have SHA-256 {record.sha256} and {record.bytes} bytes; found {found.sha256}"
            )
    return Bundle(
        path=path,
        manifest=manifest,
        sha256=_sha256(members[MANIFEST]),
        parts=tuple(_read_part(members, index) for index in range(manifest.parts)),
        member_bytes={name: len(content) for name, content in members.items()},
    )


def _read_part(members: Mapping[str, bytes], index: int) -> BundlePart:
    name = {plain: member_name(plain, index) for plain in DESCRIBED}
    settings = parse_json(members[name[SETTINGS]], name[SETTINGS])
    if not isinstance(settings, dict) or not isinstance(settings.get("run_args"), dict):
        raise BundleError("format", f"{name[SETTINGS]} must be EZKL's settings; found other JSON")
    values = parse_json(members[name[PUBLIC_VALUES]], name[PUBLIC_VALUES])
    if not isinstance(values, list) or not all(
        isinstance(tensor, list) and all(type(value) is int for value in tensor) for tensor in values
    ):
        raise BundleError("format", f"{name[PUBLIC_VALUES]} must be lists of integers, one for each tensor")
    return BundlePart(
        proof=members[name[PROOF]],
        public_values=tuple(tuple(tensor) for tensor in values),
        settings=settings,
        vk=members[name[VK]],
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
