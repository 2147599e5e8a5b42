"""The rules on circuits of a few cells, and every single cut of real ones."""

from pathlib import Path

import numpy as np
import pytest
from audit_circuits import CIRCUITS, build, cut

from zk.audit import audit_wires
from zk.audit_key import open_proving_key
from zk.audit_layout import Gate, Layout, read_layout
from zk.audit_links import Findings, Wires, examine
from zk.audit_permutation import cycle_labels, read_successors
from zk.circuit_cost import circuit_cost, load_settings
from zk.types import Wiring

ROWS = 8
LEFT, RIGHT, OUT, CONST, PUBLIC = range(5)
KINDS = ("add", "subtract", "multiply", "dot", "lookup", "range check", "Freivalds dot")
Cell = tuple[int, int]


def toy(
    active: dict[str, list[int]],
    cycles: list[list[Cell]],
    *,
    inputs: int = 0,
    outputs: int = 0,
    committed: int = 0,
    salt: int = 0,
    ones: tuple[int, ...] = (),
    zeros: tuple[int, ...] = (),
    private_values: int | None = 0,
) -> Findings:
    """Judge a circuit of eight rows: left, right, output, constants, public values; "dot+" carries."""
    gates = [
        Gate(
            i,
            kind.rstrip("+"),
            (LEFT,) if kind in ("lookup", "range check") else (LEFT, RIGHT),
            None if kind == "range check" else OUT,
            kind.endswith("+"),
        )
        for i, kind in enumerate(active)
    ]
    layout = Layout((), range(CONST, CONST + 1), PUBLIC, inputs, outputs, tuple(gates), ((LEFT, RIGHT, OUT, 0),))
    if committed:
        layout = Layout((committed,), range(3, 4), PUBLIC, inputs, outputs, tuple(gates), (), (salt,))
    successor = np.arange(5 * ROWS, dtype=np.uint32)
    for cycle in cycles:
        cells = [column * ROWS + row for column, row in cycle]
        successor[cells] = np.roll(cells, -1)
    rows = list(active.values())
    wires = Wires(
        successor,
        layout,
        ROWS,
        lambda selector: np.array(rows[selector], np.int64),
        np.array([CONST * ROWS + row for row in ones], np.int64),
        np.array([CONST * ROWS + row for row in zeros], np.int64),
    )
    return examine(wires, private_values=private_values)


def lost(findings: Findings) -> dict[str, int]:
    return {group.name: group.open_cells for group in findings.groups if group.open_cells}


def hints(findings: Findings) -> dict[str, int]:
    return {group.name: group.hint_cells for group in findings.groups if group.hint_cells}


INPUT, WEIGHT = [(PUBLIC, 0), (LEFT, 0)], [(CONST, 0), (RIGHT, 0)]
RESULT = [(OUT, 0), (PUBLIC, 1)]


def test_an_addition_from_public_input_to_public_output() -> None:
    findings = toy({"add": [0]}, [INPUT, WEIGHT, RESULT], inputs=1, outputs=1)
    assert lost(findings) == {}
    assert hints(findings) == {}
    assert findings.linked_cells == 6
    found = {group.name: (group.cells, group.linked_cells, group.verdict) for group in findings.groups}
    assert found == {
        "public inputs": (1, 1, Wiring.LINKED),
        "public outputs": (1, 1, Wiring.LINKED),
        "constants": (1, 1, Wiring.LINKED),
        "gate inputs": (2, 2, Wiring.LINKED),
        "outputs of add": (1, 1, Wiring.LINKED),
    }


def test_each_missing_copy_is_open_on_both_sides() -> None:
    def without(cycle: list[Cell]) -> dict[str, int]:
        kept = [c for c in (INPUT, WEIGHT, RESULT) if c is not cycle]
        return lost(toy({"add": [0]}, kept, inputs=1, outputs=1))

    assert without(INPUT) == {"public inputs": 1, "gate inputs": 1}
    assert without(WEIGHT) == {"gate inputs": 1}
    assert without(RESULT) == {"public outputs": 1, "outputs of add": 1}


def test_a_tensor_checked_here_and_used_there_is_open() -> None:
    """The shape of a Freivalds einsum: y = a + b ends in a lone cell, and the square reads another one."""
    cycles = [INPUT, WEIGHT, [(LEFT, 1), (RIGHT, 1)], [(OUT, 1), (PUBLIC, 1)]]
    findings = toy({"add": [0], "multiply": [1]}, cycles, inputs=1, outputs=1)
    assert lost(findings) == {"gate inputs": 2, "outputs of add": 1}


def test_values_of_freivalds_columns_are_never_excused() -> None:
    findings = toy({"Freivalds dot": [0]}, [[(OUT, 0), (PUBLIC, 0)]], outputs=1, private_values=None)
    assert lost(findings) == {"Freivalds inputs": 2}
    assert findings.free_values == 0


def test_private_values_are_excused_up_to_their_number() -> None:
    def judged(limit: int | None) -> tuple[dict[str, int], int]:
        # one private value read twice, another once
        cycles = [[(LEFT, 0), (LEFT, 1)], [(RIGHT, 0), (CONST, 0)], [(OUT, 0), (OUT, 1), (PUBLIC, 0)]]
        findings = toy({"add": [0, 1]}, cycles, outputs=1, private_values=limit)
        return lost(findings), findings.free_values

    assert judged(None) == ({}, 2)
    assert judged(2) == ({}, 2)
    assert judged(1) == ({"gate inputs": 3}, 2)


def test_an_accumulator_reads_the_row_above() -> None:
    cycles = [[(PUBLIC, 0), (LEFT, 1), (RIGHT, 1), (LEFT, 2), (RIGHT, 2)], [(OUT, 2), (PUBLIC, 1)]]
    assert lost(toy({"dot": [1], "dot+": [2]}, cycles, inputs=1, outputs=1)) == {}
    assert lost(toy({"dot+": [2]}, [cycles[0][:1] + cycles[0][3:], cycles[1]], inputs=1, outputs=1)) == {
        "gate inputs": 1  # nothing starts the sum
    }


def test_digits_are_hints_if_a_gate_reads_them() -> None:
    cycles = [[(LEFT, 0), (LEFT, 1)], [(CONST, 0), (RIGHT, 1)], [(OUT, 1), (PUBLIC, 0)]]
    findings = toy({"range check": [0], "multiply": [1]}, cycles, outputs=1)
    assert lost(findings) == {}
    assert hints(findings) == {"range-checked cells": 1, "gate inputs": 1}
    cut_off = toy({"range check": [0], "multiply": [1]}, cycles[1:], outputs=1)
    assert lost(cut_off) == {"range-checked cells": 1, "gate inputs": 1}


def test_a_public_output_is_no_source_and_a_digit_neither() -> None:
    cycle = [(LEFT, 0), (PUBLIC, 0)]
    assert lost(toy({"range check": [0]}, [cycle], outputs=1)) == {"public outputs": 1}
    assert lost(toy({"lookup": [0]}, [cycle, [(OUT, 0), (PUBLIC, 1)]], outputs=2)) == {
        "public outputs": 1,
        "lookup inputs": 1,
    }


def test_passing_an_input_through_is_linked_and_ignoring_it_is_not() -> None:
    assert lost(toy({}, [[(PUBLIC, 0), (OUT, 0), (PUBLIC, 1)]], inputs=1, outputs=1)) == {}
    assert lost(toy({}, [[(PUBLIC, 0), (OUT, 0)]], inputs=1)) == {"public inputs": 1}


def test_two_writers_of_one_cycle_assert_an_equality() -> None:
    inputs = [(PUBLIC, 0), (LEFT, 0), (RIGHT, 0), (LEFT, 1), (RIGHT, 1)]
    assert lost(toy({"add": [0], "multiply": [1]}, [inputs, [(OUT, 0), (OUT, 1)]], inputs=1)) == {}
    assert lost(toy({"add": [0], "multiply": [1]}, [inputs], inputs=1)) == {
        "outputs of add": 1,
        "outputs of multiply": 1,
    }


def test_a_row_that_asserts_an_equality_has_one_cycle() -> None:
    inputs = [(PUBLIC, 0), (LEFT, 0), (RIGHT, 0), (LEFT, 1), (RIGHT, 1)]
    both = [(OUT, 0), (RIGHT, 2), (OUT, 2), (OUT, 1)]
    whole = toy({"add": [0], "multiply": [1]}, [inputs, both], inputs=1)
    assert lost(whole) == {}
    assert [group.cells for group in whole.groups if group.name == "equalities"] == [2]
    read = [[(OUT, 0), (RIGHT, 2), (LEFT, 3)], [(OUT, 2), (OUT, 1), (RIGHT, 3)], [(OUT, 3), (PUBLIC, 1)]]
    halves = toy({"add": [0, 3], "multiply": [1]}, [inputs, *read], inputs=1, outputs=1)
    assert lost(halves) == {"equalities": 2}  # both halves have a writer and a reader


IS_ZERO = {"multiply": [1, 3], "subtract": [2]}


def is_zero(*, product: Cell = (OUT, 1), one: Cell = (CONST, 0), zero: Cell = (CONST, 1)) -> dict[str, int]:
    """``p = x * inverse`` in row 1, ``z = 1 - p`` in row 2, ``x * z = 0`` in row 3."""
    cycles = [
        [(PUBLIC, 0), (LEFT, 1), (LEFT, 3)],
        [product, (RIGHT, 2)],
        [one, (LEFT, 2)],
        [(OUT, 2), (RIGHT, 3), (PUBLIC, 1)],
        [(OUT, 3), zero],
    ]
    return lost(toy(IS_ZERO, cycles, inputs=1, outputs=1, ones=(0,), zeros=(1,)))


def test_the_inverse_of_an_is_zero_gadget_is_a_hint() -> None:
    assert is_zero() == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"one": (CONST, 2)}, {"gate inputs": 1}),
        ({"zero": (CONST, 2)}, {"gate inputs": 1}),
        ({"product": (CONST, 3)}, {"gate inputs": 1, "outputs of multiply": 1}),
    ],
)
def test_an_is_zero_gadget_must_be_whole(changes: dict[str, Cell], expected: dict[str, int]) -> None:
    assert is_zero(**changes) == expected


def test_committed_values_must_be_read() -> None:
    gates = {"lookup": [0, 1]}
    # column 0 is the committed one, so the toy's lookups read it themselves in rows 0 and 1
    assert lost(toy(gates, [[(OUT, 0), (PUBLIC, 0)], [(OUT, 1), (PUBLIC, 1)]], outputs=2, committed=2)) == {}
    assert lost(toy(gates, [[(OUT, 0), (PUBLIC, 0)], [(OUT, 1), (PUBLIC, 1)]], outputs=2, committed=3)) == {
        "committed values": 1
    }


def test_salt_must_be_alone_and_read_by_no_gate() -> None:
    def found(rows: list[int], *more: list[Cell], salt: int = 1) -> tuple[dict[str, int], dict[str, int]]:
        cycles = [[(OUT, row), (PUBLIC, at)] for at, row in enumerate(rows)]
        findings = toy({"lookup": rows}, [*cycles, *more], outputs=len(rows), committed=3, salt=salt)
        return lost(findings), hints(findings)

    assert found([0, 1]) == ({}, {"salt": 1})
    assert found([0, 1], salt=0) == ({"committed values": 1}, {})
    assert found([0, 1], salt=2) == ({"salt": 1}, {"salt": 1})  # a gate reads it where it stands
    assert found([0, 1], [(LEFT, 2), (RIGHT, 7)]) == ({"salt": 1}, {})
    assert found([0, 1], [(LEFT, 2), (LEFT, 0)]) == ({"salt": 1}, {})
    assert found([0, 1, 2], salt=3) == ({"salt": 3}, {})


@pytest.mark.parametrize("name", ["elementwise", "matmul", "matmul relu", "residual relu", "matmul committed input"])
def test_no_single_cut_goes_unnoticed(tmp_path: Path, name: str) -> None:
    """Take one cell that matters out of its cycle, leaving another that matters: some cell must become open."""
    pk, settings_path, _ = build(tmp_path, CIRCUITS[name])
    key, settings = open_proving_key(pk), load_settings(settings_path)
    layout = read_layout(settings, circuit_cost(settings), key.columns, key.selectors)
    successor, _ = read_successors(key.permutation_values, key.logrows)
    wires = audit_wires(key, layout, successor)
    assert lost(examine(wires, private_values=0)) == {}
    matters = np.zeros(successor.size, bool)
    for cells in (wires.inputs, wires.outputs, wires.committed, wires.constants):
        matters[cells] = True
    for _, reads, writes in wires.gates():
        matters[reads] = matters[writes] = True
    labels = cycle_labels(successor)
    shared = np.bincount(labels[matters], minlength=labels.size)[labels] > 1
    targets = np.flatnonzero(matters & shared)
    chosen = np.random.default_rng(0).permutation(targets)[:100]
    assert chosen.size > 10
    unnoticed = [
        divmod(int(cell), wires.rows)
        for cell in chosen
        if not lost(examine(audit_wires(key, layout, cut(successor, np.array([cell]))), private_values=0))
    ]
    assert unnoticed == []
