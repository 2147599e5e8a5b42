"""False tensors under an honest challenge: the checks themselves must show them."""

from __future__ import annotations

from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import Attack, Lab
from zk.checked.attacks.prover import Cheater, Witness
from zk.checked.attacks.scenes import UPSCALED, WHOLE

FIRST, LAST = 0, 4
NUDGE = 20
"""What a false element differs by; far from the ends of the tables."""


def false_result(cheater: Cheater, claim: int = FIRST, by: int = NUDGE) -> Witness:
    """A run in which one element of one claim is false and everything behind follows from it."""
    result, rest = cheater.names(claim)
    items = list(cheater.honest.values[result])
    items[0] += by
    changed = cheater.follow({claim: items})
    return changed.with_values({rest: cheater.honest.values[rest]}) if rest in changed.values else changed


def _quotient(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, false_result(cheater))


def _remainder(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    rest = cheater.names(UPSCALED)[1]
    by = -1 if cheater.honest.values[rest][0] > 0 else 1
    return lab.bundle(cheater, cheater.honest.moved(rest, 0, by))


def _raw(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, false_result(cheater, LAST, 1000))


def _swapped_elements(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    names = cheater.names(UPSCALED)
    items = [list(cheater.honest.values[name]) for name in names]
    other = next(index for index, value in enumerate(items[0]) if value != items[0][0])
    for found in items:
        found[0], found[other] = found[other], found[0]
    changed = cheater.follow({UPSCALED: items[0]}).with_values({names[1]: items[1]})
    return lab.bundle(cheater, changed)


def _hidden(lab: Lab) -> Forgery:
    """The proof gives nonzero checks out; the bundle says zeros."""
    forgery = _quotient(lab)
    checks, *others = forgery.parts[0].public_values
    return forgery.with_part(public_values=((0,) * len(checks), *others))


def _shown(lab: Lab) -> Forgery:
    """The prover puts zeros for the checks into the statement that it proves."""
    cheater = lab.cheater(WHOLE)

    def zeros(public: list[list[int]]) -> None:
        public[0] = [0] * len(public[0])

    return lab.bundle(cheater, false_result(cheater), shown=zeros)


ATTACKS = (
    Attack("false quotient", "one activation of the first layer; all behind it consistent", "zero_checks", _quotient),
    Attack("false remainder", "one remainder of a convolution", "zero_checks", _remainder),
    Attack("false raw result", "one pixel of the last product", "zero_checks", _raw),
    Attack("exchanged elements", "two elements of one result change places", "zero_checks", _swapped_elements),
    Attack("checks recorded as zero", "false quotient; the bundle holds zeros for its checks", "ezkl", _hidden),
    Attack("checks proved as zero", "false quotient; the proof is made for zeros", "ezkl", _shown),
)
