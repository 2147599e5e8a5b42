"""Checkpoints of the right run whose content is not what that run writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import DamagedCheckpointError
from gan.spec import GeneratorSpec
from gan.training import CHECKPOINT_NAME, TrainingBudget, TrainingRecipe, train_generator

RECIPE = TrainingRecipe(batch_size=8, discriminator_widths=(4, 4), bf16=False)
State = dict[str, Any]


def train(spec: GeneratorSpec, dataset: ImageDataset, folder: Path, steps: int) -> int:
    device = torch.device("cpu")
    return train_generator(
        spec, RECIPE, TrainingBudget(steps=steps), dataset, seed=0, device=device, folder=folder
    ).steps


def moment(value: torch.Tensor) -> Callable[[State], None]:
    return lambda state: state["generator_optimizer"]["state"][0].update(exp_avg=value)


def more_ways(state: State) -> None:
    history: list[Any] = [1.0]
    for _ in range(60):
        history = [history, history]
    state["history"] = history


WRONG: dict[str, tuple[Callable[[State], object], str]] = {
    "a shorter moment": (moment(torch.zeros(7)), "exp_avg must be"),
    "one of another type": (moment(torch.zeros(7, dtype=torch.float64)), "exp_avg must be"),
    "no tensor": (lambda state: state["generator_optimizer"]["state"][0].update(exp_avg=3), "AttributeError"),
    "an expanded one": (moment(torch.zeros(1).expand(10**9)), "must have memory of their own"),
    "a sparse one": (moment(torch.zeros(9).to_sparse()), "_rebuild_sparse_tensor"),
    "a moment less": (lambda state: state["generator_optimizer"]["state"][0].pop("exp_avg_sq"), "must have step and"),
    "a parameter more": (lambda state: state["generator_optimizer"]["state"].update({999: {}}), "must have step and"),
    "steps below zero": (
        lambda state: state["generator_optimizer"]["state"][0].update(step=torch.tensor(-1.0)), "step must be one"
    ),
    "nothing": (lambda state: state.clear(), "KeyError"),
    "a text for a step": (lambda state: state.update(step="3"), "step must be an integer"),
    "a step before the first": (lambda state: state.update(step=-5), "step must be an integer"),
    "endless seconds": (lambda state: state.update(seconds=float("inf")), "seconds and sparsity must be"),
    "another history": (lambda state: state.update(history=[1, 2, 3]), "history must be of numbers"),
    "a history of doubling lists": (more_ways, "history must be of numbers"),
    "weights of another shape": (
        lambda state: state["generator"].update({next(iter(state["generator"])): torch.zeros(3)}), "RuntimeError"
    ),
    "a short random state": (lambda state: state.update(rng=torch.zeros(3, dtype=torch.uint8)), "RuntimeError"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_state_of_another_kind_is_damaged(
    name: str, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    assert train(tiny_spec, tiny_dataset, tmp_path, 2) == 2
    path = tmp_path / CHECKPOINT_NAME
    content = torch.load(path, weights_only=True)
    change, said = WRONG[name]
    change(content["state"])
    torch.save(content, path)
    with pytest.raises(DamagedCheckpointError, match=said):
        train(tiny_spec, tiny_dataset, tmp_path, 3)


def test_the_optimisers_settings_are_the_recipe_s(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    train(tiny_spec, tiny_dataset, tmp_path / "a", 2)
    content = torch.load(tmp_path / "a" / CHECKPOINT_NAME, weights_only=True)
    for name in ("generator_optimizer", "discriminator_optimizer"):
        content["state"][name]["param_groups"][0].update(lr=1e9, betas=(0.0, 0.0))
    (tmp_path / "b").mkdir()
    torch.save(content, tmp_path / "b" / CHECKPOINT_NAME)
    for folder in ("a", "b"):
        assert train(tiny_spec, tiny_dataset, tmp_path / folder, 4) == 4
    ended = [torch.load(tmp_path / folder / CHECKPOINT_NAME, weights_only=True)["state"] for folder in ("a", "b")]
    for one, other in zip(ended[0]["generator"].values(), ended[1]["generator"].values(), strict=True):
        assert torch.equal(one, other)


def test_an_identity_is_names_with_digests(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    train(tiny_spec, tiny_dataset, tmp_path, 1)
    path = tmp_path / CHECKPOINT_NAME
    content = torch.load(path, weights_only=True)
    content["identity"]["seed"] = [0]
    torch.save(content, path)
    with pytest.raises(DamagedCheckpointError, match="identity must be names with digests"):
        train(tiny_spec, tiny_dataset, tmp_path, 2)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_memory_that_runs_out_says_nothing_about_the_file(
    error: Exception,
    tiny_spec: GeneratorSpec,
    tiny_dataset: ImageDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(tiny_spec, tiny_dataset, tmp_path, 1)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("gan.training.state.TrainingState.load_state_dict", fail)
    with pytest.raises(type(error), match="memory"):
        train(tiny_spec, tiny_dataset, tmp_path, 2)
