"""Reading a proving key of ezkl 23.0.5: where its lists of polynomials are, and which gate is on in which row.

The format (halo2 of the PSE branch, "raw bytes"; found by experiment, see ``tests/zk/test_audit_key.py``):

- the verification key: byte 3 (version), byte k (log2 of the rows), byte 1 (selectors are compressed), number of fixed
  columns (4 bytes, little-endian), a commitment for each fixed and then for each permutation column (64 bytes each: x
  and y in Montgomery form), and one bitmap of 2**k bits (least bit first) for each selector, in order of creation;
- three polynomials on the extended domain, each with its length before it (4 bytes, big-endian);
- six lists: fixed columns as values, coefficients and cosets, then the permutation as the same three. A list is its
  count, that many lengths, then each polynomial with its length before it (lengths as above).

Elements are 32 bytes, little-endian, in Montgomery form. The file is mapped, never loaded.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plain_files import open_plain
from zk.audit_field import Words
from zk.errors import ArtifactError

_BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_VERSION, _POINT_BYTES, _MAX_EXTENSION = 3, 64, 64


@dataclass(frozen=True)
class Polynomials:
    """A list of polynomials in the file: byte range, how many, and the elements of each."""

    start: int
    end: int
    count: int
    length: int


@dataclass(frozen=True)
class ProvingKey:
    """A mapped proving key.

    Attributes:
        content: the mapped file.
        logrows: the circuit has ``2**logrows`` rows.
        fixed_columns: number of fixed columns: constants, tables, then selectors.
        columns: number of columns that take part in the permutation.
        selectors: number of selector bitmaps.
        verification_key_bytes: length of the verification key at the start of the file.
        lists: the six lists of polynomials.

    """

    content: mmap.mmap
    logrows: int
    fixed_columns: int
    columns: int
    selectors: int
    verification_key_bytes: int
    lists: tuple[Polynomials, ...]

    def polynomials(self, index: int) -> Words:
        """View of list ``index`` as ``uint64 [count, length, 4]``, without its length marks."""
        part = self.lists[index]
        strides = (4 + 32 * part.length, 32, 8)
        offset = part.end - part.count * strides[0] + 4
        return np.ndarray((part.count, part.length, 4), "<u8", self.content, offset, strides)

    @property
    def fixed_values(self) -> Words:
        """Values of the fixed columns, ``uint64 [fixed_columns, rows, 4]``."""
        return self.polynomials(0)

    @property
    def permutation_values(self) -> Words:
        """Values of the permutation polynomials, ``uint64 [columns, rows, 4]``."""
        return self.polynomials(3)

    @property
    def permutation_coefficients(self) -> Words:
        """Coefficients of the permutation polynomials, ``uint64 [columns, rows, 4]``."""
        return self.polynomials(4)

    def active_rows(self, selector: int) -> NDArray[np.int64]:
        """Rows where a selector is on, ascending."""
        width = (1 << self.logrows) // 8
        start = self.verification_key_bytes - (self.selectors - selector) * width
        return np.flatnonzero(np.unpackbits(np.frombuffer(self.content, np.uint8, width, start), bitorder="little"))

    def holds_verification_key(self, candidate: bytes) -> bool:
        """Whether ``candidate`` is, byte for byte, the verification key inside."""
        return candidate == self.content[: self.verification_key_bytes]


def open_proving_key(path: Path) -> ProvingKey:
    """Map a proving key and find its parts.

    Raises:
        ArtifactError: missing, truncated, followed by other bytes, or not a proving key of this format.

    """
    try:
        with open_plain(path) as handle:
            content = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        return _parse(content)
    except (OSError, ValueError, struct.error) as error:
        raise ArtifactError(
            f"{path} must be a whole proving key of ezkl 23.0.5; {error}; run setup again, or give the right file"
        ) from error


def _parse(content: mmap.mmap) -> ProvingKey:
    if len(content) < 7:
        raise ValueError(f"it has {len(content)} bytes")
    version, logrows, compressed, fixed = struct.unpack("<BBBI", content[:7])
    if version != _VERSION or not 3 <= logrows <= 28 or compressed not in (0, 1) or not 0 < fixed < 1 << 16:
        raise ValueError("its first bytes are not those of a verification key")
    head, lists = _find_lists(content, fixed, 1 << logrows)
    extended = lists[2].length
    end = head - 3 * (4 + 32 * extended)
    mark = struct.pack(">I", extended)
    marks = [content[at : at + 4] for at in range(max(end, 0), head, 4 + 32 * extended)]
    bitmaps = end - 7 - _POINT_BYTES * (fixed + lists[3].count)
    selectors, rest = divmod(bitmaps, (1 << logrows) // 8)
    if marks != [mark] * 3 or bitmaps < 0 or rest or (selectors > 0) != bool(compressed):
        raise ValueError("its parts do not add up")
    for start in range(7, 7 + _POINT_BYTES * (fixed + lists[3].count), _POINT_BYTES):
        if not _is_point(content[start : start + _POINT_BYTES]):
            raise ValueError("its commitments are not points of bn254")
    return ProvingKey(content, logrows, fixed, lists[3].count, selectors, end, tuple(lists))


def _is_point(raw: bytes) -> bool:
    """Whether 64 bytes are (x, y) with y**2 = x**3 + 3, each times 2**256; all zero is the point at infinity."""
    if not any(raw):
        return True
    radix = pow(2, -256, _BASE_FIELD)
    x, y = (int.from_bytes(raw[i : i + 32], "little") * radix % _BASE_FIELD for i in (0, 32))
    return (y * y - x**3 - 3) % _BASE_FIELD == 0


def _find_lists(content: mmap.mmap, fixed: int, rows: int) -> tuple[int, list[Polynomials]]:
    """Find the six lists, of which the last ends with the file, and the byte where the first begins."""
    needle = struct.pack(">I", fixed) + struct.pack(">I", rows) * fixed
    head = content.find(needle)
    while head >= 0:
        lists: list[Polynomials] = []
        part = _read_list(content, head, rows)
        while part is not None:
            lists.append(part)
            part = _read_list(content, part.end, rows)
        if lists and lists[-1].end == len(content):
            long = [part.length > rows for part in lists]
            if long != [False, False, True] * 2 or len({(p.count, p.length) for p in lists[3:5]}) != 1:
                raise ValueError(f"it ends in {len(lists)} lists of polynomials instead of two times three")
            return head, lists
        head = content.find(needle, head + 1)
    raise ValueError("no lists of polynomials reach its last byte, so it is truncated or foreign")


def _read_list(content: mmap.mmap, offset: int, rows: int) -> Polynomials | None:
    if offset + 8 > len(content):
        return None
    count, length = struct.unpack(">II", content[offset : offset + 8])
    ratio = length // rows
    if count == 0 or length % rows or not 0 < ratio <= _MAX_EXTENSION or ratio & (ratio - 1):
        return None
    mark = struct.pack(">I", length)
    start, stride = offset + 4 + 4 * count, 4 + 32 * length
    end = start + count * stride
    if end > len(content) or content[offset + 4 : start] != mark * count:
        return None
    if any(content[start + i * stride : start + i * stride + 4] != mark for i in range(count)):
        return None
    return Polynomials(start, end, count, length)
