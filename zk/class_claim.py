"""What a proof of a generator and a classifier in one says: the class asked for is the one that was found."""

from __future__ import annotations

from zk.bundle_verdict import BundleVerification, Check, run_check
from zk.errors import VerificationError

CLASS = "class"


def check_class(result: BundleVerification, one_hot: str) -> Check:
    """Check that the last public output is greatest at the class that the public input ``one_hot`` names.

    Runs only if every other check of the bundle passed: before that its public values mean nothing.
    """
    return run_check(CLASS, lambda: _same_class(result, one_hot), result.accepted)


def _same_class(result: BundleVerification, one_hot: str) -> str:
    assert result.bundle is not None
    assert result.values is not None
    described = result.bundle.manifest.public
    inputs = [tensor for tensor in described if tensor.role == "input"]
    outputs = [tensor for tensor in described if tensor.role == "output"]
    found = [values for tensor, values in zip(inputs, result.values.inputs, strict=True) if tensor.name == one_hot]
    if len(found) != 1:
        known = ", ".join(tensor.name for tensor in inputs) or "none"
        raise VerificationError(f"a public input must be called {one_hot!r}; the proof has {known}")
    if sorted(found[0]) != [0.0] * (len(found[0]) - 1) + [1.0]:
        raise VerificationError(f"{one_hot} must be 1 for one class and 0 for the others; it is not")
    if not outputs or outputs[-1].size != len(found[0]):
        sizes = [tensor.size for tensor in outputs]
        raise VerificationError(f"the last output must have a value for each of {len(found[0])} classes; found {sizes}")
    asked, logits = found[0].index(1.0), result.values.outputs[-1]
    others = [value for place, value in enumerate(logits) if place != asked]
    if others and max(others) >= logits[asked]:
        best = max(range(len(logits)), key=lambda place: logits[place])
        raise VerificationError(f"class {asked} was asked for; the last output is greatest at class {best}")
    return f"class {asked} was asked for and found, {logits[asked]:g} against {max(others, default=float('nan')):g}"
