"""A tiny model as those that come with the project, and its classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from evaluation.classifier import ClassifierRecipe, ClassifierSpec, TrainedClassifier, load_or_train
from evaluation.classifier.shipped import ship
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from search.planned import CircuitPlanning
from search.released.model import ReleasedModel
from search.released.request import ProofRequest
from search.released.write import write_released
from zk.checked.options import CheckedOptions
from zk.plan import PlanGoal
from zk.srs import SrsKind
from zk.types import Budget

SPEC = GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8)
LIMITS = Budget(4 * 10**9, 120)
PLANNING = CircuitPlanning(
    goal=PlanGoal(memory_bytes=10**9, mean_abs_error=0.05),
    options=CheckedOptions(private_inputs=("latent",)),
    budget=LIMITS,
    samples=4,
)


@dataclass(frozen=True)
class Released:
    model: ReleasedModel
    models: Path
    classifiers: Path
    classifier: TrainedClassifier
    data: Any


def make_released(folder: Path) -> Released:
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 3, 8, 8), generator=numbers, dtype=torch.uint8)
    split = SimpleNamespace(images=images, labels=torch.arange(40) % 2)
    data = SimpleNamespace(train=split, test=split, class_names=("frog", "ship"), digest="noise", horizontal_flip=False)
    classifier = load_or_train(
        spec=ClassifierSpec(widths=(4, 4)).for_dataset(data),
        recipe=ClassifierRecipe(epochs=1, batch_size=20),
        dataset=data,
        seed=0,
        cache_dir=folder,
    )
    ship(folder / f"{classifier.digest}.pt", folder / "classifiers")
    model = write_released(
        "tiny",
        SPEC,
        build_generator(SPEC).eval(),
        class_names=("frog", "ship"),
        classifier=classifier,
        planning=PLANNING,
        root=folder / "models",
        scores={"accuracy": 0.5},
    )
    return Released(model, folder / "models", folder / "classifiers", classifier, data)


def request(tmp_path: Path, **changes: object) -> ProofRequest:
    asked = ProofRequest(
        model="tiny",
        label="ship",
        seed=7,
        private_latent=True,
        chain=False,
        out=tmp_path / "out",
        srs_kind=SrsKind.TEST_ONLY,
        srs_folder=tmp_path / "srs",
        threads=2,
        memory_bytes=LIMITS.memory_bytes,
        seconds=LIMITS.wall_seconds,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]
