"""Values that the whole package shares: outcomes, budgets and circuit options."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zk.errors import OptionError

VISIBILITIES = ("public", "private", "hashed", "polycommit", "fixed")


class Outcome(StrEnum):
    """How a stage ended."""

    OK = "ok"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"


class Wiring(StrEnum):
    """Verdict of the wiring audit, whose docstring (:mod:`zk.audit`) says what it can and cannot see."""

    LINKED = "linked"
    UNLINKED = "unlinked"
    UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Budget:
    """What one stage may use.

    Attributes:
        memory_bytes: resident memory of the stage's process group, in bytes.
        wall_seconds: wall-clock time, in seconds.

    Raises:
        OptionError: a limit is not positive.

    """

    memory_bytes: int
    wall_seconds: float

    def __post_init__(self) -> None:
        if self.memory_bytes <= 0 or not self.wall_seconds > 0:
            raise OptionError(
                f"a budget must be positive; got memory_bytes={self.memory_bytes}, wall_seconds={self.wall_seconds}; "
                "give both limits above zero"
            )

    @classmethod
    def asked(cls, memory_bytes: float, wall_seconds: float) -> Budget:
        """Make a budget of numbers from a command line.

        Raises:
            OptionError: a limit is not positive, not finite, or more than a number of bytes can be.
        """
        if not (abs(memory_bytes) < 2**63 and math.isfinite(wall_seconds)):  # neither NaN nor infinity
            raise OptionError(
                f"a budget must be positive, finite and below 2^63 bytes; got memory_bytes={memory_bytes}, "
                f"wall_seconds={wall_seconds}"
            )
        return cls(int(memory_bytes), wall_seconds)


@dataclass(frozen=True)
class StageResult:
    """What one stage did.

    Attributes:
        stage: name of the stage ("settings", "prove", ...).
        outcome: how it ended.
        wall_seconds: wall-clock time, the start of its process included.
        peak_rss_bytes: highest resident memory of its process (VmHWM), in bytes; 0 where it could not be read.
        message: empty when ``outcome`` is ok, otherwise why it ended.
        output_bytes: (file name, size in bytes) of each file it wrote.
        work_seconds: time of the call alone, without starting the interpreter; NaN-free, 0.0 if it never returned.

    """

    stage: str
    outcome: Outcome
    wall_seconds: float
    peak_rss_bytes: int
    message: str = ""
    output_bytes: tuple[tuple[str, int], ...] = ()
    work_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the stage ended well."""
        return self.outcome is Outcome.OK


@dataclass(frozen=True)
class CircuitOptions:
    """How ezkl lays a model out as a circuit.

    Attributes:
        input_scale_bits: activations are integers at scale ``2**input_scale_bits``.
        param_scale_bits: the same for weights.
        scale_rebase_multiplier: a product is divided back to ``input_scale_bits`` once its scale reaches this multiple
            of it. A 16x16 generator took 57,190 rows at 1, 51,302 at 2 and 45,414 at 3, but its lookup tables then
            spanned 2**18 and 2**24 integers (2**15 at 1), so the keys grew many times over for no gain in accuracy.
        lookup_range: least and greatest integer that an activation's table covers; calibration widens it to
            ``lookup_safety_margin`` times the range seen on the calibration inputs, and never narrows it.
        decomp_base: base of the digits of range checks and rebases.
        decomp_legs: number of such digits.
        num_inner_cols: columns that one dot product runs over; more columns, fewer rows.
        logrows: height of the circuit is ``2**logrows``; None chooses the cheapest (see :mod:`zk.cost`).
        min_logrows: least height considered when ``logrows`` is None.
        max_logrows: greatest height considered when ``logrows`` is None.
        disable_freivalds: False makes ezkl check big einsums in columns that nothing ties to the rest of the circuit;
            such a proof is never counted (:mod:`zk.audit`).
        ignore_range_check_inputs_outputs: leave the range of public inputs and outputs to the verifier. Sound only
            where both are public: :func:`zk.verify.verify_proof` then checks the ranges itself; or where inputs are
            committed and the circuit looks them up (:mod:`zk.checked`). 64,996 rows became 57,190.
        input_visibility: visibility of the latent and the class.
        output_visibility: visibility of the image.
        param_visibility: visibility of the weights; "fixed" bakes them into the keys.
        lookup_safety_margin: factor between the range seen in calibration and the range of the tables.

    Raises:
        OptionError: a value is out of range, or range checks are dropped for a value that is not public.

    """

    input_scale_bits: int = 7
    param_scale_bits: int = 7
    scale_rebase_multiplier: int = 1
    lookup_range: tuple[int, int] = (-2048, 2048)
    decomp_base: int = 16384
    decomp_legs: int = 2
    num_inner_cols: int = 2
    logrows: int | None = None
    min_logrows: int = 12
    max_logrows: int = 22
    disable_freivalds: bool = True
    ignore_range_check_inputs_outputs: bool = True
    input_visibility: str = "public"
    output_visibility: str = "public"
    param_visibility: str = "fixed"
    lookup_safety_margin: float = 2.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("input_scale_bits", 0, 20),
            ("param_scale_bits", 0, 20),
            ("scale_rebase_multiplier", 1, 10),
            ("decomp_base", 2, 2**20),
            ("decomp_legs", 1, 10),
            ("num_inner_cols", 1, 64),
            ("min_logrows", 6, 26),
            ("max_logrows", 6, 26),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{name} must be in {low}..{high}; got {value}; choose a value in that range")
        if self.min_logrows > self.max_logrows:
            raise OptionError(f"min_logrows must not exceed max_logrows; got {self.min_logrows} > {self.max_logrows}")
        if self.logrows is not None and not 6 <= self.logrows <= 26:
            raise OptionError(f"logrows must be None or in 6..26; got {self.logrows}; None chooses the cheapest")
        if not self.lookup_range[0] < 0 < self.lookup_range[1]:
            raise OptionError(f"lookup_range must straddle zero; got {self.lookup_range}; give (negative, positive)")
        if self.lookup_safety_margin < 1.0:
            raise OptionError(f"lookup_safety_margin must be at least 1; got {self.lookup_safety_margin}")
        self._check_visibility()

    def _check_visibility(self) -> None:
        for name in ("input_visibility", "output_visibility", "param_visibility"):
            if getattr(self, name) not in VISIBILITIES:
                raise OptionError(f"{name} must be one of {VISIBILITIES}; got {getattr(self, name)!r}")
        inputs_known = self.input_visibility in ("public", "polycommit")
        if self.ignore_range_check_inputs_outputs and not (inputs_known and self.output_visibility == "public"):
            raise OptionError(
                "ignore_range_check_inputs_outputs needs public inputs and outputs, because only then can the verifier "
                f"check their range, or committed inputs, whose circuit looks them up (zk.checked); got "
                f"{self.input_visibility!r} and {self.output_visibility!r}; set it to False or make both public"
            )

    def to_json(self) -> dict[str, Any]:
        """Give every option as plain JSON values."""
        return {**dataclasses.asdict(self), "lookup_range": list(self.lookup_range)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CircuitOptions:
        """Rebuild options from :meth:`to_json`."""
        low, high = data["lookup_range"]
        return cls(**{**data, "lookup_range": (int(low), int(high))})

    @property
    def digest(self) -> str:
        """SHA-256 hex over the canonical JSON of all options."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
