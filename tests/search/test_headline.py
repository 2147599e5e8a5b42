import math
from typing import Any

import pytest

from search.headline import (
    HEADLINE_COLUMNS,
    HEADLINE_SCORES,
    column_heading,
    headline,
    headline_notes,
    in_headline_order,
    with_headline,
)

FLOAT_SCORES = dict(zip(HEADLINE_SCORES, (0.74, 0.62, 4.6, 0.33, 19.0), strict=True))
OF_CIRCUIT = dict(zip(HEADLINE_SCORES, (0.73, 0.61, 4.5, 0.32, 20.0), strict=True))
BOTH = {"trial": 1, "arithmetic": "float", **FLOAT_SCORES, **{f"circuit_{k}": v for k, v in OF_CIRCUIT.items()}}
REFUSED = {"circuit_failure": "no layout fulfils the goal"}


def test_a_circuit_s_scores_are_the_headline() -> None:
    found = headline(BOTH)
    assert (found.arithmetic, dict(found.scores), found.reason) == ("circuit", OF_CIRCUIT, "")


@pytest.mark.parametrize("name", HEADLINE_SCORES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_one_score_that_is_missing_makes_all_of_them_float(name: str, value: float | None) -> None:
    found = headline({**BOTH, f"circuit_{name}": value})
    assert (found.arithmetic, dict(found.scores)) == ("float", FLOAT_SCORES)
    assert found.reason == f"no finite circuit_{name}"


def test_without_a_circuit_the_reason_is_told() -> None:
    found = headline({**FLOAT_SCORES, **REFUSED})
    assert (found.arithmetic, dict(found.scores), found.reason) == ("float", FLOAT_SCORES, REFUSED["circuit_failure"])
    assert headline(FLOAT_SCORES).reason == "its circuit's images were not scored"


def test_a_refused_circuit_s_earlier_scores_are_no_headline() -> None:
    assert headline({**BOTH, **REFUSED}).arithmetic == "float"
    assert headline({**BOTH, "circuit_failure": ""}).arithmetic == "circuit"


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_no_float_score_that_is_not_finite_is_a_headline(value: float | None) -> None:
    found = headline({**FLOAT_SCORES, "accuracy": value})
    assert dict(found.scores) == {name: score for name, score in FLOAT_SCORES.items() if name != "accuracy"}
    assert "headline_accuracy" not in with_headline({"trial": 1, "accuracy": value})


def test_rows_keep_what_they_had() -> None:
    row = with_headline({"trial": 1, "family": "mlp", **BOTH})
    assert {name: row[name] for name in BOTH} == BOTH
    assert tuple(row)[:7] == ("trial", *HEADLINE_COLUMNS)
    assert (row["headline_accuracy"], row["accuracy"], row["headline_arithmetic"]) == (0.73, 0.74, "circuit")
    assert "float_reason" not in row
    assert with_headline(row) == row
    refused = with_headline({**row, **REFUSED})
    assert (refused["headline_accuracy"], refused["headline_arithmetic"]) == (0.74, "float")
    assert refused["float_reason"] == REFUSED["circuit_failure"]


def member(trial: int, accuracy: float | None, arithmetic: str = "circuit") -> dict[str, Any]:
    score = {} if accuracy is None else {"headline_accuracy": accuracy}
    return {"trial": trial, "headline_arithmetic": arithmetic, **score}


def order(rows: list[dict[str, Any]], metric: str, maximise: bool) -> list[int]:
    return [row["trial"] for row in in_headline_order(rows, metric, maximise=maximise)]


def test_members_stand_in_the_order_of_their_headlines() -> None:
    rows = [member(1, 0.9, "float"), member(2, 0.5), member(3, 0.7), member(4, 0.7), member(5, 0.95, "float")]
    assert order(rows, "accuracy", True) == [3, 4, 2, 5, 1]
    assert order(rows, "accuracy", False) == [2, 3, 4, 1, 5]
    assert order([member(1, None), member(2, 0.1)], "accuracy", True) == [2, 1]
    assert order([member(1, None), member(2, 0.1)], "accuracy", False) == [2, 1]


def test_an_order_by_cost_stays() -> None:
    rows = [member(3, 0.1, "float"), member(1, 0.5), member(2, 0.9)]
    assert order(rows, "rows", False) == [3, 1, 2]
    assert order([], "accuracy", True) == []


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("headline_accuracy", "accuracy"),
        ("headline_arithmetic", "arithmetic"),
        ("accuracy", "float_accuracy"),
        ("frechet_distance", "float_frechet_distance"),
        ("cas", "float_cas"),
        ("circuit_psnr_db", "circuit_psnr_db"),
        ("rows", "rows"),
    ],
)
def test_only_headlines_have_plain_names(name: str, heading: str) -> None:
    assert column_heading(name) == heading


def test_notes_name_who_shows_float_scores() -> None:
    assert headline_notes([]) == []
    assert len(headline_notes([with_headline(BOTH)])) == 1
    (_, note) = headline_notes([with_headline(BOTH), with_headline({"trial": 7, **FLOAT_SCORES, **REFUSED})])
    assert note == "Trial 7 shows float scores: no layout fulfils the goal"
