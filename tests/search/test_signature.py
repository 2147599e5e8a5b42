from collections.abc import Callable

import optuna
import pytest

from search.errors import StudyError
from search.signature import changes, described
from search.space import SearchSpace, build_search_space
from search.study import open_study
from tests.search.conftest import OBJECTIVES


def test_a_space_is_told_dimension_by_dimension(space: SearchSpace) -> None:
    assert described(space) == {
        "subpixel.stages": "1 or 2",
        "subpixel.width_0": "4 to 8",
        "subpixel.width_1": "4",
        "mlp.kernel": "0",
        "mlp.upsampling": "none",
        "mlp.stages": "1",
        "mlp.width_0": "4 or 8",
        "latent_dim": "2 or 4",
        "conditioning": "one_hot or embedding",
        "embed_dim": "3",
        "recipe.auxiliary_weight": "0.1 to 1.0, logarithmic",
    }


def test_changes_are_named_by_their_place() -> None:
    earlier = {"space": {"a": "1 or 2", "b": "3"}, "samples": 1000, "same": 1}
    now = {"space": {"a": "1 or 2 or 3", "c": "4"}, "samples": 2000, "same": 1}
    assert changes(earlier, now) == [
        "space: a was 1 or 2, is 1 or 2 or 3",
        "space: b was 3, is nothing",
        "space: c was nothing, is 4",
        "samples was 1000, is 2000",
    ]
    assert changes(earlier, earlier) == []
    assert changes({"a": "x" * 100}, {}) == [f"a was {'x' * 60}..., is nothing"]
    (said,) = changes({"a": f"{'x' * 100}1{'y' * 100}"}, {"a": f"{'x' * 100}2{'y' * 100}"})
    assert said == f"a was ...{'x' * 30}1{'y' * 29}..., is ...{'x' * 30}2{'y' * 29}..."


def test_a_study_of_another_space_says_what_changed(tmp_path: object, space: SearchSpace) -> None:
    def opened(signature: str, searched: SearchSpace, more: dict[str, str] | None = None) -> optuna.Study:
        return open_study(
            name="s",
            storage=f"sqlite:///{tmp_path}/optuna.db",
            objectives=OBJECTIVES,
            sampler=optuna.samplers.RandomSampler(seed=0),
            signature=signature,
            parts={"search space": described(searched), "samples": 1000, "betas": (0.5, 0.9), **(more or {})},
        )

    opened("x", space)
    opened("x", space)
    with pytest.raises(StudyError, match="other signature"):
        opened("y", space, more={"cost model": "abc"})  # a part that an earlier version did not keep
    wider = build_search_space(families={"mlp": {"kernel": 0, "upsampling": "none", "stages": 1, "width_0": 4}})
    with pytest.raises(StudyError, match="search space: mlp.width_0 was 4 or 8, is 4") as caught:
        opened("y", wider)
    assert "search space: latent_dim was 2 or 4, is nothing" in str(caught.value)
    assert "choose another study.name" in str(caught.value)
    assert "betas" not in str(caught.value)


def test_a_study_of_an_earlier_version_still_refuses(make_study: Callable[..., optuna.Study]) -> None:
    make_study(signature="x")
    with pytest.raises(StudyError, match=r"other signature \(x\) than now asked for \(y\)"):
        make_study(signature="y")
