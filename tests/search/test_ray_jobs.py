"""Single jobs as tasks of a Ray cluster."""

import os
import signal
from pathlib import Path

import pytest

from search.errors import LostWorkerError
from search.ray_engine import RayEngine
from tests.search.ray_nodes import (
    MIB,
    NEEDS,
    Cluster,
    RayCluster,
    Vanishing,
    ray,
    run_job,
)

pytestmark = pytest.mark.timeout(600)


def threads_and_folder(once: Path) -> tuple[str | None, str]:
    if not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.environ.get("RAYON_NUM_THREADS"), str(Path.cwd())


@pytest.mark.slow
def test_a_job_is_a_task_that_is_tried_again(nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    engine = RayEngine(address=nodes.address)
    found = engine.job(threads_and_folder, Path("once"), memory_bytes=200 * MIB, say=said.append)
    assert found == (None, str(tmp_path))
    assert said == ["its worker died; trying again"]
    assert ray.is_initialized()  # the connection was there before
    with pytest.raises(ZeroDivisionError, match="integer"):
        engine.job(divmod, 1, 0, memory_bytes=MIB)


@pytest.mark.slow
def test_a_job_has_the_threads_it_was_given(nodes: Cluster, tmp_path: Path) -> None:
    found = RayEngine(address=nodes.address, proof_cpus=1).job(threads_and_folder, tmp_path, memory_bytes=MIB)
    assert found == ("1", str(Path.cwd()))


def test_a_job_that_fits_no_node_runs_here(nodes: Cluster) -> None:
    said: list[str] = []
    found = RayEngine(address=nodes.address).job(os.getpid, memory_bytes=10**15, say=said.append)
    assert found == os.getpid()
    assert said[0].startswith("no Ray node has 0 cores, 0 GPUs and 931322.6 GiB; there are ")
    found = RayEngine(address=nodes.address, proof_cpus=3).job(os.getpid, memory_bytes=MIB, say=said.append)
    assert found == os.getpid()
    assert said[1].startswith("no Ray node has 3 cores, 0 GPUs and 0.0 GiB; there are ")


def test_a_job_whose_workers_always_die_is_given_up(nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def refuse(self: RayCluster, task: object) -> None:
        raise LostWorkerError("its worker died")

    monkeypatch.setattr(Vanishing, "result", refuse, raising=False)
    monkeypatch.setattr(Vanishing, "ended", lambda self, tasks, seconds: tasks, raising=False)
    with pytest.raises(LostWorkerError, match="^its worker died, 3 times$"):
        run_job(Vanishing(), os.getpid, needs=NEEDS, attempts=3, say=said.append)
    assert said == ["its worker died; trying again"] * 2


def test_a_job_that_fits_no_node_any_more_says_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    said, polls = list[str](), iter([[], [], [], ["task"]])
    monkeypatch.setattr(Vanishing, "result", lambda self, task: 7, raising=False)
    monkeypatch.setattr(Vanishing, "ended", lambda self, tasks, seconds: next(polls), raising=False)
    assert run_job(Vanishing(1, 0), os.getpid, needs=NEEDS, attempts=3, say=said.append) == 7
    assert said == ["no node is left that this fits on; waiting for one to join"]
