"""Wiring audit: whether the copy constraints in a proving key tie every tensor of the circuit together.

ezkl 23.0.5 lays a circuit out in blocks of columns (``num_inner_cols`` for each of left input, right input and output),
one or more columns of constants and one of public values. A tensor that one gate writes and another reads occupies
several cells, and only the permutation argument makes those cells equal. With ``disable_freivalds=False`` a large
einsum is checked in extra columns whose results no cycle ties to the rest: a dishonest prover may use any result.

What this audit sees: the permutation itself, read from the key and checked to be one; that it has exactly the
columns which the settings account for, so that no Freivalds column exists, whatever the settings claim; that every
public value is tied to a cell of the blocks; that the given verification key is the one inside the proving key.

What it cannot see: the gates (selectors), lookups and range checks, the weights, and whether a fresh cell inside the
blocks ought to have been a copy: it trusts ezkl to copy what its ordinary layout reads, and finds no fault in a key
whose cycles were cut inside the blocks. Nor does it see whether the verification key commits to the permutation that
the proving key holds: it compares bytes, so it is for keys made here, not for a stranger's. Circuits with hashed or
committed values, dynamic lookups or shuffles own further columns that it does not model, and get the verdict
"unchecked". It is no proof of soundness of ezkl or halo2.
"""

from __future__ import annotations

import dataclasses
import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.cost import CircuitCost, circuit_cost, load_settings
from zk.errors import ArtifactError
from zk.field import DELTA, MODULUS, MONTGOMERY_RADIX, ROOT_OF_UNITY, TWO_ADICITY
from zk.types import Wiring

_WORD = (1 << 64) - 1
_MAX_EXTENSION = 64
_MODELLED = frozenset({"Public", "Private", "Fixed"})


@dataclass(frozen=True)
class WiringReport:
    """Result of an audit.

    Attributes:
        verdict: linked, unlinked (do not count the proof) or unchecked (the audit does not know this kind of circuit).
        columns: permutation columns in the key.
        expected_columns: columns that the settings account for.
        linked_cells: cells in a cycle with at least one other cell.
        linked_public_values: public values tied to a cell of the blocks.
        public_values: public values of the circuit.
        reason: one sentence.
        seconds: wall-clock seconds of the audit.

    """

    verdict: Wiring
    columns: int
    expected_columns: int
    linked_cells: int
    linked_public_values: int
    public_values: int
    reason: str
    seconds: float


@dataclass(frozen=True)
class _Section:
    """A serialised list of polynomials: where its elements start, how many polynomials, elements in each."""

    start: int
    end: int
    count: int
    length: int


def _section(key: mmap.mmap, offset: int, height: int) -> _Section | None:
    """Read a list at ``offset``: count, that many lengths, then each polynomial with its length before it."""
    if offset < 0 or offset + 8 > len(key):
        return None
    count, length = struct.unpack(">II", key[offset : offset + 8])
    ratio = length // height
    if count == 0 or length % height or not 0 < ratio <= _MAX_EXTENSION or ratio & (ratio - 1):
        return None
    tag = struct.pack(">I", length)
    start = offset + 4 + 4 * count
    stride = 4 + 32 * length
    end = start + count * stride
    if end > len(key) or key[offset + 4 : start] != tag * count:
        return None
    if any(key[start + i * stride : start + i * stride + 4] != tag for i in range(count)):
        return None
    return _Section(start, end, count, length)


def _sections(key: mmap.mmap, height: int) -> tuple[int, list[_Section]]:
    """Find the chain of lists that ends exactly at the end of the file, and where it begins."""
    needle = struct.pack(">I", height) * 3
    position = key.find(needle)
    while position >= 0:
        chain: list[_Section] = []
        section = _section(key, position - 4, height)
        while section is not None:
            chain.append(section)
            if section.end == len(key):
                return position - 4, chain
            section = _section(key, section.end, height)
        position = key.find(needle, position + 1)
    raise ArtifactError(
        f"the proving key must hold lists of polynomials of {height} elements up to its last byte; found none; "
        "the file is truncated, foreign, or made for other settings"
    )


def _cell_keys(columns: int, logrows: int) -> NDArray[np.uint64]:
    """Low 64 bits of delta^column * omega^row in Montgomery form; uint64 [columns, 2**logrows]."""
    omega = pow(ROOT_OF_UNITY, 1 << (TWO_ADICITY - logrows), MODULUS)
    powers = [MONTGOMERY_RADIX]
    for _ in range((1 << logrows) - 1):
        powers.append(powers[-1] * omega % MODULUS)
    keys = np.empty((columns, 1 << logrows), np.uint64)
    shift = 1
    for column in range(columns):
        keys[column] = np.fromiter((power * shift % MODULUS & _WORD for power in powers), np.uint64, len(powers))
        shift = shift * DELTA % MODULUS
    return keys


def _read_permutation(key: mmap.mmap, section: _Section, logrows: int) -> NDArray[np.int64] | None:
    """Successor of every cell (column-major index), or None if the values are no permutation of the cells."""
    shape, strides = (section.count, section.length, 4), (4 + 32 * section.length, 32, 8)
    values = np.ndarray(shape, "<u8", key, section.start + 4, strides)
    words = values[:, :, 0].ravel()
    del values
    keys = _cell_keys(section.count, logrows).ravel()
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    successor = order[np.searchsorted(ranked, words).clip(0, keys.size - 1)]
    if not np.array_equal(keys[successor], words) or np.any(np.bincount(successor, minlength=keys.size) != 1):
        return None
    return np.asarray(successor, np.int64)


def cycle_labels(successor: NDArray[np.int64]) -> NDArray[np.int64]:
    """Least member of each element's cycle, by pointer doubling in O(n log n).

    Args:
        successor: a permutation of 0..n-1.

    """
    labels, jump = np.arange(successor.size, dtype=np.int64), successor.copy()
    while True:
        lower = np.minimum(labels, labels[jump])
        if np.array_equal(lower, labels):
            return labels
        labels, jump = lower, jump[jump]


def _judge(settings: dict[str, Any], cost: CircuitCost, columns: int, tied: int) -> tuple[Wiring, str]:
    if cost.einsum_column_cells > 0:
        return Wiring.UNLINKED, (
            f"the settings use {cost.einsum_column_cells} cells of Freivalds columns, whose results nothing ties "
            "to the rest; set disable_freivalds=True"
        )
    visibilities = {
        value if isinstance(value, str) else next(iter(value))
        for value in (settings["run_args"][f"{name}_visibility"] for name in ("input", "output", "param"))
    }
    if not visibilities <= _MODELLED or cost.dynamic_lookups or cost.shuffles:
        return Wiring.UNCHECKED, "the circuit has hashed or committed values, dynamic lookups or shuffles"
    if columns > cost.columns:
        return Wiring.UNLINKED, (
            f"the key has {columns - cost.columns} permutation columns beyond the {cost.columns} that the settings "
            "account for, as Freivalds columns would be"
        )
    if columns < cost.columns:
        return Wiring.UNCHECKED, f"the key has {columns} permutation columns; the settings account for {cost.columns}"
    if tied != cost.public_values:
        return Wiring.UNLINKED, f"only {tied} of {cost.public_values} public values are tied to the circuit"
    return Wiring.LINKED, f"all {columns} columns are accounted for and all {tied} public values are tied"


def audit_wiring(pk_path: Path, settings_path: Path, vk_path: Path | None = None) -> WiringReport:
    """Audit a proving key against its settings; see the module's docstring for what the verdict means.

    Memory is about 60 bytes a permutation cell; the key itself is only mapped.

    Args:
        pk_path: proving key written by ezkl.
        settings_path: the settings it was made from.
        vk_path: verification key that proofs will be checked with; it must be the one inside the proving key.

    Raises:
        ArtifactError: a file is missing, truncated or foreign, or the verification key is not this proving key's.

    """
    start = time.perf_counter()
    settings = load_settings(settings_path)
    cost = circuit_cost(settings)
    expected = cost.columns
    try:
        handle = pk_path.open("rb")
        with handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as key:
            head, chain = _sections(key, 1 << cost.logrows)
            if vk_path is not None:
                _check_verification_key(key, head, vk_path)
            section = _permutation_section(chain, 1 << cost.logrows)
            successor = _read_permutation(key, section, cost.logrows)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{pk_path} must be a readable proving key; {error}; run setup again") from error
    columns = section.count
    if successor is None:
        reason = "the permutation in the key is broken: its values do not visit every cell once"
        seconds = time.perf_counter() - start
        return WiringReport(Wiring.UNLINKED, columns, expected, 0, 0, cost.public_values, reason, seconds)
    labels = cycle_labels(successor)
    linked = np.bincount(labels, minlength=labels.size)[labels] > 1
    tied = _tied_public_values(labels, cost, columns)
    verdict, reason = _judge(settings, cost, columns, tied)
    seconds = time.perf_counter() - start
    return WiringReport(verdict, columns, expected, int(linked.sum()), tied, cost.public_values, reason, seconds)


def _permutation_section(chain: list[_Section], height: int) -> _Section:
    """Pick the permutation, which follows the fixed columns; each comes as values, coefficients and cosets."""
    if len(chain) != 6 or [s.length > height for s in chain] != [False, False, True] * 2:
        raise ArtifactError(
            "a proving key must hold fixed columns and permutation as values, coefficients and cosets; "
            f"found {len(chain)} lists of polynomials; use a key of ezkl 23.0.5"
        )
    return chain[3]


def _check_verification_key(key: mmap.mmap, head: int, vk_path: Path) -> None:
    verification_key = vk_path.read_bytes()
    if not verification_key or len(verification_key) > head or key[: len(verification_key)] != verification_key:
        raise ArtifactError(
            f"the verification key must be the one inside the proving key; {vk_path.name} is another; "
            "audit the pair that setup wrote together"
        )


def _tied_public_values(labels: NDArray[np.int64], cost: CircuitCost, columns: int) -> int:
    """Count public values that share a cycle with a cell of the blocks."""
    height = 1 << cost.logrows
    if columns < cost.columns or cost.public_values > height:
        return 0
    in_blocks = np.zeros(labels.size, bool)
    blocks = 3 * cost.num_inner_cols * cost.blocks * height
    in_blocks[labels[:blocks]] = True
    instance = (cost.columns - 1) * height
    return int(in_blocks[labels[instance : instance + cost.public_values]].sum())


def audit_to_json(*, pk: str, settings: str, vk: str | None = None) -> dict[str, Any]:
    """Call :func:`audit_wiring` with JSON values, for :mod:`zk.child`."""
    report = audit_wiring(Path(pk), Path(settings), Path(vk) if vk else None)
    return dataclasses.asdict(report)
