"""Trials on the nodes of a Ray cluster, as the configuration names it; Ray is loaded only when it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import torch

from gan.training.footprint import training_bytes
from search.candidate import Candidate
from search.engines import usable_cores
from search.errors import ConfigError
from search.memory import MemoryForecast
from search.objective import CandidateEvaluator
from search.runner import Runner

if TYPE_CHECKING:  # importing it needs Ray
    from search.ray_cluster import Needs, RayCluster

_OWN_CLUSTER = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else it listens on every interface
    "RAY_worker_niceness": "0",  # else everything on the machine comes before trials, and proving times say so
}
"""What Ray reads from the environment, when it is imported and when its processes start."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Trials as tasks of a Ray cluster, each on a node where the cores, the GPU and the memory that it needs are free.

    Every node needs this project installed and the driver's working folder (docs/cluster.md).

    Attributes:
        address: of the cluster to join, host:port, or "auto" for the one that this machine belongs to; None starts one
            on this machine, which listens on loopback only and ends with the search.
        cpus: cores of each trial; it trains with as many threads. A whole number, or less than 1.
        gpus: of each trial; a whole number, or a share of one.
        memory_bytes: of each trial, circuits that it compiles included, until the first has ended; then what that took
            and the network's size predict it.
        attempts: deaths of a worker, or losses of its node, after which its trial is given up.
        proof_cpus: cores, and threads, of a proof; None for all cores of a node, so that nothing else runs there.
        object_store_bytes: shared memory for data and classifiers on a cluster that is started here.
        dashboard: whether such a cluster serves Ray's dashboard, on http://127.0.0.1:8265.
    """

    address: str | None = None
    cpus: float = 1
    gpus: float = 0
    memory_bytes: int = 4 * 2**30
    attempts: int = 3
    proof_cpus: int | None = None
    object_store_bytes: int = 2 * 2**30
    dashboard: bool = False

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "attempts", "proof_cpus", "object_store_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"engine.{name} must be at least 1; got {value}")
        for name, least in (("cpus", "more than 0"), ("gpus", "at least 0")):
            value = getattr(self, name)
            if value < 0 or (value == 0 and name == "cpus"):
                raise ConfigError(f"engine.{name} must be {least}; got {value}")
            if value > 1 and value != int(value):
                raise ConfigError(f"engine.{name} must be a whole number, or less than 1; got {value}")
        if self.address is not None and "://" in self.address:
            raise ConfigError(
                f'engine.address must be "auto" or host:port; got {self.address}: run the search on a node of the '
                "cluster rather than through a Ray client"
            )

    def open(
        self, evaluate: CandidateEvaluator, *, most: int, device: torch.device, say: Callable[[str], None]
    ) -> Runner:
        """Return a runner of the cluster as it is now.

        Raises:
            ConfigError: Ray is missing, no cluster is at the address, no node has what a trial needs, or the networks
                train on a GPU and ``gpus`` gives them none.
        """
        if (device.type != "cpu") != (self.gpus > 0):
            raise ConfigError(
                f"engine.gpus must be positive where networks train on a GPU, and only there; got {self.gpus} with "
                f"device {device}"
            )
        cluster = self._connect()
        try:
            from search.ray_cluster import Needs
            from search.ray_runner import RayRunner

            needs = Needs(self.cpus, self.gpus, self.memory_bytes)
            slots = cluster.slots(needs)
            if slots == 0:
                raise ConfigError(f"{_no_room(cluster, needs)}; lower engine.memory_bytes, cpus or gpus, or add a node")
            together = min(slots, most)
            say(f"Ray nodes: {len(cluster.nodes())}; trials at a time: {together}; threads of each: {needs.threads}")
            forecast = MemoryForecast(self.memory_bytes, _footprint if device.type == "cpu" else _none)
            return RayRunner(
                evaluate, cluster, needs=needs, most=most, attempts=self.attempts, forecast=forecast, say=say
            )
        except BaseException:
            cluster.close()
            raise

    def job(
        self, function: Callable[[*Ts], T], *arguments: *Ts, memory_bytes: int, say: Callable[[str], None] = print
    ) -> T:
        """Return ``function(*arguments)``, computed on a node with that much memory, or here if no node has it.

        Raises:
            LostWorkerError: its worker died ``attempts`` times.
        """
        cluster = self._connect()
        try:
            from search.ray_cluster import Needs
            from search.ray_runner import run_job

            fitting = [node for node in cluster.nodes() if node.get("memory", 0.0) >= memory_bytes]
            most = int(max((node.get("CPU", 0.0) for node in fitting), default=0.0))
            needs = Needs(self.proof_cpus or most, memory_bytes=memory_bytes)
            if most < needs.cpus or most == 0:
                say(f"{_no_room(cluster, needs)}, so this runs in the driver")
                return function(*arguments)
            threads = {} if self.proof_cpus is None else {"RAYON_NUM_THREADS": str(self.proof_cpus)}
            options = {"runtime_env": {"env_vars": threads}} if threads else {}
            found: T = run_job(cluster, function, *arguments, needs=needs, attempts=self.attempts, say=say, **options)
            return found
        finally:
            cluster.close()

    def _connect(self) -> RayCluster:
        if self.address is None:
            for name, value in _OWN_CLUSTER.items():
                os.environ.setdefault(name, value)
        try:
            from search.ray_cluster import join_cluster, start_cluster
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise ConfigError(
                "engine=ray needs Ray, which is not installed: pip install 'zkgan-search[ray]', or choose engine=local"
            ) from error
        if self.address is not None:
            return join_cluster(self.address)
        return start_cluster(cpus=usable_cores(), object_store_bytes=self.object_store_bytes, dashboard=self.dashboard)


def _footprint(candidate: Candidate) -> int:
    try:
        return training_bytes(candidate.spec, candidate.recipe)
    except NotImplementedError:  # PyTorch has an operator without a form that computes shapes only
        return 0


def _none(candidate: Candidate) -> int:
    """What training on a GPU takes of the node's own memory, beside what every trial does."""
    return 0


def _no_room(cluster: RayCluster, needs: Needs) -> str:
    """Say what no node has."""
    nodes = "; ".join(
        f"{node.get('CPU', 0):g} cores, {node.get('GPU', 0):g} GPUs, {node.get('memory', 0) / 2**30:.1f} GiB"
        for node in cluster.nodes()
    )
    wanted = f"{needs.cpus:g} cores, {needs.gpus:g} GPUs and {needs.memory_bytes / 2**30:.1f} GiB"
    return f"no Ray node has {wanted}; there are {nodes}"
