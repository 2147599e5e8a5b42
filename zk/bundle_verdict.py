"""The result of verifying a bundle: a list of named checks, all of which must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from zk.bundle import Bundle
from zk.bundle_format import one_line
from zk.bundle_manifest import PublicTensor
from zk.errors import ZkError
from zk.types import Budget
from zk.verify import PublicValues


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
class Request:
    """What a verifier brings.

    Attributes:
        srs_path: the reference string.
        budget: limits of each child process.
        pins: digests that the verifier knows, by name ("vk.key", "settings.json", "model"); None where it knows none.
        model_path: the model; None if it is not at hand.
        rebuild: make key and wiring from the model anew.
    """

    srs_path: Path
    budget: Budget
    pins: Mapping[str, str | None]
    model_path: Path | None
    rebuild: bool


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
        return bool(self.checks) and all_passed(self.checks)

    @property
    def readable(self) -> bool:
        """Whether the bundle is one at all; its digests may be wrong."""
        return not {"container", "format"} & set(self.failed)

    @property
    def tensors(self) -> list[tuple[PublicTensor, tuple[float, ...]]]:
        """Public inputs, then outputs, each with its values; none unless their ranges were found good."""
        if self.bundle is None or self.values is None:
            return []
        described = [tensor for tensor in self.bundle.manifest.public if tensor.role != "check"]
        described.sort(key=lambda tensor: tensor.role == "output")  # stable: several circuits give out in turn
        return list(zip(described, (*self.values.inputs, *self.values.outputs), strict=True))

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed, those that did not run left out."""
        return tuple(check.name for check in self.checks if check.state is CheckState.FAILED)


def run_check(name: str, check: Callable[[], str], allowed: bool = True) -> Check:
    """Run one check, unless an earlier one that it relies on failed."""
    if not allowed:
        return Check(name, CheckState.NOT_RUN, "an earlier check failed")
    try:
        return Check(name, CheckState.PASSED, one_line(check()))
    except ZkError as error:
        return Check(name, CheckState.FAILED, one_line(str(error)))


def all_passed(checks: list[Check] | tuple[Check, ...]) -> bool:
    """Whether every check so far passed."""
    return all(check.state is CheckState.PASSED for check in checks)
