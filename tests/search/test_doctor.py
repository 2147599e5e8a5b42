"""What the doctor says of packages, data, reference strings and proofs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from search import diagnosis, doctor
from search.diagnosis import full_circuit, proving_findings, srs_finding
from search.doctor import main, package_findings
from search.finding import Finding, State
from zk.cost import predict_cost


@pytest.fixture(autouse=True)
def enough_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine that runs the tests is."""
    monkeypatch.setattr(diagnosis, "SEARCH_BYTES", 0)
    monkeypatch.setattr(diagnosis, "STUDY_DISK_BYTES", 0)


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    found = {}
    for line in capsys.readouterr().out.splitlines():
        state, rest = line.split(maxsplit=1)
        found[rest.split("  ")[0]] = state
    return found


def test_a_good_machine_is_found_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"srs_folder={tmp_path}"]) == 0
    found = lines(capsys)
    assert {"zkgan-search", "torch", "ezkl", "memory", "disk", "data", "reference strings"} <= set(found)
    assert "MISSING" not in found.values()


def test_missing_data_and_damaged_strings_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test-only-k12.srs").write_bytes(b"no string")
    (tmp_path / "train.parquet").write_bytes(b"data")
    assert main([f"srs_folder={tmp_path}", f"dataset.root={tmp_path}"]) == 1
    assert {name for name, state in lines(capsys).items() if state == "MISSING"} == {"data", "reference strings"}
    assert "test.parquet" in next(iter_data(tmp_path)).text
    (tmp_path / "test.parquet").write_bytes(b"data")
    assert next(iter_data(tmp_path)).state is State.GOOD


def iter_data(folder: Path) -> Iterator[Finding]:
    return (finding for finding in diagnosis.diagnose(folder, folder) if finding.name == "data")


def test_other_versions_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {doctor.PROJECT: "0.1.0", "one": "1.5", "two": "3.0"}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    wanted = ["one>=1,<2", "two>=1,<3", "three", 'four; extra == "dev"']
    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(doctor, "requires", lambda name: wanted)
    found = {finding.name: finding for finding in package_findings()}
    assert {name: finding.state for name, finding in found.items()} == {
        doctor.PROJECT: State.GOOD,
        "one": State.GOOD,
        "two": State.BAD,
        "three": State.BAD,
    }
    assert found["two"].text in ("must be <3,>=1; found 3.0", "must be >=1,<3; found 3.0")
    del installed[doctor.PROJECT]
    assert [finding.state for finding in package_findings()] == [State.BAD]


def test_a_package_that_does_not_load_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "search.diagnosis", None)
    assert main([]) == 1
    assert lines(capsys)["imports"] == "MISSING"
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert main([]) == 1
    assert lines(capsys) == {"packaging": "MISSING"}


def test_too_little_room_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "SEARCH_BYTES", 2**60)
    bad = [finding.name for finding in diagnosis.diagnose(tmp_path, None) if finding.state is State.BAD]
    assert bad == ["memory"]


def test_what_fits_is_what_is_predicted_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    needed = predict_cost(full_circuit(15)).admission_bytes
    for free, heights in ((needed, ["(2^13)", "(2^14)", "(2^15)"]), (needed - 1, ["(2^12)", "(2^13)", "(2^14)"])):
        model, *proofs = proving_findings(free, "this-machine")
        assert model.state is State.NOTE
        assert [height for height, finding in zip(heights, proofs, strict=True) if height in finding.text] == heights
    model, nothing = proving_findings(1, "this-machine")
    assert (nothing.state, "no circuit" in nothing.text) == (State.NOTE, True)
    folder = tmp_path / "zkgan-search"
    folder.mkdir()
    (folder / "cost-model-this-machine.json").write_text("{")
    (broken,) = proving_findings(needed, "this-machine")
    assert broken.state is State.BAD


def test_no_string_is_no_fault(tmp_path: Path) -> None:
    assert srs_finding(tmp_path / "none").state is State.GOOD


@pytest.mark.parametrize("arguments", [["here"], ["folder=x"], ["dataset.root="]])
def test_other_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "error:" in capsys.readouterr().err
    assert main(["--help"]) == 0
