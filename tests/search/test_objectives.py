import math

import pytest

from search.errors import ConfigError
from search.objectives import Objective, objective_values

PAIR = [Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 1e6)]


def test_values_come_in_order() -> None:
    assert objective_values(PAIR, {"rows": 5, "other": 1.0, "accuracy": 0.5}) == [0.5, 5.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_value_must_be_finite(value: float | None) -> None:
    metrics = {"rows": 5.0} if value is None else {"rows": 5.0, "accuracy": value}
    with pytest.raises(ConfigError, match="accuracy must be a finite metric"):
        objective_values(PAIR, metrics)


def test_malformed_objectives() -> None:
    with pytest.raises(ConfigError, match="must be one of maximize, minimize; got 'up'"):
        Objective("accuracy", "up", 0.0)
    with pytest.raises(ConfigError, match="reference of rows must be finite"):
        Objective("rows", "minimize", math.inf)
