"""The engine's settings; nothing here starts Ray."""

import os
import sys

import pytest
import torch

from search.engines import LocalEngine
from search.errors import ConfigError
from search.ray_engine import RayEngine
from tests.search.conftest import CheapEvaluator

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory_bytes": 0}, "engine.memory_bytes must be at least 1; got 0"),
        ({"attempts": 0}, "engine.attempts must be at least 1; got 0"),
        ({"proof_cpus": 0}, "engine.proof_cpus must be at least 1; got 0"),
        ({"object_store_bytes": -1}, "engine.object_store_bytes must be at least 1; got -1"),
        ({"cpus": 0}, "engine.cpus must be more than 0; got 0"),
        ({"gpus": -1}, "engine.gpus must be at least 0; got -1"),
        ({"cpus": 1.5}, "engine.cpus must be a whole number, or less than 1; got 1.5"),
        ({"gpus": 2.5}, "engine.gpus must be a whole number, or less than 1; got 2.5"),
        ({"address": "ray://head:10001"}, "run the search on a node of the cluster"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RayEngine(**settings)


def test_shares_of_a_core_and_of_a_gpu_are_fine() -> None:
    assert RayEngine(cpus=0.5, gpus=0.25).gpus == 0.25


@pytest.mark.parametrize(("gpus", "device"), [(0, GPU), (1, CPU)])
def test_gpus_are_for_networks_that_train_on_one(gpus: float, device: torch.device) -> None:
    with pytest.raises(ConfigError, match=f"engine.gpus must be positive where .* got {gpus} with device {device}"):
        RayEngine(gpus=gpus).open(CheapEvaluator(), most=1, device=device, say=print)


def test_without_ray_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "search.ray_cluster", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)  # an import of it then fails
    with pytest.raises(ConfigError, match=r"pip install 'zkgan-search\[ray\]', or choose engine=local"):
        RayEngine().open(CheapEvaluator(), most=1, device=CPU, say=print)


def test_a_local_job_runs_in_this_process() -> None:
    assert LocalEngine().job(os.getpid, memory_bytes=2**60) == os.getpid()
    assert LocalEngine().job(divmod, 7, 2, memory_bytes=1) == (3, 1)
