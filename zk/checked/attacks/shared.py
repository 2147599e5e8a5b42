"""Networks cut in two: columns that both parts hold, and parts of different runs."""

from __future__ import annotations

import dataclasses
from functools import partial

from zk.checked.attacks.claims import LAST, false_result
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import OTHER_SAMPLE, Attack, Lab
from zk.checked.attacks.ranges import own_keys
from zk.checked.attacks.scenes import CUT
from zk.checked.attacks.weaker import silent_checks
from zk.checked.transcript import Statement
from zk.checked.verify import POINT_BYTES


def _replayed(index: int, lab: Lab) -> Forgery:
    """One part of another run: the class is of one input, the image of the other."""
    parts = list(lab.honest(CUT).parts)
    parts[index] = lab.honest(CUT, OTHER_SAMPLE).parts[index]
    return Forgery(lab.system(CUT), tuple(parts))


def _exchanged(lab: Lab) -> Forgery:
    return dataclasses.replace(lab.honest(CUT), parts=lab.honest(CUT).parts[::-1])


def _last_alone(lab: Lab) -> Forgery:
    """The part that gives the image out, without the one that takes the class in."""
    return dataclasses.replace(lab.honest(CUT), parts=lab.honest(CUT).parts[1:])


def _pasted(lab: Lab) -> Forgery:
    """The second part of another run; its proof opens with the commitment that the first one makes."""
    return _with_pasted(lab, asked=False)


def _pasted_and_asked(lab: Lab) -> Forgery:
    """The same, under the challenge of the pasted commitment."""
    return _with_pasted(lab, asked=True)


def _with_pasted(lab: Lab, *, asked: bool) -> Forgery:
    first, other = lab.honest(CUT).parts[0], lab.cheater(CUT, OTHER_SAMPLE)
    shared = first.proof[2 * POINT_BYTES : 3 * POINT_BYTES]

    def challenge(known: Statement) -> bytes:
        points = (known.commitments[0], shared) if asked else known.commitments
        return dataclasses.replace(known, commitments=points).seed

    second = other.prove(other.honest, 1, challenge=challenge)
    proof = second.proof[:POINT_BYTES] + shared + second.proof[2 * POINT_BYTES :]
    return Forgery(lab.system(CUT), (first, dataclasses.replace(second, proof=proof)))


def _second_zero(lab: Lab) -> Forgery:
    """A false image in the second part alone, every vector of which is zero."""
    cheater = lab.cheater(CUT)
    witness = false_result(cheater, LAST, 1000)
    second = cheater.prove(witness, 1, asked=lambda asked: [0] * len(asked))
    return Forgery(cheater.system, (lab.honest(CUT).parts[0], second))


def _second_garbage(lab: Lab) -> Forgery:
    """A false image in the second part alone; its proof is for nonzero checks, its bundle says zeros."""
    cheater = lab.cheater(CUT)
    second = cheater.prove(false_result(cheater, LAST, 1000), 1)
    checks, *others = second.public_values
    zeros = dataclasses.replace(second, public_values=((0,) * len(checks), *others))
    return Forgery(cheater.system, (lab.honest(CUT).parts[0], zeros))


def _second_silent(lab: Lab) -> Forgery:
    """A false image in the second part alone, with a key whose checks are zero."""
    cheater = lab.cheater(CUT)
    second = cheater.prove(false_result(cheater, LAST, 1000), 1, keys=own_keys(lab, CUT, silent_checks, 1))
    return Forgery(cheater.system, (lab.honest(CUT).parts[0], second))


ATTACKS = (
    Attack("second part replayed", "class of one run, image of another", "boundaries", partial(_replayed, 1)),
    Attack("first part replayed", "the same the other way round", "boundaries", partial(_replayed, 0)),
    Attack("parts exchanged", "each part's proof in the other's place", "settings", _exchanged),
    Attack("last part alone", "an image without the part that reads the class", "model", _last_alone),
    Attack(
        "boundary pasted in",
        "second part replayed; its proof opens with the first one's boundary",
        "challenge",
        _pasted,
    ),
    Attack(
        "boundary pasted in, asked for", "the same, under the challenge of that boundary", "ezkl", _pasted_and_asked
    ),
    Attack("zero challenge, second part", "false image; the second part's vectors are zero", "challenge", _second_zero),
    Attack(
        "false proof, second part", "false image; the second part's checks recorded as zero", "ezkl", _second_garbage
    ),
    Attack(
        "silent checks, second part", "false image; a key of the second part without checks", "rebuild", _second_silent
    ),
)
