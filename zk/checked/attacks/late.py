"""Values chosen after the challenge, small enough for every table, so that all checks are zero."""

from __future__ import annotations

import dataclasses

import torch.nn.functional as F

from zk.checked.asked import asked_tensor
from zk.checked.attacks.claims import FIRST, LAST, NUDGE
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import Attack, Lab
from zk.checked.attacks.lattice import small_solution
from zk.checked.attacks.prover import Cheater, Draft, Witness, as_tensor, declared_bits, honest_challenge
from zk.checked.attacks.scenes import CUT, LATENT, UPSCALED, WHOLE, draw_network, write_module
from zk.checked.circuit import build_checked
from zk.checked.layout import ClaimSpans
from zk.checked.transcript import Statement
from zk.field import MODULUS
from zk.types import Budget

UNKNOWNS = 44
"""Values that are chosen late: 44 integers of 9 bits solve an equation of 254 bits with room to spare."""


def solved_remainders(cheater: Cheater, witness: Witness, draft: Draft) -> Witness:
    """Choose remainders of the convolution before the last so that its check is zero."""
    weights = combination(cheater.spans(UPSCALED), draft.asked)[:UNKNOWNS]
    found = small_solution(weights, -cheater.check_value(draft, UPSCALED))
    rest = cheater.names(UPSCALED)[1]
    items = list(witness.values[rest])
    for index, change in enumerate(found):
        items[index] += change
    return witness.with_values({rest: items})


def combination(spans: ClaimSpans, asked: list[int], *, quotient: bool = False) -> list[int]:
    """What each element of a claim is multiplied with in its check."""
    rows = spans.weighted_rows if quotient else spans.rows
    assert rows is not None
    r = asked[rows.start : rows.stop]
    s = [1] if spans.columns is None else asked[spans.columns.start : spans.columns.stop]
    return [left * right % MODULUS for left in r for right in s]


def false_upscaled(cheater: Cheater) -> Witness:
    """A run with a false result of the convolution before the last, its remainders left at zero."""
    items = list(cheater.honest.values[cheater.names(UPSCALED)[0]])
    items[0] += NUDGE
    return cheater.follow({UPSCALED: items})


def _remainders(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    witness = false_upscaled(cheater)
    draft = cheater.draft(witness)
    return Forgery(cheater.system, (cheater.prove_late(solved_remainders(cheater, witness, draft), draft),))


def _pasted(lab: Lab) -> Forgery:
    """As before, but the proof opens with the commitments that the challenge was computed from."""
    cheater = lab.cheater(WHOLE)
    witness = false_upscaled(cheater)
    draft = cheater.draft(witness)
    part = cheater.prove_late(solved_remainders(cheater, witness, draft), draft)
    early = bytes.fromhex("".join(draft.commitments))
    return Forgery(cheater.system, (dataclasses.replace(part, proof=early + part.proof[len(early) :]),))


def _foreseen(lab: Lab) -> Forgery:
    """The challenge of a statement with empty commitments, computed before there is a tensor."""
    cheater = lab.cheater(WHOLE)
    witness = false_upscaled(cheater)

    def empty(statement: Statement) -> bytes:
        points = tuple(bytes(len(point)) for point in statement.commitments)
        return dataclasses.replace(statement, commitments=points).seed

    draft = cheater.draft(witness, challenge=empty)
    return Forgery(cheater.system, (cheater.prove_late(solved_remainders(cheater, witness, draft), draft),))


def _latent(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    items = list(cheater.honest.values[cheater.names(FIRST)[0]])
    items[0] += NUDGE
    witness = cheater.follow({FIRST: items})
    draft = cheater.draft(witness)
    spans = cheater.spans(FIRST).transposed
    scale = pow(2, -declared_bits(cheater.claim(FIRST)), MODULUS)
    weights = [-value * scale % MODULUS for value in draft.asked[spans.start : spans.start + LATENT]]
    found = small_solution(weights, -cheater.check_value(draft, FIRST))
    changed = witness.with_values(
        {"latent": [value + change for value, change in zip(witness.values["latent"], found, strict=True)]}
    )
    return Forgery(cheater.system, (cheater.prove_late(changed, draft),))


def _boundary(lab: Lab) -> Forgery:
    cheater = lab.cheater(CUT)
    witness = false_upscaled(cheater)
    draft = cheater.draft(witness)
    weights = combination(cheater.spans(UPSCALED), draft.asked, quotient=True)[:UNKNOWNS]
    found = small_solution(weights, -cheater.check_value(draft, UPSCALED))
    items = list(witness.values[cheater.names(UPSCALED)[0]])
    for index, change in enumerate(found):
        items[index] += change
    changed = cheater.follow({UPSCALED: items})
    return Forgery(cheater.system, (cheater.prove_late(changed, draft), cheater.prove(changed, 1)))


def _weights(lab: Lab) -> Forgery:
    """A false image first; then a network whose last layer fits its challenge, published as the model."""
    cheater = lab.cheater(WHOLE)
    claim, spans = cheater.claim(LAST), cheater.spans(LAST)
    assert claim.map is not None
    image = list(cheater.honest.values[cheater.names(LAST)[0]])
    image[0] += 1000
    witness = cheater.follow({LAST: image})
    draft = cheater.draft(witness)
    upscaled = as_tensor(cheater.honest.values[cheater.names(UPSCALED)[0]], cheater.claim(UPSCALED).output.shape)
    source, kernel = F.pixel_shuffle(upscaled, 2).double(), claim.map.weight
    folded = combination(spans, draft.asked)
    weights = []
    for index in range(UNKNOWNS):
        unit = F.one_hot(as_tensor([index], ()), kernel.numel()).double().reshape(kernel.shape)
        effect = claim.map.operation(source, unit).flatten().long().tolist()
        weights.append(-sum(a * b for a, b in zip(folded, effect, strict=True)) % MODULUS)
    found = small_solution(weights, -cheater.check_value(draft, LAST))
    changed = kernel.flatten().clone()
    changed[:UNKNOWNS] += as_tensor(found, (UNKNOWNS,))
    module = draw_network(WHOLE)
    options = cheater.system.circuit.program.options
    weight_bits = claim.output.bits - claim.inputs[0].bits
    module.last.weight.data = changed.reshape(kernel.shape).float() / 2.0**weight_bits
    folder = lab.place("network")
    folder.mkdir(parents=True)
    path = write_module(module, folder / "network.onnx")
    circuit = build_checked(path, options, folder, budget=Budget(4 << 30, 60.0))
    asked = asked_tensor(circuit.parts[0].part, circuit.parts[0].layout, honest_challenge(draft.statement))
    part = cheater.prove_columns(draft.columns, asked)
    return Forgery(dataclasses.replace(cheater.system, onnx_path=path, circuit=circuit), (part,))


ATTACKS = (
    Attack(
        "remainders after the challenge",
        "false quotient; remainders that make its check zero",
        "challenge",
        _remainders,
    ),
    Attack("early commitments pasted in", "the same; the proof opens with the commitments of before", "ezkl", _pasted),
    Attack("challenge before the tensors", "the same, for a challenge of empty commitments", "challenge", _foreseen),
    Attack("latent after the challenge", "false first layer; a latent that makes its check zero", "challenge", _latent),
    Attack("boundary after the challenge", "results that two parts share, chosen late", "challenge", _boundary),
    Attack("weights after the challenge", "false image; then a model that makes its check zero", "challenge", _weights),
)
