"""``python -m search.compare``: stored studies side by side."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from search.compare import HELP, main, read_figures
from search.comparison import StudyFigures, comparability, compare_studies
from search.comparison_text import as_markdown, as_values, notes, trial_counts
from search.endings import REPEATS, RESUMES
from search.errors import ConfigError
from search.front_measures import WORST, common_reference, coverage, front_of, running_hypervolume, seconds_to_reach
from search.objectives import Objective
from search.record import TrialOutcome
from search.study import open_study, stored_references
from tests.search.conftest import OBJECTIVES
from tests.search.filled import Draw, fill, filled

JUDGED = {"classifier_digest": "c", "judge_digest": "j"}
POINTS = arrays.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=st.integers(0, 9).map(float))
TWO = np.array([10.0, 10.0])


def boxes(points: np.ndarray, reference: np.ndarray) -> float:
    """Area that integer points of a plane reach, by counting unit squares."""
    squares = [(x, y) for x in range(int(reference[0])) for y in range(int(reference[1]))]
    return float(sum(any(px <= x and py <= y for px, py in points) for x, y in squares))


def figures(name: str, values: list[list[float]], **changes: object) -> StudyFigures:
    """A study with objectives maximize a, minimize b, that scored a trial every ten seconds."""
    known: dict[str, object] = {
        "name": name, "objectives": ("maximize a", "minimize b"), "states": {"scored": len(values)},
        "trial_seconds": 10.0 * len(values), "train_images": 0.0,
        "values": np.array(values, dtype=np.float64).reshape(len(values), 2),
        "seconds": 10.0 * np.arange(1, len(values) + 1), "references": (0.0, 10.0), "signature": "x", "judged": {},
    }  # fmt: skip
    return StudyFigures(**(known | changes))  # type: ignore[arg-type]


@given(points=POINTS)
def test_running_hypervolume_is_that_of_each_beginning(points: np.ndarray) -> None:
    history = running_hypervolume(points, TWO)
    assert history.tolist() == pytest.approx([boxes(points[: n + 1], TWO) for n in range(len(points))])
    assert (np.diff(history) >= 0).all()


def test_running_hypervolume_of_one_objective_is_a_length() -> None:
    points = np.array([[7.0], [9.0], [4.0], [12.0], [4.0]])
    assert running_hypervolume(points, np.array([10.0])).tolist() == [3.0, 3.0, 6.0, 6.0, 6.0]
    assert running_hypervolume(np.empty((0, 1)), np.array([10.0])).tolist() == []


def test_points_at_or_beyond_the_reference_reach_nothing() -> None:
    points = np.array([[10.0, 0.0], [0.0, 11.0], [math.inf, 0.0], [9.0, 9.0]])
    assert running_hypervolume(points, TWO).tolist() == [0.0, 0.0, 0.0, 1.0]


@given(points=POINTS)
def test_the_front_is_what_nothing_dominates(points: np.ndarray) -> None:
    kept = [p.tolist() for p in points if not any((q <= p).all() and (q < p).any() for q in points)]
    assert front_of(points).tolist() == kept


def test_coverage_counts_equal_points_and_has_two_directions() -> None:
    a, b = np.array([[1.0, 5.0], [5.0, 1.0]]), np.array([[1.0, 6.0], [5.0, 1.0], [3.0, 3.0], [0.0, 9.0]])
    assert (coverage(a, b), coverage(b, a)) == (0.5, 0.5)
    assert coverage(a, np.empty((0, 2))) is None
    assert coverage(np.empty((0, 2)), a) == 0.0
    assert coverage(np.array([[0.0, 0.0]]), b) == 1.0
    assert coverage(b, np.array([[0.0, 0.0]])) == 0.0


@given(first=POINTS, second=POINTS)
def test_coverage_is_a_share_and_a_set_covers_itself(first: np.ndarray, second: np.ndarray) -> None:
    found = coverage(first, second)
    if not len(second):
        assert found is None
        return
    plain = [any((a <= b).all() for a in first) for b in second]
    assert found == pytest.approx(sum(plain) / len(plain))
    assert coverage(second, second) == 1.0


def test_seconds_to_a_volume_are_those_of_the_first_trial_that_has_it() -> None:
    history, seconds = np.array([1.0, 1.0, 4.0]), np.array([3.0, 5.0, 9.0])
    assert [seconds_to_reach(history, seconds, target) for target in (0.5, 1.0, 1.5, 4.0)] == [3.0, 3.0, 9.0, 9.0]
    assert seconds_to_reach(history, seconds, 4.0 * (1 + 1e-12)) == 9.0  # rounding
    assert seconds_to_reach(history, seconds, 4.1) == math.inf
    assert seconds_to_reach(np.empty(0), np.empty(0), 1.0) == math.inf
    assert seconds_to_reach(history, seconds, 0.0) == 0.0
    assert seconds_to_reach(history, None, 1.0) is None


def test_one_reference_for_all() -> None:
    points = [np.array([[-0.5, 3.0]]), np.array([[-0.25, 2.0], [-0.75, 7.0]])]
    a, b = np.array([0.0, 9.0]), np.array([-0.1, 12.0])
    for references, expected, said in (
        ([a, a], [0.0, 9.0], "the objectives' own, which the studies keep"),
        ([a, b], [0.0, 12.0], "the worse of the reference points that A, B keep"),
        ([None, b], [-0.1, 12.0], "kept by B; A keeps none"),
        ([None, None], [-0.25, 7.0], WORST),
    ):
        reference, source = common_reference(points, references, ["A", "B"])
        assert reference.tolist() == expected
        assert said in source
    with pytest.raises(ConfigError, match="must have a scored trial or keep reference points"):
        common_reference([np.empty((0, 2))] * 2, [None, None], ["A", "B"])


def test_a_comparison_by_hand() -> None:
    a = figures("A", [[2.0, 8.0], [4.0, 6.0], [3.0, 9.0]])  # volumes 4, 16, 16
    b = figures("B", [[1.0, 2.0], [2.0, 2.0]])  # volumes 8, 16
    found = compare_studies([a, b])
    assert found.reference == (0.0, 10.0)
    assert [one.hypervolume for one in found.studies] == [16.0, 16.0]
    assert [one.front_size for one in found.studies] == [1, 1]
    assert [one.own_seconds for one in found.studies] == [20.0, 20.0]
    assert [one.best for one in found.studies] == [(4.0, 6.0), (2.0, 2.0)]
    (pair,) = found.pairs
    assert (pair.hypervolume_ratio, pair.first_covers, pair.second_covers) == (1.0, 0.0, 0.0)
    assert (pair.first_seconds, pair.second_seconds) == (20.0, 20.0)
    assert found.warnings == ()


def test_a_study_that_is_never_as_good() -> None:
    better, worse = figures("A", [[5.0, 5.0]]), figures("B", [[1.0, 9.0], [5.0, 6.0]])
    (pair,) = compare_studies([better, worse]).pairs
    assert pair.hypervolume_ratio == 25 / 20
    assert (pair.first_covers, pair.second_covers) == (1.0, 0.0)
    assert (pair.first_seconds, pair.second_seconds) == (10.0, math.inf)


def test_every_two_of_several_are_compared() -> None:
    found = compare_studies([figures(name, [[1.0, 9.0 - n]]) for n, name in enumerate("ABC")])
    assert [(pair.first, pair.second) for pair in found.pairs] == [("A", "B"), ("A", "C"), ("B", "C")]
    assert [pair.hypervolume_ratio for pair in found.pairs] == pytest.approx([1 / 2, 1 / 3, 2 / 3])


def test_a_study_without_scored_trials_has_nothing() -> None:
    found = compare_studies([figures("A", []), figures("B", [[1.0, 9.0]])])
    empty, _ = found.studies
    assert (empty.hypervolume, empty.front_size, empty.best, empty.own_seconds) == (0.0, 0, (), 0.0)
    (pair,) = found.pairs
    assert (pair.hypervolume_ratio, pair.first_covers, pair.second_covers) == (0.0, 0.0, None)
    assert (pair.first_seconds, pair.second_seconds) == (math.inf, 0.0)
    (pair,) = compare_studies([figures("B", [[1.0, 9.0]]), figures("A", [])]).pairs
    assert pair.hypervolume_ratio is None


def test_objectives_may_stand_in_another_order_and_must_be_the_same() -> None:
    a = figures("A", [[4.0, 6.0]])
    turned = replace(figures("B", [[6.0, 4.0]]), objectives=("minimize b", "maximize a"), references=(10.0, 0.0))
    found = compare_studies([a, turned])
    assert [one.hypervolume for one in found.studies] == [16.0, 16.0]
    assert [one.best for one in found.studies] == [(4.0, 6.0), (4.0, 6.0)]
    assert (found.pairs[0].first_covers, found.pairs[0].second_covers) == (1.0, 1.0)
    other = replace(turned, objectives=("maximize b", "maximize a"))
    with pytest.raises(ConfigError, match="same objectives; only A has minimize b; only B has maximize b"):
        compare_studies([a, other])
    more = replace(turned, objectives=("minimize b", "maximize a", "minimize c"))
    with pytest.raises(ConfigError, match="same objectives; only B has minimize c$"):
        compare_studies([a, more])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"signature": None}, "no signature is kept by B: whether A and B are comparable is not known"),
        ({"signature": "y"}, "A and B may not be comparable: their signatures differ"),
        (
            {"signature": "y", "judged": {**JUDGED, "samples": 50.0}},
            "A and B are not comparable: their scores are by another number of samples",
        ),
        (
            {"signature": "y", "judged": {**JUDGED, "classifier_digest": "d", "judge_digest": "k", "samples": 9.0}},
            "A and B are not comparable: their scores are by another classifier, another judge",
        ),
        (
            {"signature": "y", "judged": {**JUDGED, "samples": 9.0}},
            "their trials name the same classifier, judge and number of samples",
        ),
    ],
)
def test_other_signatures_are_a_warning(changes: dict[str, object], said: str) -> None:
    a = figures("A", [[1.0, 9.0]], judged={**JUDGED, "samples": 9.0})
    b = figures("B", [[1.0, 9.0]], **changes)
    text = comparability(a, b)
    assert text.startswith(said) if said.startswith(("A", "no")) else said in text
    assert (text == "") is (said == "")
    found = compare_studies([a, b])
    assert found.warnings == ((text,) if text else ())
    assert len(found.pairs) == 1


def test_trials_are_counted_by_how_they_ended() -> None:
    assert trial_counts({}) == {"scored": 0, "stopped": 0, "infeasible": 0, "failed": 0}
    states = {"scored": 3, "diverged": 1, "interrupted": 2, "unscored": 4, "repeated": 5, "stopped": 6, "novel": 7}
    assert trial_counts(states) == {
        "scored": 3, "stopped": 6, "infeasible": 0, "failed": 7, "repeated": 5, "novel": 7,
    }  # fmt: skip


def test_values_and_text_of_a_comparison() -> None:
    better, worse = figures("A", [[5.0, 5.0]]), figures("B|2", [[1.0, 9.0]], seconds=None, trial_seconds=None)
    found = compare_studies([worse, better])
    values = as_values(found)
    assert values["reference"] == {"a": 0.0, "b": 10.0}
    assert [one["hypervolume"] for one in values["studies"]] == [1.0, 25.0]
    assert values["studies"][0]["trial_seconds"] is None
    assert values["studies"][1]["best"] == {"a": 5.0, "b": 5.0}
    assert values["pairs"] == [
        {
            "first": "B|2", "second": "A", "hypervolume_ratio": 0.04, "share_of_second_covered_by_first": 0.0,
            "share_of_first_covered_by_second": 1.0, "first_seconds_to_hypervolume_of_second": None,
            "second_seconds_to_hypervolume_of_first": 10.0,
        }
    ]  # fmt: skip
    text = as_markdown(found)
    assert "|  | B\\|2 | A |" in text
    assert "| hypervolume | 1 | 25 |" in text
    assert "| B\\|2 | A | 0.04 | 0.0% | 100.0% | - | 10 |" in text
    assert "Reference point: a 0, b 10 (the objectives' own" in notes(found)[0]
    never = as_values(compare_studies([better, figures("C", [[1.0, 9.0]])]))["pairs"][0]
    assert never["second_seconds_to_hypervolume_of_first"] == "never"


def test_a_study_is_read_as_it_went(tmp_path: Path) -> None:
    draws = [
        Draw((0.5, 500.0), 10.0, metrics={"train_images": 100.0, "samples": 9.0}, facts=JUDGED),
        Draw(seconds=2.0, outcome=TrialOutcome.INFEASIBLE),
        Draw(seconds=30.0, outcome=TrialOutcome.DIVERGED, metrics={"train_images": 50.0}),
        Draw((0.6, 400.0), 5.0, metrics={"train_images": 100.0, "samples": 9.0}, facts=JUDGED | {"judge_digest": "k"}),
    ]
    study = filled(f"sqlite:///{tmp_path}/optuna.db", "s", draws)
    twin = study.ask()
    twin.set_user_attr(REPEATS, 0)
    study.tell(twin, [0.5, 500.0])
    violating = study.ask()
    violating.set_constraint("rows", 1.0)
    study.tell(violating, [0.9, 100.0])
    study.ask()
    found = read_figures(study)
    assert found.objectives == ("maximize accuracy", "minimize rows")
    assert found.states == {"scored": 2, "infeasible": 1, "repeated": 1, "diverged": 1, "interrupted": 1, "running": 1}
    assert found.values.tolist() == [[0.5, 500.0], [0.6, 400.0]]
    assert found.seconds is not None
    assert found.seconds.tolist() == [10.0, 47.0]
    assert (found.trial_seconds, found.train_images) == (47.0, 250.0)
    assert (found.references, found.signature) == ((0.0, 1000.0), "x")
    assert found.judged == {"classifier_digest": "c", "samples": 9.0}


def test_trials_count_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    study = filled(f"sqlite:///{tmp_path}/optuna.db", "s", [])
    first, second = study.ask(), study.ask()
    for trial, values, seconds in ((second, (0.2, 5.0), 7.0), (first, (0.1, 6.0), 20.0)):
        fields = {"metrics": {"trial_seconds": seconds}, "outcome": "scored", "facts": {}, "reason": ""}
        trial.set_user_attr("record", json.dumps(fields))
        study.tell(trial.number, values)
    found = read_figures(study)
    assert found.seconds is not None
    assert (found.values[:, 0].tolist(), found.seconds.tolist()) == ([0.2, 0.1], [7.0, 27.0])


def test_images_of_a_trial_that_was_taken_up_count_once(tmp_path: Path) -> None:
    draws = [
        Draw(outcome=TrialOutcome.STOPPED, metrics={"train_images": 10.0}),
        Draw((0.5, 500.0), metrics={"train_images": 90.0}),
    ]
    study = filled(f"sqlite:///{tmp_path}/optuna.db", "s", draws[:1])
    study.enqueue_trial({}, user_attrs={RESUMES: 0})
    fill(study, draws[1:])
    assert read_figures(study).train_images == 90.0


def test_without_times_there_are_no_seconds(tmp_path: Path) -> None:
    draws = [Draw((0.5, 500.0), 10.0), Draw((0.6, 400.0), None)]
    found = read_figures(filled(f"sqlite:///{tmp_path}/optuna.db", "s", draws))
    assert (found.trial_seconds, found.seconds) == (None, None)
    assert len(found.values) == 2
    empty = read_figures(filled(f"sqlite:///{tmp_path}/optuna.db", "empty", []))
    assert (empty.trial_seconds, empty.values.shape, empty.judged) == (0.0, (0, 2), {})


def test_a_study_keeps_its_reference_points_as_they_are_now(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = filled(storage, "s", [])
    assert stored_references(study) == [0.0, 1000.0]
    moved = [replace(objective, reference=7) for objective in OBJECTIVES]
    again = open_study(name="s", storage=storage, objectives=moved, sampler=study.sampler, signature="x")
    assert stored_references(again) == [7.0, 7.0]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("compare")
    url = f"sqlite:///{folder}/optuna.db"
    filled(url, "a", [Draw((0.5, 500.0), 10.0), Draw((0.6, 700.0), 20.0)])
    filled(url, "b", [Draw((0.5, 500.0), 12.0), Draw((0.9, 600.0), 2000.0)], signature="y")
    objectives = (OBJECTIVES[0], Objective("macs", "minimize", 10.0))
    filled(url, "macs", [Draw((0.5, 5.0))], objectives=objectives)
    filled(f"sqlite:///{folder}/far.db", "far", [Draw((0.5, 500.0), 1.0)])
    return url


def test_the_command_prints_and_writes(storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "both.json"
    assert main(["a", "b", f"storage={storage}", f"out={out}"]) == 0
    printed = capsys.readouterr().out
    for text in ("hypervolume", "warning: a and b", "Reference point: accuracy 0, rows 1,000", "never", "2,012"):
        assert text in printed
    values = json.loads(out.read_text())
    assert [one["hypervolume"] for one in values["studies"]] == pytest.approx([0.25e3 + 0.03e3, 0.25e3 + 0.16e3])
    assert values["pairs"][0]["hypervolume_ratio"] == pytest.approx(28 / 41)
    assert values["pairs"][0]["second_seconds_to_hypervolume_of_first"] == 2012.0
    assert main(["a", "b", f"storage={storage}", f"out={tmp_path / 'both.md'}"]) == 0
    assert "| hypervolume | 280 | 410 |" in (tmp_path / "both.md").read_text()


def test_a_study_may_lie_in_a_storage_of_its_own(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both.json"
    far = f"storage.far={storage.replace('optuna.db', 'far.db')}"
    assert main(["far", "a", f"storage={storage}", far, f"out={out}"]) == 0
    values = json.loads(out.read_text())
    assert [one["study"] for one in values["studies"]] == ["far", "a"]
    assert values["warnings"] == []
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "two or more studies of different names must be given; got none"),
        (["a"], "got a "),
        (["a", "a"], "two or more studies of different names"),
        (["a", "nowhere"], "has no study 'nowhere'; it has a, b, macs"),
        (["a", "macs"], "same objectives; only a has minimize rows; only macs has minimize macs"),
        (["a", "b", "out=both.csv"], "out must end in .json, .md; got both.csv"),
        (["a", "b", "storage.c=sqlite:///x.db"], "storage.c must name one of the studies: a, b"),
        (["a", "b", "storage.b=sqlite:///missing.db"], "there is no missing.db"),
        (["a", "b", "sort=rows"], "unknown option 'sort=rows'"),
    ],
)
def test_errors_are_one_line(
    storage: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"storage={storage}", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_teaches(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    assert capsys.readouterr().out == HELP
    assert HELP.count("python -m search.compare") > 3
