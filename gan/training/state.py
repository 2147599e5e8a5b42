"""All that training changes, in one place: networks, optimisers, random streams and counters."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch

from gan.data import BatchSource, ImageDataset
from gan.discriminators import DiscriminatorSpec, build_discriminator
from gan.discriminators.projection import ProjectionDiscriminator
from gan.discriminators.published import PublishedDiscriminator
from gan.generators import Generator, build_generator
from gan.spec import GeneratorSpec
from gan.training.recipe import TrainingRecipe


@dataclass
class TrainingState:
    """The state of one training run; saved and restored as a whole.

    ``step`` counts finished optimiser steps, ``seconds`` the wall clock spent on them over all sessions.
    """

    generator: Generator
    average: Generator
    discriminator: PublishedDiscriminator | ProjectionDiscriminator
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    batches: BatchSource
    rng: torch.Generator
    latent_dim: int
    num_classes: int
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    _MODULES = ("generator", "average", "discriminator", "generator_optimizer", "discriminator_optimizer", "batches")

    def state_dict(self) -> dict[str, Any]:
        """Return everything as tensors and plain values."""
        parts = {name: getattr(self, name).state_dict() for name in self._MODULES}
        counters = {"step": self.step, "seconds": self.seconds, "history": self.history}
        return {**parts, **counters, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name in self._MODULES:
            getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"].cpu())
        self.step, self.seconds, self.history = state["step"], state["seconds"], list(state["history"])


def build_state(
    spec: GeneratorSpec, recipe: TrainingRecipe, dataset: ImageDataset, *, seed: int, device: torch.device
) -> TrainingState:
    """Build the state before the first step; every random stream derives from ``seed``, the data is on ``device``."""
    generator = build_generator(spec, seed=seed).to(device)
    discriminator_spec = DiscriminatorSpec(
        kind=recipe.discriminator,
        widths=recipe.discriminator_widths,
        auxiliary_head=recipe.auxiliary_weight > 0,
        num_classes=spec.num_classes,
        image_size=spec.image_size,
        image_channels=spec.image_channels,
    )
    discriminator = build_discriminator(discriminator_spec, seed=seed + 1).to(device)
    if recipe.channels_last:
        generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub omits this form
        discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    return TrainingState(
        generator=generator,
        average=average,
        discriminator=discriminator,
        generator_optimizer=_adam(generator, recipe.generator_learning_rate, recipe),
        discriminator_optimizer=_adam(discriminator, recipe.discriminator_learning_rate, recipe),
        batches=BatchSource(dataset.train, seed=seed + 2, horizontal_flip=dataset.horizontal_flip),
        rng=torch.Generator().manual_seed(seed + 3),
        latent_dim=spec.latent_dim,
        num_classes=spec.num_classes,
    )


def _adam(module: torch.nn.Module, learning_rate: float, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=learning_rate, betas=recipe.adam_betas, fused=True)
