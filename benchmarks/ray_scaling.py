"""How much of a cluster the engine keeps at work: trials that sleep, on 1 to 200 workers.

    python benchmarks/ray_scaling.py [--workers 1 2 4 8 16 32 64 128 200] [--seconds 20] [--rounds 4] [--storage URL]
                                     [--record] [--processes] [--out docs/results/engine-scaling.json]

Real are the engine, Ray, the study's storage and, with ``--record``, MLflow; a trial is a sleep of half to one and a
half times ``--seconds``, drawn from its digest, that tells of its progress once a second. Its nodes are not: 200
machines are not at hand, and 200 Ray workers with PyTorch would not fit into the memory of one. So tasks run on threads
of two Ray actors, each with the messages, references and waits of a task of its own; ``--processes`` takes a worker
process for each instead, for as many as memory holds, and files what each holds. What is left out is what nodes do by
themselves: fetching the evaluator, starting workers.

Ideal is the end of the last trial if each of the same sleeps began at once on the worker that is free first. What
workers idle beyond that is the driver's doing: asking, telling, filing. Each number of workers takes ``--rounds``
trials for each of them.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import optuna
import psutil

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read by Ray when it is imported: loopback only
import ray  # noqa: E402
from silent_observer import Silent  # noqa: E402

from atomic_files import write_text  # noqa: E402
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe, TrainingRecord  # noqa: E402
from search.candidate import Candidate  # noqa: E402
from search.engine import Observer, StudyPlan, run_study  # noqa: E402
from search.objectives import Objective  # noqa: E402
from search.observer import StudyObserver  # noqa: E402
from search.provenance import machine  # noqa: E402
from search.ray_cluster import Needs, RayCluster, Reference, start_cluster  # noqa: E402
from search.ray_runner import RayRunner, evaluate_in_task  # noqa: E402
from search.record import TrialOutcome, TrialRecord  # noqa: E402
from search.runner import Runner  # noqa: E402
from search.samplers import random  # noqa: E402
from search.space import build_search_space  # noqa: E402
from search.storage import build_storage  # noqa: E402
from search.study import open_study, scored_trials  # noqa: E402
from search.tracking import Tracker  # noqa: E402
from search.view import LineView  # noqa: E402

OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 1e6))
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 200)
ACTORS = 2


@dataclass(frozen=True)
class Sleeping:
    """Stands for training: sleeps around ``seconds``."""

    seconds: float

    def seconds_of(self, candidate: Candidate) -> float:
        """Half to one and a half times ``seconds``, by the candidate alone."""
        return self.seconds * (0.5 + int(candidate.digest[:8], 16) / 16**8)

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        """Sleep, and tell of it once a second."""
        end, step = time.monotonic() + self.seconds_of(candidate), 0
        while (left := end - time.monotonic()) > 0:
            step += 1
            hooks.on_record(TrainingRecord(step, 32 * step, float(step), 0.5, 0.5, 32.0, left))
            time.sleep(min(1.0, left))
        spec = candidate.spec
        metrics = {"accuracy": (spec.latent_dim * 37 % 101) / 101, "rows": float(spec.widths[0] * spec.latent_dim)}
        return TrialRecord(candidate, TrialOutcome.SCORED, "", metrics, {"rows": -1.0}, folder)


class Host:
    """An actor whose threads stand for workers."""

    def carry_out(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, None]:
        """Do what a task does, in the folder where the actor is."""
        return function(*arguments), None


class ThreadCluster(RayCluster):
    """Tasks as calls to actors that have ``workers`` threads together."""

    def __init__(self, workers: int) -> None:
        super().__init__(ours=True)
        self._workers, self._next = workers, 0
        options = ray.remote(Host).options(num_cpus=0, max_concurrency=-(-workers // ACTORS))
        self._hosts = [options.remote() for _ in range(ACTORS)]

    def slots(self, needs: Needs) -> int:
        """As many as there are threads."""
        return self._workers

    def submit(self, function: Callable[..., Any], *arguments: Any, needs: Needs, **options: Any) -> Reference:
        """Call the next actor."""
        self._next += 1
        return self._hosts[self._next % ACTORS].carry_out.remote(function, *arguments)


def plan_of(trials: int, folder: Path) -> StudyPlan:
    """A study of that many trials over a space so large that draws hardly repeat."""
    space = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": {"low": 4, "high": 512}}},
        shared={"latent_dim": {"low": 2, "high": 256}, "conditioning": "one_hot"},
    )
    return StudyPlan(
        space=space,
        recipe=TrainingRecipe(),
        budget=TrainingBudget(steps=1),
        objectives=OBJECTIVES,
        image_size=16,
        num_classes=2,
        trained=trials,
        candidates=2 * trials,
        seed=0,
        folder=folder,
    )


def list_schedule_seconds(seconds: Sequence[float], workers: int) -> float:
    """End of the last of ``seconds`` when each begins, in order, on the worker that is free first."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heappush(free, heapq.heappop(free) + one)
    return max(free)


@contextmanager
def opened(workers: int, evaluate: Sleeping, processes: bool) -> Iterator[Runner]:
    """A runner with that many workers, each of which has imported everything."""
    cluster = start_cluster(cpus=workers, object_store_bytes=200 * 2**20, dashboard=False)
    try:
        if not processes:
            cluster = ThreadCluster(workers)
        runner = RayRunner(evaluate, cluster, needs=Needs(1), most=workers, say=lambda line: None)
        warm(cluster, workers if processes else ACTORS)
    except BaseException:
        cluster.close()
        raise
    with closing(runner):
        yield runner


def warm(cluster: RayCluster, count: int) -> None:
    """Have the mailbox start, and ``count`` workers import what tasks need; each rests, so that none takes two."""
    cluster.delivery(-1)
    for task in [cluster.submit(rest, evaluate_in_task, needs=Needs(1)) for _ in range(count)]:
        cluster.result(task)


def rest(imported: object) -> None:
    """Take a moment; ``imported`` is imported where this runs."""
    time.sleep(5)


def worker_bytes() -> list[int]:
    """Memory that each worker process has for itself."""
    family = psutil.Process().children(recursive=True)
    return [child.memory_full_info().uss for child in family if child.cmdline()[0].startswith("ray::IDLE")]


def measured(workers: int, arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """One point of the curve."""
    evaluate, trials = Sleeping(arguments.seconds), workers * arguments.rounds
    name = f"scaling-{workers}-{folder.name}"
    study = open_study(
        name=name,
        storage=build_storage(arguments.storage or f"sqlite:///{folder}/optuna.db"),
        objectives=OBJECTIVES,
        sampler=random(seed=workers),
        signature="",
    )
    plan = plan_of(trials, folder / "candidates" / str(workers))
    observer = recording(name, folder) if arguments.record else Silent()
    with opened(workers, evaluate, arguments.processes) as runner:
        started, busy = time.monotonic(), time.process_time()
        run_study(study, plan, runner, observer)
        seconds, busy = time.monotonic() - started, time.process_time() - busy
        own = worker_bytes() if arguments.processes else []
    sleeps = [
        evaluate.seconds_of(plan.draw(cast(optuna.Trial, optuna.trial.FixedTrial(trial.params))))
        for trial in scored_trials(study)
    ]
    ideal = list_schedule_seconds(sleeps, workers)
    point = {
        "workers": workers,
        "trials": len(sleeps),
        "ideal_seconds": ideal,
        "measured_seconds": seconds,
        "efficiency": ideal / seconds,
        "driver_cpu_seconds_per_trial": busy / len(sleeps),
    }
    return point | ({"worker_bytes": sum(own) / len(own), "worker_processes": len(own)} if own else {})


def recording(name: str, folder: Path) -> Observer:
    """What files every trial with MLflow, curves included, in a database of its own."""
    tracker = Tracker(
        uri=f"sqlite:///{folder}/mlflow.db", experiment="scaling", artifacts=folder / "artifacts", study=name, uid=name
    )
    view = LineView(say=lambda line: None)
    return StudyObserver(tracker, study_folder=folder, objectives=OBJECTIVES, tags={}, view=view)


def main() -> None:
    """Measure and file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of a trial, on average")
    parser.add_argument("--rounds", type=int, default=4, help="trials for each worker")
    parser.add_argument("--storage", help="URL of the studies' database; a new SQLite file if left out")
    parser.add_argument("--record", action="store_true", help="file every trial with MLflow, in a SQLite file")
    parser.add_argument("--processes", action="store_true", help="a process for each worker rather than a thread")
    parser.add_argument("--out", type=Path, default=Path("docs/results/engine-scaling.json"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    points = []
    for workers in arguments.workers:
        with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
            points.append(measured(workers, arguments, Path(folder)))
        print(json.dumps(points[-1]), flush=True)
    kind = "processes" if arguments.processes else "threads"
    storage = (arguments.storage or "sqlite").partition(":")[0]
    key = f"{kind}, {storage}, {'recorded' if arguments.record else 'not recorded'}"
    known = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
    known[key] = {
        "seconds_per_trial": arguments.seconds,
        "rounds": arguments.rounds,
        "ray": ray.__version__,
        "machine": machine(),
        "points": points,
    }
    write_text(arguments.out, json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
