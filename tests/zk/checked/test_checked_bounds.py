"""How far integers of operators in EZKL's own form can reach, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from zk.checked.bounds import FOREIGN_BITS, HIGHEST_POWER, _foreign_bound
from zk.checked.program import Foreign, Value

LEAST = 1 << FOREIGN_BITS


def bound(
    kind: str,
    *reaches: int,
    sizes: tuple[int, ...] = (6,),
    output: int = 6,
    declared: int = 3,
    **constants: list[float],
) -> int:
    """The bound of an operator on values of these reaches and sizes, whose output has ``output`` elements."""
    inputs = tuple(Value(f"x{place}", (size,), 3, 3) for place, size in enumerate(sizes))
    arrays = {name: np.asarray(values, np.float32) for name, values in constants.items()}
    arrays["shape"] = np.asarray([7], np.int64)  # no number that anything is multiplied by
    step = Foreign(helper.make_node(kind, ["x"], ["y"]), inputs, arrays, Value("y", (output,), 3, declared))
    return _foreign_bound(step, {value.name: reach for value, reach in zip(inputs, reaches, strict=True)})


@pytest.mark.parametrize(("power", "degree"), [(2.0, 2), (2.5, 3), (1000.0, HIGHEST_POWER), (0.0, 0)])
def test_a_power_is_a_polynomial_of_its_degree(power: float, degree: int) -> None:
    assert bound("Pow", 10, power=[power]) == 10**degree


def test_a_negative_power_is_a_table() -> None:
    assert bound("Pow", 10, power=[-0.5]) == LEAST
    assert bound("Conv", 10, weight=[-0.5]) == (10 * 2 * 6) << 3  # of a product it is a factor


def test_a_product_of_elements_has_as_many_factors() -> None:
    assert bound("ReduceProd", 10, sizes=(6,), output=2) == 10**3


@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
def test_products_grow_with_their_factors_their_length_and_the_scale(kind: str) -> None:
    """A weight of magnitude w is an integer of at most (w + 1) times the scale."""
    assert bound(kind, 10, weight=[0.5, -3.25]) == (10 * (4 + 1) * 6) << 3
    assert bound(kind, 10, 20, sizes=(6, 4)) == (10 * 20 * 6) << 3
    assert bound(kind, 10, declared=0, weight=[]) == 10 * (0 + 1) * 6


def test_all_else_sums_its_inputs_at_most_and_is_at_least_what_a_table_gives() -> None:
    assert bound("Sigmoid", 10) == LEAST
    assert bound("Mystery", 1 << 140, 1 << 130, sizes=(6, 4)) == 6 << 140
