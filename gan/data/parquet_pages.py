"""What the pages of a parquet file declare to hold.

pyarrow allocates for every page what the header before that page declares, up to 2 GiB, however little the file's
footer says; and it offers no limit. So the headers are read here first. They are structures of Thrift's compact
protocol (github.com/apache/parquet-format, PageHeader).
"""

from __future__ import annotations

from typing import Any, BinaryIO

_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
"""Numbers of the fields of a PageHeader that are needed here: all are i32."""
_DEEPEST = 8
_BOOLS, _BYTE, _VARINTS, _DOUBLE, _BINARY, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, 12
_I32 = 5


def unpacked_bytes(stream: BinaryIO, chunk: Any) -> int:
    """Add up what the pages of one column chunk declare to take, headers excluded, once they are uncompressed.

    Args:
        stream: the parquet file.
        chunk: pyarrow's ``ColumnChunkMetaData`` of the chunk.

    Raises:
        OSError: the file cannot be read.
        ValueError: the chunk does not lie in the file, or does not consist of pages.
    """
    start, dictionary = chunk.data_page_offset, chunk.dictionary_page_offset
    if dictionary is not None and 0 < dictionary < start:  # as pyarrow decides it
        start = dictionary
    length = chunk.total_compressed_size
    if start < 0 or length < 0 or start + length > stream.seek(0, 2):
        raise ValueError(f"a column chunk must lie in its file; found {length} bytes from {start}")
    stream.seek(start)
    pages = _Thrift(stream.read(length))
    total = 0
    while pages.at < length:
        sizes = pages.integers()
        if not {_TYPE, _UNCOMPRESSED, _COMPRESSED} <= sizes.keys() or min(sizes.values()) < 0:
            raise ValueError(f"a page must have a header with its type and sizes; found {sizes}")
        total += sizes[_UNCOMPRESSED]
        pages.at += sizes[_COMPRESSED]
    if pages.at != length:
        raise ValueError(f"pages must fill their column chunk of {length} bytes; the last ends at {pages.at}")
    return total


class _Thrift:
    """A reader of structures, from the byte ``at`` on."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def integers(self) -> dict[int, int]:
        """Read a structure and return its fields 1 to 3, if they are of type i32."""
        found: dict[int, int] = {}
        number = 0
        while kind := self._byte():
            number = number + (kind >> 4) if kind >> 4 else self._signed()
            if kind & 15 == _I32 and number in (_TYPE, _UNCOMPRESSED, _COMPRESSED):
                if number in found:  # which of them another reader believes is not known
                    raise ValueError(f"a page's header must have field {number} once")
                found[number] = self._signed()
                if found[number] >= 2**31:  # another reader would cut it off
                    raise ValueError(f"field {number} of a page's header must be of 32 bits; found {found[number]}")
            else:
                self._skip(kind & 15, 0)
        return found

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise ValueError("a page's header must lie in its column chunk")
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a page's header must have integers of at most 64 bits")

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, kind: int, depth: int) -> None:
        """Pass over a value; a truth value as a field of a structure has no bytes of its own."""
        if depth > _DEEPEST:
            raise ValueError(f"a page's header must be at most {_DEEPEST} structures deep")
        if kind in _BOOLS:
            pass
        elif kind == _BYTE:
            self.at += 1
        elif kind in _VARINTS:
            self._varint()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            length = self._varint()
            self.at += length
        elif kind == _STRUCT:
            while inner := self._byte():
                if not inner >> 4:
                    self._varint()
                self._skip(inner & 15, depth + 1)
        else:  # no header of a page has a list, a set or a map
            raise ValueError(f"a page's header must not have a field of type {kind}")
