"""Zip archives as torch and NumPy write them: entries are not compressed and tensors have all their bytes.

So what is read is no larger than the file.

This module stands at the top level because ``gan`` and ``evaluation`` both read such files.
"""

from __future__ import annotations

import os
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from plain_files import open_plain

_END = struct.Struct("<4s4H2LH")  # what every archive ends with
_LOCATOR = struct.Struct("<4sLQL")  # before it, where there is a 64-bit end record
_END64 = struct.Struct("<4sQ2H2L4Q")  # before that
_PICKLE = "data.pkl"
_NAMING = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
_KINDS = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_NAMES = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in _KINDS),
}
_ELSEWHERE = (*[0xFFFF] * 4, *[0xFFFFFFFF] * 2)  # numbers of an end record that say "see the 64-bit one"


def check_plain(path: Path) -> None:
    """Refuse an archive that would grow when it is read.

    Readers differ in where they look for an archive's directory (Python before its end record, torch where that record
    says), so that there must be one place only.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no plain file or zip archive, its directory is not where it must be, or an entry is compressed
            or has more bytes than the file.
    """
    with open_plain(path) as stream:
        size = stream.seek(0, os.SEEK_END)
        _check_directory(stream, size)
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise ValueError(f"it is no zip archive: {error}") from error
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise ValueError(f"its entries must not be compressed; {entry.filename!r} is")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError(f"its entries must have at most the file's {size:,} bytes; they declare more")


def check_torch_archive(path: Path) -> None:
    """Refuse an archive of torch that would grow when it is read, or that asks for more than tensors.

    ``torch.load(weights_only=True)`` calls what a file names from a long list, with the file's own arguments; to some
    of these, as to ``bytearray`` and ``torch.FloatTensor``, a number is a size.

    Raises:
        OSError: it cannot be read.
        ValueError: as :func:`check_plain`, or it names something that no file of this project does.
    """
    check_plain(path)
    with open_plain(path) as stream, zipfile.ZipFile(stream) as archive:
        pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == _PICKLE]
        if len(pickles) != 1:
            raise ValueError(f"it must have one entry {_PICKLE}; it has {len(pickles)}")
        for opcode, argument, _ in pickletools.genops(archive.read(pickles[0])):
            if opcode.name in _NAMING and (opcode.name != "GLOBAL" or argument not in _NAMES):
                raise ValueError(f"it must hold tensors and plain values; it asks for {opcode.name} {argument!r}")


def _check_directory(stream: BinaryIO, size: int) -> None:
    """Require that the directory ends where the end record begins, by that record and by the 64-bit one."""
    start = size - _END.size
    magic, *narrow, comment = _record(stream, start, _END)
    if magic != b"PK\x05\x06" or comment:
        raise ValueError("it is no zip archive: it must end with its end record")
    magic, _, place, _ = _record(stream, start - _LOCATOR.size, _LOCATOR)
    if magic == b"PK\x06\x07":
        start -= _LOCATOR.size + _END64.size
        magic, _, _, _, *wide = _record(stream, start, _END64)
        told = all(few in (many, most) for few, many, most in zip(narrow, wide, _ELSEWHERE, strict=True))
        if (magic, place) != (b"PK\x06\x06", start) or not told:
            raise ValueError("it is no zip archive: its two end records must agree")
        narrow = wide
    length, offset = narrow[-2:]
    if offset + length != start:
        raise ValueError("it is no zip archive: its directory must end where its end record begins")


def _record(stream: BinaryIO, place: int, kind: struct.Struct) -> tuple[Any, ...]:
    """Read a record at ``place``; zeros where the file has none."""
    stream.seek(max(place, 0))
    found = stream.read(kind.size) if place >= 0 else b""
    return kind.unpack(found.ljust(kind.size, b"\0"))


def check_content(content: object) -> None:
    """Refuse content that is larger than the file that it came from: tensors that repeat what they have.

    Lists and mappings that are in several places are looked at once, however many ways lead to them.

    Raises:
        ValueError: a tensor has more elements than it has memory, or is of a kind that is never written here.
    """
    seen: set[int] = set()
    left = [content]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            _check_tensor(value)
        elif isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            left += value


def _check_tensor(tensor: torch.Tensor) -> None:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type == "meta":
        raise ValueError(f"tensors must be plain ones; one is {tensor.layout} on {tensor.device}")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"tensors must have memory of their own for each element; one of {list(tensor.shape)} has not")
