"""Challenges that are not the statement's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

from zk.checked.attacks.claims import FIRST, NUDGE, false_result
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import OTHER_SAMPLE, Attack, Lab
from zk.checked.attacks.prover import Cheater
from zk.checked.attacks.scenes import BUDGET, COARSE, CUT, UPSCALED, WHOLE
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.columns import draw_salt
from zk.checked.program import Claim
from zk.checked.transcript import Statement, canonical_settings

TRIES = 1000


def _zero(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, false_result(cheater), asked=lambda asked: [0] * len(asked))


def _zero_for_one(lab: Lab) -> Forgery:
    """Only the vectors of the false claim are zero."""
    cheater = lab.cheater(WHOLE)
    spans = cheater.spans(FIRST)

    def silenced(asked: list[int]) -> list[int]:
        found = list(asked)
        for span in (spans.rows, spans.weighted_rows, spans.columns, spans.transposed, spans.offset):
            if span is not None:
                found[span.start : span.stop] = [0] * span.size
        return found

    return lab.bundle(cheater, false_result(cheater), asked=silenced)


def _own_weights(lab: Lab) -> Forgery:
    """The run of another network, with the transposed products of its weights."""
    other = Cheater(dataclasses.replace(lab.system(WHOLE), circuit=_other_circuit(lab)), lab.inputs())
    digest = lab.system(WHOLE).circuit.digest
    part = other.prove(other.honest, challenge=lambda known: dataclasses.replace(known, program=digest).seed)
    return Forgery(lab.system(WHOLE), (part,))


def _other_circuit(lab: Lab) -> CheckedCircuit:
    options = lab.system(WHOLE).circuit.program.options
    return build_checked(lab.network(WHOLE, seed=1), options, lab.place("circuit"), budget=BUDGET)


def _other_layer(lab: Lab) -> Forgery:
    """Each claim gets the elements of the one before it."""
    cheater = lab.cheater(WHOLE)
    part = cheater.system.circuit.parts[0].part
    steps = tuple(
        dataclasses.replace(step, index=max(step.index - 1, 0)) if isinstance(step, Claim) else step
        for step in part.steps
    )
    draft = cheater.draft(cheater.honest, part=dataclasses.replace(part, steps=steps))
    return Forgery(cheater.system, (cheater.prove_columns(draft.columns, draft.asked),))


def _other_proof(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    other = lab.cheater(WHOLE, OTHER_SAMPLE)
    seed = other.draft(other.honest).statement.seed
    return lab.bundle(cheater, cheater.honest, challenge=lambda _: seed)


def _replaced(change: Callable[[Lab, Statement], Statement], lab: Lab) -> Forgery:
    """An honest run under the challenge of a statement that differs in one component."""
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, cheater.honest, challenge=lambda statement: change(lab, statement).seed)


def _other_statement(lab: Lab) -> Statement:
    other = lab.cheater(WHOLE, OTHER_SAMPLE)
    return other.draft(other.honest).statement


def _commitment(index: int, lab: Lab, statement: Statement) -> Statement:
    points = list(statement.commitments)
    points[index] = _other_statement(lab).commitments[index]
    return dataclasses.replace(statement, commitments=tuple(points))


COMPONENTS: dict[str, Callable[[Lab, Statement], Statement]] = {
    "key": lambda lab, known: dataclasses.replace(known, verification_key=lab.system(COARSE).keys[0].vk),
    "settings": lambda lab, known: dataclasses.replace(
        known, settings=canonical_settings(lab.system(COARSE).keys[0].settings)
    ),
    "program": lambda lab, known: dataclasses.replace(known, program=lab.system(COARSE).circuit.digest),
    "part": lambda lab, known: dataclasses.replace(known, part=known.part + 1),
    "claims": partial(_commitment, 0),
    "input": partial(_commitment, 1),
    "public values": lambda lab, known: dataclasses.replace(known, public=_other_statement(lab).public),
}
"""Components of a statement, each with one that comes from elsewhere."""


def _other_boundary(lab: Lab) -> Forgery:
    cheater, other = lab.cheater(CUT), lab.cheater(CUT, OTHER_SAMPLE)
    foreign = other.draft(other.honest).statement.commitments[-1]

    def challenge(statement: Statement) -> bytes:
        return dataclasses.replace(statement, commitments=(*statement.commitments[:-1], foreign)).seed

    first = cheater.prove(cheater.honest, challenge=challenge)
    return Forgery(cheater.system, (first, cheater.prove(cheater.honest, 1)))


def _ground(lab: Lab) -> Forgery:
    """New salt, and with it a new challenge, until the false element's weight is zero."""
    cheater = lab.cheater(WHOLE)
    witness = false_result(cheater, UPSCALED, NUDGE)
    mine = Cheater(cheater.system, lab.inputs())
    spans = cheater.spans(UPSCALED)
    assert spans.columns is not None
    for _ in range(TRIES if lab.patient else 3):
        draft = mine.draft(witness)
        if draft.asked[spans.rows.start] * draft.asked[spans.columns.start] == 0:
            break
        mine.salt = draw_salt([part.part for part in cheater.system.circuit.parts])
    return Forgery(cheater.system, (mine.prove_columns(draft.columns, draft.asked),))


ATTACKS = (
    Attack("all-zero challenge", "false quotient; every vector asked for is zero", "challenge", _zero),
    Attack("zero vectors for one claim", "the same for the false claim alone", "challenge", _zero_for_one),
    Attack(
        "the prover's own weights", "the image of another network, vectors of its weights", "challenge", _own_weights
    ),
    Attack(
        "challenge of another layer", "every claim checked with the vectors of its neighbour", "challenge", _other_layer
    ),
    Attack("challenge of another proof", "the seed of another input's proof", "challenge", _other_proof),
    *(
        Attack(
            f"challenge of another {name}",
            "the seed of a statement that differs in it",
            "challenge",
            partial(_replaced, change),
        )
        for name, change in COMPONENTS.items()
    ),
    Attack(
        "challenge of another boundary",
        "the seed of another commitment to what is shared",
        "challenge",
        _other_boundary,
    ),
    Attack("ground challenge", "false quotient; new salt until its weight is zero", "zero_checks", _ground),
)
