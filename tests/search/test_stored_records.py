"""Studies whose records somebody else wrote: one clear error, whatever is in them."""

import json
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from search.compare import read_figures
from search.endings import OUTCOME, RECORD
from search.errors import StudyError
from search.study import late_findings, stored_references
from search.trial_rows import rows_with_headlines

MakeStudy = Callable[..., optuna.Study]
WHOLE: dict[str, Any] = {"outcome": "scored", "reason": "", "metrics": {"rows": 9.0}, "facts": {}, "spec": {}}


def ended(study: optuna.Study, **attributes: Any) -> optuna.Study:
    trial = study.ask()
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    study.tell(trial, [0.5, 10.0])
    return study


def test_a_whole_record_is_read(make_study: MakeStudy) -> None:
    (row,) = rows_with_headlines(ended(make_study(), **{RECORD: json.dumps(WHOLE), OUTCOME: "scored"}))
    assert (row["state"], row["rows"]) == ("scored", 9)


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[1]",
        "5",
        "null",
        "[" * 100_000,
        7,
        *(
            json.dumps({**WHOLE, **changed})
            for changed in (
                {"outcome": "nonsense"},
                {"outcome": None},
                {"metrics": None},
                {"metrics": {"rows": "x"}},
                {"metrics": {"rows": True}},
                {"facts": []},
                {"spec": 1},
            )
        ),
        json.dumps({"metrics": {}}),
    ],
    ids=range(14),
)
def test_what_is_no_record_is_refused(make_study: MakeStudy, record: Any) -> None:
    study = ended(make_study(), **{RECORD: record})
    for read in (rows_with_headlines, read_figures):
        with pytest.raises(StudyError, match="trial 0 must keep a record that its study wrote"):
            read(study)


def test_an_unknown_outcome_is_refused(make_study: MakeStudy) -> None:
    study = ended(make_study(), **{RECORD: json.dumps(WHOLE), OUTCOME: "nonsense"})
    with pytest.raises(StudyError, match="trial 0 must have ended in a known way"):
        rows_with_headlines(study)


@pytest.mark.parametrize("rows", ["Infinity", "-Infinity", "NaN"])
def test_numbers_that_count_nothing_are_shown_as_they_are(make_study: MakeStudy, rows: str) -> None:
    record = json.dumps(WHOLE).replace("9.0", rows)
    (row,) = rows_with_headlines(ended(make_study(), **{RECORD: record, OUTCOME: "scored"}))
    assert str(row["rows"]) == {"Infinity": "inf", "-Infinity": "-inf", "NaN": "nan"}[rows]


@pytest.mark.parametrize(
    ("name", "value"), [("x", {"metrics": {}, "facts": {}}), ("0", []), ("0", {}), ("0", {"metrics": {"a": "b"}})]
)
def test_what_are_no_late_findings_is_refused(make_study: MakeStudy, name: str, value: Any) -> None:
    study = make_study()
    study.set_user_attr(f"late/{name}", value)
    with pytest.raises(StudyError, match="must be findings of a trial"):
        late_findings(study)


def test_references_that_are_no_numbers_are_refused(make_study: MakeStudy) -> None:
    study = make_study()
    study.set_user_attr("references", ["x"])
    with pytest.raises(StudyError, match="must keep a number for each objective"):
        stored_references(study)
