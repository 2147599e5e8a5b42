"""The cheating prover: the honest one's steps, each of which can be done in another way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zk.bundle import BundlePart
from zk.checked.asked import asked_tensor
from zk.checked.attacks.system import Keys, System
from zk.checked.circuit import PartCircuit
from zk.checked.columns import column_key, committed_values, draw_salt
from zk.checked.evaluate import quantise, run_program
from zk.checked.layout import ClaimSpans
from zk.checked.parts import Part, remainder_of
from zk.checked.program import Claim, Program
from zk.checked.statement import part_statement
from zk.checked.transcript import Statement
from zk.field import MODULUS
from zk.types import Budget

Values = dict[str, list[int]]
Challenge = Callable[[Statement], bytes]
Salt = dict[str, list[int]]


@dataclass(frozen=True)
class Witness:
    """Integers of a whole run, true or not.

    Attributes:
        values: what columns may hold, by name, flat.
        outputs: of the network, by name, flat.
    """

    values: Values
    outputs: Values

    def with_values(self, changed: Mapping[str, Sequence[int]]) -> Witness:
        """A copy with other values; an output that is itself claimed follows."""
        values = self.values | {name: list(items) for name, items in changed.items()}
        outputs = {name: list(changed.get(_claimed(name, values), items)) for name, items in self.outputs.items()}
        return Witness(values, outputs)

    def moved(self, name: str, index: int, by: int) -> Witness:
        """A copy with one value moved."""
        items = list(self.values[name])
        items[index] += by
        return self.with_values({name: items})


@dataclass(frozen=True)
class Draft:
    """A part before it is proved.

    Attributes:
        columns: of its commitments.
        commitments: in hex.
        statement: that these make.
        asked: what the challenge asks for.
    """

    columns: list[list[int]]
    commitments: list[str]
    statement: Statement
    asked: list[int]


def honest_challenge(statement: Statement) -> bytes:
    """The seed that the protocol prescribes."""
    return statement.seed


class Cheater:
    """Proves whatever it is told for one input.

    Args:
        system: to cheat.
        inputs: latent and class, real numbers.
        budget: prove in child processes within these limits, as values that no table holds make EZKL wait forever.
    """

    def __init__(self, system: System, inputs: Sequence[Tensor], budget: Budget | None = None) -> None:
        self.system = system
        self._budget = budget
        self.integers = quantise(system.circuit.program, inputs)
        self.honest = self.follow({})
        self.salt: Salt = draw_salt([part.part for part in system.circuit.parts])

    def follow(self, instead: Mapping[int, Sequence[int]], integers: Sequence[Tensor] | None = None) -> Witness:
        """Compute the network with false results of some claims; everything behind follows from them.

        Args:
            instead: flat results by the claim's index; remainders become zeros.
            integers: other inputs.
        """
        program = _with_results(self.system.circuit.program, instead)
        given = self.integers if integers is None else tuple(integers)
        run = run_program(program, given, self.system.circuit.foreign.values)
        values = {name: _flat(found) for name, found in committed_values(program, given, run).items()}
        outputs = {slot.name: _flat(found) for slot, found in zip(program.outputs, run.outputs, strict=True)}
        return Witness(values, outputs)

    def claim(self, index: int) -> Claim:
        """One of the claims."""
        return self.system.circuit.program.claims[index]

    def spans(self, index: int) -> ClaimSpans:
        """Where a claim lies in the columns of its part."""
        for part in self.system.circuit.parts:
            for claim, spans in zip(part.part.claims, part.layout.claims, strict=True):
                if claim.index == index:
                    return spans
        raise IndexError(index)

    def names(self, index: int) -> tuple[str, str]:
        """Names of a claim's result and of its remainder."""
        claim = self.claim(index)
        return claim.output.name, remainder_of(claim).name

    def fill(self, part: Part, values: Values) -> list[list[int]]:
        """The part's columns."""
        return [
            [item for value in column.values for item in values[value.name]] + self.salt[column_key(part, column)]
            for column in part.columns
        ]

    def draft(
        self,
        witness: Witness,
        index: int = 0,
        *,
        keys: Keys | None = None,
        challenge: Challenge = honest_challenge,
        part: Part | None = None,
    ) -> Draft:
        """Commit to a part and compute its challenge.

        Args:
            witness: what to commit to.
            index: of the part.
            keys: other keys than the system's.
            challenge: gives the seed.
            part: whose vectors are computed instead.
        """
        circuit, keys = self.system.circuit.parts[index], keys or self.system.keys[index]
        columns = self.fill(circuit.part, witness.values)
        commitments = keys.commit(columns)
        public = public_values(circuit, witness)
        statement = part_statement(self.system.circuit, circuit, keys.vk, keys.settings, commitments, public)
        asked = asked_tensor(part or circuit.part, circuit.layout, challenge(statement))
        return Draft(columns, commitments, statement, asked)

    def prove(
        self,
        witness: Witness,
        index: int = 0,
        *,
        keys: Keys | None = None,
        challenge: Challenge = honest_challenge,
        asked: Callable[[list[int]], list[int]] | None = None,
        shown: Callable[[list[list[int]]], None] | None = None,
        budget: Budget | None = None,
    ) -> BundlePart:
        """Prove one part.

        Args:
            witness: values, true or not.
            index: of the part.
            keys: other keys than the system's.
            challenge: gives the seed.
            asked: changes what is asked for.
            shown: changes the public values before they are proved.
            budget: of a child process, where EZKL may hang.
        """
        draft = self.draft(witness, index, keys=keys, challenge=challenge)
        changed = draft.asked if asked is None else asked(draft.asked)
        return self.prove_columns(draft.columns, changed, index, keys=keys, shown=shown, budget=budget)

    def prove_late(self, witness: Witness, draft: Draft, index: int = 0) -> BundlePart:
        """Prove other values than those that the challenge was computed from."""
        columns = self.fill(self.system.circuit.parts[index].part, witness.values)
        return self.prove_columns(columns, draft.asked, index)

    def prove_columns(
        self,
        columns: list[list[int]],
        asked: list[int],
        index: int = 0,
        *,
        keys: Keys | None = None,
        shown: Callable[[list[list[int]]], None] | None = None,
        budget: Budget | None = None,
    ) -> BundlePart:
        """Prove columns."""
        keys = keys or self.system.keys[index]
        proof, public = keys.prove([*columns, asked], shown, budget or self._budget)
        return BundlePart(proof, tuple(tuple(tensor) for tensor in public), keys.settings, keys.vk)

    def prove_all(self, witness: Witness | None = None) -> tuple[BundlePart, ...]:
        """Prove every part by the rules."""
        return tuple(self.prove(witness or self.honest, index) for index in range(len(self.system.keys)))

    def check_value(self, draft: Draft, claim: int, index: int = 0) -> int:
        """Value of one check of a part: the claim's side less the input's.

        EZKL brings all checks to the greatest declared scale before it gives them out.
        """
        claims = self.system.circuit.parts[index].part.claims
        place = [found.index for found in claims].index(claim)
        scale = max(declared_bits(found) for found in claims)
        found = self.system.keys[index].outputs([*draft.columns, draft.asked])[0][place]
        return found * pow(2, -scale, MODULUS) % MODULUS


def declared_bits(claim: Claim) -> int:
    """Scale of a claim's check in EZKL: that of the input's side."""
    return sum(value.declared for value in claim.inputs)


def public_values(circuit: PartCircuit, witness: Witness) -> list[int]:
    """Public values of a part without its checks."""
    found = [item for value in circuit.part.public_inputs for item in witness.values[value.name]]
    return found + [item for value in circuit.part.outputs for item in witness.outputs[value.name]]


def _with_results(program: Program, instead: Mapping[int, Sequence[int]]) -> Program:
    """The program with constant maps in the place of some claims'."""

    def changed(claim: Claim) -> Claim:
        assert claim.map is not None
        factor = program.options.divisor if claim.divided else 1
        result = as_tensor(instead[claim.index], claim.output.shape) * factor
        constant = dataclasses.replace(claim.map, weight=torch.zeros_like(claim.map.weight), bias=result)
        return dataclasses.replace(claim, map=constant, lift=1)

    steps = tuple(
        changed(step) if isinstance(step, Claim) and step.index in instead else step for step in program.steps
    )
    return dataclasses.replace(program, steps=steps)


def _claimed(output: str, values: Values) -> str:
    """Name of the claimed value that an output is a raised copy of, or the output's own."""
    stem = output.rsplit("_s", 1)[0]
    return stem if stem in values else output


def _flat(found: Tensor) -> list[int]:
    return [int(item) for item in found.flatten()]


def as_tensor(items: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Integers as a tensor."""
    return torch.tensor(list(items), dtype=torch.int64).reshape(tuple(shape))
