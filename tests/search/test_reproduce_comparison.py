"""The pure parts of a reproduction: comparisons, differences of environments, requests, reports."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import ConfigError
from search.reproduce.comparison import Comparison, Verdict, compare_figures, compare_words, failures
from search.reproduce.environment import commit_line, environment_lines
from search.reproduce.figures import (
    circuit_part,
    circuit_score_part,
    proof_part,
    proof_words,
    score_part,
    training_part,
)
from search.reproduce.report import Reproduction, comparison_lines, report_json, verdict_sentence
from search.reproduce.request import Request, read_request


def verdicts(found: list[Comparison]) -> dict[str, Verdict]:
    return {item.name: item.verdict for item in found}


@pytest.mark.parametrize(
    ("recorded", "reproduced", "verdict"),
    [
        (0.5, 0.5, Verdict.WITHIN),
        (0.5, 0.5625, Verdict.WITHIN),  # at the tolerance of 1/16
        (0.5, 0.4375, Verdict.WITHIN),
        (0.5, 0.5626, Verdict.OUTSIDE),
        (0.5, 0.4374, Verdict.OUTSIDE),
        (-1024.0, -1088.0, Verdict.WITHIN),  # relative above 1
        (1024.0, 1089.0, Verdict.OUTSIDE),
        (math.nan, math.nan, Verdict.OUTSIDE),
        (0.5, math.nan, Verdict.OUTSIDE),
        (math.nan, 0.5, Verdict.OUTSIDE),
        (math.inf, math.inf, Verdict.OUTSIDE),
        (math.inf, 0.0, Verdict.OUTSIDE),
        (0.0, -math.inf, Verdict.OUTSIDE),
    ],
)
def test_a_figure_is_within_its_tolerance_or_not(recorded: float, reproduced: float, verdict: Verdict) -> None:
    (found,) = compare_figures("scores", {"x": recorded}, {"x": reproduced}, tolerance=0.0625)
    assert found.verdict is verdict
    assert found.holds == (verdict is Verdict.WITHIN)
    assert found.difference == pytest.approx(reproduced - recorded, abs=0, nan_ok=True)


def test_what_one_side_lacks_is_told_apart() -> None:
    found = compare_figures("scores", {"both": 1.0, "old": 2.0}, {"new": 3.0, "both": 1.0}, tolerance=0.0)
    assert verdicts(found) == {"both": Verdict.WITHIN, "old": Verdict.MISSING, "new": Verdict.UNRECORDED}
    assert [item.name for item in failures(found)] == ["old"]
    assert compare_figures("scores", {}, {}, tolerance=0.0) == []


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.floats(0, 10))
def test_tolerance_is_absolute_below_one_and_relative_above(recorded: float, reproduced: float, bound: float) -> None:
    (found,) = compare_figures("g", {"x": recorded}, {"x": reproduced}, tolerance=bound)
    scale = abs(recorded) if abs(recorded) > 1 else 1.0
    assert found.holds == (abs(reproduced - recorded) <= bound * scale)


@given(st.dictionaries(st.text(max_size=3), finite), st.dictionaries(st.text(max_size=3), finite))
def test_every_name_is_compared_once(recorded: dict[str, float], reproduced: dict[str, float]) -> None:
    names = [item.name for item in compare_figures("g", recorded, reproduced, tolerance=1.0)]
    assert len(names) == len(set(names))
    assert set(names) == {*recorded, *reproduced}
    assert names[: len(recorded)] == list(recorded)


def test_words_are_equal_or_not() -> None:
    found = compare_words("proof", {"a": "true", "b": "ok", "c": "x"}, {"a": "true", "b": "refused", "d": "y"})
    assert verdicts(found) == {
        "a": Verdict.WITHIN,
        "b": Verdict.OUTSIDE,
        "c": Verdict.MISSING,
        "d": Verdict.UNRECORDED,
    }
    assert all(item.difference is None for item in found)


@pytest.mark.parametrize(
    ("recorded", "present", "line"),
    [
        ("a1", "a1", "same commit a1"),
        ("a1", "b2", "recorded commit a1, this is b2"),
        ("a1", "b2+changes", "recorded commit a1, this is b2 (with uncommitted changes)"),
        ("a1+changes", "a1", "same commit a1, but the record with uncommitted changes"),
        ("a1+changes", "a1+changes", "same commit a1, but the record and this with uncommitted changes"),
        ("unknown", "unknown", "recorded commit unknown, this is unknown"),
    ],
)
def test_commits_are_told_apart(recorded: str, present: str, line: str) -> None:
    assert commit_line(recorded, present) == line


def test_every_difference_of_the_environment_is_stated() -> None:
    recorded = {
        "commit": "a",
        "packages": {"torch": "2.8", "ezkl": "23", "gone": "1"},
        "machine": {"cores": 2, "memory_bytes": 1000, "processor": "old"},
    }
    present = {
        "commit": "a",
        "packages": {"torch": "2.9", "ezkl": "23", "added": "7"},
        "machine": {"cores": 2, "memory_bytes": 1009, "processor": "new"},
    }
    assert environment_lines(recorded, present) == [
        "same commit a",
        "torch: recorded 2.8, this is 2.9",
        "gone: recorded 1, this is not known",
        "added: recorded not known, this is 7",
        "processor: recorded old, this is new",
    ]
    assert environment_lines(recorded, recorded)[1:] == ["same package versions", "same machine"]
    present["machine"] = {"cores": 4, "memory_bytes": 1011, "processor": "old"}
    assert environment_lines(recorded, present)[-2:] == [
        "cores: recorded 2, this is 4",
        "memory_bytes: recorded 1000, this is 1011",
    ]


def test_a_record_without_provenance_differs_in_everything() -> None:
    lines = environment_lines({}, {"commit": "a", "packages": {"torch": "2"}, "machine": {}})
    assert lines == ["recorded commit unknown, this is a", "torch: recorded not known, this is 2", "same machine"]


METRICS = {
    "accuracy": 0.5,
    "per_class_accuracy_0": 0.25,
    "samples": 40.0,
    "rows": 9.0,
    "constraint.rows": -0.5,
    "circuit_seconds": 3.0,
    "circuit_accuracy": 0.4,
    "circuit_samples": 40.0,
    "planned_rows": 8.0,
    "train_steps": 30.0,
    "train_seconds": 7.0,
    "headline.accuracy": 0.4,
    "training/generator_loss": 1.0,
    "cas": 0.3,
    "proof.rows": 8.0,
    "proof.prove_seconds": 2.0,
    "proof.proof_file_bytes": 123.0,
}


def test_each_figure_belongs_to_the_part_that_makes_it() -> None:
    assert set(circuit_part(METRICS)) == {"rows", "constraint.rows"}
    assert set(training_part(METRICS)) == {"train_steps"}
    assert set(score_part(METRICS, same_samples=True)) == {"accuracy", "per_class_accuracy_0", "samples"}
    assert set(score_part(METRICS, same_samples=False)) == {"accuracy", "per_class_accuracy_0"}
    circuit = {"circuit_accuracy", "planned_rows"}
    assert set(circuit_score_part(METRICS, same_samples=True)) == circuit | {"circuit_samples"}
    assert set(circuit_score_part(METRICS, same_samples=False)) == circuit
    assert proof_part(METRICS) == {"proof.rows": 8.0}
    assert proof_words({"proof.counts": "true", "proof.label": "3"}) == {"proof.counts": "true"}


def test_a_request_names_one_trial_and_says_how() -> None:
    assert read_request(["run=ab"]) == Request(run="ab", places={})
    found = read_request(
        [
            "study=s",
            "trial=0",
            "how=retrain",
            "proof=false",
            "samples=50",
            "tolerance=0.1",
            "out=f",
            "uri=sqlite:///x=y",
        ]
        + ["dataset.root=/data", "cache_folder=c"]
    )
    assert found == Request(
        study="s",
        trial=0,
        uri="sqlite:///x=y",
        retrain=True,
        proof=False,
        samples=50,
        tolerance=0.1,
        places={"dataset.root": "/data", "cache_folder": "c"},
        out=Path("f"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "run=ID, or by study=NAME and trial=N"),
        (["run=a", "study=s", "trial=1"], "give one of both"),
        (["run=a", "trial=1"], "give one of both"),
        (["study=s"], "give one of both"),
        (["trial=1"], "give one of both"),
        (["study=s", "trial=-1"], "0 or more; got '-1'"),
        (["run=a", "how=guess"], "load or retrain; got 'guess'"),
        (["run=a", "proof=perhaps"], "proof must be true or false"),
        (["run=a", "samples=0"], "samples must be a whole number"),
        (["run=a", "tolerance=-1"], "at least 0; got '-1'"),
        (["run=a", "tolerance=nan"], "at least 0; got 'nan'"),
        (["run=a", "tolerance=x"], "at least 0; got 'x'"),
        (["run=a", "study.seed=3"], "unknown option"),
        (["run"], "key=value; got 'run'"),
    ],
)
def test_requests_that_cannot_be_met_say_why(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_request(arguments)


def reproduction(*comparisons: Comparison) -> Reproduction:
    return Reproduction("ab", "trial 0 of s", False, 1e-6, ("same commit a",), tuple(comparisons), 2.5)


def test_the_last_sentence_names_what_was_not_reproduced() -> None:
    good = compare_figures("scores", {"a": 0.5, "b": 1.0}, {"a": 0.5, "b": 1.0, "c": 9.0}, tolerance=0.0)
    assert reproduction(*good).reproduced
    assert verdict_sentence(reproduction(*good)).startswith("reproduced: all 2 recorded figures of trial 0 of s, from")
    proof = compare_words("proof", {"proof.counts": "true"}, {"proof.counts": "true"})
    assert verdict_sentence(reproduction(*good, *proof)).endswith("and its proof counts again")
    bad = compare_figures("scores", {f"x{i}": 1.0 for i in range(7)}, {"x0": 2.0}, tolerance=0.0)
    found = reproduction(*good, *bad)
    assert not found.reproduced
    sentence = verdict_sentence(found)
    assert sentence.startswith("NOT reproduced: 7 of 9 recorded figures")
    assert "x0 is 2 (recorded 1); x1 is missing (recorded 1)" in sentence
    assert sentence.endswith("x4 is missing (recorded 1); and 2 more")


def test_nothing_compared_is_nothing_reproduced() -> None:
    unrecorded = compare_figures("scores", {}, {"a": 0.5}, tolerance=1.0)
    for found in (reproduction(), reproduction(*unrecorded)):
        assert not found.reproduced
        assert "nothing to compare with" in verdict_sentence(found)


def test_the_report_is_strict_json_whatever_the_figures() -> None:
    figures = compare_figures("g", {"n": math.nan, "i": -math.inf, "m": 1.0}, {"n": 0.0, "i": 0.0}, tolerance=1.0)
    content = json.loads(report_json(reproduction(*figures)))
    first, second, third = content["comparisons"]
    assert (first["recorded"], first["difference"], first["verdict"], first["holds"]) == (
        "nan",
        "nan",
        "outside",
        False,
    )
    assert (second["recorded"], second["difference"]) == ("-inf", "inf")
    assert (third["reproduced"], third["verdict"]) == (None, "not reproduced")
    assert (content["reproduced"], content["run"], content["statements"]) == (False, "ab", ["same commit a"])


def test_tables_line_up() -> None:
    found = compare_figures("g", {"a": 0.5, "longer": 12345.0}, {"a": 0.25}, tolerance=0.0)
    lines = comparison_lines([*found, *compare_words("g", {"w": "x" * 64}, {"w": "x" * 64})])
    assert lines[1].split() == ["a", "0.5", "0.25", "-2.50e-01", "outside"]
    assert lines[2].split() == ["longer", "12345", "-", "-", "not", "reproduced"]
    assert lines[3].split() == ["w", "xxxxxxxxxxxx...", "xxxxxxxxxxxx...", "-", "within"]
    assert len({line.index(word) for line, word in zip(lines[1:], ("outside", "not", "within"), strict=True)}) == 1
    assert comparison_lines([]) == []
