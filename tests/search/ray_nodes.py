"""A Ray cluster with a head and two nodes of a core each, all on loopback, and trials that do as they are told.

What needs Ray is imported here, after what Ray reads when it is imported; tests take it from here.
"""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from gan.errors import SpecError
from gan.training import TrainingHooks, TrainingRecord
from search.candidate import Candidate
from search.record import TrialOutcome, TrialRecord
from search.runner import Ended, Runner
from search.study import scored_trials

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read by Ray when it is imported: nodes on loopback
ray = pytest.importorskip("ray", reason="needs the extra ray: pip install 'zkgan-search[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402

from search import ray_cluster  # noqa: E402
from search.ray_cluster import Needs, RayCluster  # noqa: E402
from search.ray_runner import RayRunner, run_job  # noqa: E402

__all__ = ["Cluster", "Needs", "RayCluster", "RayRunner", "ray", "ray_cluster", "run_job"]

MakeStudy = Callable[..., optuna.Study]
ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
NEEDS = Needs(1, memory_bytes=200 * MIB)


@contextmanager
def started() -> Iterator[Cluster]:
    """A head without cores and two nodes of one each."""
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


class Vanishing(RayCluster):
    """Has as many slots as it is told, one number after the other; tasks stay where they are."""

    def __init__(self, *slots: int) -> None:
        super().__init__(ours=False)
        self.left = list(slots)

    def slots(self, needs: Needs) -> int:
        return self.left.pop(0)

    def submit(self, function: Callable[..., Any], *arguments: Any, needs: Needs, **options: Any) -> object:
        return object()
