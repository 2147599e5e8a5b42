"""SRS files: their shape, and the ceremony's download against a server on the loopback."""

import hashlib
import importlib.util
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from zk import backend
from zk.audit_key import open_proving_key
from zk.ceremony import CEREMONY_SHA256, CEREMONY_URL, ensure_ceremony_srs, ensure_to_json, srs_kind, srs_stage
from zk.errors import ArtifactError
from zk.srs import MAX_SRS_LOGROWS, SrsKind, check_srs_file, file_sha256, srs_bytes, srs_path
from zk.stages import StageFailed, StageRunner
from zk.types import Budget, CircuitOptions, Outcome

LOGROWS = 6


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Stand in for a ceremony's file: of the same shape, with a secret that this machine drew."""
    path = tmp_path_factory.mktemp("srs") / "file"
    backend.gen_srs(srs=str(path), logrows=LOGROWS)
    return path.read_bytes()


@dataclass
class Server:
    """What is served at every path, under which announced length, and which paths were asked for."""

    url: str = ""
    content: bytes = b""
    announced: int | None = None
    status: int = 200
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(good: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    state = Server(content=good)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.content) if state.announced is None else state.announced))
            self.end_headers()
            self.wfile.write(state.content)

        def log_message(self, *_: object) -> None:
            return

    http = HTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}/kzg{{logrows}}.srs"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


def digests(content: bytes) -> dict[int, str]:
    return {LOGROWS: hashlib.sha256(content).hexdigest()}


def fetch(server: Server, path: Path, pinned: dict[int, str]) -> bool:
    return ensure_ceremony_srs(path, LOGROWS, url=server.url, digests=pinned, timeout_seconds=10.0)


def test_a_good_file_is_downloaded_once(server: Server, good: bytes, tmp_path: Path) -> None:
    path = srs_path(tmp_path / "new", LOGROWS, SrsKind.CEREMONY)
    assert fetch(server, path, digests(good))
    assert not fetch(server, path, digests(good))
    assert path.read_bytes() == good
    assert server.asked == ["/kzg6.srs"]
    assert [file.name for file in path.parent.iterdir()] == ["ceremony-k6.srs"]


@pytest.mark.parametrize("position", [0, 4, 500, -200, -1])
def test_a_changed_byte_is_refused_and_nothing_is_kept(
    server: Server, good: bytes, tmp_path: Path, position: int
) -> None:
    changed = bytearray(good)
    changed[position] ^= 1
    server.content = bytes(changed)
    with pytest.raises(ArtifactError, match="must have SHA-256 .* do not use it"):
        fetch(server, tmp_path / "file", digests(good))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cut", "announced", "match"),
    [
        (slice(0, 100), None, "must have 8452 bytes; got 100"),
        (slice(0, 100), 8452, "8452 bytes; got 100|IncompleteRead"),
        (slice(0, 0), None, "must have 8452 bytes; got 0"),
    ],
)
def test_a_broken_download_is_refused(
    server: Server, good: bytes, tmp_path: Path, cut: slice, announced: int | None, match: str
) -> None:
    server.content, server.announced = good[cut], announced
    with pytest.raises(ArtifactError, match=match):
        fetch(server, tmp_path / "file", digests(good))
    assert list(tmp_path.iterdir()) == []


def test_endless_downloads_stop_at_the_right_size(server: Server, good: bytes, tmp_path: Path) -> None:
    server.content = good + bytes(5_000_000)
    with pytest.raises(ArtifactError, match="must have 8452 bytes; got more"):
        fetch(server, tmp_path / "file", digests(good))
    assert list(tmp_path.iterdir()) == []


def test_unreachable_servers_say_what_to_do(server: Server, good: bytes, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(ArtifactError, match=r"404.*ceremony-kN\.srs"):
        fetch(server, tmp_path / "file", digests(good))
    for url in ("http://127.0.0.1:1/{logrows}", "nonsense", "file:///absent/{logrows}"):
        with pytest.raises(ArtifactError, match="must be fetched from"):
            ensure_ceremony_srs(tmp_path / "file", LOGROWS, url=url, digests=digests(good))
    with pytest.raises(ArtifactError, match="there is none for logrows 27"):
        ensure_ceremony_srs(tmp_path / "file", 27)
    assert list(tmp_path.iterdir()) == []


def test_a_file_put_there_by_hand_is_checked_and_left_alone(server: Server, good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ceremony-k6.srs"
    path.write_bytes(good)
    assert not fetch(server, path, digests(good))
    path.write_bytes(good[:-1] + b"\0")
    with pytest.raises(ArtifactError, match="must have SHA-256"):
        fetch(server, path, digests(good))
    assert path.exists()
    assert server.asked == []


def test_the_right_digest_of_the_wrong_height_is_refused(server: Server, good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(good)
    pinned = {7: hashlib.sha256(good).hexdigest()}
    with pytest.raises(ArtifactError, match="must be of logrows 7"):
        ensure_ceremony_srs(path, 7, url=server.url, digests=pinned)


def test_a_local_file_under_the_ceremonys_name_ends_the_stage(good: bytes, tmp_path: Path) -> None:
    srs_path(tmp_path, LOGROWS, SrsKind.CEREMONY).write_bytes(good)
    runner = StageRunner(tmp_path / "work", CircuitOptions(), Budget(1 << 30, 30.0))
    with pytest.raises(StageFailed, match=CEREMONY_SHA256[LOGROWS]):
        srs_stage(runner, tmp_path, LOGROWS, SrsKind.CEREMONY)
    assert [(result.stage, result.outcome) for result in runner.results] == [("srs", Outcome.REFUSED)]
    with pytest.raises(ArtifactError, match="must have SHA-256"):
        ensure_to_json(srs=str(tmp_path / "ceremony-k6.srs"), logrows=LOGROWS)


def test_the_pins_are_those_of_the_installed_ezkl() -> None:
    spec = importlib.util.find_spec("ezkl")
    assert spec is not None
    assert spec.origin is not None
    binary = b"".join(path.read_bytes() for path in Path(spec.origin).parent.glob("*.so"))
    assert list(CEREMONY_SHA256) == list(range(1, MAX_SRS_LOGROWS + 1))
    assert b"".join(digest.encode() for digest in CEREMONY_SHA256.values()) in binary
    assert CEREMONY_URL.partition("{")[0].encode() in binary


def test_a_kind_follows_from_the_digest_alone(good: bytes, tmp_path: Path) -> None:
    path = srs_path(tmp_path, LOGROWS, SrsKind.CEREMONY)
    path.write_bytes(good)
    assert (path.name, srs_path(tmp_path, 9).name) == ("ceremony-k6.srs", "test-only-k9.srs")
    assert srs_kind(file_sha256(path)) is SrsKind.TEST_ONLY
    assert srs_kind(CEREMONY_SHA256[20]) is SrsKind.CEREMONY
    with pytest.raises(ArtifactError, match="readable file"):
        file_sha256(tmp_path)


def test_the_shape_of_a_file(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(good)
    assert check_srs_file(path) == LOGROWS
    assert len(good) == srs_bytes(LOGROWS)
    for damaged in (good[:-1], good + b"\0", b"", b"\x07" + good[1:], b"\x06\0\0\1" + good[4:], bytes(len(good))):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="truncated or another kind"):
            check_srs_file(path)
    first, g2 = good[4:68], good[-256:-128]
    wrong_start = good[:4] + b"\1" + good[5:]
    secret_is_one = good[:68] + first + good[132:]
    wrong_g2 = good[:-256] + b"\1" + good[-255:]
    secret_is_one_in_g2 = good[:-128] + g2
    for damaged in (wrong_start, secret_is_one, wrong_g2, secret_is_one_in_g2):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="generators of bn254"):
            check_srs_file(path)
    with pytest.raises(ArtifactError, match="readable SRS"):
        check_srs_file(tmp_path / "absent")


def test_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (check_srs_file, file_sha256, open_proving_key):
        with pytest.raises(ArtifactError, match="no plain file"):
            read(tmp_path / "pipe")
