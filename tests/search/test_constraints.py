import pytest

from search.constraints import CircuitLimits, constraint_values, violations
from search.errors import ConfigError


def test_operations_must_stay_below_and_memory_may_reach_the_bound() -> None:
    limits = CircuitLimits(einsum_operations=100, logrows=18, predicted_peak_bytes=1000)
    at_bounds = {"einsum_operations": 99.0, "logrows": 18.0, "predicted_peak_bytes": 1000.0}
    values = constraint_values(at_bounds, limits, compiled=True)
    assert values == {"compiled": 0.0, "einsum_operations": 0.0, "logrows": 0.0, "predicted_peak_bytes": 0.0}
    over = {"einsum_operations": 100.0, "logrows": 19.0, "predicted_peak_bytes": 1001.0}
    assert violations(constraint_values(over, limits, compiled=True)) == (
        "logrows",
        "einsum_operations",
        "predicted_peak_bytes",
    )


def test_a_circuit_that_does_not_compile_is_infeasible_whatever_its_figures() -> None:
    values = constraint_values({}, CircuitLimits(), compiled=False)
    assert values == {"compiled": 1.0}
    assert violations(values) == ("compiled",)


def test_no_bound_no_constraint() -> None:
    values = constraint_values(
        {"rows": 1e12, "einsum_operations": 5e3}, CircuitLimits(einsum_operations=None), compiled=True
    )
    assert values == {"compiled": 0.0}
    assert violations(values) == ()


def test_bounds_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="rows must be positive or null; got 0"):
        CircuitLimits(rows=0)
