"""Trials as tasks of a Ray cluster."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from gan.errors import SpecError
from gan.training import TrainingHooks
from search.candidate import Candidate
from search.engine import StudyPlan, run_study
from search.errors import ConfigError, SegmentError, WorkerError
from search.ray_engine import RayEngine
from search.record import TrialOutcome
from search.runner import Segment, SerialRunner
from tests.search.conftest import SilentObserver
from tests.search.ray_nodes import (
    MIB,
    NEEDS,
    ROOT,
    Cluster,
    Doing,
    MakeStudy,
    contents,
    opened,
    ray,
    ray_cluster,
    results,
    wait_for,
)

pytestmark = pytest.mark.timeout(600)


def test_a_study_on_nodes_equals_an_undisturbed_one(
    nodes: Cluster, make_study: MakeStudy, plan: StudyPlan, tmp_path: Path
) -> None:
    alone, spread, observer, said = make_study(name="alone"), make_study(name="spread"), SilentObserver(), []
    run_study(alone, plan, SerialRunner(Doing()), SilentObserver())
    engine = RayEngine(address=nodes.address, memory_bytes=NEEDS.memory_bytes)
    evaluate = Doing("die", once=tmp_path / "died")
    with closing(engine.open(evaluate, most=5, device=torch.device("cpu"), say=said.append)) as runner:
        run_study(spread, plan, runner, observer)
    assert contents(spread) == contents(alone)
    assert len(contents(alone)) == 5
    assert all(trial.state.is_finished() for trial in spread.trials)
    told = [record.candidate.digest for record in observer.ended]
    assert sorted(told) == sorted(contents(alone))  # each once
    assert said[0] == "Ray nodes: 3; trials at a time: 2; threads of each: 1"
    assert [text.split(maxsplit=2)[2] for text in said[1:]] == ["its worker died; trying again from its checkpoint"]


def test_progress_arrives_before_the_result(nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path) -> None:
    heard: list[Any] = []
    hooks = TrainingHooks(on_record=heard.append, on_samples=lambda step, images: heard.append((step, images)))
    with opened(Doing(weights=torch.arange(4.0)), most=1) as runner:
        assert runner.has_room()
        runner.submit(Segment(4, tiny_candidate, tmp_path), hooks)
        assert not runner.has_room()
        (ended,) = results(runner, 1)
        assert runner.has_room()
        assert runner.wait() == []
    assert (ended.segment.number, ended.record.outcome, ended.record.folder) == (4, TrialOutcome.SCORED, tmp_path)
    assert (ended.record.metrics["sum"], ended.record.metrics["threads"]) == (6.0, 1.0)
    record, (step, images) = heard
    assert (record.images, step) == (32, 1)
    assert images.equal(torch.full((1, 1, 2, 2), 0.5))


def test_relative_folders_are_the_drivers(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(Doing()) as runner:
        runner.submit(Segment(0, tiny_candidate, Path("here")), TrainingHooks())
        (ended,) = results(runner, 1)
    assert ended.record.folder == Path("here")
    assert (tmp_path / "here").is_dir()


def test_a_missing_working_folder_is_said(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    with opened(Doing()) as runner:
        (tmp_path / "gone").rmdir()
        runner.submit(Segment(0, tiny_candidate, Path("here")), TrainingHooks())
        with pytest.raises(SegmentError, match="working folder must be on every node; there is no .*gone") as caught:
            results(runner, 1)
    assert isinstance(caught.value.error, ConfigError)


def test_errors_come_back_as_they_were(nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path) -> None:
    with opened(Doing("refuse")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        with pytest.raises(SegmentError) as caught:
            results(runner, 1)
    assert (type(caught.value.error), str(caught.value.error)) == (SpecError, "widths must be positive; got 0")
    with opened(Doing("break")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        with pytest.raises(SegmentError, match="Unsendable: broken") as caught:
            results(runner, 1)
    assert isinstance(caught.value.error, WorkerError)


def test_a_segment_whose_workers_always_die_is_lost(nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path) -> None:
    said: list[str] = []
    with opened(Doing("die"), attempts=1, say=said.append) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        (ended,) = results(runner, 1)
    assert (ended.record.outcome, ended.record.reason) == (TrialOutcome.LOST, "its worker died, 1 times")
    assert ended.record.folder == tmp_path
    assert said == []


def test_closing_lets_trainings_write_their_last_step(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path
) -> None:
    with opened(Doing("sleep", once=tmp_path / "began")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        wait_for((tmp_path / "began").exists)
    assert (tmp_path / "last-words").exists()


@pytest.mark.slow
def test_closing_ends_what_does_not_stop(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "_LAST_WORDS_SECONDS", 0.5)
    with opened(Doing("linger", once=tmp_path / "began")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        wait_for(lambda: (tmp_path / "began").exists() and (tmp_path / "began").read_text())
        pid = int((tmp_path / "began").read_text().split()[0])
        assert psutil.pid_exists(pid)
    wait_for(lambda: not psutil.pid_exists(pid))


def test_a_trial_that_fits_no_node_is_refused(nodes: Cluster) -> None:
    engine = RayEngine(address=nodes.address, memory_bytes=600 * MIB)
    with pytest.raises(ConfigError, match=r"no Ray node has 1 cores, 0 GPUs and 0\.6 GiB; there are .* 0\.5 GiB"):
        engine.open(Doing(), most=1, device=torch.device("cpu"), say=print)


def test_an_address_without_a_cluster_is_refused_at_once(nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in (address, "nonsense", "127.0.0.1:port"):
            with pytest.raises(ConfigError, match=f"engine.address must name a running Ray cluster; {name} cannot"):
                RayEngine(address=name).open(Doing(), most=1, device=torch.device("cpu"), say=print)


def test_a_segment_on_a_lost_node_goes_on_elsewhere(nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path) -> None:
    began, said = tmp_path / "began", []
    with opened(Doing("sleep", once=began), say=said.append) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        wait_for(lambda: began.exists() and began.read_text().endswith("\n"))
        lost = began.read_text().split()[1]
        (node,) = (node for node in nodes.worker_nodes if node.node_id == lost)
        nodes.remove_node(node, allow_graceful=False)
        (ended,) = results(runner, 1)
        assert ended.record.outcome is TrialOutcome.SCORED
        runner.submit(Segment(1, tiny_candidate, tmp_path), TrainingHooks())
    assert said == ["trial   0  its worker was on a node that is gone; trying again from its checkpoint"]


OWN = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import psutil, torch
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe
from search.candidate import Candidate
from search.ray_engine import RayEngine
from search.runner import Segment
from tests.search.conftest import CheapEvaluator
assert "ray" not in sys.modules
spec = GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8)
segment = Segment(7, Candidate(spec, TrainingRecipe(), TrainingBudget(steps=1), 0), Path("folder"))
engine = RayEngine(memory_bytes=200 * 2**20, object_store_bytes=100 * 2**20)
runner = engine.open(CheapEvaluator(), most=3, device=torch.device("cpu"), say=print)
runner.submit(segment, TrainingHooks())
while not (ended := runner.wait()):
    pass
family = [psutil.Process(), *psutil.Process().children(recursive=True)]
listening = {c.laddr.ip for member in family for c in member.net_connections() if c.status == psutil.CONN_LISTEN}
runner.close()
left = [len(psutil.Process().children(recursive=True))]
elsewhere = engine.job(os.getpid, memory_bytes=2**20) != os.getpid()
left.append(len(psutil.Process().children(recursive=True)))
found = {"outcome": ended[0].record.outcome, "family": len(family), "listening": sorted(listening), "left": left,
         "elsewhere": elsewhere, "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL}
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_cluster_of_this_machine_keeps_to_loopback_and_ends_with_its_runner(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHONPATH"))}
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # paths of sockets have at most 107 characters
        result = subprocess.run(
            [sys.executable, "-c", OWN, str(ROOT)],
            cwd=tmp_path,
            env={**kept, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "RAY_TMPDIR": short},
            capture_output=True,
            text=True,
            timeout=500,
        )
    assert result.returncode == 0, result.stderr
    said, found = result.stdout.splitlines()
    assert said == "Ray nodes: 1; trials at a time: 1; threads of each: 1"
    assert json.loads(found) == {
        "outcome": "scored",
        "family": json.loads(found)["family"],
        "listening": ["127.0.0.1", "::ffff:127.0.0.1"],
        "left": [0, 0],
        "elsewhere": True,
        "sigterm": True,
    }
    assert json.loads(found)["family"] > 3
