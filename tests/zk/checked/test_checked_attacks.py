"""A cheating prover against the whole verifier, and against verifiers that lack one thing."""

import dataclasses
import json
import operator
from collections.abc import Iterator
from pathlib import Path

import ezkl
import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from zk.checked.attacks.catalogue import ATTACKS, mutated, try_mutation
from zk.checked.attacks.lab import ACCEPTED, PROVER, Attack, Lab
from zk.checked.attacks.late import false_upscaled, solved_remainders
from zk.checked.attacks.lattice import reduce_basis, small_solution
from zk.checked.attacks.linear import solve_modulo
from zk.checked.attacks.mutations import MUTATIONS, Mutation
from zk.checked.attacks.patching import AnyInteger, Anything, replaced
from zk.checked.attacks.prover import Cheater
from zk.checked.attacks.scenes import (
    BUDGET,
    COARSE,
    CUT,
    OPEN,
    PRODUCT,
    UPSCALED,
    WHOLE,
    Scene,
    add_unread_table,
    write_module,
    write_network,
)
from zk.checked.circuit import build_checked
from zk.checked.errors import CheckedError
from zk.checked.transcript import draw_elements
from zk.checked.verify import CONTENT, POINT_BYTES, RECORD, STRUCTURE
from zk.field import MODULUS


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Keys and proofs, made once; one thread, as the tensors are tiny."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("attacks")
    yield Lab(folder, folder / "srs")
    torch.set_num_threads(threads)


def slow_ones(items: list[Attack]) -> list[object]:
    return [pytest.param(item, marks=[pytest.mark.slow] if item.slow else [], id=item.name) for item in items]


def is_slow(mutation: Mutation) -> bool:
    return mutation.keys or mutation.proofs or ATTACKS[mutation.exploit].slow


@pytest.mark.parametrize("scene", [WHOLE, CUT, OPEN, COARSE], ids=lambda scene: scene.name)
def test_honest_bundles_are_accepted(lab: Lab, scene: Scene) -> None:
    assert lab.verify(lab.honest(scene)).outcome == ACCEPTED


def test_other_salt_is_no_attack(lab: Lab) -> None:
    again = Cheater(lab.system(WHOLE), lab.inputs())
    assert again.salt != lab.cheater(WHOLE).salt
    assert lab.verify(lab.bundle(again, again.honest)).outcome == ACCEPTED


@pytest.mark.parametrize("attack", slow_ones(list(ATTACKS.values())))
def test_every_attack_fails_at_the_expected_check(lab: Lab, attack: Attack) -> None:
    assert attack.expected != ACCEPTED
    assert lab.attempt(attack).outcome == attack.expected


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(mutation, marks=[pytest.mark.slow] if is_slow(mutation) else [], id=mutation.name)
        for mutation in MUTATIONS
    ],
)
def test_without_a_check_its_exploit_is_accepted(lab: Lab, mutation: Mutation) -> None:
    """Where another check stands behind, the exploit fails there; the table says so, and does not count it."""
    found = try_mutation(lab, mutation)
    assert found.honest
    assert found.verdict.outcome == mutation.outcome


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(mutation, marks=[pytest.mark.slow] if mutation.keys else [], id=mutation.name)
        for mutation in MUTATIONS
        if mutation.name in ("seed: claims", "elements: their number", "lookups of remainders", "one claim's check")
    ],
)
def test_what_is_accepted_then_is_false(lab: Lab, mutation: Mutation) -> None:
    """The image is not the latent's, under the class that the bundle gives."""
    with mutated(lab, mutation) as changed:
        forgery = ATTACKS[mutation.exploit].forge(changed)
        assert changed.verify(forgery).outcome == ACCEPTED
        honest = changed.honest(WHOLE).parts[0].public_values
        assert forgery.parts[0].public_values[1] == honest[1]
        assert forgery.parts[0].public_values[2] != honest[2]


def test_ezkl_pastes_commitments_as_the_cheater_does(lab: Lab) -> None:
    """What EZKL offers for it replaces the first bytes of a proof, and no more."""
    cheater, keys = lab.cheater(WHOLE), lab.system(WHOLE).keys[0]
    draft = cheater.draft(false_upscaled(cheater))
    late = cheater.prove_late(solved_remainders(cheater, false_upscaled(cheater), draft), draft)
    keys.outputs([*draft.columns, draft.asked])
    ezkl.swap_proof_commitments(keys.path("proof.json"), keys.path("witness.json"))
    swapped = bytes(json.loads((keys.folder / "proof.json").read_text())["proof"])
    early = bytes.fromhex("".join(draft.commitments))
    assert swapped == early + late.proof[len(early) :]
    assert late.proof[:POINT_BYTES] != early[:POINT_BYTES]


def test_tables_hold_as_many_values_as_the_divisor(lab: Lab) -> None:
    """The greatest remainder can be looked up; with the one above, which EZKL waits for in vain, see the attacks."""
    cheater = lab.cheater(WHOLE)
    rest = cheater.names(UPSCALED)[1]
    half = cheater.system.circuit.program.options.half_range
    for end in (-half, half - 1):
        items = [end, *cheater.honest.values[rest][1:]]
        forgery = lab.bundle(cheater, cheater.honest.with_values({rest: items}), budget=lab.patience)
        assert lab.verify(forgery).outcome == "zero_checks"


@pytest.mark.slow
@pytest.mark.parametrize("side", [-1, 1])
def test_tables_hold_no_more(lab: Lab, side: int) -> None:
    cheater = lab.cheater(WHOLE)
    rest = cheater.names(UPSCALED)[1]
    half = cheater.system.circuit.program.options.half_range
    items = [half if side > 0 else -half - 1, *cheater.honest.values[rest][1:]]
    attack = Attack(
        f"beyond the end {side}",
        "",
        PROVER,
        lambda lab: lab.bundle(cheater, cheater.honest.with_values({rest: items}), budget=lab.patience),
    )
    assert lab.attempt(attack).outcome == PROVER


def test_names_are_unique() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert {mutation.exploit for mutation in MUTATIONS} <= set(ATTACKS)


def test_every_check_of_the_verifier_is_taken_away_once() -> None:
    checks = {*STRUCTURE, *CONTENT, *RECORD, "rebuild", "ezkl", "pinned"}
    named = " ".join(mutation.name for mutation in MUTATIONS)
    assert [check for check in sorted(checks) if check not in named] == []


def test_a_patch_ends_with_its_context() -> None:
    class Owner:
        value = 1

    with replaced(Owner, "value", 2):
        assert Owner.value == 2
    assert Owner.value == 1


def test_equal_to_anything() -> None:
    """On either side of a comparison, as the verifier's are."""
    for pair in ((Anything(), b"x"), (b"x", Anything()), (3, AnyInteger(5)), (AnyInteger(5), 3)):
        assert operator.eq(*pair)
        assert not operator.ne(*pair)
    assert AnyInteger(5) + 1 == 6


def test_small_solutions_of_one_equation() -> None:
    coefficients = draw_elements(b"lattice", 0, 44)
    found = small_solution(coefficients, 12345)
    assert sum(a * b for a, b in zip(coefficients, found, strict=True)) % MODULUS == 12345
    assert max(map(abs, found)) < 252  # p ** (1 / 44) is 56


def test_a_reduced_basis_spans_the_same_lattice() -> None:
    found = reduce_basis([[1, 0, 1345], [0, 1, 35], [0, 0, 154]])
    determinant = torch.linalg.det(torch.tensor(found, dtype=torch.float64))
    assert abs(abs(float(determinant)) - 154) < 1e-6
    assert all((row[0] * 1345 + row[1] * 35 - row[2]) % 154 == 0 for row in found)
    assert max(abs(value) for row in found for value in row) <= 8


def test_equations_modulo_a_prime() -> None:
    matrix, target = [[1, 2, 3], [2, 4, 1]], [1, 3]
    found = solve_modulo(matrix, target, 7, free=1)
    assert [sum(a * b for a, b in zip(row, found, strict=True)) % 7 for row in matrix] == target
    with pytest.raises(ValueError, match="contradict"):
        solve_modulo([[1, 1], [2, 2]], [1, 1], 7)


def test_values_that_could_go_round_the_field_are_refused(tmp_path: Path) -> None:
    """Also where no claim reads them. A private input is looked up, which keeps it small."""
    path = write_network(PRODUCT, tmp_path / "products.onnx")
    with pytest.raises(CheckedError, match="quarter of the field"):
        build_checked(path, PRODUCT.options, tmp_path, budget=BUDGET)
    hidden = dataclasses.replace(PRODUCT.options, private_inputs=("latent",))
    assert build_checked(path, hidden, tmp_path, budget=BUDGET).program.claims


class PowerGenerator(nn.Module):
    """A power that EZKL computes, times another input: public ones can go round the field."""

    def forward(self, latent: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        found = (latent[:, :8] ** 4 * latent[:, 8:16]).sum(1, keepdim=True)
        return found + latent[:, 16:].sum(1, keepdim=True) + label.sum(1, keepdim=True)


def test_powers_that_ezkl_computes_count_in_full(tmp_path: Path) -> None:
    """EZKL's own integers have 128 bits; a cheating prover's are field elements."""
    path = write_module(PowerGenerator(), tmp_path / "power.onnx")
    options = dataclasses.replace(OPEN.options, activation_bits=2)
    with pytest.raises(CheckedError, match="quarter of the field"):
        build_checked(path, options, tmp_path, budget=BUDGET)
    hidden = dataclasses.replace(options, private_inputs=("latent",))
    assert build_checked(path, hidden, tmp_path, budget=BUDGET).program.foreign


def test_a_table_that_nothing_reads_shows_no_range(tmp_path: Path) -> None:
    """EZKL's parser drops it; the result that it alone would look up gets a lookup of its own."""
    plain = write_network(WHOLE, tmp_path / "plain.onnx")
    unread = add_unread_table(plain, tmp_path / "unread.onnx")
    program = build_checked(unread, WHOLE.options, tmp_path, budget=BUDGET).program
    assert program.claims[UPSCALED].in_range == "lookup"
    assert [claim.in_range for claim in program.claims[:UPSCALED]] == ["table"] * UPSCALED


def test_nor_does_one_that_is_cut_off(tmp_path: Path) -> None:
    """A piece of a concatenation is taken from its source: the table of the other piece is dropped, too."""
    plain = write_network(WHOLE, tmp_path / "plain.onnx")
    model = onnx.load(str(plain))
    nodes = list(model.graph.node)
    place = [index for index, node in enumerate(nodes) if node.op_type == "Conv"][UPSCALED - 1]
    source = nodes[place].output[0]
    for node in nodes[place + 1 :]:
        node.input[:] = ["piece" if name == source else name for name in node.input]
    for name, value in (("start", 12), ("stop", 24), ("axis", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
    added = [
        helper.make_node("Relu", [source], ["table"], name="table"),
        helper.make_node("Concat", ["table", source], ["both"], name="both", axis=1),
        helper.make_node("Slice", ["both", "start", "stop", "axis"], ["piece"], name="piece"),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: place + 1], *added, *nodes[place + 1 :]])
    onnx.save(model, str(tmp_path / "cut.onnx"))
    program = build_checked(tmp_path / "cut.onnx", WHOLE.options, tmp_path, budget=BUDGET).program
    assert program.claims[UPSCALED].in_range == "lookup"
