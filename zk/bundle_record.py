"""Checks that are the same for every kind of circuit: of the bundle's own record, and of a proof."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from pathlib import Path

from zk.bundle import BundlePart
from zk.bundle_format import SETTINGS, VK, member_name
from zk.bundle_manifest import Manifest
from zk.ceremony import srs_kind
from zk.errors import VerificationError
from zk.srs import check_srs_file, file_sha256
from zk.types import Budget, Outcome, Wiring
from zk.verify import Verification, verify_proof


def check_wiring(manifest: Manifest) -> str:
    """The recorded verdict of the audit must be linked."""
    if manifest.wiring is not Wiring.LINKED:
        raise VerificationError(
            f"the recorded verdict must be linked; it is {manifest.wiring}: {manifest.wiring_reason}"
        )
    return "recorded as linked (the prover's claim: auditing it takes the proving key)"


def check_record(manifest: Manifest) -> str:
    """The prover's own record must say that the proof counts."""
    if not manifest.counts_as_proved:
        raise VerificationError("the prover's own record must say that the proof counts; it says that it does not")
    return "the prover recorded it as verified, on the asked inputs, with tampered copies rejected"


def check_srs(manifest: Manifest, srs_path: Path) -> str:
    """The given reference string must be the prover's, and of the kind that it is called."""
    logrows = check_srs_file(srs_path)
    found = file_sha256(srs_path)
    if (found, logrows) != (manifest.srs_sha256, manifest.srs_logrows):
        raise VerificationError(
            f"the SRS must be the prover's, of SHA-256 {manifest.srs_sha256}; the given one has {found}"
        )
    kind = srs_kind(found)
    if kind is not manifest.srs_kind:
        raise VerificationError(f"the SRS must be what the manifest calls it, {manifest.srs_kind}; it is {kind}")
    return f"{kind}, logrows {logrows}"


def members_sha256(manifest: Manifest, name: str) -> str:
    """Digest of a member; of a bundle of several circuits, that over the digests of all parts' members in hex."""
    found = [manifest.members[member_name(name, part)].sha256 for part in range(manifest.parts)]
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def check_pinned(manifest: Manifest, name: str, pin: str | None) -> str:
    """The model, or a member, must have the digest that the verifier knows."""
    found = manifest.model_sha256 if name == "model" else members_sha256(manifest, name)
    if pin != found:
        raise VerificationError(f"{name} must have the pinned SHA-256 {pin}; it has {found}")
    return "as pinned"


def check_proof(part: BundlePart, srs_path: Path, budget: Budget, *, ranges: bool = True) -> str:
    """EZKL must accept the proof of one circuit, and not without its last byte.

    EZKL does not look at what follows a proof, so that one proof would have any number of bundles.

    Args:
        part: the circuit.
        srs_path: reference string.
        budget: limits of the child.
        ranges: check the range of the public values by the settings, too.
    """
    with tempfile.TemporaryDirectory(prefix="zk-verify-") as name:
        folder = Path(name)
        for file, content in ((SETTINGS, dict(part.settings)), ("proof.json", part.ezkl_proof())):
            (folder / file).write_text(json.dumps(content))  # written anew, so that EZKL reads what was checked
        (folder / VK).write_bytes(part.vk)

        def verified(proof: Path) -> Verification:
            files = folder / SETTINGS, folder / VK, srs_path
            return verify_proof(proof, *files, budget=budget, log_path=folder / "verify.log", ranges=ranges)

        result = verified(folder / "proof.json")
        if not result.accepted:
            raise VerificationError(result.reason)
        shorter = dataclasses.replace(part, proof=part.proof[:-1])
        (folder / "shorter.json").write_text(json.dumps(shorter.ezkl_proof()))
        if (less := verified(folder / "shorter.json")).accepted:
            raise VerificationError("a proof must end where EZKL's check of it ends; bytes follow")
        if less.stage.outcome is not Outcome.REFUSED:
            raise VerificationError(f"the proof without its last byte must be rejected; {less.reason}")
    return f"ezkl.verify accepts, in {result.stage.wall_seconds:.2f} s"
