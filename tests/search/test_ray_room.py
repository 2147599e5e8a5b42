"""How many trials a Ray cluster takes, and with how much memory each."""

import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gan.training import TrainingHooks, TrainingRecord
from search.candidate import Candidate
from search.errors import LostWorkerError, StarvedWorkerError
from search.memory import MemoryForecast
from search.record import TrialOutcome, TrialRecord
from search.runner import Segment
from search.worker import Recorded
from tests.search.ray_nodes import NEEDS, Cluster, Doing, Needs, RayCluster, RayRunner, Vanishing

pytestmark = pytest.mark.timeout(600)


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
