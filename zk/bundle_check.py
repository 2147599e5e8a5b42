"""Verification of an untrusted proof bundle: a list of named checks, all of which must hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from zk.bundle import Bundle, read_bundle
from zk.bundle_format import SETTINGS, VK, BundleError, one_line
from zk.bundle_rebuild import rebuild_circuit
from zk.bundle_record import check_pinned, check_proof, check_record, check_srs, check_wiring
from zk.bundle_settings import check_settings, check_vk
from zk.bundle_verdict import BundleVerification, Check, CheckState, Request, all_passed, run_check
from zk.ceremony import srs_kind
from zk.errors import VerificationError
from zk.field import MODULUS
from zk.srs import SrsKind
from zk.types import Budget
from zk.verify import PublicValues, public_values

READING = ("container", "format", "digests")
"""Checks that :func:`zk.bundle.read_bundle` makes, in this order."""


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
        return check_wiring(self.bundle.manifest)

    def record(self) -> str:
        return check_record(self.bundle.manifest)

    def srs(self) -> str:
        return check_srs(self.bundle.manifest, self.srs_path)

    def pinned(self, name: str) -> str:
        return check_pinned(self.bundle.manifest, name, self.pins[name])

    def ezkl(self) -> str:
        return check_proof(self.bundle.parts[0], self.srs_path, self.budget)


def verify_bundle(
    path: Path,
    srs_path: Path,
    *,
    budget: Budget,
    expected_vk_digest: str | None = None,
    expected_settings_digest: str | None = None,
    expected_model_digest: str | None = None,
    model_path: Path | None = None,
    rebuild: bool = True,
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
            what a setup takes. A checked circuit (:mod:`zk.checked`) cannot be verified without it.
        rebuild: False trusts the key instead, which should be pinned then; a checked circuit's challenge is computed
            from the model all the same.

    """
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        return BundleVerification(_reading_checks(error), (), None, None)
    pins = {VK: expected_vk_digest, SETTINGS: expected_settings_digest, "model": expected_model_digest}
    if bundle.manifest.checked_options is not None:
        from zk.checked.verify import verify_checked  # here, because a direct circuit needs neither torch nor onnx

        request = Request(srs_path, budget, pins, model_path, rebuild)
        return verify_checked(bundle, [Check(name, CheckState.PASSED, "") for name in READING], request)
    examination = _Examination(bundle, srs_path, budget, pins)
    checks = [Check(name, CheckState.PASSED, "") for name in READING]
    checks.append(run_check("settings", examination.settings))
    usable = all_passed(checks)  # the next two compute with the settings
    checks += [run_check(name, getattr(examination, name), usable) for name in ("vk", "public_ranges")]
    checks += [run_check(name, getattr(examination, name)) for name in ("wiring", "record", "srs")]
    for name, label in ((VK, "pinned_vk"), (SETTINGS, "pinned_settings"), ("model", "pinned_model")):
        if pins[name] is not None:
            checks.append(run_check(label, partial(examination.pinned, name)))
    if model_path is not None and rebuild:
        rebuilding = partial(rebuild_circuit, bundle, model_path, srs_path, budget=budget)
        checks.append(run_check("rebuild", rebuilding, all_passed(checks)))
    checks.append(run_check("ezkl", examination.ezkl, all_passed(checks)))
    return BundleVerification(
        tuple(checks), _notes(bundle, pins, model_path is not None and rebuild), bundle, examination.values
    )


def _reading_checks(error: BundleError) -> tuple[Check, ...]:
    position = READING.index(error.check)
    passed = [Check(name, CheckState.PASSED, "") for name in READING[:position]]
    return (*passed, Check(error.check, CheckState.FAILED, one_line(str(error))))


def _notes(bundle: Bundle, pins: dict[str, str | None], rebuilt: bool) -> tuple[str, ...]:
    notes = []
    if not rebuilt:
        if not (pins[VK] and pins[SETTINGS]):
            notes.append(
                "Verification key and settings come from the bundle's sender unless both are pinned: acceptance then "
                "only shows that some circuit of the sender's choice accepts these public values."
            )
        notes.append(
            "That the circuit computes the named model, what its public values are called, and that its wiring is "
            "linked, are the prover's claims; give the model to have them checked."
        )
    if srs_kind(bundle.manifest.srs_sha256) is SrsKind.TEST_ONLY:
        notes.append("The SRS is test-only: whoever drew it can forge proofs. Only its owner may rely on them.")
    return tuple(notes)
