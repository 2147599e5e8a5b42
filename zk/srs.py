"""Structured reference strings (SRS): where they are cached, and what a file of one must look like.

A local SRS is made by ``ezkl.gen_srs``, whose secret was known to this machine: it is fit for tests and measurements
only, and the file name says so. Every call draws a new one, and a proof verifies only with the SRS that made it, so one
file is kept for each height. The public ceremony's files, which one honest participant makes safe, are fetched by
:mod:`zk.ceremony`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from plain_files import open_plain
from zk.errors import ArtifactError

BASE_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Modulus of the coordinates of bn254 (halo2curves, ``bn256/fq.rs``); the scalars have another (:mod:`zk.field`)."""

MAX_SRS_LOGROWS = 26
_G1_BYTES, _G2_BYTES = 64, 128
_CHUNK_BYTES = 1 << 20


def _montgomery(*coordinates: int) -> bytes:
    return b"".join((value * (1 << 256) % BASE_MODULUS).to_bytes(32, "little") for value in coordinates)


_G1_GENERATOR = _montgomery(1, 2)
# EIP-197 gives the same generator, with the two halves of each coordinate in the other order.
_G2_GENERATOR = _montgomery(
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
)


class SrsKind(StrEnum):
    """Who knew the secret of an SRS: somebody on this machine, or (one honest participant assumed) nobody."""

    TEST_ONLY = "test-only"
    CEREMONY = "ceremony"


def srs_path(srs_dir: Path, logrows: int, kind: SrsKind = SrsKind.TEST_ONLY) -> Path:
    """Where the cached SRS of height ``2**logrows`` lies; its kind is part of the name."""
    return srs_dir / f"{kind}-k{logrows}.srs"


def srs_bytes(logrows: int) -> int:
    """Size of an SRS file: a 4-byte height, ``2**logrows`` powers in each of two bases, two points of G2."""
    return 4 + 2 * _G1_BYTES * (1 << logrows) + 2 * _G2_BYTES


def check_srs_file(path: Path) -> int:
    """Check the shape of an SRS file and give its logrows, reading a few hundred bytes.

    Checked: the height in the header, the size that follows from it, and that the powers start at bn254's generators
    and go on from there. Not checked: that they are powers of one number, which needs pairings.

    Raises:
        ArtifactError: unreadable, or not the SRS of one height.

    """
    try:
        with open_plain(path) as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(0)
            head = handle.read(4 + 2 * _G1_BYTES)
            handle.seek(max(size - 2 * _G2_BYTES, 0))
            tail = handle.read(2 * _G2_BYTES)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} must be a readable SRS file; {error}; give the SRS that proved") from error
    logrows = int.from_bytes(head[:4], "little")
    if not 1 <= logrows <= MAX_SRS_LOGROWS or size != srs_bytes(logrows):
        raise ArtifactError(
            f"{path.name} must be an SRS of bn254 as ezkl writes it; found {size} bytes under a header of logrows "
            f"{logrows}; it is truncated or another kind of file"
        )
    first, second = head[4 : 4 + _G1_BYTES], head[4 + _G1_BYTES :]
    if (
        first != _G1_GENERATOR
        or second == first
        or tail[:_G2_BYTES] != _G2_GENERATOR
        or tail[_G2_BYTES:] == _G2_GENERATOR
    ):
        raise ArtifactError(
            f"{path.name} must start at the generators of bn254 and use a secret other than 1; found other points; "
            "it is damaged"
        )
    return logrows


def file_sha256(path: Path) -> str:
    """SHA-256 hex of a file, read in pieces.

    Raises:
        ArtifactError: unreadable.

    """
    digest = hashlib.sha256()
    try:
        with open_plain(path) as handle:
            while piece := handle.read(_CHUNK_BYTES):
                digest.update(piece)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} must be a readable file; {error}; check the path") from error
    return digest.hexdigest()


@contextlib.contextmanager
def publish_once(path: Path) -> Iterator[Path]:
    """Give a private temporary file to fill; afterwards it becomes ``path`` unless another process was first.

    The first complete file stays, so that two racing processes end up with the same SRS. Nothing is published when the
    body raises or writes nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        yield temporary
        if temporary.exists():
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)  # unlike rename, never replaces a file that a proof may already rest on
    finally:
        temporary.unlink(missing_ok=True)
