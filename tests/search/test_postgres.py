"""A real PostgreSQL server, where its programs and the driver (``pip install 'zkgan-search[postgres]'``) are there."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.drivers import orphans
from search.errors import StorageUnreachable
from search.interrupted import close_interrupted
from search.patience import Patience
from search.storage import build_storage
from search.study import open_study
from tests.search.conftest import OBJECTIVES
from tests.search.test_storage import run_workers, start_worker

pytest.importorskip("psycopg2", reason="the PostgreSQL driver psycopg2 is not installed")

PASSWORD = "not{for}eyes"
SETTINGS = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "16MB"}


def programs() -> Path | None:
    """Folder of the newest server's programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found and shutil.which("postgres") else None


@dataclass(frozen=True)
class Server:
    """A server of our own in a folder; it refuses to run as root, so ``user`` runs it then."""

    bin: Path
    folder: Path
    port: int
    user: dict[str, Any]

    @property
    def url(self) -> str:
        return f"postgresql://zkgan:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def call(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), "-D", str(self.folder / "data"), *arguments]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            done = subprocess.run(command, stdout=log, stderr=log, cwd="/", timeout=60, **self.user)
        assert done.returncode == 0, Path(log.name).read_text()[-2000:]

    def start(self) -> None:
        options = " ".join(f"-c {key}='{value}'" for key, value in {**SETTINGS, "port": str(self.port)}.items())
        self.call("pg_ctl", "-w", "-o", options, "-l", str(self.folder / "server.log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate`` is a crash: connections break and the next start recovers."""
        self.call("pg_ctl", "-w", "-m", mode, "stop")


def unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder_of_programs = programs()
    if folder_of_programs is None:
        pytest.skip("no PostgreSQL server is installed")
    folder = Path(tempfile.mkdtemp(prefix="zkgan-postgres-"))  # pytest's own folders are closed to other users
    user = unprivileged()
    if user:
        shutil.chown(folder, user["user"], user["group"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(folder_of_programs, folder, port, user)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    try:
        made.call("initdb", "-U", "zkgan", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "--no-sync")
        made.start()
        yield made
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            made.stop()
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def study(server: Server) -> Iterator[optuna.Study]:
    storage = build_storage(server.url, say=lambda _: None)
    yield open_study(
        name="study",
        storage=storage,
        objectives=OBJECTIVES,
        sampler=optuna.samplers.RandomSampler(seed=0),
        signature="x",
    )
    storage.delete_study(storage.get_study_id_from_name("study"))


def test_two_processes_lose_nothing_while_the_server_crashes_and_comes_back(server: Server) -> None:
    workers = [start_worker(server.url, worker, 25) for worker in range(2)]  # they make the tables at the same time
    told_before: list[int] = []

    def crash() -> None:
        watching = optuna.load_study(study_name="s", storage=build_storage(server.url))

        def complete() -> int:
            return len(watching.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

        watching.enqueue_trial({"x": 12.5})
        wait_until(lambda: complete() >= 6)
        told_before.append(complete())
        server.stop()
        time.sleep(1.0)
        server.start()

    told = run_workers(workers, crash)
    study = optuna.load_study(study_name="s", storage=build_storage(server.url))
    assert 6 <= told_before[0] < 50
    assert len(told) == 50
    complete = {trial.number: trial for trial in study.get_trials(states=(TrialState.COMPLETE,))}
    assert {number: [*trial.values, trial.user_attrs["told"][1]] for number, trial in complete.items()} == told
    assert [trial.params["x"] for trial in complete.values()].count(12.5) == 1
    left = [trial for trial in study.trials if trial.number not in complete]
    assert all(trial.state == TrialState.RUNNING and trial.params == {} for trial in left)  # answers that were lost
    assert {trial.number for trial in orphans(study, [], now=time.time() + 3600)} == {trial.number for trial in left}
    assert close_interrupted(study, OBJECTIVES) == 0
    assert all(trial.state.is_finished() for trial in study.trials)


def test_a_server_that_stays_away_ends_the_wait_and_what_was_told_is_there_afterwards(
    server: Server, study: optuna.Study
) -> None:
    said: list[str] = []
    hurried = build_storage(server.url, patience=Patience(0.5, 0.1, 0.1), say=said.append)
    same = optuna.load_study(study_name="study", storage=hurried)
    trial = same.ask()
    server.stop("fast")
    try:
        with pytest.raises(StorageUnreachable, match="the study is kept") as raised:
            same.tell(trial, [1.0, 2.0])
    finally:
        server.start()
    assert PASSWORD not in str(raised.value) + "".join(said)
    same.tell(trial, [1.0, 2.0])
    assert [kept.values for kept in study.get_trials()] == [[1.0, 2.0]]


def test_wrong_passwords_and_databases_are_not_waited_for(server: Server) -> None:
    for url in (server.url.replace(PASSWORD, "wrong"), server.url.replace("/postgres", "/nowhere")):
        said: list[str] = []
        with pytest.raises(Exception, match="authentication failed|does not exist") as raised:
            build_storage(url, say=said.append)
        assert not isinstance(raised.value, StorageUnreachable)
        assert said == []
        assert "wrong" not in str(raised.value)
