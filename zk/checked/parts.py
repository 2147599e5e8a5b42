"""A program as one circuit or several: what each part computes, and the committed columns that tie them together.

A cut is possible where nothing but claimed values (and the network's inputs) crosses it. These values get a column of
their own, which the part that claims them writes and the parts behind read. The network's inputs get one column for
each set of parts that read them; the first of these parts shows their range or gives them out. The proofs of all parts
that hold a column carry the commitment to it, and the verifier compares these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zk.checked.errors import CheckedError
from zk.checked.program import Claim, Exact, Foreign, Lookup, Program, Raise, Step, Times, Value

GIVEN = "given"
OPENINGS = 3
"""Points at most at which a proof opens a committed column."""


@dataclass(frozen=True)
class Column:
    """One committed tensor.

    Attributes:
        name: unique in the program.
        values: what it holds, one behind the other.
        salt: random elements at the end, which nothing reads.
    """

    name: str
    values: tuple[Value, ...]
    salt: int

    @property
    def size(self) -> int:
        """Number of elements, salt included."""
        return sum(value.size for value in self.values) + self.salt


@dataclass(frozen=True, eq=False)
class Part:
    """One circuit.

    Attributes:
        index: position among the parts.
        program: what it is a part of.
        steps: what it computes.
        reads: columns of the network's inputs that it reads, then those that earlier parts write.
        writes: columns that later parts read.
        claimed: the column of its own claims; its values are the results, then the remainders.
        public_inputs: inputs of the network that it gives out: those that no earlier part reads.
        outputs: outputs of the network that it gives out: those that it computes.
        ranged: values of the columns that it reads whose range it shows: private inputs that no earlier part reads, and
            what earlier parts claim.
    """

    index: int
    program: Program
    steps: tuple[Step, ...]
    reads: tuple[Column, ...]
    writes: tuple[Column, ...]
    claimed: Column
    public_inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    ranged: tuple[Value, ...]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Its claimed products."""
        return tuple(step for step in self.steps if isinstance(step, Claim))

    @property
    def columns(self) -> tuple[Column, ...]:
        """Committed columns in the order of the circuit's inputs, the one that the verifier asks for left out."""
        return (self.claimed, *self.reads, *self.writes)


def remainder_of(claim: Claim) -> Value:
    """The remainder of a divided claim, as a value."""
    return Value(f"{claim.output.name}#rest", claim.output.shape, claim.output.bits, 0)


def split_program(program: Program, cuts: Sequence[int] = ()) -> tuple[Part, ...]:
    """Cut a program in front of the given steps.

    Raises:
        CheckedError: something other than claimed values or inputs crosses a cut.
    """
    bounds = [0, *cuts, len(program.steps)]
    if sorted(set(bounds)) != bounds:
        raise CheckedError(f"cuts must rise from 1 to {len(program.steps) - 1}; got {list(cuts)}")
    salt = program.options.salt if program.options.private_inputs else 0
    given = _given(program, bounds, salt)
    written = _crossing(program, bounds, salt)
    parts = []
    for index, (start, stop) in enumerate(itertools.pairwise(bounds)):
        steps = program.steps[start:stop]
        needed = {value.name for step in steps for value in inputs_of(step)}
        reads = [column for readers, column in given if index in readers]
        owned = [column for readers, column in given if index == min(readers)]
        reads += [column for column in written[:index] if needed & {value.name for value in column.values}]
        writes = [column for column in written[index : index + 1] if column.values]
        parts.append(_part(program, index, steps, reads, writes, owned, salt))
    return tuple(parts)


def possible_cuts(program: Program) -> tuple[int, ...]:
    """Steps in front of which a program can be cut so that a claim is left on either side."""
    found = []
    inputs = {value.name for value in program.inputs}
    outputs = {value.name for value in program.outputs}
    for place in range(1, len(program.steps)):
        before, step = program.steps[:place], program.steps[place]
        crossing = _live(program, place) - inputs
        worth_it = all(any(isinstance(s, Claim) for s in side) for side in (before, program.steps[place:]))
        # outputs are raised right behind their claims: cut between the two, a later part would read the claim for that
        parted = isinstance(step, Raise) and step.output.name in outputs
        if worth_it and not parted and crossing <= set(_shareable(before)):
            found.append(place)
    return tuple(found)


def separate_cuts(program: Program) -> tuple[int, ...]:
    """All cuts that nothing but the network's inputs crosses, a claim in every part."""
    found: list[int] = []
    inputs = {value.name for value in program.inputs}
    for place in possible_cuts(program):
        fresh = program.steps[found[-1] if found else 0 : place]
        if _live(program, place) <= inputs and any(isinstance(step, Claim) for step in fresh):
            found.append(place)
    return tuple(found)


def even_cuts(program: Program, parts: int, weigh: Callable[[Step], int]) -> tuple[int, ...]:
    """Cuts into so many parts that the heaviest is as light as it can be.

    Args:
        program: to cut.
        parts: how many.
        weigh: cost of a step.

    Raises:
        CheckedError: it cannot be cut into so many.
    """
    places = possible_cuts(program)
    if parts - 1 > len(places):
        raise CheckedError(f"the network can be cut into at most {len(places) + 1} parts; got {parts}")
    sums = [0]
    for step in program.steps:
        sums.append(sums[-1] + weigh(step))

    def heaviest(cuts: tuple[int, ...]) -> int:
        bounds = [0, *cuts, len(program.steps)]
        return max(sums[stop] - sums[start] for start, stop in itertools.pairwise(bounds))

    cuts: tuple[int, ...] = ()
    while len(cuts) < parts - 1:  # one cut after the other, each the best that is left; then moved while that helps
        cuts = min((tuple(sorted((*cuts, place))) for place in places if place not in cuts), key=heaviest)
    improved = True
    while improved:
        moves = [
            tuple(sorted((*(c for c in cuts if c != old), new))) for old in cuts for new in places if new not in cuts
        ]
        better = min(moves, key=heaviest, default=cuts)
        improved = heaviest(better) < heaviest(cuts)
        cuts = better if improved else cuts
    return cuts


def inputs_of(step: Step) -> tuple[Value, ...]:
    """Values that a step reads."""
    if isinstance(step, (Raise, Lookup)):
        return (step.input,)
    assert isinstance(step, (Claim, Exact, Foreign, Times))
    return step.inputs


def _given(program: Program, bounds: list[int], salt: int) -> list[tuple[frozenset[int], Column]]:
    """Columns of the network's inputs, each with the parts that read it; an input that none reads is the first's."""
    groups: dict[frozenset[int], list[Value]] = {}
    needed = [
        {value.name for step in program.steps[start:stop] for value in inputs_of(step)}
        for start, stop in itertools.pairwise(bounds)
    ]
    for value in program.inputs:
        readers = frozenset(index for index, names in enumerate(needed) if value.name in names)
        groups.setdefault(readers or frozenset({0}), []).append(value)
    names = [GIVEN] if len(groups) == 1 else [f"{GIVEN}_{number}" for number in range(len(groups))]
    return [
        (readers, Column(name, tuple(values), _salt_for(salt, len(readers))))
        for name, (readers, values) in zip(names, groups.items(), strict=True)
    ]


def _crossing(program: Program, bounds: list[int], salt: int) -> list[Column]:
    """The column that each cut adds: claimed values that cross it and are in no earlier column."""
    columns: list[Column] = []
    inputs = {value.name for value in program.inputs}
    held: set[str] = set()
    for number, place in enumerate(bounds[1:-1], 1):
        claimed = _shareable(program.steps[:place])
        crossing = _live(program, place) - inputs
        if not crossing <= set(claimed):
            raise CheckedError(
                f"only claimed values may cross a cut; {sorted(crossing - set(claimed))} cross the one before step "
                f"{place}; possible are {possible_cuts(program)}"
            )
        new = tuple(claimed[name] for name in claimed if name in crossing - held)
        held |= {value.name for value in new}
        names = {value.name for value in new}
        readers = sum(
            any(names & {value.name for value in inputs_of(step)} for step in program.steps[start:stop])
            for start, stop in itertools.pairwise(bounds[number:])
        )
        columns.append(Column(f"boundary_{number}", new, _salt_for(salt, 1 + readers)))
    return columns


def _salt_for(salt: int, holders: int) -> int:
    """Salt of a column that so many parts hold: each proof opens it, and one element more than openings hides it."""
    return max(salt, OPENINGS * holders + 1) if salt else 0


def _shareable(steps: Sequence[Step]) -> dict[str, Value]:
    """Claimed values that another part can show the range of: not those whose range only the verifier sees."""
    return {step.output.name: step.output for step in steps if isinstance(step, Claim) and step.in_range != "output"}


def _live(program: Program, place: int) -> set[str]:
    """Names of values that exist before a step and are read from it on."""
    before = {step.output.name for step in program.steps[:place]} | {value.name for value in program.inputs}
    return before & {value.name for step in program.steps[place:] for value in inputs_of(step)}


def _part(
    program: Program,
    index: int,
    steps: tuple[Step, ...],
    reads: Sequence[Column],
    writes: Sequence[Column],
    owned: Sequence[Column],
    salt: int,
) -> Part:
    claims = [step for step in steps if isinstance(step, Claim)]
    elsewhere = {value.name for column in writes for value in column.values}
    results = [claim.output for claim in claims if claim.output.name not in elsewhere]
    rests = [remainder_of(claim) for claim in claims if claim.divided]
    if not results and not rests and not salt:
        raise CheckedError(
            f"every circuit must claim a product, since EZKL commits to no empty column; number {index} claims none"
        )
    made = {step.output.name for step in steps}
    inputs = {value.name for value in program.inputs}
    first_read = {value.name for column in owned for value in column.values}
    secret = first_read - {value.name for value in program.public_inputs}
    return Part(
        index=index,
        program=program,
        steps=steps,
        reads=tuple(reads),
        writes=tuple(writes),
        claimed=Column("claim", (*results, *rests), salt),
        public_inputs=tuple(value for value in program.public_inputs if value.name in first_read),
        outputs=tuple(value for value in program.outputs if value.name in made),
        ranged=tuple(v for column in reads for v in column.values if v.name not in inputs or v.name in secret),
    )
