"""A bundle's members on disk: a folder or a zip, written atomically and read without trusting either.

Nothing is extracted: a member is looked up by its exact name and read into memory up to its bound, so paths in an
archive lead nowhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from plain_files import open_plain
from zk.bundle_format import MAX_PARTS, BundleError, member_limit_bytes, member_names
from zk.errors import ArtifactError

MAX_COMPRESSION_RATIO = 100
"""Our own zips are stored, not deflated (a proof does not compress); others may deflate up to this ratio."""

MAX_DIRECTORY_BYTES = 1 << 14
"""Largest central directory of a zip: the most entries of our own, 129, take 9 KB."""

MAX_BUNDLE_BYTES = 1 << 29
"""Largest sum of all members, which are in memory at once. Ours with two circuits of 2**17 rows has under 1 MB."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_END_RECORD = struct.Struct("<4s4H2LH")
_END_MAGIC, _ZIP64_MAGIC, _ZIP64_LOCATOR_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20


def write_members(members: Mapping[str, bytes], target: Path, check: Callable[[Path], object]) -> None:
    """Write a folder, or a zip where ``target`` ends in .zip, beside ``target``; ``check`` it; then rename.

    Equal members give an equal zip.

    Raises:
        ArtifactError: ``target`` exists, or cannot be written.

    """
    if target.exists() or target.is_symlink():
        raise ArtifactError(f"a bundle must not replace anything; {target} exists; remove it or choose another name")
    is_zip = target.suffix == ".zip"
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.part{'.zip' if is_zip else ''}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_zip(members, temporary) if is_zip else _write_folder(members, temporary)
        check(temporary)
        if is_zip:
            os.link(temporary, target)  # unlike rename, it replaces nothing that came meanwhile
        else:
            os.rename(temporary, target)
    except OSError as error:
        raise ArtifactError(f"the bundle must be written to {target}; {error}; choose another place") from error
    finally:
        if is_zip:
            with contextlib.suppress(OSError):
                temporary.unlink()
        else:
            shutil.rmtree(temporary, ignore_errors=True)


def _write_zip(members: Mapping[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)


def _write_folder(members: Mapping[str, bytes], path: Path) -> None:
    path.mkdir()
    for name, content in members.items():
        (path / name).write_bytes(content)


def read_members(path: Path) -> dict[str, bytes]:
    """Read exactly the members of a bundle, each within its bound.

    Raises:
        BundleError: check "container": not a folder or zip; a member is missing, unknown, twice there, a link, no
            plain file, too large, alone or all together, or compressed too well; or an archive is damaged.

    """
    try:
        members = _read_folder(path) if path.is_dir() else _read_zip(path)
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, struct.error) as error:
        raise BundleError("container", f"{path} must be a readable folder or zip; {error}") from error
    return members


def _require_names(names: list[str]) -> tuple[str, ...]:
    """The members, in order, if these are all those of some number of parts."""
    per_part = len(member_names(1)) - 1
    wanted = member_names(min(max((len(names) - 1) // per_part, 1), MAX_PARTS))
    if sorted(names) != sorted(wanted):
        strange = [name for name in names if name not in wanted][:1]
        twice = [name for name in wanted if names.count(name) > 1][:1]
        missing = sorted(set(wanted) - set(names))[:1]
        found = (
            f"an unknown {strange[0][:80]!r}" if strange else f"{twice[0]!r} twice" if twice else f"no {missing[0]!r}"
        )
        raise BundleError("container", f"the members must be exactly {', '.join(wanted[:5])}; found {found}")
    return wanted


def _require_size(name: str, size: int) -> None:
    limit = member_limit_bytes(name)
    if size > limit:
        raise BundleError("container", f"{name} must have at most {limit} bytes; it has {size} or more")


def _require_total(sizes: Iterable[int]) -> None:
    if (total := sum(sizes)) > MAX_BUNDLE_BYTES:
        raise BundleError("container", f"all members must have at most {MAX_BUNDLE_BYTES} bytes; they have {total}")


def _read_folder(path: Path) -> dict[str, bytes]:
    names: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > len(member_names(MAX_PARTS)):
                break
    found: dict[str, bytes] = {}
    for name in _require_names(names):
        found[name] = _read_plain(path / name, name)
        _require_total(map(len, found.values()))
    return found


def _read_plain(path: Path, name: str) -> bytes:
    try:
        with open_plain(path, follow=False) as handle:
            content = handle.read(member_limit_bytes(name) + 1)
    except OSError as error:
        raise BundleError("container", f"{name} must be a plain file, not a link; {error.strerror}") from error
    except ValueError as error:
        raise BundleError("container", f"{name} must be a plain file; {error}") from error
    _require_size(name, len(content))
    return content


def _read_zip(path: Path) -> dict[str, bytes]:
    with _opened(path) as handle, zipfile.ZipFile(handle) as archive:
        entries = archive.infolist()
        # zipfile cuts a name at its first NUL; the name as stored is the one to judge
        wanted = _require_names([entry.orig_filename for entry in entries])
        for entry in entries:
            _check_entry(entry)
        _require_total(entry.file_size for entry in entries)
        found = {entry.filename: _read_entry(archive, entry) for entry in entries}
    return {name: found[name] for name in wanted}


def _opened(path: Path) -> BinaryIO:
    """Open a zip whose directory is bounded: zipfile builds an object for each of its entries."""
    try:
        handle = open_plain(path)
    except ValueError as error:
        raise BundleError("container", f"{path} must be a folder or a plain file; {error}") from error
    try:
        _check_directory(handle)
    except BaseException:
        handle.close()
        raise
    return handle


def _check_directory(handle: BinaryIO) -> None:
    size = handle.seek(0, os.SEEK_END)
    tail = min(size, _END_RECORD.size + _ZIP64_LOCATOR_BYTES)
    handle.seek(size - tail)
    ending = handle.read(tail)
    magic, *_, directory_bytes, _, comment_bytes = _END_RECORD.unpack(ending[-_END_RECORD.size :])
    if magic != _END_MAGIC or comment_bytes or ending.startswith(_ZIP64_MAGIC):
        raise BundleError("container", "a zip must end with its end record, without a comment and not as zip64")
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise BundleError("container", f"a zip's directory must have at most {MAX_DIRECTORY_BYTES} bytes")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BundleError("container", f"{name} must be a plain file in the zip; it is a link or special")
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError("container", f"{name} must be stored or deflated, and not encrypted")
    _require_size(name, entry.file_size)
    if entry.file_size > MAX_COMPRESSION_RATIO * max(entry.compress_size, 1):
        raise BundleError("container", f"{name} must not be compressed more than {MAX_COMPRESSION_RATIO} times")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as handle:
        content = handle.read(member_limit_bytes(entry.filename) + 1)
    if len(content) != entry.file_size:
        raise BundleError("container", f"{entry.filename} must have the {entry.file_size} bytes that it declares")
    return content
