"""What a proof of a generator and a classifier in one says: the class asked for is the one that was found."""

from __future__ import annotations

from collections.abc import Sequence

from zk.bundle_verdict import BundleVerification, Check, CheckState, run_check
from zk.errors import VerificationError

CLASS = "class"
_REBUILD, _PINNED, _NAMED = "rebuild", "pinned_vk", "public_tensors"
"""Checks that say which circuit was proved, and what its public values are called; both are else the sender's word."""


def check_class(result: BundleVerification, one_hot: str) -> Check:
    """Check that the last public output is greatest at the class that the public input ``one_hot`` names.

    Runs only if every other check of the bundle passed: before that its public values mean nothing.
    """
    return run_check(CLASS, lambda: _same_class(result, one_hot), result.accepted)


def named_class(values: Sequence[float]) -> int | None:
    """Give the class that a one-hot row of two or more names; None for anything else."""
    ones = [index for index, value in enumerate(values) if value == 1.0]
    return ones[0] if len(values) > 1 and len(ones) == 1 and all(value in (0.0, 1.0) for value in values) else None


def _same_class(result: BundleVerification, one_hot: str) -> str:
    passed = {check.name for check in result.checks if check.state is CheckState.PASSED}
    if _REBUILD not in passed and not {_PINNED, _NAMED} <= passed:
        raise VerificationError(
            "which circuit was proved, and which of its public values are the class, must not be the sender's word; "
            "give --model and leave --no-rebuild out, or for a checked circuit pin the key with --vk-sha256"
        )
    inputs = [(tensor.name, values) for tensor, values in result.tensors if tensor.role == "input"]
    outputs = [values for tensor, values in result.tensors if tensor.role == "output"]
    found = [values for name, values in inputs if name == one_hot]
    if len(found) != 1:
        known = ", ".join(name for name, _ in inputs) or "none"
        raise VerificationError(f"a public input must be called {one_hot!r}; the proof has {known}")
    asked = named_class(found[0])
    if asked is None:
        raise VerificationError(f"{one_hot} must be 1 for one class and 0 for the others; it is not")
    if not outputs or len(outputs[-1]) != len(found[0]):
        sizes = [len(values) for values in outputs]
        raise VerificationError(f"the last output must have a value for each of {len(found[0])} classes; found {sizes}")
    logits = outputs[-1]
    others = [value for place, value in enumerate(logits) if place != asked]
    if max(others) >= logits[asked]:
        best = max(range(len(logits)), key=lambda place: logits[place])
        raise VerificationError(f"class {asked} was asked for; the last output is greatest at class {best}")
    return f"class {asked} was asked for and found, {logits[asked]:g} against {max(others):g}"
