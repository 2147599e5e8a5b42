"""Which columns and gates a circuit of ezkl 23.0.5 has, and what each gate reads and writes.

Learnt from tiny keys whose layout can be predicted (``tests/zk/test_audit_layout.py`` holds them to it). With w inner
columns and b blocks the columns of the permutation are, in this order:

- one column for each tensor with visibility ``polycommit``: its values from row 0 down. Inputs come in the order of the
  graph's inputs, which is that of ``module_sizes`` in the settings, whichever of them the graph reads first;
- left operands, right operands, outputs: b times w columns each, block after block;
- constants (fixed), then the public values: inputs, then outputs;
- with Freivalds, six more operands of c times w columns: two of the first phase, two of the second (which hold random
  combinations), one output of each phase.

Selectors, in this order, each for every block and inner column (or, marked *, for every block only): add, subtract,
multiply; then* dot product, its continuation, product continuation and start, sum continuation and start; then every
lookup table, then every range table; then those of the Freivalds columns. A dot product, sum or product reads all inner
columns of a row and writes the first output column; a continuation also reads its own output one row above. A lookup
reads the left column and writes the output column, a range check reads the left column. A row without a gate whose
right and output cells hold values asserts that the two are equal (they are copies of both sides).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zk.circuit_cost import CircuitCost, block_count
from zk.errors import OptionError, ZkError
from zk.types import Wiring

_MODELLED = frozenset({"Public", "Private", "Fixed", "KZGCommit"})
_ACCUMULATORS = ("dot", "dot+", "product+", "product", "sum+", "sum")
FREIVALDS = "Freivalds"


class UnknownLayout(ZkError):
    """The key has columns or selectors that this module does not model.

    Attributes:
        verdict: unlinked if there are columns that no ordinary circuit has, else unchecked.

    """

    def __init__(self, verdict: Wiring, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict


@dataclass(frozen=True)
class Gate:
    """One gate: on in the rows of its selector.

    Attributes:
        selector: number of its selector bitmap.
        kind: what it computes; names starting with "Freivalds" are those of Freivalds columns.
        reads: columns read in the same row.
        writes: the column written in the same row; None for a range check.
        carries: whether it also reads the column it writes, one row above.

    """

    selector: int
    kind: str
    reads: tuple[int, ...]
    writes: int | None
    carries: bool = False


@dataclass(frozen=True)
class Layout:
    """Columns and gates of a circuit.

    Attributes:
        committed: number of values in each column of committed tensors; these columns come first.
        constants: columns of constants.
        instance: column of public values; None if there are none.
        public_inputs: public values that are inputs, from row 0 down.
        public_outputs: public values that are outputs, below the inputs.
        gates: all gates.
        equalities: for each inner column of each block: left, right and output column, and the first row that may
            hold an equality (row 0 of a later block repeats the end of the block before it).
        salt: how many values at the end of each column of committed tensors are salt, which nothing may read; empty if
            none are.

    """

    committed: tuple[int, ...]
    constants: range
    instance: int | None
    public_inputs: int
    public_outputs: int
    gates: tuple[Gate, ...]
    equalities: tuple[tuple[int, int, int, int], ...]
    salt: tuple[int, ...] = ()


def visibilities(settings: dict[str, Any]) -> dict[str, str]:
    """Visibility of input, output and param, by ezkl's name."""
    found = {name: settings["run_args"][f"{name}_visibility"] for name in ("input", "output", "param")}
    return {name: value if isinstance(value, str) else str(next(iter(value), "")) for name, value in found.items()}


def committed_sizes(settings: dict[str, Any]) -> tuple[int, ...]:
    """Number of values of each committed tensor, in the order of their columns."""
    return tuple(int(size) for size in settings["module_sizes"]["polycommit"] if size)


def check_salt(settings: dict[str, Any], salt: tuple[int, ...]) -> None:
    """Refuse numbers of salt cells that do not fit the committed tensors; no numbers always fit.

    Raises:
        OptionError: there are not as many numbers as committed tensors, or one is not within its tensor's size.

    """
    sizes = committed_sizes(settings)
    fits = len(salt) == len(sizes) and all(0 <= count <= size for count, size in zip(salt, sizes, strict=True))
    if salt and not fits:
        raise OptionError(
            "salt must give a number for each committed tensor, each from 0 to the tensor's size; the sizes are "
            f"{list(sizes)}, got {list(salt)}; give {len(sizes) or 'no'} numbers in the order of the sizes"
        )


def expected_columns(settings: dict[str, Any], cost: CircuitCost) -> int:
    """Permutation columns that the settings account for, Freivalds columns apart.

    Raises:
        ValueError: there are no inner columns.
    """
    if cost.num_inner_cols < 1:
        raise ValueError(f"num_inner_cols {cost.num_inner_cols}, of which there must be at least 1,")
    committed = len(committed_sizes(settings))
    constants = block_count(cost.total_const_size, cost.logrows) if cost.total_const_size else 0
    return committed + 3 * cost.num_inner_cols * cost.blocks + constants + (cost.public_values > 0)


def read_layout(
    settings: dict[str, Any], cost: CircuitCost, columns: int, selectors: int, *, salt: tuple[int, ...] = ()
) -> Layout:
    """Lay out a circuit as its settings say, if the key's own counts agree.

    Args:
        settings: ezkl's settings.
        cost: figures of the same settings.
        columns: permutation columns in the key.
        selectors: selector bitmaps in the key.
        salt: number of salt cells at the end of each committed tensor; empty: none.

    Raises:
        UnknownLayout: the circuit is of a kind that is not modelled, or the counts do not agree.
        OptionError: the salt does not fit the committed tensors.

    """
    check_salt(settings, salt)
    _refuse_unmodelled(settings, cost)
    width, blocks = cost.num_inner_cols, cost.blocks
    expected = expected_columns(settings, cost)
    committed = committed_sizes(settings)
    first = len(committed)
    operands = (first, first + width * blocks, first + 2 * width * blocks)
    constants = range(first + 3 * width * blocks, expected - (cost.public_values > 0))
    # Counted before they are made: settings may claim any number, and a key has few.
    ordinary = blocks * (width * (3 + cost.static_lookups + cost.range_checks) + len(_ACCUMULATORS))
    extra = columns - expected
    beyond = _freivalds_gates(expected, extra, width, ordinary, selectors) if extra > 0 else []
    if extra < 0 or ordinary + len(beyond) != selectors:
        raise UnknownLayout(
            Wiring.UNCHECKED,
            f"the settings describe {expected} permutation columns and {ordinary + len(beyond)} selectors; "
            f"the key has {columns} and {selectors}; give the settings that it was made from",
        )
    gates = _ordinary_gates(operands, width, blocks, cost.static_lookups, cost.range_checks) + beyond
    inputs, outputs = _public_counts(settings)
    if max(inputs + outputs, *committed, 0) > 1 << cost.logrows:
        raise UnknownLayout(Wiring.UNCHECKED, "the settings declare more public or committed values than rows")
    left, right, output = operands
    equalities = tuple((left + at, right + at, output + at, int(at >= width)) for at in range(width * blocks))
    instance = constants.stop if cost.public_values else None
    return Layout(committed, constants, instance, inputs, outputs, tuple(gates), equalities, salt)


def _refuse_unmodelled(settings: dict[str, Any], cost: CircuitCost) -> None:
    seen = visibilities(settings)
    if not set(seen.values()) <= _MODELLED:
        raise UnknownLayout(Wiring.UNCHECKED, f"hashed values have columns and gates of their own; found {seen}")
    if cost.dynamic_lookups or cost.shuffles:
        raise UnknownLayout(Wiring.UNCHECKED, "dynamic lookups and shuffles have columns and gates of their own")
    if seen["output"] not in ("Public", "KZGCommit"):
        raise UnknownLayout(
            Wiring.UNCHECKED, f"without public or committed outputs nothing need be linked; found {seen['output']}"
        )


def _public_counts(settings: dict[str, Any]) -> tuple[int, int]:
    """Numbers of public inputs and of public outputs; the shapes of the outputs come last."""
    sizes = []
    for shape in settings["model_instance_shapes"]:
        size = 1
        for side in shape:
            size *= int(side)
        sizes.append(size)
    outputs = len(settings["model_output_scales"]) if visibilities(settings)["output"] == "Public" else 0
    split = len(sizes) - outputs
    return sum(sizes[:split]), sum(sizes[split:])


def _ordinary_gates(operands: tuple[int, int, int], width: int, blocks: int, lookups: int, ranges: int) -> list[Gate]:
    left, right, output = operands
    gates: list[Gate] = []
    for at in range(width * blocks):
        for kind in ("add", "subtract", "multiply"):
            gates.append(Gate(len(gates), kind, (left + at, right + at), output + at))
    for at in range(0, width * blocks, width):
        rights = tuple(range(right + at, right + at + width))
        lefts = tuple(range(left + at, left + at + width))
        for kind in _ACCUMULATORS:
            reads = lefts + rights if kind.startswith("dot") else rights
            gates.append(Gate(len(gates), kind.rstrip("+"), reads, output + at, kind.endswith("+")))
    for table in range(lookups + ranges):
        for at in range(width * blocks):
            if table < lookups:
                gates.append(Gate(len(gates), "lookup", (left + at,), output + at))
            else:
                gates.append(Gate(len(gates), "range check", (left + at,), None))
    return gates


def _freivalds_gates(start: int, extra: int, width: int, before: int, selectors: int) -> list[Gate]:
    """Gates of the columns beyond the ordinary ones; the number of challenges follows from that of the selectors."""
    blocks, odd = divmod(extra, 6 * width)
    fixed = 3 * blocks * (width + 2 * blocks) + 8 * blocks
    challenges, rest = divmod(selectors - before - fixed, 4 * blocks) if blocks else (0, 1)
    if odd or rest or challenges < 1:
        raise UnknownLayout(
            Wiring.UNLINKED,
            f"the key has {extra} permutation columns beyond the {start} that the settings account for, as Freivalds "
            "columns would be, yet not laid out as those of ezkl 23.0.5",
        )
    first, second = ([start + (2 * phase + i) * blocks * width for i in range(2)] for phase in range(2))
    outputs = [start + (4 + phase) * blocks * width for phase in range(2)]
    gates: list[Gate] = []

    def add(kind: str, operands: list[int], output: int, at: int, count: int, carries: bool = False) -> None:
        reads = tuple(operand + at + i for operand in operands for i in range(count))
        gates.append(Gate(before + len(gates), f"{FREIVALDS} {kind}", reads, output + at, carries))

    for pair, output in ((first, outputs[0]), ([first[0], second[0]], outputs[1]), (second, outputs[1])):
        for block in range(blocks):
            for inner in range(width):
                add("multiply", pair, output, block * width + inner, 1)
            for again in range(blocks):  # ezkl makes these once for every block, and uses the last of them
                add("dot", pair, output, again * width, width)
                add("dot", pair, output, again * width, width, True)
    for operand, output in ((first[0], outputs[0]), (second[0], outputs[1])):
        for block in range(blocks):
            for kind in ("sum", "product"):
                add(kind, [operand], output, block * width, width)
                add(kind, [operand], output, block * width, width, True)
    for _ in range(challenges):
        for operand in (first[0], second[0]):
            for block in range(blocks):
                add("combination", [operand], outputs[1], block * width, width)
                add("combination", [operand], outputs[1], block * width, width, True)
    return gates
