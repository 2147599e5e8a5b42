"""The audit on keys with cut cycles, on broken, foreign and mismatched files, and its command line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audit_circuits import CIRCUITS, build, cut, write_permutation
from tiny_networks import edit_settings

from zk.audit import EXIT_STATUS, audit_wiring, main
from zk.audit_key import open_proving_key
from zk.audit_layout import Layout, read_layout
from zk.audit_permutation import read_successors
from zk.circuit_cost import circuit_cost, load_settings
from zk.errors import ArtifactError
from zk.types import Wiring

Files = tuple[Path, Path, Path]
ROWS = 512


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return build(tmp_path_factory.mktemp("sound"), CIRCUITS["matmul rebase"])


@pytest.fixture(scope="module")
def layout(sound: Files) -> Layout:
    key, settings = open_proving_key(sound[0]), load_settings(sound[1])
    return read_layout(settings, circuit_cost(settings), key.columns, key.selectors)


@pytest.fixture(scope="module")
def successor(sound: Files) -> np.ndarray:
    key = open_proving_key(sound[0])
    found, unnamed = read_successors(key.permutation_values, key.logrows)
    assert unnamed == 0
    return found


def test_writing_the_same_permutation_changes_no_byte(sound: Files, successor: np.ndarray, tmp_path: Path) -> None:
    write_permutation(sound[0], tmp_path / "pk", successor)
    assert (tmp_path / "pk").read_bytes() == sound[0].read_bytes()


def first_result(sound: Files, layout: Layout) -> int:
    """Cell of the last term of the first dot product of the matrix product."""
    key = open_proving_key(sound[0])
    gate = next(g for g in layout.gates if g.kind == "dot" and g.carries)
    assert gate.writes is not None
    return gate.writes * ROWS + int(key.active_rows(gate.selector)[0])


@pytest.mark.parametrize("coefficients", [True, False])
def test_a_cut_between_a_gate_and_its_reader(
    sound: Files, layout: Layout, successor: np.ndarray, tmp_path: Path, coefficients: bool
) -> None:
    cell = np.array([first_result(sound, layout)])
    write_permutation(sound[0], tmp_path / "pk", cut(successor, cell), coefficients=coefficients)
    report = audit_wiring(tmp_path / "pk", sound[1], sound[2])
    assert report.verdict is Wiring.UNLINKED
    assert "outputs of dot" in report.reason
    assert ("disagree in" in report.reason) is not coefficients
    assert report.linked_public_values == report.public_values


def test_a_cut_public_output(sound: Files, layout: Layout, successor: np.ndarray, tmp_path: Path) -> None:
    assert layout.instance is not None
    output = layout.instance * ROWS + layout.public_inputs
    write_permutation(sound[0], tmp_path / "pk", cut(successor, np.array([output])))
    report = audit_wiring(tmp_path / "pk", sound[1])
    assert report.verdict is Wiring.UNLINKED
    assert report.linked_public_values == report.public_values - 1
    assert "1 of 4 public outputs" in report.reason


def test_a_cut_public_input(sound: Files, layout: Layout, successor: np.ndarray, tmp_path: Path) -> None:
    assert layout.instance is not None
    write_permutation(sound[0], tmp_path / "pk", cut(successor, np.array([layout.instance * ROWS + 1])))
    report = audit_wiring(tmp_path / "pk", sound[1])
    assert report.verdict is Wiring.UNLINKED
    assert "1 of 6 public inputs" in report.reason


@pytest.mark.parametrize("coefficients", [True, False])
def test_values_that_are_no_permutation(
    sound: Files, successor: np.ndarray, tmp_path: Path, coefficients: bool
) -> None:
    twice = successor.copy()
    twice[5] = twice[6]
    write_permutation(sound[0], tmp_path / "pk", twice, coefficients=coefficients)
    report = audit_wiring(tmp_path / "pk", sound[1])
    assert report.verdict is Wiring.UNLINKED
    assert "broken" in report.reason
    assert report.groups == ()


def test_coefficients_that_disagree_with_sound_values(sound: Files, tmp_path: Path) -> None:
    content, part = bytearray(sound[0].read_bytes()), open_proving_key(sound[0]).lists[4]
    content[part.end - 40] ^= 1
    (tmp_path / "pk").write_bytes(content)
    report = audit_wiring(tmp_path / "pk", sound[1])
    assert report.verdict is Wiring.UNLINKED
    assert report.reason == "values and coefficients of the permutation disagree in 1 of 8 columns"
    assert all(group.open_cells == 0 for group in report.groups)


def test_the_verification_key_must_be_the_one_inside(sound: Files, tmp_path: Path) -> None:
    content = sound[2].read_bytes()
    for name, other in {"short": content[:-1], "long": content + b"\0", "empty": b"", "other": b"\x03" * 99}.items():
        (tmp_path / name).write_bytes(other)
        with pytest.raises(ArtifactError, match="must be the one inside"):
            audit_wiring(sound[0], sound[1], tmp_path / name)
    with pytest.raises(ArtifactError, match="readable verification key"):
        audit_wiring(sound[0], sound[1], tmp_path / "absent")


def test_settings_must_be_settings_of_the_same_key(sound: Files, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    shutil.copy(sound[1], settings)
    edit_settings(settings, "run_args", logrows=10)
    with pytest.raises(ArtifactError, match=r"logrows 10, pk has 9"):
        audit_wiring(sound[0], settings)
    edit_settings(settings, "run_args", logrows=9)
    edit_settings(settings, "", model_instance_shapes=[[3, 2], [2, 1]])
    fewer = audit_wiring(sound[0], settings)
    assert fewer.verdict is Wiring.UNCHECKED
    assert "ties 2 public or committed cells that the settings do not declare" in fewer.reason
    edit_settings(settings, "", model_instance_shapes=[[3, 2], [2, 3]])
    assert "2 of 6 public outputs" in audit_wiring(sound[0], settings).reason
    edit_settings(settings, "", num_rows=10**6)
    assert audit_wiring(sound[0], settings).verdict is Wiring.UNCHECKED
    for content in ("[]", "{}", '{"run_args": {}, "num_rows": 3}', "\0"):
        settings.write_text(content)
        with pytest.raises(ArtifactError, match="must be ezkl's settings"):
            audit_wiring(sound[0], settings)


def test_command_line_status_and_table(sound: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pk, settings, vk = map(str, sound)
    report = tmp_path / "report.json"
    assert main(["--pk", pk, "--settings", settings, "--vk", vk, "--json", str(report)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["group", "cells", "linked", "hints", "open", "verdict"]
    assert "public inputs                              6         6         0         0  linked" in printed
    assert printed[-1].startswith("linked: in 8 columns")
    assert json.loads(report.read_text())["verdict"] == "linked"

    changed = tmp_path / "settings.json"
    shutil.copy(settings, changed)
    edit_settings(changed, "einsum_params", total_einsum_col_size=7)
    assert main(["--pk", pk, "--settings", str(changed)]) == 1
    assert "7 cells of Freivalds columns" in capsys.readouterr().out
    edit_settings(changed, "einsum_params", total_einsum_col_size=0)
    edit_settings(changed, "", num_shuffles=1)
    assert main(["--pk", pk, "--settings", str(changed)]) == 3
    assert capsys.readouterr().out.splitlines()[-1].startswith("unchecked: ")

    assert main(["--pk", vk, "--settings", settings]) == 2
    assert "must be a whole proving key" in capsys.readouterr().err
    assert main(["--pk", pk, "--settings", vk]) == 2
    assert main(["--pk", pk, "--settings", settings, "--json", str(report / "below")]) == 2
    with pytest.raises(SystemExit) as usage:
        main(["--pk", pk])
    assert usage.value.code == 2
    assert set(EXIT_STATUS) == set(Wiring)


def test_the_module_runs(sound: Files) -> None:
    command = [sys.executable, "-m", "zk.audit", "--pk", str(sound[0]), "--settings", str(sound[1])]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("linked: ")
