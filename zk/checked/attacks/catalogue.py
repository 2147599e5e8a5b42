"""All attacks, and how the tables of attacks and mutations are made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from zk.checked.attacks import challenges, claims, keys, late, ranges, replays, shared
from zk.checked.attacks.lab import ACCEPTED, Attack, Lab, Verdict
from zk.checked.attacks.mutations import Mutation
from zk.checked.attacks.scenes import CUT, WHOLE
from zk.checked.attacks.system import PATIENCE
from zk.types import Budget

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for module in (claims, challenges, late, ranges, replays, shared, keys)
    for attack in module.ATTACKS
}


@dataclass(frozen=True)
class Mutant:
    """What became of one mutation.

    Attributes:
        mutation: which.
        honest: whether honest bundles are still accepted; else it is no mutation but a fault.
        verdict: of its exploit.
    """

    mutation: Mutation
    honest: bool
    verdict: Verdict

    @property
    def as_expected(self) -> bool:
        """Whether honest bundles pass, and the exploit ended as foreseen."""
        return self.honest and self.verdict.outcome == self.mutation.outcome


@contextlib.contextmanager
def mutated(lab: Lab, mutation: Mutation) -> Iterator[Lab]:
    """Within the context, prover and verifier lack what the mutation takes away; the lab's proofs fit that."""
    with mutation.patch():
        changed = lab.again(new_keys=mutation.keys) if mutation.keys or mutation.proofs else lab
        changed.patient, changed.patience = True, Budget(PATIENCE.memory_bytes, 10 * PATIENCE.wall_seconds)
        try:
            yield changed
        finally:
            changed.patient, changed.patience = False, PATIENCE


def try_mutation(lab: Lab, mutation: Mutation) -> Mutant:
    """Try honest bundles, and the exploit, without what the mutation takes away."""
    scenes = (WHOLE, CUT) if mutation.proofs or mutation.keys else (WHOLE,)
    with mutated(lab, mutation) as changed:
        honest = all(changed.verify(changed.honest(scene)).outcome == ACCEPTED for scene in scenes)
        return Mutant(mutation, honest, changed.attempt(ATTACKS[mutation.exploit]))


def accepted_without(lab: Lab, mutation: Mutation) -> tuple[str, ...]:
    """Names of all attacks that pass under a mutation; slow ones are tried only where they are its exploit."""
    with mutated(lab, mutation) as changed:
        found = [mutation.exploit] if changed.attempt(ATTACKS[mutation.exploit]).outcome == ACCEPTED else []
        changed.patient, changed.patience = False, PATIENCE
        others = [attack for attack in ATTACKS.values() if not attack.slow and attack.name != mutation.exploit]
        return (*found, *(attack.name for attack in others if changed.attempt(attack).outcome == ACCEPTED))
