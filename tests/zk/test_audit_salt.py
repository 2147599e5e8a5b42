"""Salt: values at the end of committed tensors that nothing reads, and that nothing may read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from audit_circuits import CHECKED_IO, CIRCUITS, NO_REBASE, Circuit, Function, build, write_permutation
from tiny_networks import edit_settings

from zk.audit import WiringReport, audit_to_json, audit_wires, audit_wiring, main
from zk.audit_key import open_proving_key
from zk.audit_layout import check_salt, read_layout
from zk.audit_links import Group, examine
from zk.audit_permutation import Cells, cycle_labels, read_successors
from zk.circuit_cost import circuit_cost, load_settings
from zk.errors import OptionError
from zk.types import Wiring

Files = tuple[Path, Path, Path]
SIZES, SALT, ROWS = (5, 6, 4), (2, 3, 0), 256
OPTIONS = {"input_visibility": "polycommit", **CHECKED_IO, **NO_REBASE}


def ending_in_salt(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Reads the tensors in another order than they are given in, and not their last 2, 3 and 0 elements."""
    return c.sum() * b[:, :3] + a[:, :3] * a[:, :3]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    circuit = Circuit(lambda: Function(ending_in_salt), tuple((1, size) for size in SIZES), OPTIONS, 8)
    return build(tmp_path_factory.mktemp("salted"), circuit)


@pytest.fixture(scope="module")
def successor(files: Files) -> Cells:
    key = open_proving_key(files[0])
    return read_successors(key.permutation_values, key.logrows)[0]


def join(successor: Cells, cell: int, other: int) -> Cells:
    """Make one cycle of the two that hold ``cell`` and ``other``."""
    labels = cycle_labels(successor)
    assert labels[cell] != labels[other]
    result = successor.copy()
    result[[cell, other]] = successor[[other, cell]]
    return result


def groups(report: WiringReport) -> dict[str, Group]:
    return {group.name: group for group in report.groups}


def test_the_columns_are_in_the_order_of_the_inputs(files: Files, successor: Cells) -> None:
    """From the raw permutation: what is tied in each of the first columns."""
    assert tuple(load_settings(files[1])["module_sizes"]["polycommit"]) == SIZES
    tied = np.flatnonzero(successor != np.arange(successor.size))
    for column, (size, salt) in enumerate(zip(SIZES, SALT, strict=True)):
        rows = tied[tied // ROWS == column] % ROWS
        assert rows.tolist() == list(range(size - salt))


def test_declared_salt_is_a_group_of_its_own(files: Files) -> None:
    report = audit_wiring(*files, salt=SALT)
    assert report.verdict is Wiring.LINKED
    assert report.salt == SALT
    assert report.free_values == 0
    found = groups(report)
    assert found["salt"] == Group("salt", 5, 0, 5, 0, Wiring.LINKED)
    assert found["committed values"] == Group("committed values", 10, 10, 0, 0, Wiring.LINKED)
    assert report.reason.endswith("; 5 salt cells are tied to nothing, as they must be")


@pytest.mark.parametrize("salt", [(), (0, 0, 0)])
def test_salt_that_is_not_declared_is_open(files: Files, salt: tuple[int, ...]) -> None:
    report = audit_wiring(*files, salt=salt)
    assert report.verdict is Wiring.UNLINKED
    assert "salt" not in groups(report)
    assert groups(report)["committed values"].open_cells == 5
    assert report.reason.endswith("5 of 15 committed values")


@pytest.mark.parametrize(
    ("salt", "unread", "read"),
    [((1, 3, 0), 1, 0), ((2, 0, 0), 3, 0), ((3, 3, 0), 0, 1), ((2, 3, 1), 0, 1), ((3, 2, 0), 1, 1), ((5, 6, 4), 0, 10)],
)
def test_too_little_and_too_much_salt(files: Files, salt: tuple[int, ...], unread: int, read: int) -> None:
    report = audit_wiring(*files, salt=salt)
    assert report.verdict is Wiring.UNLINKED
    found = groups(report)
    committed = found["committed values"].open_cells if "committed values" in found else 0
    assert (committed, found["salt"].open_cells) == (unread, read)
    assert found["salt"].cells == sum(salt) == found["salt"].hint_cells + read
    assert (f"{read} of {sum(salt)} salt cells are tied or read" in report.reason) is (read > 0)
    assert (f"{unread} of {15 - sum(salt)} committed values" in report.reason) is (unread > 0)


@pytest.mark.parametrize("salt", [(2,), (2, 3), (2, 3, 0, 0), (-1, 3, 0), (6, 3, 0), (2, 7, 0), (2, 3, 5)])
def test_salt_that_does_not_fit_is_refused(files: Files, salt: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match=r"the sizes are \[5, 6, 4\], got .*; give 3 numbers"):
        audit_wiring(*files, salt=salt)


def test_salt_is_judged_before_anything_else(files: Files, tmp_path: Path) -> None:
    with pytest.raises(OptionError):
        audit_wiring(tmp_path / "absent", files[1], salt=(2,))
    settings = {**load_settings(files[1]), "num_shuffles": 1}
    with pytest.raises(OptionError):
        read_layout(settings, circuit_cost(settings), 1, 1, salt=(2,))
    with pytest.raises(OptionError, match=r"the sizes are \[\], got \[0\]; give no numbers"):
        check_salt({"module_sizes": {"polycommit": [0]}}, (0,))
    check_salt({"module_sizes": {"polycommit": []}}, ())
    check_salt({"module_sizes": {"polycommit": [5, 0, 6]}}, (5, 0))  # an empty tensor has no column


@pytest.mark.parametrize(
    "partner", ["another salt cell", "its neighbour", "a committed value", "an operand", "no value"]
)
def test_salt_that_is_tied_is_found(files: Files, successor: Cells, tmp_path: Path, partner: str) -> None:
    cells = {
        "another salt cell": ROWS + 5,
        "its neighbour": 4,
        "a committed value": 0,
        "an operand": 3 * ROWS,
        "no value": 3 * ROWS + 200,  # a row that no gate is in
    }
    write_permutation(files[0], tmp_path / "pk", join(successor, 3, cells[partner]))
    report = audit_wiring(tmp_path / "pk", files[1], files[2], salt=SALT)
    assert report.verdict is Wiring.UNLINKED
    tied = 2 if partner in ("another salt cell", "its neighbour") else 1
    assert report.reason == f"{tied} of 5 salt cells are tied or read, and nothing may read salt"
    assert {name: group.open_cells for name, group in groups(report).items() if group.open_cells} == {"salt": tied}


def test_no_tied_salt_goes_unnoticed(files: Files, successor: Cells) -> None:
    """Tie each salt cell to cells all over the circuit, one at a time."""
    key, settings = open_proving_key(files[0]), load_settings(files[1])
    layout = read_layout(settings, circuit_cost(settings), key.columns, key.selectors, salt=SALT)
    salt = audit_wires(key, layout, successor).salt
    assert salt.tolist() == [3, 4, ROWS + 3, ROWS + 4, ROWS + 5]
    partners = np.random.default_rng(0).integers(successor.size, size=40)
    for partner in set(partners.tolist()) - set(salt.tolist()):
        wires = audit_wires(key, layout, join(successor, int(salt[partner % 5]), partner))
        assert wires.used_salt == 1
        assert next(g for g in examine(wires, private_values=0).groups if g.name == "salt").open_cells == 1


def test_rows_below_a_tensor_are_no_place_for_salt_that_is_tied(files: Files, successor: Cells, tmp_path: Path) -> None:
    """A cell that the settings do not declare is not made good by salt above it."""
    write_permutation(files[0], tmp_path / "pk", join(successor, SIZES[0], 0))
    report = audit_wiring(tmp_path / "pk", files[1], salt=SALT)
    assert report.verdict is Wiring.UNCHECKED
    assert "ties 1 public or committed cells" in report.reason


def test_salt_does_not_excuse_committed_parameters(tmp_path: Path) -> None:
    """Their commitment binds nothing, so all of them look like salt; yet what the gates read has no source."""
    pk, settings, vk = build(tmp_path, CIRCUITS["committed params"])
    sizes = tuple(load_settings(settings)["module_sizes"]["polycommit"])
    report = audit_wiring(pk, settings, vk, salt=sizes)
    assert groups(report)["salt"].open_cells == 0
    assert report.verdict is Wiring.UNLINKED
    assert groups(report)["gate inputs"].open_cells > 0


def test_salt_on_the_command_line_and_as_json(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pk, settings, vk = map(str, files)
    paths, out = ["--pk", pk, "--settings", settings, "--vk", vk], tmp_path / "report.json"
    assert main([*paths, "--salt", "2", "3", "0", "--json", str(out)]) == 0
    assert (
        "salt                                       5         0         5         0  linked" in capsys.readouterr().out
    )
    assert main(paths) == 1
    assert main([*paths, "--salt", "1", "3", "0"]) == 1
    assert main([*paths, "--salt", "3", "3", "0"]) == 1
    assert main([*paths, "--salt", "2", "3"]) == 2
    assert "give 3 numbers" in capsys.readouterr().err
    for usage in ([], ["x"]):
        with pytest.raises(SystemExit):
            main([*paths, "--salt", *usage])

    report = json.loads(json.dumps(audit_to_json(pk=pk, settings=settings, vk=vk, salt=[2, 3, 0])))
    assert (report["verdict"], report["salt"]) == ("linked", [2, 3, 0])
    written = json.loads(out.read_text())
    assert {**written, "seconds": 0} == {**report, "seconds": 0}
    assert audit_to_json(pk=pk, settings=settings)["verdict"] == "unlinked"


def test_salt_is_kept_in_reports_of_circuits_that_are_not_modelled(files: Files, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(files[1].read_text())
    edit_settings(settings, "", num_shuffles=1)
    report = audit_wiring(files[0], settings, salt=SALT)
    assert (report.verdict, report.salt, report.groups) == (Wiring.UNCHECKED, SALT, ())
