"""Whether every value that a gate reads comes from somewhere, and every value that a gate writes goes somewhere.

Pure: cycles and gates in, findings out. All cells of a cycle hold one value. A cycle is *sourced* if a gate or lookup
writes one of its cells, or one is a constant, a public input or a committed value. The rules:

- a cell that a gate or lookup reads, or a public output, must be in a sourced cycle. Excused are *hints*, which the
  prover may choose and the gates pin down: digits and signs under a range check, and the inverse of the is-zero gadget
  (``p = x * inverse; z = 1 - p; x * z = 0`` makes z the answer whatever the inverse), recognised gate by gate;
- a written cell must be in a cycle with a cell that is read, range-checked, public or constant, or that another gate
  writes (then the copy is an equality); otherwise its value goes nowhere, and a reader may have an unlinked copy of it;
- a public input or committed value must be in a cycle with a cell that a gate reads or writes, or an output;
- salt, which ends a committed tensor to hide it, is excused from that: it must be in no cycle and read by no gate. Were
  it tied to any other cell, the prover's free choice could enter the computation;
- a digit under a range check must be in a cycle with a cell that a gate reads or writes;
- where a row asserts an equality, its two cells must be in one cycle.

Private inputs and parameters are read from nowhere by right: they are counted, and excused up to a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zk.audit_layout import FREIVALDS, Gate, Layout
from zk.audit_permutation import Cells, cycle_labels
from zk.types import Wiring

_SOURCE, _WRITTEN, _READ, _RANGED, _OUTPUT, _TWICE, _ONE, _ZERO = (1 << i for i in range(8))
_USED = _SOURCE | _READ | _RANGED | _OUTPUT | _TWICE
_SOURCED = _SOURCE | _WRITTEN
_GATE = _READ | _WRITTEN
SALT = "salt"

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Cells of one kind.

    Attributes:
        name: what they are.
        cells: how many.
        linked_cells: tied as the rules want.
        hint_cells: excused: values that the prover may choose (digits, inverses, private values, salt).
        open_cells: neither: read from nowhere, or going nowhere; for salt, tied or read.
        verdict: linked if no cell is open.

    """

    name: str
    cells: int
    linked_cells: int
    hint_cells: int
    open_cells: int
    verdict: Wiring


@dataclass(frozen=True)
class Findings:
    """What an examination finds.

    Attributes:
        groups: cells by kind.
        free_values: distinct values that gates read from nowhere, apart from hints and Freivalds columns.
        linked_cells: cells in a cycle with at least one other cell.

    """

    groups: tuple[Group, ...]
    free_values: int
    linked_cells: int


class Wires:
    """Cycles of a circuit with what its gates do to them.

    Args:
        successor: the permutation, ``uint32 [columns * rows]``.
        layout: columns and gates.
        rows: rows of the circuit.
        active_rows: rows where a selector is on.
        ones: cells of constants with value 1.
        zeros: cells of constants with value 0.

    """

    def __init__(
        self,
        successor: Cells,
        layout: Layout,
        rows: int,
        active_rows: Callable[[int], Positions],
        ones: Positions,
        zeros: Positions,
    ) -> None:
        self.layout, self.rows, self._active_rows = layout, rows, active_rows
        self.alone = successor == np.arange(successor.size, dtype=np.uint32)
        self.labels = cycle_labels(successor)
        self._flags = np.zeros(successor.size, np.uint8)  # by label: what the cycle holds
        self._busy = np.zeros(successor.size, bool)
        self.constants = self._column_cells(layout.constants)
        salt = layout.salt or (0,) * len(layout.committed)
        ends = [(column, size - salt[column], size) for column, size in enumerate(layout.committed)]
        self.committed = self._spans((column, 0, end) for column, end, _ in ends)
        self.salt = self._spans(ends)
        first = (layout.instance or 0) * rows
        self.inputs = np.arange(first, first + layout.public_inputs)
        self.outputs = np.arange(self.inputs.size + first, self.inputs.size + first + layout.public_outputs)
        for cells in (self.constants, self.committed, self.salt, self.inputs):
            self._mark(cells, _SOURCE)
        for cells, flag in ((self.outputs, _OUTPUT), (ones, _ONE), (zeros, _ZERO)):
            self._mark(cells, flag)
        self._mark_gates()

    @property
    def undeclared(self) -> int:
        """Tied cells of the columns of public and committed values below what the settings declare."""
        lengths = dict(enumerate(self.layout.committed))
        if self.layout.instance is not None:
            lengths[self.layout.instance] = self.inputs.size + self.outputs.size
        tied = (~self.alone[c * self.rows + n : (c + 1) * self.rows] for c, n in lengths.items())
        return sum(int(np.count_nonzero(part)) for part in tied)

    @property
    def used_salt(self) -> int:
        """Salt cells that are tied to another cell, or that a gate reads or writes."""
        return int(np.count_nonzero(~self.alone[self.salt] | self._busy[self.salt]))

    def _column_cells(self, columns: range) -> Positions:
        start, stop = columns.start * self.rows, columns.stop * self.rows
        return start + np.flatnonzero(~self.alone[start:stop])

    def _spans(self, spans: Iterable[tuple[int, int, int]]) -> Positions:
        """Cells of (column, first row, row after the last) one after the other."""
        parts = [column * self.rows + np.arange(start, stop) for column, start, stop in spans]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _mark(self, cells: Positions, flag: int) -> None:
        labels = self.labels[cells]
        self._flags[labels] |= np.uint8(flag)

    def _mark_gates(self) -> None:
        written = []
        for gate, reads, writes in self.gates():
            self._busy[reads] = True
            self._mark(reads, _RANGED if gate.writes is None else _READ)
            self._busy[writes] = True
            self._mark(writes, _WRITTEN)
            written.append(self.labels[writes])
        labels = np.sort(np.concatenate([np.empty(0, np.uint32), *written]))
        self._flags[labels[1:][labels[1:] == labels[:-1]]] |= np.uint8(_TWICE)

    def gates(self) -> Iterator[tuple[Gate, Positions, Positions]]:
        """Each gate with the cells that it reads and those that it writes."""
        for gate in self.layout.gates:
            rows = self._active_rows(gate.selector)
            reads = [column * self.rows + rows for column in gate.reads]
            writes = np.empty(0, np.int64) if gate.writes is None else gate.writes * self.rows + rows
            if gate.carries and gate.writes is not None:
                reads.append(gate.writes * self.rows + (rows - 1) % self.rows)
            yield gate, np.concatenate(reads), writes

    def holds(self, cells: Positions, flags: int) -> NDArray[np.bool_]:
        """Whether each cell's cycle holds any of what ``flags`` asks for."""
        return np.asarray(self._flags[self.labels[cells]] & np.uint8(flags) != 0)

    def triples(self, kind: str) -> Cells:
        """Labels of left operand, right operand and output of every gate of one elementwise kind; uint32 [m, 3]."""
        parts = [np.empty((0, 3), np.uint32)]
        for gate, reads, writes in self.gates():
            if gate.kind == kind:
                parts.append(np.stack([self.labels[cells] for cells in (*np.split(reads, 2), writes)], axis=1))
        return np.concatenate(parts)

    def inverses(self) -> Cells:
        """Cells, alone in their cycles, that are the inverse of an is-zero gadget; a lone cell is its own label."""
        products, differences = self.triples("multiply"), self.triples("subtract")
        lone = products[self.alone[products[:, 1]]]
        closed = products[self._flags[products[:, 2]] & _ZERO != 0]
        differences = differences[self._flags[differences[:, 0]] & _ONE != 0]
        if not (len(lone) and len(closed) and len(differences)):
            return np.empty(0, np.uint32)
        differences = differences[np.argsort(differences[:, 1], kind="stable")]
        place = np.searchsorted(differences[:, 1], lone[:, 2]).clip(0, len(differences) - 1)
        size = np.uint64(self.labels.size)
        wanted = lone[:, 0].astype(np.uint64) * size + differences[place, 2]
        present = closed[:, 0].astype(np.uint64) * size + closed[:, 1]
        found = (differences[place, 1] == lone[:, 2]) & np.isin(wanted, present)
        return np.asarray(lone[found, 1])

    def broken_equalities(self) -> tuple[int, int]:
        """Rows that assert an equality, and those whose two cells are in different cycles."""
        asserted = broken = 0
        for left, right, output, start in self.layout.equalities:
            rows = np.arange(start, self.rows)
            a, b, c = (column * self.rows + rows for column in (left, right, output))
            pairs = self.alone[a] & ~(self.alone[b] | self.alone[c] | self._busy[b] | self._busy[c])
            asserted += int(pairs.sum())
            broken += int((pairs & (self.labels[b] != self.labels[c])).sum())
        return asserted, broken


def examine(wires: Wires, *, private_values: int | None) -> Findings:
    """Apply the rules.

    Args:
        wires: cycles and gates.
        private_values: how many private values may be read from nowhere; None: any number.

    """
    tally: dict[str, list[int]] = {}
    free: list[Cells] = []
    inverses = np.zeros(wires.labels.size, bool)
    inverses[wires.inverses()] = True

    def add(name: str, cells: int, open_cells: int, hints: int = 0) -> None:
        entry = tally.setdefault(name, [0, 0, 0])
        for i, number in enumerate((cells, hints, open_cells)):
            entry[i] += number

    for name, cells, flags in (
        ("public inputs", wires.inputs, _GATE | _RANGED | _OUTPUT),
        ("public outputs", wires.outputs, _SOURCED),
        ("committed values", wires.committed, _GATE | _RANGED | _OUTPUT),
        ("constants", wires.constants, 0xFF),
    ):
        if cells.size:
            add(name, cells.size, int((~wires.holds(cells, flags)).sum()))
    if wires.salt.size:
        add(SALT, wires.salt.size, wires.used_salt, wires.salt.size - wires.used_salt)
    for gate, reads, writes in wires.gates():
        if not reads.size:
            continue
        if gate.writes is None:
            bare = ~wires.holds(reads, _SOURCED | _GATE | _OUTPUT)
            chosen = int((~wires.holds(reads, _SOURCED)).sum())
            add("range-checked cells", reads.size, int(bare.sum()), chosen - int(bare.sum()))
            continue
        lost = ~wires.holds(reads, _SOURCED)
        hints = lost & (wires.holds(reads, _RANGED) | inverses[reads])
        lost &= ~hints
        place = "Freivalds" if gate.kind.startswith(FREIVALDS) else "lookup" if gate.kind == "lookup" else "gate"
        if place != FREIVALDS:
            free.append(wires.labels[reads[lost]])
        add(f"{place} inputs", reads.size, int(lost.sum()), int(hints.sum()))
        add(f"outputs of {gate.kind}", writes.size, int((~wires.holds(writes, _USED)).sum()))
    asserted, broken = wires.broken_equalities()
    if asserted:
        add("equalities", 2 * asserted, 2 * broken)
    values = int(np.unique(np.concatenate([np.empty(0, np.uint32), *free])).size)
    excused = private_values is None or values <= private_values
    for name in ("gate inputs", "lookup inputs"):
        if name in tally and excused:
            tally[name][1:] = [tally[name][1] + tally[name][2], 0]
    groups = tuple(
        Group(name, cells, cells - hints - lost, hints, lost, Wiring.UNLINKED if lost else Wiring.LINKED)
        for name, (cells, hints, lost) in tally.items()
    )
    return Findings(groups, values, int((~wires.alone).sum()))
