import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from search.headline import HEADLINE_SCORES
from search.page import circuit_lines, main, proof_lines, write_page
from search.tables import markdown_table

ROW: dict[str, Any] = {
    "trial": 3, "state": "scored", "front": True, "family": "mlp", "widths": [8, 4], "accuracy": 0.625, "rows": 12345,
    "samples": 100, "seed": 0.0, "arithmetic": "float", "einsum_ops": 7, "einsum_operations": 7, "real_diversity": 0.5,
}  # fmt: skip
PROVED = {
    **ROW, "proof.outcome": "ok", "proof.counts": "true", "proof.verified": "true", "proof.wiring": "linked",
    "proof.tampered_rejected": "true", "proof.prove_seconds": 12.5, "proof.prove_peak_rss_bytes": 2.0**31,
    "proof.proof_bytes": 7488.0,
}  # fmt: skip
OF_CIRCUIT = {f"circuit_{name}": 0.5 for name in HEADLINE_SCORES} | {"planned_rows": 999, "plan": "lowered"}


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return make_session(tmp_path, PROVED)


def make_session(tmp_path: Path, member: dict[str, Any]) -> Path:
    folder = tmp_path / "session"
    candidate = tmp_path / "candidate"
    folder.mkdir()
    candidate.mkdir()
    Image.new("RGB", (2, 2)).save(candidate / "samples.png")
    row = {**member, "folder": str(candidate)}
    summary = {
        "trials": [row, {"trial": 4, "state": "infeasible", "front": False, "reason": "over | the limit"}],
        "front": [row],
        "classifier": {"digest": "abc", "accuracy": 0.85, "real_inception_score": 6.0, "judge_real_accuracy": 0.9},
        "seconds": 61.4,
        "seconds_by_part": {"trials": 61.4},
    }
    provenance = {
        "commit": "0123456789abcdef+changes", "packages": {"ezkl": "23.0.5", "torch": "2.13.0"},
        "machine": {"cores": 2, "memory_bytes": 2**34},
        "command": ["/somewhere/search/__main__.py", "study.trials=2", "dataset.root=/private/place"],
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "provenance.json").write_text(json.dumps(provenance))
    (folder / "config.yaml").write_text(yaml.safe_dump({"dataset": {"root": "/private/place"}}))
    return folder


def test_a_page_shows_the_summary_and_no_private_path(session: Path, tmp_path: Path) -> None:
    write_page(session, tmp_path / "out" / "study", "My study")
    page = (tmp_path / "out" / "study.md").read_text()
    assert page.startswith("# My study\n")
    assert "python -m search study.trials=2 dataset.root=FOLDER" in page
    assert "commit 0123456789ab with changes" in page
    assert "| trial | family | widths | accuracy | arithmetic | float_accuracy | einsum_operations |" in page
    assert "| 3 | mlp | 8-4 | 0.625 | float | 0.625 |" in page
    assert "Trial 3 shows float scores: its circuit's images were not scored" in page
    assert "Trial 3 counts as proved" in page
    assert "| prove | 12.5 | 2 |" in page
    assert "over \\| the limit" in page
    stored = (tmp_path / "out" / "study.json").read_text()
    assert json.loads(stored)["front"][0]["einsum_ops"] == 7
    assert str(tmp_path) not in page + stored
    assert "/private" not in page + stored
    assert (tmp_path / "out" / "study.png").exists()


def test_the_front_shows_the_circuit_s_scores_and_all_trials_float_ones(tmp_path: Path) -> None:
    write_page(make_session(tmp_path, {**PROVED, **OF_CIRCUIT}), tmp_path / "study", "My study")
    page = (tmp_path / "study.md").read_text()
    assert "| 3 | mlp | 8-4 | 0.5 | 0.5 | 0.5 | 0.5 | 0.5 | circuit | 0.625 |" in page
    assert "shows float scores" not in page
    front, trials = page.split("## All trials")
    assert "Scores are of the float generators" in trials
    assert "| trial | state | front | family | widths | float_accuracy |" in trials
    assert "| 3 | scored | yes | mlp | 8-4 | 0.625 |" in trials
    stored = json.loads((tmp_path / "study.json").read_text())
    row = stored["front"][0]
    assert (row["headline_accuracy"], row["headline_arithmetic"], row["accuracy"]) == (0.5, "circuit", 0.625)
    assert "headline_accuracy" not in stored["trials"][0]


def test_circuits_have_a_section_where_there_are_some(session: Path, tmp_path: Path) -> None:
    assert circuit_lines([ROW]) == []
    assert "| 3 | 999 | lowered |" in "\n".join(circuit_lines([{**ROW, **OF_CIRCUIT}]))
    refused = {**ROW, "circuit_failure": "no | layout"}
    assert "| 3 | no \\| layout |" in "\n".join(circuit_lines([refused]))
    write_page(session, tmp_path / "study", "My study", "Trials ran earlier.")
    page = (tmp_path / "study.md").read_text()
    assert "Trials ran earlier." in page
    assert "## The circuits" not in page


def test_a_proof_that_does_not_count_is_said_so() -> None:
    (line, *_) = proof_lines([{**PROVED, "proof.counts": "false", "proof.wiring": "unlinked"}])
    assert "does not count as proved" in line
    assert proof_lines([ROW]) == ["No proof was tried.", ""]


def test_tables_leave_out_what_no_row_has() -> None:
    table = markdown_table([{"a": 1}, {"a": 2, "b": None}], ("a", "b", "c"))
    assert table == "| a | b |\n| --- | --- |\n| 1 | - |\n| 2 | - |"


def test_an_unfinished_session_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "search.page", str(tmp_path), str(tmp_path / "page")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert result.stderr.startswith("error:")
    assert "must be the folder of a finished session" in result.stderr


@pytest.mark.parametrize("name", ["summary.json", "provenance.json", "config.yaml"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "7", "a: [", "[" * 100_000])
def test_damaged_sessions_are_an_error(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    (session / name).write_text(content)
    monkeypatch.setattr(sys, "argv", ["page", str(session), str(tmp_path / "page" / "stem")])
    with pytest.raises(SystemExit, match="must be the folder of a finished session"):
        main()
    assert not (tmp_path / "page").exists()
