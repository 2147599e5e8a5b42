"""The descriptions of runs: tables, links and what is said of each outcome."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.headline import HEADLINE_SCORES, with_headline
from search.note import NOTE_LENGTH, StudyNote, escaped, folded, markdown_table, study_note, trial_note

SCORES = dict(zip(HEADLINE_SCORES, (0.738, 0.609, 4.643, 0.3291, 34.71), strict=True))
CIRCUIT = dict(zip((f"circuit_{name}" for name in HEADLINE_SCORES), (0.7375, 0.61, 4.64, 0.329, 34.9), strict=True))
REAL = {
    "classifier_accuracy": 0.85,
    "judge_real_accuracy": 0.879,
    "real_inception_score": 6.35,
    "real_diversity": 0.457,
    "real_frechet_distance": 7.05,
}


def row(number: int, **more: object) -> dict[str, object]:
    what = {"family": "subpixel", "widths": [8, 4], "conditioning": "one_hot", "activation": "relu"}
    return {"trial": number, "state": "scored", "front": True, **what, **SCORES, "rows": 1294373, **more}


def note(**changes: object) -> StudyNote:
    values: dict[str, object] = {
        "experiment_id": "3",
        "run": "parent",
        "trial_runs": {15: "run15"},
        "counts": {"scored": 2, "infeasible": 5},
        "front": [with_headline(row(15, **CIRCUIT, planned_rows=519841)), with_headline(row(2))],
        "proof": "Nothing was proved: proving.attempts is 0.",
        "facts": {"dataset": "cifar10", "judge digest": "ab" * 32},
        "pictures": ["plots/front.png"],
        "links": {"report": "report.html"},
        "command": ("python", "-m", "search", "study.name=x"),
        "commit": "0123abc",
        "session": "sessions/today",
    }
    return StudyNote(**{**values, **changes})  # type: ignore[arg-type]


def cells(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.split("\n") if line.startswith("|")
    ]


def test_a_table_in_markdown() -> None:
    assert cells(markdown_table(["a", "b", "c"], [["1", "2", "3"]])) == [
        ["a", "b", "c"],
        [":---", "---:", "---:"],
        ["1", "2", "3"],
    ]
    assert len(markdown_table(["a"], []).split("\n")) == 2


def test_a_study_shows_its_front_first_with_headlines_and_links() -> None:
    text = study_note(note())
    first, table = text.split("\n\n")[:2]
    assert first.startswith("**2 on the front**, best first; 7 trials: 2 scored, 5 infeasible. Nothing was proved")
    head, _, best, other = cells(table)
    assert head == ["trial", "family", "accuracy", "judge", "IS", "diversity", "Frechet", "arithmetic", "rows", "proof"]
    link = "[15](#/experiments/3/runs/run15)"
    assert best == [link, "subpixel", "73.8%", "61.0%", "4.64", "0.329", "34.9", "circuit", "519,841", "-"]
    assert other == ["2", "subpixel", "73.8%", "60.9%", "4.64", "0.329", "34.7", "float", "1,294,373", "-"]


def test_a_study_shows_pictures_and_where_its_files_are() -> None:
    text = study_note(note())
    assert "![plots/front.png](get-artifact?path=plots/front.png&run_uuid=parent)" in text
    assert "![samples.png](get-artifact?path=samples.png&run_uuid=run15)" in text
    assert "[report](#/experiments/3/runs/parent/artifacts/report.html)" in text
    assert "- dataset: cifar10\n- judge digest: abababababab" in text
    assert "```sh\npython -m search study.name=x\n```" in text
    assert "check out commit `0123abc`, install" in text
    assert "`sessions/today/config.yaml`" in text
    assert "commit `0123abc` (the code had changes" in study_note(note(commit="0123abc+changes"))


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"proof.counts": "true", "proof.wiring": "linked", "proof.outcome": "ok"}, "linked"),
        ({"proof.counts": "false", "proof.wiring": "unlinked", "proof.outcome": "ok"}, "ok"),
        ({"proof.counts": "false", "proof.outcome": "prove over_memory"}, "prove over_memory"),
        ({}, "-"),
    ],
)
def test_only_a_proof_that_counts_shows_its_wiring(facts: dict[str, str], shown: str) -> None:
    text = study_note(note(front=[with_headline(row(1, **facts))]))
    assert cells(text)[2][-1] == shown


def test_a_study_without_a_front() -> None:
    text = study_note(note(front=[], trial_runs={}, pictures=[], links={}, counts={"infeasible": 3}))
    assert text.startswith("**0 on the front**, best first; 3 trials: 3 infeasible.")
    assert "|" not in text
    assert "get-artifact" not in text


def test_a_long_front_is_cut_and_says_so() -> None:
    rows = [with_headline(row(number, **CIRCUIT)) for number in range(40)]
    runs = {number: f"{number:032x}" for number in range(40)}
    text = study_note(note(front=rows, trial_runs=runs, experiment_id="123456789012345678"))
    assert "and 25 more in front.csv" in text
    assert len(text) < NOTE_LENGTH
    assert text.rstrip().endswith("its circuit.")  # nothing was cut at the end


def test_no_note_is_longer_than_mlflow_keeps() -> None:
    assert len(study_note(note(proof="x" * 9000))) == NOTE_LENGTH
    assert len(trial_note({"trial": 1, "state": "lost", "reason": "y" * 9000}, run="r", picture=False)) == NOTE_LENGTH


def test_a_trial_shows_its_scores_beside_the_dataset_s() -> None:
    text = trial_note(row(15, **CIRCUIT, **REAL), run="r", picture=True)
    assert text.startswith("**scored, on the front**: subpixel, 8-4, one_hot, relu\n\n")
    head, _, *lines = cells(text)
    assert head == ["images of", "accuracy", "judge", "IS", "diversity", "Frechet"]
    assert lines == [
        ["its circuit", "73.8%", "61.0%", "4.64", "0.329", "34.9"],
        ["its float generator", "73.8%", "60.9%", "4.64", "0.329", "34.7"],
        ["the dataset", "85.0%", "87.9%", "6.35", "0.457", "7.0"],
    ]
    assert text.endswith("![samples.png](get-artifact?path=samples.png&run_uuid=r)")


def test_a_trial_whose_circuit_was_refused_says_why_and_shows_no_scores_of_it() -> None:
    text = trial_note(row(1, **CIRCUIT, circuit_failure="an *operator* is not simulated"), run="r", picture=False)
    assert "an \\*operator\\* is not simulated" in text
    assert [line[0] for line in cells(text)[2:]] == ["its float generator"]


def test_a_trial_tells_of_cost_training_and_proof() -> None:
    figures = {"logrows": 17, "predicted_prove_seconds": 341.7, "predicted_peak_bytes": 13 * 2**30}
    trained = {"train_images": 50048.0, "train_seconds": 165.2, "planned_rows": 519841}
    proof = {"proof.outcome": "ok", "proof.wiring": "linked", "proof.prove_seconds": 105.04}
    text = trial_note(
        {**row(1), **figures, **trained, **proof, "proof.prove_peak_rss_bytes": 2**30}, run="r", picture=False
    )
    assert (
        "Circuit of 1,294,373 rows (logrows 17), predicted to prove in 342 s with 13.0 GiB; planned on the trained "
        "weights: 519,841 rows. Trained on 50,048 images in 165 s. Proof: ok, wiring linked, proved in 105.0 s with "
        "1.00 GiB." in text
    )


@pytest.mark.parametrize("state", ["infeasible", "stopped", "diverged", "lost", "illegal", "repeated"])
def test_a_trial_that_was_not_scored_gives_its_reason(state: str) -> None:
    text = trial_note({"trial": 1, "state": state, "reason": "over the limit: rows | x"}, run="r", picture=False)
    assert text == f"**{state}**\n\nover the limit: rows \\| x"


@given(st.lists(st.from_regex(r"[a-z.]{1,12}=[a-z0-9 \[\]'$]{0,12}", fullmatch=True), min_size=1, max_size=12))
def test_a_folded_command_is_the_same_command_on_short_lines(words: list[str]) -> None:
    text = folded([shlex.quote(word) for word in words], 40)
    assert shlex.split(text.replace(" \\\n", " ")) == words
    quoted = max(len(shlex.quote(word)) for word in words)
    assert all(len(line) <= max(40, quoted + 4) for line in text.split("\n"))


@given(st.text())
def test_escaped_text_is_one_line_and_keeps_its_words(text: str) -> None:
    found = escaped(text)
    assert "\n" not in found
    assert re.sub(r"\\(.)", r"\1", found) == " ".join(text.split())
    assert not re.search(r"(?<!\\)(\\\\)*[*_\[\]<>|#`]", found)
