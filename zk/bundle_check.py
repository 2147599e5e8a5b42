"""Verification of an untrusted proof bundle: a list of named checks, all of which must hold."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from zk.bundle import Bundle, read_bundle
from zk.bundle_format import SETTINGS, VK, BundleError, one_line
from zk.bundle_rebuild import rebuild_circuit
from zk.bundle_settings import check_settings, check_vk
from zk.ceremony import srs_kind
from zk.errors import VerificationError, ZkError
from zk.field import MODULUS
from zk.srs import SrsKind, check_srs_file, file_sha256
from zk.types import Budget, Wiring
from zk.verify import PublicValues, public_values, verify_proof

READING = ("container", "format", "digests")
"""Checks that :func:`zk.bundle.read_bundle` makes, in this order."""


class CheckState(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Check:
    """One check: its name, how it ended, and what was found."""

    name: str
    state: CheckState
    reason: str


@dataclass(frozen=True)
class BundleVerification:
    """Result of verifying a bundle.

    Attributes:
        checks: in the order in which they ran.
        notes: what acceptance does not show, in sentences.
        bundle: None if it could not be read.
        values: its public values; None unless they were found to be in range.

    """

    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    bundle: Bundle | None
    values: PublicValues | None

    @property
    def accepted(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks) and all(check.state is CheckState.PASSED for check in self.checks)

    @property
    def readable(self) -> bool:
        """Whether the bundle is one at all; its digests may be wrong."""
        return not {"container", "format"} & set(self.failed)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed, those that did not run left out."""
        return tuple(check.name for check in self.checks if check.state is CheckState.FAILED)


@dataclass
class _Examination:
    """What the checks share; ``values`` is filled on the way."""

    bundle: Bundle
    srs_path: Path
    budget: Budget
    pins: dict[str, str | None]
    values: PublicValues | None = field(default=None)

    def settings(self) -> str:
        return check_settings(self.bundle.settings, self.bundle.manifest)

    def vk(self) -> str:
        return check_vk(self.bundle.vk, self.bundle.settings)

    def public_ranges(self) -> str:
        bundle = self.bundle
        sizes = [tensor.size for tensor in bundle.manifest.public]
        if [len(tensor) for tensor in bundle.public_values] != sizes:
            raise VerificationError(f"public tensors must have {sizes} values; found others")
        if any(abs(value) > MODULUS // 2 for tensor in bundle.public_values for value in tensor):
            raise VerificationError("public values must be field elements of least magnitude; one is larger")
        self.values = public_values({"instances": bundle.parts[0].instances()}, dict(bundle.settings))
        args = bundle.settings["run_args"]
        bits = math.log2(args["decomp_base"]) * args["decomp_legs"]
        return f"{sum(sizes)} values, each below 2**{bits:g} in magnitude"

    def wiring(self) -> str:
        manifest = self.bundle.manifest
        if manifest.wiring is not Wiring.LINKED:
            raise VerificationError(
                f"the recorded verdict must be linked; it is {manifest.wiring}: {manifest.wiring_reason}"
            )
        return "recorded as linked (the prover's claim: auditing it takes the proving key)"

    def record(self) -> str:
        manifest = self.bundle.manifest
        if not manifest.counts_as_proved:
            raise VerificationError("the prover's own record must say that the proof counts; it says that it does not")
        return "the prover recorded it as verified, on the asked inputs, with tampered copies rejected"

    def srs(self) -> str:
        manifest, logrows = self.bundle.manifest, check_srs_file(self.srs_path)
        found = file_sha256(self.srs_path)
        if (found, logrows) != (manifest.srs_sha256, manifest.srs_logrows):
            raise VerificationError(
                f"the SRS must be the prover's, of SHA-256 {manifest.srs_sha256}; the given one has {found}"
            )
        kind = srs_kind(found)
        if kind is not manifest.srs_kind:
            raise VerificationError(f"the SRS must be what the manifest calls it, {manifest.srs_kind}; it is {kind}")
        return f"{kind}, logrows {logrows}"

    def pinned(self, name: str) -> str:
        manifest = self.bundle.manifest
        found = manifest.model_sha256 if name == "model" else manifest.members[name].sha256
        if self.pins[name] != found:
            raise VerificationError(f"{name} must have the pinned SHA-256 {self.pins[name]}; it has {found}")
        return "as pinned"

    def ezkl(self) -> str:
        with tempfile.TemporaryDirectory(prefix="zk-verify-") as name:
            folder = Path(name)
            for file, content in (
                (SETTINGS, dict(self.bundle.settings)),
                ("proof.json", self.bundle.parts[0].ezkl_proof()),
            ):
                (folder / file).write_text(json.dumps(content))  # written anew, so that EZKL reads what was checked
            (folder / VK).write_bytes(self.bundle.vk)
            result = verify_proof(
                folder / "proof.json",
                folder / SETTINGS,
                folder / VK,
                self.srs_path,
                budget=self.budget,
                log_path=folder / "verify.log",
            )
        if not result.accepted:
            raise VerificationError(result.reason)
        return f"ezkl.verify accepts, in {result.stage.wall_seconds:.2f} s"


def verify_bundle(
    path: Path,
    srs_path: Path,
    *,
    budget: Budget,
    expected_vk_digest: str | None = None,
    expected_settings_digest: str | None = None,
    expected_model_digest: str | None = None,
    model_path: Path | None = None,
) -> BundleVerification:
    """Check an untrusted bundle; it is accepted only if all checks hold. Nothing in it is unpickled or executed.

    Checks, in order: container, format, digests (:func:`zk.bundle.read_bundle`); settings, vk
    (:mod:`zk.bundle_settings`); public_ranges; wiring; record; srs; one for each pin; rebuild if the model is given;
    ezkl, which runs only when all others passed.

    The sender chose the settings and the key of a bundle. Unless both are pinned, or rebuilt from the model,
    acceptance only shows that some circuit of the sender's choice accepts; the notes say so.

    Args:
        path: folder or zip.
        srs_path: the SRS that the bundle was proved with.
        budget: limits of the child processes: ezkl's verify, and each stage of the rebuild.
        expected_vk_digest: SHA-256 hex that the verification key must have.
        expected_settings_digest: the same for the member settings.json.
        expected_model_digest: the same for the recorded digest of the model (a claim unless rebuilt).
        model_path: build the circuit from this ONNX model anew, compare settings and key, and audit the wiring; takes
            what a setup takes.

    """
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        return BundleVerification(_reading_checks(error), (), None, None)
    pins = {VK: expected_vk_digest, SETTINGS: expected_settings_digest, "model": expected_model_digest}
    examination = _Examination(bundle, srs_path, budget, pins)
    checks = [Check(name, CheckState.PASSED, "") for name in READING]
    checks.append(_run("settings", examination.settings))
    usable = _all_passed(checks)  # the next two compute with the settings
    checks += [_run(name, getattr(examination, name), usable) for name in ("vk", "public_ranges")]
    checks += [_run(name, getattr(examination, name)) for name in ("wiring", "record", "srs")]
    for name, label in ((VK, "pinned_vk"), (SETTINGS, "pinned_settings"), ("model", "pinned_model")):
        if pins[name] is not None:
            checks.append(_run(label, partial(examination.pinned, name)))
    if model_path is not None:
        rebuild = partial(rebuild_circuit, bundle, model_path, srs_path, budget=budget)
        checks.append(_run("rebuild", rebuild, _all_passed(checks)))
    checks.append(_run("ezkl", examination.ezkl, _all_passed(checks)))
    return BundleVerification(tuple(checks), _notes(bundle, pins, model_path is not None), bundle, examination.values)


def _reading_checks(error: BundleError) -> tuple[Check, ...]:
    position = READING.index(error.check)
    passed = [Check(name, CheckState.PASSED, "") for name in READING[:position]]
    return (*passed, Check(error.check, CheckState.FAILED, one_line(str(error))))


def _run(name: str, check: Callable[[], str], allowed: bool = True) -> Check:
    if not allowed:
        return Check(name, CheckState.NOT_RUN, "an earlier check failed")
    try:
        return Check(name, CheckState.PASSED, one_line(check()))
    except ZkError as error:
        return Check(name, CheckState.FAILED, one_line(str(error)))


def _all_passed(checks: list[Check]) -> bool:
    return all(check.state is CheckState.PASSED for check in checks)


def _notes(bundle: Bundle, pins: dict[str, str | None], rebuilt: bool) -> tuple[str, ...]:
    notes = []
    if not rebuilt:
        if not (pins[VK] and pins[SETTINGS]):
            notes.append(
                "Verification key and settings come from the bundle's sender unless both are pinned: acceptance then "
                "only shows that some circuit of the sender's choice accepts these public values."
            )
        notes.append(
            "That the circuit computes the named model, and that its wiring is linked, are the prover's claims; "
            "give the model to have both checked."
        )
    if srs_kind(bundle.manifest.srs_sha256) is SrsKind.TEST_ONLY:
        notes.append("The SRS is test-only: whoever drew it can forge proofs. Only its owner may rely on them.")
    return tuple(notes)
