"""How a network becomes a checked circuit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from zk.checked.errors import CheckedError

WEIGHTS = ("public", "bound")


@dataclass(frozen=True)
class CheckedOptions:
    """Layout of a checked circuit. With the model, it fixes the circuit.

    Attributes:
        activation_bits: activations and inputs are integers at scale ``2**activation_bits``.
        table_bits: every table has ``2**table_bits`` entries, around zero. Products are divided by as much, so weights
            have about as many fractional bits: finer ones cost nothing.
        private_inputs: graph inputs that stay secret; the others are given out as public values.
        salt: random elements appended to each committed tensor that holds secrets; 0 leaves commitments unhidden.
        weights: "public", where the verifier computes the transposed products from them, or "bound", where the circuit
            does from constants that the verification key binds: dearer, by the weights' number and small convolutions.
        direct: names of nodes that EZKL computes itself instead of checking a claim.
        cuts: steps of the program in front of which it is cut into circuits of their own.
        num_inner_cols: columns that a dot product runs over.
        logrows: height of the circuit is ``2**logrows``; None chooses.

    Raises:
        CheckedError: a value is out of range.
    """

    activation_bits: int = 8
    table_bits: int = 14
    private_inputs: tuple[str, ...] = ()
    salt: int = 16
    weights: str = "public"
    direct: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()
    num_inner_cols: int = 2
    logrows: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("activation_bits", 1, 20),
            ("table_bits", 3, 22),
            ("salt", 0, 256),
            ("num_inner_cols", 1, 8),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise CheckedError(f"{name} must be in {low}..{high}; got {value}; choose a value in that range")
        if self.weights not in WEIGHTS:
            raise CheckedError(f"weights must be one of {WEIGHTS}; got {self.weights!r}")
        if self.logrows is not None and not self.table_bits < self.logrows <= 26:
            raise CheckedError(
                f"logrows must be above table_bits ({self.table_bits}) and at most 26, so that a table fits a column; "
                f"got {self.logrows}"
            )

    def to_json(self) -> dict[str, Any]:
        """Give every option as plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: Any) -> CheckedOptions:
        """Rebuild options from :meth:`to_json`.

        Raises:
            CheckedError: another set of names, or a value of the wrong type or range.
        """
        kinds = {"private_inputs": str, "direct": str, "cuts": int}
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(data, dict) or set(data) != names:
            raise CheckedError(f"options of a checked circuit must be {sorted(names)}; got {data!s:.80}")
        for name, value in data.items():
            if name in kinds:
                good = isinstance(value, list) and all(type(item) is kinds[name] for item in value)
            elif name == "weights":
                good = isinstance(value, str)
            else:
                good = type(value) is int or (name == "logrows" and value is None)
            if not good:
                raise CheckedError(f"option {name!r} of a checked circuit is of the wrong type; got {value!s:.80}")
        made: dict[str, Any] = {name: tuple(value) if name in kinds else value for name, value in data.items()}
        return cls(**made)

    @property
    def digest(self) -> str:
        """SHA-256 hex over the canonical JSON of all options."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
