"""A program as one circuit or several: what each part computes, and the committed columns that tie them together.

A cut is possible where nothing but claimed values (and the network's inputs) crosses it. These values get a column of
their own, which the part that claims them writes and the parts behind read. Both proofs carry the commitment to it, and
the verifier compares the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zk.checked.errors import CheckedError
from zk.checked.program import Claim, Exact, Foreign, Lookup, Program, Raise, Step, Times, Value

GIVEN = "given"


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
        reads: columns that others write; the first part's is the network's input.
        writes: columns that later parts read.
        claimed: the column of its own claims; its values are the results, then the remainders.
        public_inputs: inputs of the network that it gives out.
        outputs: outputs of the network that it gives out.
        ranged: values of the columns that it reads whose range it shows.
        idle: inputs of the network that its columns hold and nothing in it reads. They are added to what is given out
            times 0: the audit counts a cell that nothing reads as open.
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
    idle: tuple[Value, ...]

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
    given = Column(GIVEN, program.inputs, salt)
    written = _crossing(program, bounds, salt)
    parts = []
    for index in range(len(bounds) - 1):
        steps = program.steps[bounds[index] : bounds[index + 1]]
        last = index == len(bounds) - 2
        made = {step.output.name for step in steps}
        outputs = tuple(value for value in program.outputs if value.name in made)
        needed = {value.name for step in steps for value in inputs_of(step)}
        needed |= {value.name for value in program.outputs} if last else set()
        reads = [column for column in written[:index] if needed & {value.name for value in column.values}]
        held = {value.name for column in (given, *written[:index]) for value in column.values}
        outputs += tuple(v for v in program.outputs if last and v.name in held and v.name not in made)
        if index == 0 or needed & {value.name for value in program.inputs}:
            reads.insert(0, given)
        writes = [column for column in written[index : index + 1] if column.values]
        idle = tuple(value for value in program.inputs if index and given in reads and value.name not in needed)
        parts.append(_part(program, index, tuple(steps), tuple(reads), tuple(writes), outputs, idle, salt))
    return tuple(parts)


def possible_cuts(program: Program) -> tuple[int, ...]:
    """Steps in front of which a program can be cut so that a claim is left on either side."""
    found = []
    for place in range(1, len(program.steps)):
        crossing = _live(program, place)
        claimed = {step.output.name for step in program.steps[:place] if isinstance(step, Claim)}
        inputs = {value.name for value in program.inputs}
        worth_it = any(isinstance(step, Claim) for step in program.steps[place:])
        outputs = {value.name for value in program.outputs}
        if worth_it and crossing and crossing <= claimed | inputs and not outputs & claimed:
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


def _crossing(program: Program, bounds: list[int], salt: int) -> list[Column]:
    """The column that each cut adds: claimed values that cross it and are in no earlier column."""
    columns: list[Column] = []
    inputs = {value.name for value in program.inputs}
    held: set[str] = set()
    for number, place in enumerate(bounds[1:-1], 1):
        claimed = {step.output.name: step.output for step in program.steps[:place] if isinstance(step, Claim)}
        crossing = _live(program, place) - inputs
        if not crossing <= set(claimed):
            raise CheckedError(
                f"only claimed values may cross a cut; {sorted(crossing - set(claimed))} cross the one before step "
                f"{place}; possible are {possible_cuts(program)}"
            )
        new = tuple(claimed[name] for name in claimed if name in crossing - held)
        held |= {value.name for value in new}
        columns.append(Column(f"boundary_{number}", new, salt))
    return columns


def _live(program: Program, place: int) -> set[str]:
    """Names of values that exist before a step and are read from it on."""
    before = {step.output.name for step in program.steps[:place]} | {value.name for value in program.inputs}
    after = {value.name for step in program.steps[place:] for value in inputs_of(step)}
    return before & (after | {value.name for value in program.outputs})


def _part(
    program: Program,
    index: int,
    steps: tuple[Step, ...],
    reads: tuple[Column, ...],
    writes: tuple[Column, ...],
    outputs: tuple[Value, ...],
    idle: tuple[Value, ...],
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
    private = {value.name for value in program.inputs if value not in program.public_inputs}
    ranged = [
        value
        for column in reads
        for value in column.values
        if (column.name != GIVEN or index == 0) and (column.name != GIVEN or value.name in private)
    ]
    return Part(
        index=index,
        program=program,
        steps=steps,
        reads=reads,
        writes=writes,
        claimed=Column("claim", (*results, *rests), salt),
        public_inputs=program.public_inputs if index == 0 else (),
        outputs=outputs,
        ranged=tuple(ranged),
        idle=idle,
    )
