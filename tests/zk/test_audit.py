"""Verdicts of the wiring audit on real keys of sound and unsound circuits."""

import json
from pathlib import Path

import pytest
from audit_circuits import CIRCUITS, NO_REBASE, OTHERS, PLAIN, Circuit, Function, build
from tiny_networks import edit_settings

from zk.audit import WiringReport, audit_to_json, audit_wiring
from zk.audit_links import Group
from zk.circuit_cost import load_settings
from zk.types import Wiring


def group(report: WiringReport, name: str) -> Group:
    return next(found for found in report.groups if found.name == name)


SLOWER = ("matmul committed input", "batched matmul")
PAIRS = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOWER else []) for name in PLAIN]


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_model_is_linked_without_and_unlinked_with_freivalds(tmp_path: Path, name: str) -> None:
    linked = audit_wiring(*build(tmp_path / "without", CIRCUITS[name]))
    assert linked.verdict is Wiring.LINKED
    assert linked.columns == linked.expected_columns
    assert linked.linked_public_values == linked.public_values > 0
    assert linked.free_values == 0
    assert all(found.open_cells == 0 and found.verdict is Wiring.LINKED for found in linked.groups)

    pk, settings, vk = build(tmp_path / "with", CIRCUITS[f"{name}, Freivalds"])
    report = audit_wiring(pk, settings, vk)
    assert report.verdict is Wiring.UNLINKED
    assert "disable_freivalds=True" in report.reason
    assert report.columns > report.expected_columns == linked.expected_columns
    used = load_settings(settings)["einsum_params"]["total_einsum_col_size"]
    assert used > 0

    edit_settings(settings, "einsum_params", total_einsum_col_size=0)  # settings that deny it: the key still shows it
    denied = audit_wiring(pk, settings)
    assert denied.verdict is Wiring.UNLINKED
    assert "disable_freivalds" not in denied.reason
    checked = group(denied, "Freivalds inputs")
    assert checked.cells == checked.linked_cells + checked.open_cells
    assert checked.verdict is Wiring.UNLINKED
    elements = {"matmul deep": 4 + 4, "matmul after conv": 8, "batched matmul": 8}
    assert checked.open_cells == elements.get(name, 4)  # every element of every product, as it is checked


def test_freivalds_of_a_lone_product_ties_its_outputs_to_no_gate(tmp_path: Path) -> None:
    report = audit_wiring(*build(tmp_path, CIRCUITS["matmul, Freivalds"]))
    assert group(report, "public outputs").open_cells == 4
    assert report.linked_public_values == report.public_values - 4


@pytest.mark.parametrize("name", OTHERS)
def test_other_circuits(tmp_path: Path, name: str) -> None:
    circuit = CIRCUITS[name]
    report = audit_wiring(*build(tmp_path, circuit), private_values=circuit.private_values)
    assert report.verdict is (Wiring.LINKED if circuit.sound else Wiring.UNLINKED)


def test_hints_of_a_relu_are_its_digits_signs_and_inverses(tmp_path: Path) -> None:
    report = audit_wiring(*build(tmp_path, CIRCUITS["residual relu"]))
    inputs, ranged = group(report, "gate inputs"), group(report, "range-checked cells")
    assert 0 < inputs.hint_cells < inputs.cells
    assert inputs.linked_cells + inputs.hint_cells == inputs.cells
    assert ranged.hint_cells == ranged.cells
    assert {"public inputs", "public outputs", "constants", "outputs of multiply", "equalities"} <= {
        found.name for found in report.groups
    }


def test_committed_parameters_bind_nothing(tmp_path: Path) -> None:
    report = audit_wiring(*build(tmp_path, CIRCUITS["committed params"]))
    committed = group(report, "committed values")
    assert (committed.cells, committed.linked_cells) == (8, 0)
    assert report.free_values == 8


def test_private_values_need_their_number(tmp_path: Path) -> None:
    pk, settings, vk = build(tmp_path, CIRCUITS["linear private params"])
    unknown = audit_wiring(pk, settings, vk)
    assert unknown.verdict is Wiring.UNCHECKED
    assert "8 values are read from nowhere" in unknown.reason
    enough = audit_wiring(pk, settings, vk, private_values=8)
    assert enough.verdict is Wiring.LINKED
    assert enough.reason == (
        f"in {enough.columns} columns every value read has a source, every value written is used, "
        f"{enough.public_values} public values tied; 8 private values are read from nowhere, as they may be"
    )
    fewer = audit_wiring(pk, settings, vk, private_values=7)
    assert fewer.verdict is Wiring.UNLINKED
    assert "8 values are read from nowhere, and only 7 are private" in fewer.reason
    edit_settings(settings, "run_args", param_visibility="Fixed")
    assert audit_wiring(pk, settings, vk, private_values=8).verdict is Wiring.UNLINKED


def test_a_private_weight_of_a_matrix_product_is_read_afresh(tmp_path: Path) -> None:
    report = audit_wiring(*build(tmp_path, CIRCUITS["matmul private params"]), private_values=6)
    assert report.free_values == 12  # six weights, two columns
    assert report.verdict is Wiring.UNLINKED


def test_a_model_that_ignores_an_input_is_refused(tmp_path: Path) -> None:
    circuit = Circuit(lambda: Function(lambda x: x[:, :2] + x[:, :2]), ((1, 3),), NO_REBASE, 8)
    report = audit_wiring(*build(tmp_path, circuit))
    assert report.verdict is Wiring.UNLINKED
    assert "1 of 3 public inputs" in report.reason


def test_kinds_that_are_not_modelled_are_unchecked(tmp_path: Path) -> None:
    pk, settings, _ = build(tmp_path, CIRCUITS["elementwise"])
    edit_settings(settings, "", num_shuffles=1)
    assert audit_wiring(pk, settings).verdict is Wiring.UNCHECKED
    edit_settings(settings, "", num_shuffles=0)
    edit_settings(settings, "run_args", input_visibility={"Hashed": {"hash_is_public": True, "outlets": []}})
    report = audit_wiring(pk, settings)
    assert report.verdict is Wiring.UNCHECKED
    assert "hashed" in report.reason
    assert report.groups == ()


def test_a_hashed_input_is_unchecked(tmp_path: Path) -> None:
    options = {"input_visibility": "hashed", "ignore_range_check_inputs_outputs": False, **NO_REBASE}
    circuit = Circuit(lambda: Function(lambda x: x + x), ((1, 2),), options)
    assert audit_wiring(*build(tmp_path, circuit)).verdict is Wiring.UNCHECKED


def test_the_report_is_json(tmp_path: Path) -> None:
    pk, settings, vk = map(str, build(tmp_path, CIRCUITS["elementwise"]))
    report = json.loads(json.dumps(audit_to_json(pk=pk, settings=settings, vk=vk)))
    assert report["verdict"] == "linked"
    assert report["reason"].startswith("in 8 columns every value read has a source")
    assert report["groups"][0]["name"] == "public inputs"
    assert report["seconds"] > 0
