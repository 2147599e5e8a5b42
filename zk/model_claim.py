"""What a bundle must show beside a circuit that holds: the layout, the class and the latent that were expected.

A checked circuit's layout is the sender's choice: at few bits the same weights draw other images, and inputs may be
hidden. Who expects a certain model's image therefore checks these, too. All checks read what the verification found.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.bundle_verdict import BundleVerification, Check, run_check
from zk.checked.options import CheckedOptions
from zk.class_claim import named_class
from zk.errors import VerificationError
from zk.srs import SrsKind

LAYOUT, SRS_KIND, ASKED, LATENT_VALUES = "layout", "srs_kind", "asked_class", "latent"


def check_layout(result: BundleVerification, allowed: Sequence[CheckedOptions]) -> Check:
    """Check that the bundle's circuit has one of the ``allowed`` layouts."""

    def same() -> str:
        found = None if result.bundle is None else result.bundle.manifest.checked_options
        if found is None:
            raise VerificationError("the circuit must be a checked one; it is not")
        if dict(found) not in [options.to_json() for options in allowed]:
            raise VerificationError("the circuit must have the layout that the model comes with; it has another")
        return "the layout that the model comes with"

    return run_check(LAYOUT, same, result.readable)


def check_srs_kind(result: BundleVerification, wanted: SrsKind) -> Check:
    """Check that the bundle's reference string is of the ``wanted`` kind, or a ceremony's."""

    def kind() -> str:
        found = None if result.bundle is None else result.bundle.manifest.srs_kind
        if found not in (wanted, SrsKind.CEREMONY):
            raise VerificationError(
                f"the reference string must be a ceremony's; it is {found}, and whoever drew it can forge any image; "
                f"say srs={SrsKind.TEST_ONLY} to accept that"
            )
        return str(found)

    return run_check(SRS_KIND, kind, result.readable)


def check_asked(result: BundleVerification, name: str, class_names: Sequence[str], wanted: int | None) -> Check:
    """Check that the public input ``name`` names one class, and the ``wanted`` one; None takes any."""

    def asked() -> str:
        found = named_class(_public_input(result, name))
        if found is None or found >= len(class_names):
            raise VerificationError(f"{name} must be 1 for one class and 0 for the others; it is not")
        if wanted is not None and found != wanted:
            raise VerificationError(
                f"class {class_names[wanted]} must have been asked for; it was {class_names[found]}"
            )
        return f"class {class_names[found]} was asked for"

    return run_check(ASKED, asked, bool(result.tensors))


def check_latent(result: BundleVerification, name: str, expected: Sequence[float]) -> Check:
    """Check that the public input ``name`` holds the ``expected`` values, as far as its scale tells them apart."""

    def same() -> str:
        found = _public_input(result, name)
        scale = next(tensor.scale_bits for tensor, _ in result.tensors if tensor.name == name)
        half = 0.5 / 2.0**scale + 1e-9
        if len(found) != len(expected) or any(abs(a - b) > half for a, b in zip(found, expected, strict=True)):
            raise VerificationError(f"{name} must be the one that the seed gives; it is another")
        return "the one that the seed gives"

    return run_check(LATENT_VALUES, same, bool(result.tensors))


def _public_input(result: BundleVerification, name: str) -> tuple[float, ...]:
    found = [values for tensor, values in result.tensors if tensor.role == "input" and tensor.name == name]
    if len(found) != 1:
        known = ", ".join(tensor.name for tensor, _ in result.tensors if tensor.role == "input") or "none"
        raise VerificationError(f"{name} must be a public input; public are {known}")
    return found[0]
