from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from search.curves import study_curves
from search.objectives import Objective
from search.plot_pictures import save_curve_picture, save_front_picture

OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 100.0))


def test_best_values_and_the_front_s_size_after_each_trial() -> None:
    assert study_curves(OBJECTIVES, [(0.5, 20.0), (0.4, 10.0), (0.6, 30.0), (0.6, 10.0), (0.6, 10.0)]) == {
        "best.accuracy": [0.5, 0.5, 0.6, 0.6, 0.6],
        "best.rows": [20.0, 10.0, 10.0, 10.0, 10.0],
        "front_members": [1.0, 2.0, 3.0, 1.0, 2.0],
    }


def test_a_study_without_a_scored_trial_has_no_points() -> None:
    assert study_curves(OBJECTIVES, []) == {"front_members": []}


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 9)), min_size=1, max_size=15))
def test_a_longer_study_has_the_shorter_one_s_curves(values: list[tuple[float, float]]) -> None:
    whole, part = study_curves(OBJECTIVES, values), study_curves(OBJECTIVES, values[:-1])
    assert all(whole[name][:-1] == part.get(name, []) for name in whole)
    assert whole["best.accuracy"][-1] == max(a for a, _ in values)
    assert whole["best.rows"][-1] == min(b for _, b in values)


def ink(path: Path) -> float:
    with Image.open(path) as picture:
        return float((np.asarray(picture.convert("L")) < 128).mean())


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_are_drawn_with_one_objective_or_more(tmp_path: Path, count: int) -> None:
    rows = [
        {"trial": n, "state": "scored", "front": n == 1, "family": "mlp", "accuracy": n / 4, "rows": n}
        for n in range(4)
    ]
    save_front_picture(
        [*rows, {"trial": 9, "state": "infeasible", "front": False}], OBJECTIVES[:count], tmp_path / "a/b.png"
    )
    save_front_picture([], OBJECTIVES[:count], tmp_path / "empty.png")
    assert ink(tmp_path / "a/b.png") > ink(tmp_path / "empty.png") > 0
    save_curve_picture("hypervolume", [0.1, 0.3], tmp_path / "curve.png")
    assert ink(tmp_path / "curve.png") > 0
