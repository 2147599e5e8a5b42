"""Which circuits a study accepts, decided on the untrained module before any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from search.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CircuitLimits:
    """Upper bounds on a candidate's circuit; None leaves a quantity unbounded.

    Attributes:
        einsum_operations: exclusive bound on the distinct einsum equations of EZKL's settings (published: 100).
        einsum_instances: exclusive bound on the einsum instances.
        published_operations: exclusive bound on operations by the published counting rule.
        rows: largest number of rows.
        logrows: largest log2 of the rows of one column.
        predicted_peak_bytes: largest predicted peak memory of any stage, the upper end of its interval.
        predicted_setup_seconds: longest predicted key generation, on the machine of the cost model.
        predicted_prove_seconds: longest predicted proving, likewise.
        predicted_pk_bytes: largest predicted proving key.
        predicted_proof_bytes: largest predicted proof, public values apart.
    """

    einsum_operations: int | None = 100
    einsum_instances: int | None = None
    published_operations: int | None = None
    rows: int | None = None
    logrows: int | None = None
    predicted_peak_bytes: int | None = None
    predicted_setup_seconds: float | None = None
    predicted_prove_seconds: float | None = None
    predicted_pk_bytes: int | None = None
    predicted_proof_bytes: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value <= 0:
                raise ConfigError(f"circuit limit {field.name} must be positive or null; got {value}")


_EXCLUSIVE = ("einsum_operations", "einsum_instances", "published_operations")
NOT_COMPILED = "compiled"


def constraint_values(metrics: Mapping[str, float], limits: CircuitLimits, *, compiled: bool) -> dict[str, float]:
    """Return one number per bounded quantity, in units of its bound: at most 0 where it holds, positive where not.

    ``metrics`` maps the fields of :class:`CircuitLimits` to the candidate's figures; without a compiled circuit they
    may be missing, and then only the constraint ``compiled`` is positive.
    """
    values = {NOT_COMPILED: 0.0 if compiled else 1.0}
    for field in fields(limits):
        bound = getattr(limits, field.name)
        if bound is None or field.name not in metrics:
            continue
        excess = metrics[field.name] - bound + (1 if field.name in _EXCLUSIVE else 0)
        values[field.name] = excess / bound
    return values


def violations(values: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names of the constraints that do not hold, worst first."""
    return tuple(sorted((name for name, value in values.items() if value > 0), key=lambda name: -values[name]))
