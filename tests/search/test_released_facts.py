import math
from typing import Any

import pytest

from search.released.facts import check_facts
from search.released.model import read_released, released_names

GOOD: dict[str, Any] = {"scores": {"accuracy": 0.5, "cas": None}, "proof": {"wiring": "linked"}, "training": {}}


def test_what_comes_with_the_project_passes() -> None:
    for name in released_names():
        found = read_released(name)
        check_facts({"scores": found.scores, "proof": found.proof, "training": found.training})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scores": []}, "scores must be a mapping"),
        ({"scores": {"accuracy": "0.9 | **99 %**"}}, "scores.accuracy must be a finite number or null"),
        ({"scores": {"samples": math.nan}}, "scores.samples must be a finite number"),
        ({"scores": {"cas": True}}, "scores.cas must be a finite number"),
        ({"scores": {"refused_share": {}}}, "scores.refused_share must be"),
        ({"proof": {"rows": "1"}}, "proof.rows must be"),
        ({"proof": {"setup_seconds": math.inf}}, "proof.setup_seconds must be"),
        ({"training": "long"}, "training must be a mapping"),
        ({"training": {"recipe": [1]}}, "training.recipe must be a mapping"),
        ({"training": {"budget": {"images": "many"}}}, "training.budget.images must be a finite number"),
        ({"training": {"begun_from": {"budget": {"steps": "x"}}}}, "training.budget.steps must be"),
        ({"training": {"begun_from": 3}}, "training must be a mapping"),
        ({"training": {"seed": "7 | **99 %**"}}, "training.seed must be a finite number"),
        ({"training": {"weights_rounded_to": ["float16"]}}, "training.weights_rounded_to must be 'float16'"),
        ({"training": {"begun_from": {"weights_rounded_to": "int4"}}}, "weights_rounded_to must be 'float16'"),
    ],
)
def test_other_kinds_are_refused(wrong: dict[str, object], said: str) -> None:
    check_facts(GOOD)
    with pytest.raises(TypeError, match=said):
        check_facts(GOOD | wrong)


def test_trainings_that_began_from_each_other_have_an_end() -> None:
    training: dict[str, Any] = {}
    for _ in range(15):
        training = {"begun_from": training}
    check_facts(GOOD | {"training": training})
    with pytest.raises(ValueError, match="at most 16 others"):
        check_facts(GOOD | {"training": {"begun_from": training}})


@pytest.mark.parametrize("missing", ["scores", "proof", "training"])
def test_a_part_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        check_facts({name: value for name, value in GOOD.items() if name != missing})
