"""The class asked for and the class found, as a verifier reads them from public values."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zk.bundle import Bundle
from zk.bundle_manifest import PublicTensor
from zk.bundle_verdict import BundleVerification, Check, CheckState
from zk.class_claim import check_class
from zk.verify import PublicValues

TENSORS = (
    PublicTensor("checks", "check", (1, 2), 0),
    PublicTensor("one_hot", "input", (1, 3), 7),
    PublicTensor("image", "output", (1, 4), 7),
    PublicTensor("logits", "output", (1, 3), 7),
)
IMAGE = (0.0, 0.5, -0.5, 1.0)


def verified(
    one_hot: tuple[float, ...] = (0.0, 1.0, 0.0),
    logits: tuple[float, ...] = (0.25, 0.5, -1.0),
    tensors: tuple[PublicTensor, ...] = TENSORS,
) -> BundleVerification:
    bundle = cast(Bundle, SimpleNamespace(manifest=SimpleNamespace(public=tensors)))
    values = PublicValues((one_hot,), (IMAGE, logits))
    passed = tuple(Check(name, CheckState.PASSED, "") for name in ("public_tensors", "rebuild", "ezkl"))
    return BundleVerification(passed, (), bundle, values)


def test_the_class_asked_for_is_found() -> None:
    check = check_class(verified(), "one_hot")
    assert (check.name, check.state) == ("class", CheckState.PASSED)
    assert check.reason == "class 1 was asked for and found, 0.5 against 0.25"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"logits": (0.25, -0.5, 0.75)}, "class 1 was asked for; the last output is greatest at class 2"),
        ({"logits": (0.5, 0.5, 0.0)}, "class 1 was asked for; the last output is greatest at class 0"),
        ({"one_hot": (0.0, 1.0, 1.0)}, "must be 1 for one class"),
        ({"one_hot": (0.0, 0.5, 0.0)}, "must be 1 for one class"),
        ({"one_hot": (0.0, 1.0)}, "for each of 2 classes"),
    ],
)
def test_another_class_is_rejected(changes: dict[str, Any], reason: str) -> None:
    check = check_class(verified(**changes), "one_hot")
    assert check.state is CheckState.FAILED
    assert reason in check.reason


def test_the_input_must_be_public() -> None:
    check = check_class(verified(), "label")
    assert check.state is CheckState.FAILED
    assert "called 'label'; the proof has one_hot" in check.reason


def test_values_of_a_rejected_proof_say_nothing() -> None:
    rejected = dataclasses.replace(verified(), checks=(Check("ezkl", CheckState.FAILED, "no"),))
    assert check_class(rejected, "one_hot").state is CheckState.NOT_RUN


@pytest.mark.parametrize("state", [CheckState.FAILED, CheckState.NOT_RUN, None])
def test_names_must_follow_from_the_model(state: CheckState | None) -> None:
    """A sender who may call a latent ``one_hot`` chooses the class."""
    naming = () if state is None else (Check("rebuild", state, ""),)
    result = dataclasses.replace(verified(), checks=(*naming, Check("ezkl", CheckState.PASSED, "")))
    check = check_class(result, "one_hot")
    assert check.state is not CheckState.PASSED
    assert state is not None or "must not be the sender's word" in check.reason


@pytest.mark.parametrize(
    ("passed", "state"),
    [
        (("rebuild",), CheckState.PASSED),
        (("public_tensors", "pinned_vk"), CheckState.PASSED),
        (("public_tensors",), CheckState.FAILED),
        (("public_tensors", "pinned_settings", "pinned_model"), CheckState.FAILED),
        (("pinned_vk", "pinned_settings"), CheckState.FAILED),
    ],
)
def test_the_circuit_must_be_known_and_its_values_named(passed: tuple[str, ...], state: CheckState) -> None:
    checks = tuple(Check(name, CheckState.PASSED, "") for name in (*passed, "ezkl"))
    assert check_class(dataclasses.replace(verified(), checks=checks), "one_hot").state is state
