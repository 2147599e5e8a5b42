"""How a network becomes a checked circuit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from zk.checked.errors import CheckedError
from zk.simulation.guard import RESERVED_TABLE_ROWS

WEIGHTS = ("public", "bound")


@dataclass(frozen=True)
class CheckedOptions:
    """Layout of a checked circuit. With the model, it fixes the circuit.

    Attributes:
        activation_bits: activations and inputs are integers at scale ``2**activation_bits``.
        private_inputs: graph inputs that stay secret; the others are given out as public values.
        salt: random elements appended to each committed tensor that holds secrets; 0 leaves commitments unhidden.
        weights: "public", where the verifier computes the transposed products, or "bound", where the circuit does from
            constants that the key binds: dearer, by the weights' number and a convolution of one channel each.
        direct: names of nodes that EZKL computes itself instead of checking a claim.
        cuts: steps of the program in front of which it is cut into circuits of their own.
        num_inner_cols: columns that a dot product runs over.
        logrows: height of the circuit is ``2**logrows``. It fixes the arithmetic, too: see :attr:`divisor`.

    Raises:
        CheckedError: a value is out of range.
    """

    activation_bits: int = 8
    private_inputs: tuple[str, ...] = ()
    salt: int = 16
    weights: str = "public"
    direct: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()
    num_inner_cols: int = 2
    logrows: int = 15

    def __post_init__(self) -> None:
        for name in ("private_inputs", "direct", "cuts"):  # configurations give other sequences
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, low, high in (
            ("activation_bits", 1, 20),
            ("logrows", 6, 26),
            ("salt", 0, 256),
            ("num_inner_cols", 1, 8),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise CheckedError(f"{name} must be in {low}..{high}; got {value}; choose a value in that range")
        if self.weights not in WEIGHTS:
            raise CheckedError(f"weights must be one of {WEIGHTS}; got {self.weights!r}")
        if self.activation_bits > self.logrows - 2:
            raise CheckedError(
                "activation_bits must be at most logrows - 2, so that tables hold -2..2; got "
                f"{self.activation_bits} at logrows {self.logrows}"
            )

    @property
    def divisor(self) -> int:
        """What products are divided by: the number of entries of a table.

        EZKL fills a table's column to its end, 8 rows less than its height, whatever range it is asked for. A remainder
        that is looked up is in a range of this length, so dividing by just this number makes it unique. By any less, a
        prover could move a quotient by one.
        """
        return (1 << self.logrows) - RESERVED_TABLE_ROWS

    @property
    def half_range(self) -> int:
        """Looked-up integers are in -half_range .. half_range - 1."""
        return self.divisor // 2

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
                good = type(value) is int
            if not good:
                raise CheckedError(f"option {name!r} of a checked circuit is of the wrong type; got {value!s:.80}")
        made: dict[str, Any] = {name: tuple(value) if name in kinds else value for name, value in data.items()}
        return cls(**made)

    @property
    def digest(self) -> str:
        """SHA-256 hex over the canonical JSON of all options."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
