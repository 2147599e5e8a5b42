"""A tiny data set of four colours, and networks trained on it in well under a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from evaluation.classifier import ClassifierRecipe, ClassifierSpec, JudgeSpec, TrainedClassifier, load_or_train


@dataclass(frozen=True)
class TinySplit:
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class TinyDataset:
    train: TinySplit
    test: TinySplit
    class_names: tuple[str, ...] = ("grey", "red", "green", "blue")
    digest: str = "tiny"
    horizontal_flip: bool = True


COLOURS = torch.tensor([[110.0, 110, 110], [190, 70, 70], [70, 190, 70], [70, 70, 190]])


def make_split(count: int, seed: int) -> TinySplit:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=generator)
    labels[:8] = torch.arange(8) % 4
    noise = torch.randn(count, 3, 8, 8, generator=generator) * 45
    images = (COLOURS[labels][:, :, None, None] + noise).round().clamp(0, 255).to(torch.uint8)
    return TinySplit(images, labels)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose by sharing, and wait for minutes where another program holds a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dataset() -> TinyDataset:
    return TinyDataset(make_split(160, seed=1), make_split(80, seed=2))


@pytest.fixture(scope="session")
def spec(dataset: TinyDataset) -> ClassifierSpec:
    return ClassifierSpec(widths=(8, 8)).for_dataset(dataset)


@pytest.fixture(scope="session")
def recipe() -> ClassifierRecipe:
    return ClassifierRecipe(
        epochs=4, batch_size=20, max_learning_rate=0.05, shift_pixels=1, label_smoothing=0.0, precision="float32"
    )


@pytest.fixture(scope="session")
def classifier(dataset: TinyDataset, spec: ClassifierSpec, recipe: ClassifierRecipe) -> TrainedClassifier:
    return load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=None)


@pytest.fixture(scope="session")
def judge(dataset: TinyDataset, recipe: ClassifierRecipe) -> TrainedClassifier:
    judge_spec = JudgeSpec(widths=(8, 8)).for_dataset(dataset)
    return load_or_train(spec=judge_spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=None)
