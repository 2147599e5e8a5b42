"""Ray, as the engine uses it: a cluster with its nodes, tasks that need resources, and why a task was lost."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.errors import ConfigError, LostWorkerError, StarvedWorkerError, WorkerError
from search.mailbox import Mailbox
from search.worker import Failed, failure

Reference = Any
"""What Ray gives for a value that is elsewhere, or that is yet to be computed."""
_DELIVERY_SECONDS = 5.0
_KNOCK_SECONDS = 10.0
_LAST_WORDS_SECONDS = 30.0
_LOSSES: tuple[tuple[type[exceptions.RayError], str], ...] = (
    (exceptions.OutOfMemoryError, "was killed because its node had no memory left"),
    (exceptions.NodeDiedError, "was on a node that is gone"),
    (exceptions.LocalRayletDiedError, "was on a node that is gone"),
    (exceptions.ObjectLostError, "was on a node that is gone, with its result"),
    (exceptions.WorkerCrashedError, "died"),
    (exceptions.TaskCancelledError, "was told to stop"),
)


@dataclass(frozen=True)
class Needs:
    """What a task takes from its node while it runs: cores, GPUs (shares of one, or whole ones) and memory."""

    cpus: float
    gpus: float = 0.0
    memory_bytes: int = 0

    @property
    def threads(self) -> int:
        """As many as there are whole cores."""
        return max(1, int(self.cpus))

    def at_most_on(self, nodes: Sequence[dict[str, float]]) -> Needs:
        """Return them with at most the memory of the largest of those ``nodes`` that have the rest; none for 0."""
        rest = replace(self, memory_bytes=0)
        most = max((int(node.get("memory", 0.0)) for node in nodes if rest.times_in(node)), default=0)
        return replace(self, memory_bytes=min(self.memory_bytes, most))

    def times_in(self, node: dict[str, float]) -> int:
        """Return how many such tasks ``node`` holds at a time, from its resources as Ray names them."""
        needed = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory_bytes}
        return min(int(node.get(name, 0.0) // amount) for name, amount in needed.items() if amount > 0)


class RayCluster:
    """A connection to a cluster; ``ours`` says whether :meth:`close` ends it (a cluster that was joined goes on)."""

    def __init__(self, *, ours: bool) -> None:
        self._ours = ours
        self._folder = Path.cwd()
        self._mailbox: Any = None

    def nodes(self) -> list[dict[str, float]]:
        """Return the resources of each node that is alive, as Ray names them."""
        return [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def slots(self, needs: Needs) -> int:
        """Return how many tasks with ``needs`` the nodes hold at a time."""
        return sum(needs.times_in(node) for node in self.nodes())

    def share(self, value: Any) -> Reference:
        """Keep ``value`` in the object store, from where nodes fetch it when a task is given the reference."""
        return ray.put(value)

    def submit(self, function: Callable[..., Any], *arguments: Any, needs: Needs, **options: Any) -> Reference:
        """Have ``function`` called in this process's working folder, on a node that has room; Ray never repeats it.

        Args:
            function: of an importable module.
            arguments: picklable; references stand for their values.
            needs: of the task.
            options: more of Ray's own for a task.
        """
        task = ray.remote(_carry_out).options(
            num_cpus=needs.cpus, num_gpus=needs.gpus, memory=needs.memory_bytes, max_retries=0, **options
        )
        return task.remote(self._folder, function, *arguments)

    def ended(self, tasks: Sequence[Reference], seconds: float) -> list[Reference]:
        """Return those of ``tasks`` that have ended; waits up to ``seconds`` for the first."""
        if not tasks or not ray.wait(list(tasks), timeout=seconds)[0]:
            return []
        ended: list[Reference] = ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[0]
        return ended

    def result(self, task: Reference) -> Any:
        """Return what the function of ``task`` returned, or raise what it raised.

        Raises:
            LostWorkerError: the worker or its node died; the message says "its worker" did what. StarvedWorkerError: it
                was killed for want of memory.
            WorkerError: Ray could not run the task.
        """
        try:
            value, failed = ray.get(task)
        except exceptions.RayError as error:
            for kind, cause in _LOSSES:
                if isinstance(error, kind):
                    starved = isinstance(error, exceptions.OutOfMemoryError)
                    raise (StarvedWorkerError if starved else LostWorkerError)(f"its worker {cause}") from error
            raise WorkerError(f"Ray could not run a task: {error}") from error
        if failed is not None:
            raise failed.as_raised()
        return value

    def cancel(self, tasks: Sequence[Reference]) -> None:
        """Interrupt ``tasks``, so that trainings write their last step, and wait for them; kill what stays."""
        left = list(tasks)
        for task in left:
            ray.cancel(task, force=False)
        if left:
            _, left = ray.wait(left, num_returns=len(left), timeout=_LAST_WORDS_SECONDS, fetch_local=False)
        for task in left:
            ray.cancel(task, force=True)

    def delivery(self, sender: int) -> Delivery:
        """Return what delivers messages of ``sender`` from a task to :meth:`messages`."""
        if self._mailbox is None:
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
            options = ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
            self._mailbox = options.remote()
        return Delivery(self._mailbox, sender)

    def messages(self) -> list[tuple[int, bytes]]:
        """Return what was delivered since the last call, with its senders; nothing while the mailbox is away."""
        if self._mailbox is None:
            return []
        try:
            taken: list[tuple[int, bytes]] = ray.get(self._mailbox.take.remote(), timeout=_DELIVERY_SECONDS)
        except exceptions.RayError:
            return []
        return taken

    def close(self) -> None:
        """Leave the cluster, or end it where it is ours; may be called twice."""
        if self._mailbox is not None:
            ray.kill(self._mailbox)
            self._mailbox = None
        if self._ours:
            ray.shutdown()
            self._ours = False


@dataclass(frozen=True)
class Delivery:
    """Puts a message into the mailbox, from wherever it is sent to."""

    mailbox: Any
    sender: int

    def __call__(self, message: bytes) -> None:
        """Return once ``message`` is in the mailbox, or fail within seconds."""
        ray.get(self.mailbox.put.remote(self.sender, message), timeout=_DELIVERY_SECONDS)


def join_cluster(address: str) -> RayCluster:
    """Join the cluster at ``address``, "auto" or host:port.

    Raises:
        ConfigError: none is there, or it runs another Ray or Python.
    """
    if ray.is_initialized():
        return RayCluster(ours=False)
    try:
        if address != "auto":
            _knock(address)
        _init(address=address)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"engine.address must name a running Ray cluster; {address} cannot be joined: {error}; start one with "
            "`ray start --head`, set RAY_AUTH_MODE=token if it asks for a token, or leave engine.address out to use "
            "this machine alone"
        ) from error
    return RayCluster(ours=True)


def _init(**options: Any) -> None:
    """Connect quietly, and keep what this process does on SIGTERM: Ray would end it at once."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _knock(address: str) -> None:
    """Fail at once where nobody listens: Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def start_cluster(*, cpus: int, object_store_bytes: int, dashboard: bool) -> RayCluster:
    """Start a cluster of this machine, which listens on loopback only; or use the one that this process is in.

    Raises:
        WorkerError: Ray does not start, or would listen on another address.
    """
    if ray.is_initialized():
        return RayCluster(ours=False)
    try:
        _init(
            address="local",
            num_cpus=cpus,
            object_store_memory=object_store_bytes,
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            runtime_env={"env_vars": {"PYTHONPATH": _python_path()}},
            _node_ip_address="127.0.0.1",
        )
    except Exception as error:  # Ray raises no more special one when a part of it does not come up in time
        raise WorkerError(f"Ray did not start on this machine: {error}") from error
    cluster = RayCluster(ours=True)
    if (found := ray.nodes()[0]["NodeManagerAddress"]) != "127.0.0.1":
        cluster.close()
        raise WorkerError(f"Ray must listen on loopback only; it took {found}: set {LOOPBACK}=0 in the environment")
    return cluster


LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Environment variable that, set to 0 before Ray is imported, has it accept loopback as a node's address."""


def _python_path() -> str:
    """Return a path on which workers find the packages that this process runs."""
    roots = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(root for root in roots if root)


def _carry_out(folder: Path, function: Callable[..., Any], *arguments: Any) -> tuple[Any, Failed | None]:
    """Call ``function`` in ``folder``, so that relative paths mean what they mean to the driver."""
    try:
        if not folder.is_dir():
            raise ConfigError(
                f"the driver's working folder must be on every node; there is no {folder} on {socket.gethostname()}: "
                "start the search in a folder of the shared file system"
            )
        with contextlib.chdir(folder):
            return function(*arguments), None
    except Exception as error:
        return None, failure(error)
