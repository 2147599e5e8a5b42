"""What a training that is done again takes from its record."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gan.data import ImageDataset, Split
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import Start, TrainingBudget, TrainingIntervals, TrainingRecipe
from search.candidate import Candidate
from search.errors import RecordError
from search.reproduce.environment import environment_lines
from search.reproduce.rebuild import (
    available_device,
    repeated_budget,
    torch_threads,
    train_again,
    weights_distance,
)
from search.reproduce.run import _recorded_threads

SPEC = GeneratorSpec(family="mlp", latent_dim=2, conditioning="one_hot", widths=(4,), kernel=0, upsampling="none")


def test_a_budget_of_seconds_becomes_the_recorded_steps() -> None:
    steps = Candidate(SPEC, TrainingRecipe(), TrainingBudget(steps=9), 0)
    assert repeated_budget(steps, 5) == (TrainingBudget(steps=9), [])
    budget, said = repeated_budget(replace(steps, budget=TrainingBudget(steps=9, seconds=3)), 5)
    assert budget == TrainingBudget(steps=5)
    assert len(said) == 1
    assert "trained for the recorded 5 steps" in said[0]
    scheduled = replace(steps, recipe=TrainingRecipe(decay_from=0.5), budget=TrainingBudget(seconds=3))
    budget, said = repeated_budget(scheduled, 5)
    assert (budget, len(said)) == (TrainingBudget(steps=5), 2)
    assert "schedule followed the clock" in said[1]


def test_threads_are_lent() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with torch_threads(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_the_recorded_device_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_device(None) is None
    for present, taken in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert available_device("cuda") == torch.device(taken)
        assert available_device("cpu") == torch.device("cpu")


def test_weights_distance_is_the_greatest_of_all() -> None:
    one, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    other.load_state_dict(one.state_dict())
    assert weights_distance(one, other) == 0
    with torch.no_grad():
        other.weight += torch.tensor([[0.25, -0.5]])
    assert weights_distance(one, other) == pytest.approx(0.5)
    with torch.no_grad():
        other.bias.fill_(torch.nan)
    assert weights_distance(one, other) != weights_distance(one, other)
    assert weights_distance(torch.nn.ReLU(), torch.nn.ReLU()) == 0


@pytest.mark.parametrize("device", ["toaster", "", "cuda:0", "meta"])
def test_other_devices_than_there_are_are_refused(device: str) -> None:
    with pytest.raises(RecordError, match="recorded device must be cpu or cuda"):
        available_device(device)


@pytest.mark.parametrize(
    ("text", "threads"), [("2", 2), ("0", None), ("9" * 5000, None), ("\u0664", None), ("", None), ("-1", None)]
)
def test_threads_of_a_record_are_a_small_number(text: str, threads: int | None) -> None:
    trial = SimpleNamespace(run=SimpleNamespace(tags={"threads": text}))
    assert _recorded_threads(trial) == threads  # type: ignore[arg-type]


def test_an_environment_of_another_kind_is_refused() -> None:
    for part in ("packages", "machine"):
        with pytest.raises(RecordError, match=f"{part} of the record must be by name"):
            environment_lines({part: [1]}, {})
    assert environment_lines({"machine": {"memory_bytes": 10**400}}, {"machine": {"memory_bytes": 1}})[-1] != ""


def test_training_again_begins_where_the_first_one_did(tiny_candidate: Candidate) -> None:
    spec, labels = tiny_candidate.spec, torch.arange(16) % 2
    split = Split((labels[:, None, None, None] * torch.ones(3, 8, 8)).to(torch.uint8), labels)
    dataset = ImageDataset("tiny", split, split, ("dark", "bright"), "digest", True)
    begun = Start(spec, build_generator(spec, seed=3), "three")
    settings: Any = SimpleNamespace(
        device=torch.device("cpu"), evaluation=SimpleNamespace(intervals=TrainingIntervals()), teacher=None, start=begun
    )
    plain = TrainingRecipe(
        batch_size=8, discriminator_widths=(4, 4), ema_decay=0.0, bf16=False, generator_learning_rate=1e-12
    )
    budget = TrainingBudget(steps=1)
    for recipe, before in ((replace(plain, start="three"), begun.generator), (plain, build_generator(spec, seed=0))):
        made = train_again(Candidate(spec, recipe, budget, 0), budget, settings, dataset, label="t").generator
        for weight, first in zip(made.parameters(), before.parameters(), strict=True):
            torch.testing.assert_close(weight, first, atol=1e-6, rtol=0)
