"""``python -m search.front``: stored studies as tables."""

import csv
import io
import json
import math
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from search.engine import StudyPlan, run_study
from search.errors import StudyError
from search.front import HELP, main
from search.headline import HEADLINE_SCORES
from search.layers.study import ROW
from search.record import TrialOutcome
from search.runner import SerialRunner
from search.stored import DEFAULT_STORAGE, count_states, load_stored, read_storage
from search.study import add_late_findings
from search.trial_rows import trial_rows
from tests.search.conftest import CheapEvaluator, SilentObserver
from tests.search.filled import Draw, filled
from tests.test_config import composed

CIRCUIT = {f"circuit_{name}": 0.55 for name in HEADLINE_SCORES}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Study ``s``: trials 0 and 1 are its front, 0 with a scored circuit; 2 is dominated, 3 was never trained."""
    url = f"sqlite:///{tmp_path_factory.mktemp('front')}/studies/optuna.db"
    draws = [
        Draw((0.5, 500.0), metrics={"cas": 0.25}, facts={"proof.wiring": "linked"}),
        Draw((0.6, 700.0), metrics={"cas": math.nan}, facts={"proof.wiring": "unlinked"}),
        Draw((0.4, 900.0)),
        Draw(outcome=TrialOutcome.INFEASIBLE, reason="too [wide]\nby far", metrics={"rows": 5000.0}),
    ]
    study = filled(url, "s", draws)
    add_late_findings(study, 0, metrics=CIRCUIT, facts={})
    filled(url, "other", [])
    return url


def ask(storage: str, *arguments: str, capsys: pytest.CaptureFixture[str], status: int = 0) -> str:
    assert main([f"storage={storage}", *arguments]) == status
    printed = capsys.readouterr()
    assert (printed.out if status else printed.err) == ""
    assert not status or (printed.err.startswith("error: ") and printed.err.count("\n") == 1)
    return printed.err if status else printed.out


def trials(printed: str) -> list[int]:
    """First cells of a printed table."""
    return [int(number) for number in re.findall(r"^│\s*(\d+) │", printed, re.MULTILINE)]


def exported(storage: str, tmp_path: Path, *arguments: str, name: str = "out.json") -> list[dict[str, object]]:
    assert main([f"storage={storage}", f"out={tmp_path / name}", *arguments]) == 0
    text = (tmp_path / name).read_text()
    assert "NaN" not in text
    found: list[dict[str, object]] = json.loads(text)
    return found


def test_the_front_stands_in_headline_order(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ask(storage, "study=s", capsys=capsys)
    assert "Front of s: 2 members of 3 scored trials" in printed
    assert trials(printed) == [0, 1]  # trial 1 has the better float accuracy and no circuit
    assert "0.55" in printed
    assert "Trial 1 shows float scores" in printed
    assert "circuit" in printed


def test_all_trials_say_how_they_ended(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ask(storage, "study=s", "all=true", capsys=capsys)
    assert "Trials of s: 4 that ended" in printed
    assert trials(printed) == [0, 1, 2, 3]
    assert "infeasible" in printed
    assert "too [wide] by far" in printed  # no markup, no second line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["where=rows<600"], [0]),
        (["where=rows<600", "all=true"], [0]),
        (["where=rows>=700", "all=true"], [1, 2, 3]),
        (["where=rows>=700", "where=state=scored", "all=true"], [1, 2]),
        (["where=proof.wiring=linked"], [0]),
        (["where=proof.wiring!=linked", "all=true"], [1]),
        (["where=headline_accuracy>=0.5", "all=true"], [0, 1]),
        (["where=cas<=1"], [0]),
        (["where=cas!=0"], [0]),
        (["where=front=false", "all=true"], [2, 3]),
        (["where=rows<0"], []),
        (["sort=-rows", "all=true"], [3, 2, 1, 0]),
        (["sort=accuracy", "all=true"], [2, 0, 1, 3]),
        (["sort=-accuracy", "top=2", "all=true"], [1, 0]),
        (["sort=cas"], [0, 1]),
        (["sort=-cas"], [0, 1]),
        (["top=1"], [0]),
        (["all=true", "where=state=scored", "sort=-rows", "top=1"], [2]),
    ],
)
def test_rows_are_filtered_then_sorted_then_cut(
    storage: str, tmp_path: Path, arguments: list[str], expected: list[int]
) -> None:
    assert [row["trial"] for row in exported(storage, tmp_path, "study=s", *arguments)] == expected


def test_what_is_filtered_by_is_shown(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "proof.wiring" not in ask(storage, "study=s", "all=true", capsys=capsys)
    assert "linked" in ask(storage, "study=s", "all=true", "where=proof.wiring=linked", capsys=capsys)


def test_columns_are_those_asked_for(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ask(storage, "study=s", "all=true", "columns=trial,reason,rows", capsys=capsys)
    head = next(line for line in printed.splitlines() if "reason" in line)
    assert [cell.strip() for cell in head.strip("┃").split("┃")] == ["trial", "reason", "rows"]
    assert "Arithmetic" not in printed
    assert trials(ask(storage, "study=s", "columns=trial,reason", capsys=capsys)) == [0, 1]  # members have none


def test_an_unknown_column_lists_the_known_ones(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("where=acuracy>0",), ("sort=-acuracy",), ("columns=trial,acuracy",)):
        text = ask(storage, "study=s", *arguments, capsys=capsys, status=1)
        assert text.startswith("error: unknown column acuracy; known: accuracy, ")
        assert "headline_accuracy" in text


def test_csv_keeps_all_columns_or_those_asked_for(storage: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"
    assert main([f"storage={storage}", "study=s", "all=true", f"out={path}"]) == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["state"] for row in rows] == ["scored", "scored", "scored", "infeasible"]
    assert {"headline_accuracy", "trial_seconds", "widths", "circuit_accuracy"} <= set(rows[0])
    assert main([f"storage={storage}", "study=s", "all=true", "columns=reason,cas,trial", f"out={path}"]) == 0
    assert path.read_text().splitlines()[0] == "reason,cas,trial"
    assert path.read_text().splitlines()[1:3] == [",0.25,0", ",nan,1"]


def test_json_has_no_nan(storage: str, tmp_path: Path) -> None:
    first, second = exported(storage, tmp_path, "study=s", "columns=trial,cas,front,widths")
    assert first == {"trial": 0, "cas": 0.25, "front": True, "widths": [4]}
    assert second == {"trial": 1, "cas": None, "front": True, "widths": [4]}


def test_markdown_is_the_printed_table(storage: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.md"
    assert main([f"storage={storage}", "study=s", "columns=trial,headline_accuracy,accuracy", f"out={path}"]) == 0
    assert path.read_text().splitlines() == [
        "| trial | accuracy | float_accuracy |",
        "| --- | --- | --- |",
        "| 0 | 0.55 | 0.5 |",
        "| 1 | 0.6 | 0.6 |",
    ]
    assert main([f"storage={storage}", "study=s", "columns=trial,rows", "where=rows<0", f"out={path}"]) == 0
    assert path.read_text() == "| trial | rows |\n| --- | --- |\n"


def test_without_a_study_all_are_listed(storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ask(storage, capsys=capsys)
    assert "2 studies" in printed
    assert "3 scored, 1 infeasible" in printed
    rows = {row["study"]: row for row in exported(storage, tmp_path)}
    assert rows["other"] == {
        "study": "other", "trials": 0, "states": "", "front": 0, "objectives": "maximize accuracy, minimize rows",
    }  # fmt: skip
    assert {name: rows["s"][name] for name in ("trials", "scored", "infeasible", "front")} == {
        "trials": 4, "scored": 3, "infeasible": 1, "front": 2,
    }  # fmt: skip
    assert [row["study"] for row in exported(storage, tmp_path, "where=scored>=1", "sort=study")] == ["s"]
    assert [row["study"] for row in exported(storage, tmp_path, "sort=study")] == ["other", "s"]


def test_an_empty_study_is_shown_as_such(storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Front of other: 0 members of 0 scored trials" in ask(storage, "study=other", capsys=capsys)
    assert "Trials of other: 0" in ask(storage, "study=other", "all=true", "where=rows<5", capsys=capsys)
    assert exported(storage, tmp_path, "study=other") == []


def test_states_are_counted_as_trials_tell_them(make_study: Callable[..., optuna.Study], plan: StudyPlan) -> None:
    study = make_study()
    run_study(study, plan, SerialRunner(CheapEvaluator(infeasible_above=6, diverging=5)), SilentObserver())
    waiting, told = study.ask(), [row["state"] for row in trial_rows(study)]
    assert waiting.number == len(told)
    assert count_states(study) == {**{state: told.count(state) for state in set(told)}, "running": 1}
    study.enqueue_trial({})
    assert count_states(study)["waiting"] == 1


def test_a_benchmark_is_listed_and_has_no_front_of_candidates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="cells", storage=storage, directions=["minimize", "minimize"])
    trial = study.ask()
    trial.set_user_attr(ROW, "{}")
    trial.set_user_attr("outcome", "proved")
    study.tell(trial, [1.0, 2.0])
    (row,) = exported(storage, tmp_path)
    assert (row["states"], row["objectives"]) == ("1 proved", "minimize value 0, minimize value 1")
    capsys.readouterr()
    assert "python -m zk.benchmark report" in ask(storage, "study=cells", capsys=capsys, status=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study=S"], "has no study 'S'; it has s, other"),
        (["all=true"], "all=true needs study=NAME"),
        (["s"], "a study is named by study=NAME; got 's'"),
        (["study=s", "out=rows.txt"], "out must end in .csv, .json, .md; got rows.txt"),
        (["study=s", "where=rows"], "a filter must be a comparison"),
        (["study=s", "top=0"], "top must be a whole number"),
        (["study=s", "all=maybe"], "all must be true or false"),
        (["study=s", "colour=red"], "unknown option 'colour=red'"),
    ],
)
def test_errors_are_one_line(
    storage: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in ask(storage, *arguments, capsys=capsys, status=1)


def test_asking_for_a_missing_file_does_not_make_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nowhere" / "optuna.db"
    for arguments in ((), ("study=s",)):
        text = ask(f"sqlite:///{path}", *arguments, capsys=capsys, status=1)
        assert f"must be an existing file; there is no {path}" in text
    assert list(tmp_path.iterdir()) == []


def test_asking_a_foreign_file_does_not_change_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign, text, empty = tmp_path / "foreign.db", tmp_path / "notes.txt", tmp_path / "empty.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
    connection.close()
    text.write_text("not a database")
    empty.touch()
    for path, reason in ((foreign, "no such table"), (text, "no SQLite file"), (empty, "no SQLite file")):
        before = path.read_bytes()
        found = ask(f"sqlite:///{path}", capsys=capsys, status=1)
        assert "must be a readable database of Optuna studies" in found
        assert reason in found
        assert path.read_bytes() == before


@pytest.mark.parametrize("url", ["optuna.db", "nosuch://here/db", "sqlite://", "sqlite:///:memory:"])
def test_other_storages_that_cannot_be_read(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "storage" in ask(url, capsys=capsys, status=1)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(StudyError) as error:
        read_storage("nosuch://user:secret@here/db")
    assert "secret" not in str(error.value)
    assert "user:***@here" in str(error.value)


def test_reading_changes_nothing(storage: str, tmp_path: Path) -> None:
    path = Path(storage.removeprefix("sqlite:///"))
    before = path.read_bytes()
    assert load_stored("s", storage).study_name == "s"
    assert main([f"storage={storage}", "study=s", "all=true"]) == 0
    assert path.read_bytes() == before


def test_the_default_storage_is_the_configuration_s() -> None:
    assert composed().study.storage == DEFAULT_STORAGE
    assert DEFAULT_STORAGE in HELP


def test_the_module_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "search.front"]
    missing = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert (missing.returncode, missing.stdout, missing.stderr.count("\n")) == (1, "", 1)
    assert missing.stderr.startswith(f"error: storage {DEFAULT_STORAGE} must be an existing file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_teaches(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    assert capsys.readouterr().out == HELP
    assert HELP.count("python -m search.front") > 5
