"""The public ceremony's SRS files: download with a digest check, and telling them from local ones.

The files are EZKL's cut of the perpetual powers of tau (kzg, bn254), the ones that ``ezkl.get_srs`` fetches. Nobody
knows their secret if one participant of the ceremony was honest. ``ezkl.get_srs`` itself is not called: it buffers a
file of gigabytes in memory and writes it in place, so that an interrupted download looks like a cached one.

What the digests rest on: they are the constants that the wheel of ezkl 23.0.5 carries (its ``src/srs_sha.rs``), so they
are as good as that wheel. That these bytes really are what the ceremony's transcript says was not recomputed here.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from zk.errors import ArtifactError
from zk.srs import SrsKind, check_srs_file, file_sha256, publish_once, srs_bytes, srs_path
from zk.stages import StageRunner

CEREMONY_URL = "https://kzg.ezkl.xyz/kzg{logrows}.srs"
CEREMONY_SHA256: Mapping[int, str] = MappingProxyType(
    {
        1: "cafb2aa72c200ddc4e28aacabb8066e829207e2484b8d17059a566232f8a297b",
        2: "8194ec51da5d332d2e17283ade34920644774452c2fadf33742e8c739e275d8e",
        3: "0729e815bce2ac4dfad7819982c6479c3b22c32b71f64dca05e8fdd90e8535ef",
        4: "2c0785da20217fcafd3b12cc363a95eb2529037cc8a9bddf8fb15025cbc8cdc9",
        5: "5b950e3b76e7a9923d69f6d6585ce6b5f9458e5ec57a71c9de5005d32d544692",
        6: "85030b2924111fc60acaf4fb8a7bad89531fbe0271aeab0c21e545f71eee273d",
        7: "e65f95150519fe01c2bedf8f832f5249822ef84c9c017307419e10374ff9eeb1",
        8: "446092fd1d6030e5bb2f2a8368267d5ed0fbdb6a766f6c5e4a4841827ad3106f",
        9: "493d088951882ad81af11e08c791a38a37c0ffff14578cf2c7fb9b7bca654d8b",
        10: "9705d450e5dfd06adb673705f7bc34418ec86339203198beceb2ae7f1ffefedb",
        11: "257fa566ed9bc0767d3e63e92b5e966829fa3347d320a32055dc31ee7d33f8a4",
        12: "28b151069f41abc121baa6d2eaa8f9e4c4d8326ddbefee2bd9c0776b80ac6fad",
        13: "d5d94bb25bdc024f649213593027d861042ee807cafd94b49b54f1663f8f267d",
        14: "c09129f064c08ecb07ea3689a2247dcc177de6837e7d2f5f946e30453abbccef",
        15: "90807800a1c3b248a452e1732c45ee5099f38b737356f5542c0584ec9c3ebb45",
        16: "2a1a494630e71bc026dd5c0eab4c1b9a5dbc656228c1f0d48f5dbd3909b161d3",
        17: "41509f380362a8d14401c5ae92073154922fe23e45459ce6f696f58607655db7",
        18: "d0148475717a2ba269784a178cb0ab617bc77f16c58d4a3cbdfe785b591c7034",
        19: "d1a1655b4366a766d1578beb257849a92bf91cb1358c1a2c37ab180c5d3a204d",
        20: "54ef75911da76d7a6b7ea341998aaf66cb06c679c53e0a88a4fe070dd3add963",
        21: "486e044cf98704e07f41137d2b89698dc03d1fbf34d13b60902fea19a6013b4b",
        22: "1ee9b4396db3e4e2516ac5016626ab6ba967f091d5d23afbdb7df122a0bb9d0c",
        23: "748e48b9b6d06f9c82d26bf551d0af43ee2e801e4be56d7ccb20312e267fd1d6",
        24: "f94fa4afa2f5147680f907d4dd96a8826206c26bd3328cd379feaed614b234de",
        25: "dec49a69893fbcd66cd06296b2d936a6aceb431c130b2e52675fe4274b504f57",
        26: "b198a51d48b88181508d8e4ea9dea39db285e4585663b29b7e4ded0c22a94875",
    }
)
"""SHA-256 of the ceremony's file by logrows."""

_CHUNK_BYTES = 1 << 20


def srs_kind(sha256: str) -> SrsKind:
    """Tell what an SRS is from its digest; a file's name proves nothing, and whatever is not pinned is test-only."""
    return SrsKind.CEREMONY if sha256 in CEREMONY_SHA256.values() else SrsKind.TEST_ONLY


def ensure_ceremony_srs(
    path: Path,
    logrows: int,
    *,
    url: str = CEREMONY_URL,
    digests: Mapping[int, str] = CEREMONY_SHA256,
    timeout_seconds: float = 60.0,
) -> bool:
    """Download the ceremony's SRS to ``path`` unless a good copy is there; gives whether it was downloaded.

    A file put there by hand is as good: only its digest counts. Nothing is left at ``path`` when the download fails.

    Args:
        path: target, usually ``srs_path(srs_dir, logrows, SrsKind.CEREMONY)``.
        logrows: height, 1..26.
        url: where from; ``{logrows}`` is replaced.
        digests: SHA-256 hex by logrows.
        timeout_seconds: longest silence of the server.

    Raises:
        ArtifactError: no digest is known for ``logrows``, the server cannot be reached, or the bytes are others than
            the digest says (also of a file that was already there, which is left alone).

    """
    if logrows not in digests:
        raise ArtifactError(
            f"a ceremony SRS needs a known digest; there is none for logrows {logrows}; "
            f"choose one of {min(digests)}..{max(digests)}"
        )
    if path.exists():
        _check(path, logrows, digests[logrows], file_sha256(path))
        return False
    with publish_once(path) as temporary:
        found = _download(url.format(logrows=logrows), temporary, srs_bytes(logrows), timeout_seconds)
        _check(temporary, logrows, digests[logrows], found)
    return True


def _download(url: str, target: Path, size_bytes: int, timeout_seconds: float) -> str:
    """Stream a file of exactly ``size_bytes`` and give its SHA-256."""
    digest, received = hashlib.sha256(), 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "zkgan-search"})
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response, target.open("wb") as handle:
            while piece := response.read(_CHUNK_BYTES):
                received += len(piece)
                if received > size_bytes:
                    break
                digest.update(piece)
                handle.write(piece)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ArtifactError(
            f"the ceremony's SRS must be fetched from {url}; {error}; check the network, or fetch it elsewhere and put "
            "it into the SRS folder as ceremony-kN.srs"
        ) from error
    if received != size_bytes:
        more = "more" if received > size_bytes else str(received)
        raise ArtifactError(f"the SRS at {url} must have {size_bytes} bytes; got {more}; try again or another mirror")
    return digest.hexdigest()


def _check(path: Path, logrows: int, expected: str, found: str) -> None:
    if found != expected:
        raise ArtifactError(
            f"the ceremony's SRS of logrows {logrows} must have SHA-256 {expected}; found {found}; "
            "do not use it: remove it and fetch the file again"
        )
    if check_srs_file(path) != logrows:
        raise ArtifactError(f"the SRS must be of logrows {logrows}; its header gives another; do not use it")


def ensure_to_json(*, srs: str, logrows: int) -> bool:
    """Call :func:`ensure_ceremony_srs` with JSON values, for :mod:`zk.child`."""
    return ensure_ceremony_srs(Path(srs), logrows)


def srs_stage(runner: StageRunner, srs_dir: Path, logrows: int, kind: SrsKind) -> Path:
    """Stage "srs": the cached file of the asked kind, made or downloaded first if it is missing.

    The digest of a ceremony file is checked at every use, in the child.
    """
    if kind is SrsKind.TEST_ONLY:
        return runner.srs(srs_dir, logrows)
    path = srs_path(srs_dir, logrows, kind)
    runner.run("srs", "zk.ceremony:ensure_to_json", {"srs": str(path), "logrows": logrows}, path)
    return path
