"""The layout model against tiny keys whose rows can be worked out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from audit_circuits import CHECKED_IO, MATMUL, NO_REBASE, WITH, Circuit, Function, build, matmul
from torch import nn

from zk.audit_key import ProvingKey, open_proving_key
from zk.audit_layout import Layout, UnknownLayout, expected_columns, read_layout
from zk.circuit_cost import circuit_cost, load_settings
from zk.types import Wiring


def laid_out(folder: Path, circuit: Circuit) -> tuple[ProvingKey, Layout]:
    pk, settings_path, _ = build(folder, circuit)
    key, settings = open_proving_key(pk), load_settings(settings_path)
    return key, read_layout(settings, circuit_cost(settings), key.columns, key.selectors)


def used(key: ProvingKey, layout: Layout) -> dict[tuple[str, bool, int | None], list[int]]:
    """Rows of the gates that are on somewhere, by kind, whether they carry, and the column written."""
    rows: dict[tuple[str, bool, int | None], list[int]] = {}
    for gate in layout.gates:
        if gate.writes is not None:
            rows.setdefault((gate.kind, gate.carries, gate.writes), []).extend(key.active_rows(gate.selector).tolist())
    return {name: sorted(found) for name, found in rows.items() if found}


def circuit(function: Callable[..., torch.Tensor], *shapes: tuple[int, ...], **options: Any) -> Circuit:
    return Circuit(lambda: Function(function), shapes, {**NO_REBASE, **options}, 8)


@pytest.mark.parametrize(
    ("function", "kind"),
    [(torch.add, "add"), (torch.sub, "subtract"), (torch.mul, "multiply")],
)
def test_elementwise_gates(tmp_path: Path, function: Callable[..., torch.Tensor], kind: str) -> None:
    """Rows 0..2 hold the six inputs, 3..4 the three results two by two, 5..6 their equality with the outputs."""
    key, layout = laid_out(tmp_path, circuit(function, (1, 3), (1, 3)))
    assert used(key, layout) == {(kind, False, 4): [3, 4], (kind, False, 5): [3]}
    reads = {gate.writes: gate.reads for gate in layout.gates if gate.kind == kind}
    assert reads == {4: (0, 2), 5: (1, 3)}
    assert (layout.public_inputs, layout.public_outputs, layout.instance) == (6, 3, 6)
    assert list(layout.constants) == []


def test_dot_products(tmp_path: Path) -> None:
    """Five inputs in rows 0..2; each output takes a start and two continuations; then the bias."""
    model = Circuit(lambda: nn.Linear(5, 2), ((1, 5),), NO_REBASE, 8)
    key, layout = laid_out(tmp_path, model)
    assert used(key, layout) == {
        ("dot", False, 4): [3, 6],
        ("dot", True, 4): [4, 5, 7, 8],
        ("add", False, 4): [9],
        ("add", False, 5): [9],
    }
    assert {gate.reads for gate in layout.gates if gate.kind == "dot"} == {(0, 1, 2, 3)}
    assert list(layout.constants) == [6]


def test_sums_and_products(tmp_path: Path) -> None:
    key, layout = laid_out(tmp_path / "sum", circuit(lambda x: x.sum(1), (1, 7)))
    assert used(key, layout) == {("sum", False, 4): [4], ("sum", True, 4): [5, 6, 7]}
    assert {gate.reads for gate in layout.gates if gate.kind == "sum"} == {(2, 3)}
    key, layout = laid_out(tmp_path / "product", circuit(lambda x: x.prod(1), (1, 7)))
    found = used(key, layout)
    assert found["product", False, 4] == [4]
    assert found["product", True, 4] == [5, 6, 7]


def test_lookups_and_range_checks(tmp_path: Path) -> None:
    """The three inputs end in the middle of row 1, and lookups go on from there."""
    key, layout = laid_out(tmp_path / "lookup", circuit(torch.tanh, (1, 3)))
    assert used(key, layout) == {("lookup", False, 4): [2], ("lookup", False, 5): [1, 2]}
    key, layout = laid_out(tmp_path / "ranges", circuit(F.relu, (1, 3)))
    checked = [key.active_rows(g.selector).size for g in layout.gates if g.kind == "range check"]
    assert sum(checked) == 3 * (1 + 2)  # a sign and two digits for each element
    assert all(g.writes is None for g in layout.gates if g.kind == "range check")


def test_blocks_come_operand_by_operand(tmp_path: Path) -> None:
    key, layout = laid_out(tmp_path, Circuit(lambda: nn.Linear(20, 8), ((1, 20),), NO_REBASE, 6))
    assert key.columns == 3 * 4 + 1 + 1
    starts = {gate.writes: gate.reads for gate in layout.gates if gate.kind == "dot"}
    assert starts == {8: (0, 1, 4, 5), 10: (2, 3, 6, 7)}
    rows = used(key, layout)
    dots = sum(len(found) for (kind, _, _), found in rows.items() if kind == "dot")
    assert dots == 8 * 10
    assert 0 not in rows["dot", True, 10]  # row 0 of a later block repeats the end of the block before it
    assert layout.equalities == ((0, 4, 8, 0), (1, 5, 9, 0), (2, 6, 10, 1), (3, 7, 11, 1))


@pytest.mark.parametrize("width", [1, 3])
def test_other_numbers_of_inner_columns(tmp_path: Path, width: int) -> None:
    key, layout = laid_out(tmp_path, circuit(torch.add, (1, 3), (1, 3), num_inner_cols=width))
    assert key.columns == 3 * width + 1
    assert sum(len(rows) for rows in used(key, layout).values()) == 3


def test_committed_values_have_the_first_columns(tmp_path: Path) -> None:
    options = {"input_visibility": "polycommit", **CHECKED_IO}
    _, layout = laid_out(tmp_path, circuit(lambda a, b: a + b.sum(), (1, 3), (1, 2), **options))
    assert layout.committed == (3, 2)
    assert (layout.public_inputs, layout.public_outputs) == (0, 3)
    assert min(min(gate.reads) for gate in layout.gates) == 2


def test_freivalds_gates(tmp_path: Path) -> None:
    """W [2, 3] times X [3, 2], whose result Y is squashed by one challenge for each of its axes.

    Combinations: the rows of Y and then their results (rows 0..2), the columns of W (4..6), the rows of X (7..9), each
    short enough for one row; then the dot product of the last two in two rows, and its product with nothing.
    """
    key, layout = laid_out(tmp_path, Circuit(matmul((2, 3)), ((3, 2),), {**NO_REBASE, **WITH}))
    assert key.columns == 8 + 6 * 2
    assert used(key, layout) == {
        ("Freivalds combination", False, 18): [0, 1, 2, 4, 5, 6, 7, 8, 9],
        ("Freivalds dot", False, 18): [10],
        ("Freivalds dot", True, 18): [11],
        ("Freivalds product", False, 18): [12],
    }


def test_settings_of_another_circuit_do_not_fit(tmp_path: Path) -> None:
    pk, settings_path, _ = build(tmp_path, MATMUL)
    key, settings = open_proving_key(pk), load_settings(settings_path)

    def refused(changed: dict[str, Any]) -> UnknownLayout:
        with pytest.raises(UnknownLayout) as caught:
            read_layout(changed, circuit_cost(changed), key.columns, key.selectors)
        return caught.value

    args = settings["run_args"]
    wider, ranged = {**settings, "run_args": {**args, "num_inner_cols": 3}}, [[0, 1]]
    assert "the key has 8 and 12" in str(refused(wider))
    assert "the key has 8 and 12" in str(refused({**settings, "required_range_checks": ranged}))
    assert "the key has 8 and 12" in str(refused({**settings, "num_rows": 10**6}))
    assert "more public" in str(refused({**settings, "model_instance_shapes": [[600], [2, 2]]}))
    assert "hashed" in str(refused({**settings, "run_args": {**args, "input_visibility": {"Hashed": {}}}}))
    assert "shuffles" in str(refused({**settings, "num_shuffles": 1}))
    assert "without public" in str(refused({**settings, "run_args": {**args, "output_visibility": "Private"}}))
    assert refused(wider).verdict is Wiring.UNCHECKED
    fewer = {**settings, "total_const_size": 0}
    assert expected_columns(fewer, circuit_cost(fewer)) == 7
    assert refused(fewer).verdict is Wiring.UNLINKED
    assert "beyond" in str(refused(fewer))


def test_rows_that_assert_an_equality_hold_both_sides(tmp_path: Path) -> None:
    key, layout = laid_out(tmp_path, circuit(torch.add, (1, 3), (1, 3)))
    busy = np.unique(np.concatenate([key.active_rows(gate.selector) for gate in layout.gates]))
    assert busy.tolist() == [3, 4]
    assert layout.equalities == ((0, 2, 4, 0), (1, 3, 5, 0))


def test_settings_that_claim_more_than_the_key_has_are_refused_at_once(tmp_path: Path) -> None:
    pk, settings_path, _ = build(tmp_path, MATMUL)
    key, settings = open_proving_key(pk), load_settings(settings_path)
    many = {**settings, "num_rows": 10**12}
    with pytest.raises(UnknownLayout, match=r"describe \d+ .* columns and \d+ selectors; the key has 8 and 12"):
        read_layout(many, circuit_cost(many), key.columns, key.selectors)
    nameless = {**settings, "run_args": {**settings["run_args"], "input_visibility": []}}
    with pytest.raises(UnknownLayout, match="hashed"):
        read_layout(nameless, circuit_cost(nameless), key.columns, key.selectors)


def test_columns_beyond_the_settings_are_unlinked_however_few_the_selectors(tmp_path: Path) -> None:
    pk, settings_path, _ = build(tmp_path, MATMUL)
    key, settings = open_proving_key(pk), load_settings(settings_path)
    bare = {**settings, "total_const_size": 0, "required_range_checks": [[0, 1]] * 9}
    with pytest.raises(UnknownLayout, match="beyond the 7") as caught:
        read_layout(bare, circuit_cost(bare), key.columns, key.selectors)
    assert caught.value.verdict is Wiring.UNLINKED
