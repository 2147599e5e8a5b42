"""Trials as tasks of a Ray cluster with a head and two nodes of a core each, all of them on loopback."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import torch

from gan.errors import SpecError
from gan.training import TrainingHooks, TrainingRecord
from search.candidate import Candidate
from search.engine import StudyPlan, run_study
from search.errors import ConfigError, LostWorkerError, SegmentError, StarvedWorkerError, WorkerError
from search.memory import MemoryForecast
from search.ray_engine import RayEngine
from search.record import TrialOutcome, TrialRecord
from search.runner import Ended, Runner, Segment, SerialRunner
from search.study import scored_trials
from search.worker import Recorded
from tests.search.conftest import SilentObserver

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read by Ray when it is imported: nodes on loopback
ray = pytest.importorskip("ray", reason="needs the extra ray: pip install 'zkgan-search[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402

from search import ray_cluster  # noqa: E402
from search.ray_cluster import Needs, RayCluster  # noqa: E402
from search.ray_runner import RayRunner, run_job  # noqa: E402

pytestmark = pytest.mark.timeout(600)
MakeStudy = Callable[..., optuna.Study]
ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
NEEDS = Needs(1, memory_bytes=200 * MIB)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    shared = {"node_ip_address": "127.0.0.1", "object_store_memory": 100 * MIB, "memory": 500 * MIB}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-") as folder:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # workers that yield to everything else starve on a busy machine
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, **shared},
        )
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=1, **shared)
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@dataclass(frozen=True)
class Doing:
    """Scores at once; but does ``deed`` instead where the file ``once`` is not there yet, or always without one."""

    deed: str = ""
    once: Path | None = None
    weights: torch.Tensor | None = None

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        folder.mkdir(parents=True, exist_ok=True)
        hooks.on_record(TrainingRecord(1, 32, 0.1, 0.5, 0.6, 320.0, None))
        hooks.on_samples(1, torch.full((1, 1, 2, 2), 0.5))
        if self.deed and self._first():
            self._do(folder)
        width = candidate.spec.widths[0]
        metrics = {"rows": 10.0 * width, "accuracy": 1 / width, "threads": float(torch.get_num_threads())}
        if self.weights is not None:
            metrics["sum"] = float(self.weights.sum())
        return TrialRecord(candidate, TrialOutcome.SCORED, "", metrics, {}, folder)

    def _first(self) -> bool:
        if self.once is None:
            return True
        try:
            with self.once.open("x") as stream:
                stream.write(f"{os.getpid()} {ray.get_runtime_context().get_node_id()}\n")
        except FileExistsError:
            return False
        return True

    def _do(self, folder: Path) -> None:
        match self.deed:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "refuse":
                raise SpecError("widths must be positive; got 0")
            case "break":
                raise Unsendable("broken", 3)
            case "sleep":
                try:
                    sleep(60)
                except KeyboardInterrupt:
                    sleep(0.5)
                    (folder / "last-words").touch()
                    raise
            case "linger":
                while True:
                    try:
                        sleep(60)
                    except KeyboardInterrupt:
                        continue


def sleep(seconds: float) -> None:
    """In small steps: what Ray raises in a task comes between them."""
    for _ in range(int(10 * seconds)):
        time.sleep(0.1)


class Unsendable(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


@contextmanager
def opened(
    evaluate: Doing, *, attempts: int = 3, most: int = 9, say: Callable[[str], None] = print
) -> Iterator[Runner]:
    cluster = RayCluster(ours=False)
    with closing(RayRunner(evaluate, cluster, needs=NEEDS, most=most, attempts=attempts, say=say)) as runner:
        yield runner


def results(runner: Runner, count: int) -> list[Ended]:
    found: list[Ended] = []
    while len(found) < count:
        found += runner.wait()
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def contents(study: optuna.Study) -> dict[str, tuple[float, ...]]:
    return {trial.user_attrs["candidate_digest"]: tuple(trial.values) for trial in scored_trials(study)}


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


def test_a_trial_that_fits_no_node_is_refused(nodes: Cluster) -> None:
    engine = RayEngine(address=nodes.address, memory_bytes=600 * MIB)
    with pytest.raises(ConfigError, match=r"no Ray node has 1 cores, 0 GPUs and 0\.6 GiB; there are .* 0\.5 GiB"):
        engine.open(Doing(), most=1, device=torch.device("cpu"), say=print)


class Vanishing(RayCluster):
    """Has as many slots as it is told, one number after the other; tasks stay where they are."""

    def __init__(self, *slots: int) -> None:
        super().__init__(ours=False)
        self.left = list(slots)

    def slots(self, needs: Needs) -> int:
        return self.left.pop(0)

    def submit(self, function: Callable[..., Any], *arguments: Any, needs: Needs, **options: Any) -> object:
        return object()


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


def test_room_follows_the_nodes(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, said = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    runner = RayRunner(Doing(), Vanishing(1, 4, 0, 2), needs=NEEDS, most=3, say=said.append)
    found = []
    for second in range(4):
        clock[0] = float(second)
        while runner.has_room():
            runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        found.append(len(runner._jobs))
        if second == 2:
            assert said == ["no node is left that a trial fits on; waiting for one to join"]
            runner._jobs.clear()
            assert runner.has_room()  # else a study with nothing in work would end
    assert found == [1, 3, 3, 2]


class Foretold(Vanishing):
    """Has two nodes for trials; a task ends at once, as it is told: with an error, or with that peak."""

    def __init__(self, candidate: Candidate, *outcomes: int | Exception) -> None:
        super().__init__()
        self.candidate = candidate
        self.outcomes, self.asked, self.cancelled = list(outcomes), list[int](), list[object]()
        self.there = [{"CPU": 2.0, "memory": 1000.0}, {"CPU": 4.0, "memory": 3000.0}, {"CPU": 0.5, "memory": 9000.0}]

    def nodes(self) -> list[dict[str, float]]:
        return self.there

    def cancel(self, tasks: Sequence[object]) -> None:
        self.cancelled += tasks

    def slots(self, needs: Needs) -> int:
        return RayCluster.slots(self, needs)

    def submit(self, function: Callable[..., Any], *arguments: Any, needs: Needs, **options: Any) -> object:
        self.asked.append(needs.memory_bytes)
        return object()

    def ended(self, tasks: Sequence[object], seconds: float) -> list[object]:
        return list(tasks) if self.outcomes else []

    def result(self, task: object) -> Any:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        trained = {"train_steps": 1.0} if outcome > 400 else {}
        return TrialRecord(self.candidate, TrialOutcome.SCORED, "", trained, {}, Path()), outcome


def test_trials_take_the_memory_that_earlier_ones_foretell(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, footprints = [0.0], [50, 100, 200, 5000]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    cluster = Foretold(tiny_candidate, 400, 500, 500, 500)  # the first was not trained: it foretells nothing
    forecast = MemoryForecast(2000, lambda candidate: footprints[candidate.seed])
    runner = RayRunner(Doing(), cluster, needs=Needs(1, memory_bytes=2000), most=9, forecast=forecast)
    room = []
    for seed in range(4):
        clock[0] += 10.0
        room.append(runner._room())
        runner.submit(Segment(seed, replace(tiny_candidate, seed=seed), tmp_path), TrainingHooks())
        runner.wait()
    assert cluster.asked == [2000, 2000, 1.25 * (400 + 200), 3000]  # no node has 1.25 * (400 + 5000)
    assert room == [1, 1, 5, 5]  # of 625 bytes and a core, then of 750


def test_a_trial_that_was_killed_for_want_of_memory_is_given_a_node_of_its_own(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path
) -> None:
    cluster = Foretold(tiny_candidate, LostWorkerError("its worker died"), StarvedWorkerError("no memory"))
    runner = RayRunner(
        Doing(), cluster, needs=NEEDS, most=9, forecast=MemoryForecast(500, lambda candidate: 0), say=lambda line: None
    )
    runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
    assert runner.has_room()
    assert runner.wait() == runner.wait() == []
    assert cluster.asked == [500, 500, 3000]
    assert not runner.has_room()  # others would take the node, one after the other
    cluster.outcomes.append(700)
    assert len(runner.wait()) == 1
    assert runner.has_room()


def test_a_trial_whose_node_left_before_it_began_asks_for_what_is_there(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path
) -> None:
    cluster = Foretold(tiny_candidate)
    forecast = MemoryForecast(2000, lambda candidate: 0)
    runner = RayRunner(Doing(), cluster, needs=Needs(1, memory_bytes=2000), most=9, forecast=forecast)
    runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
    large = cluster.there.pop(1)
    assert runner.wait() == []
    assert cluster.asked == [2000, 1000]
    cluster.there.clear()
    assert runner.wait() == []
    assert cluster.asked == [2000, 1000]  # nothing is there to ask: it waits
    runner.submit(Segment(1, replace(tiny_candidate, seed=1), tmp_path), TrainingHooks())
    assert cluster.asked == [2000, 1000, 2000]
    cluster.there.append(large)
    assert runner.wait() == []
    assert len(cluster.cancelled) == 1


def test_results_come_before_much_progress(
    nodes: Cluster, tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    clock = [0.0]

    def hear(record: TrainingRecord) -> None:
        heard.append(record.step)
        clock[0] += 0.2  # as a slow tracking server

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    records = [(0, pickle.dumps(Recorded(TrainingRecord(n, 1, 0.0, 0.0, 0.0, 0.0, None)))) for n in range(9)]
    monkeypatch.setattr(Vanishing, "messages", lambda self: [(7, b"of a task that has ended"), *records], raising=False)
    monkeypatch.setattr(Vanishing, "ended", lambda self, tasks, seconds: [], raising=False)
    runner = RayRunner(Doing(), Vanishing(1), needs=NEEDS, most=3)
    runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks(on_record=hear))
    assert runner.wait() == []
    assert heard == [0, 1, 2]


@pytest.mark.parametrize(
    ("node", "times"),
    [
        ({"CPU": 8.0, "memory": 10e9, "GPU": 1.0}, 2),
        ({"CPU": 8.0, "memory": 10e9, "GPU": 0.5}, 1),
        ({"CPU": 3.0, "memory": 10e9, "GPU": 4.0}, 1),
        ({"CPU": 8.0, "memory": 1.9e9, "GPU": 1.0}, 0),
        ({"CPU": 8.0, "memory": 10e9}, 0),
        ({}, 0),
    ],
)
def test_a_node_holds_what_its_scarcest_resource_allows(node: dict[str, float], times: int) -> None:
    assert Needs(2, 0.5, 2_000_000_000).times_in(node) == times
    assert Needs(0.5).times_in(node) == 2 * node.get("CPU", 0)
    assert (Needs(0.5).threads, Needs(3).threads) == (1, 3)


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
