"""All that training changes, in one place: networks, optimisers, random streams and counters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from gan.data import BatchSource, ImageDataset
from gan.discriminators import DiscriminatorSpec, build_discriminator
from gan.discriminators.projection import ProjectionDiscriminator
from gan.discriminators.published import PublishedDiscriminator
from gan.errors import SpecError
from gan.generators import Generator, build_generator
from gan.guide import EnergyDistance, Guide, SeveralDistances, evened, guided_distance
from gan.spec import GeneratorSpec
from gan.training.distillation import Adaptors, Teacher, map_channels
from gan.training.hardware import trains_in_bf16
from gan.training.learnt import learnt_images
from gan.training.progressive import Growing
from gan.training.recipe import TrainingRecipe
from gan.training.start import Start, begin_from, judge_from
from gan.training.variational import Encoder
from gan.training.weight_forms import apply_form

OPTIMIZERS = ("generator_optimizer", "discriminator_optimizer")
Discriminator: TypeAlias = PublishedDiscriminator | ProjectionDiscriminator


@dataclass
class TrainingState:
    """The state of one training run; saved and restored as a whole.

    ``step`` counts finished optimiser steps, ``seconds`` the wall clock spent on them over all sessions, ``sparsity``
    the share of the generator's weights that was dropped. ``generator`` and ``average`` are a ``Growing`` in
    progressive training. ``companion`` is what is trained with the generator beside it: an encoder, or the adaptors
    of a distillation, whose ``teacher`` is not saved. ``energy`` compares with real images in a guide's features.
    """

    generator: Generator | Growing
    average: Generator | Growing
    discriminator: Discriminator
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    batches: BatchSource
    rng: torch.Generator
    latent_dim: int
    num_classes: int
    half_discriminator: Discriminator | None = None
    companion: Encoder | Adaptors | None = None
    energy: EnergyDistance | SeveralDistances | None = None
    teacher: Teacher | None = None
    step: int = 0
    seconds: float = 0.0
    sparsity: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    _MODULES = ("generator", "average", "discriminator", *OPTIMIZERS, "batches")
    _OPTIONAL = ("half_discriminator", "companion", "energy")

    @property
    def judges(self) -> tuple[tuple[Discriminator, int], ...]:
        """Discriminators, each with the factor by which the images that it sees are smaller."""
        half = self.half_discriminator
        return ((self.discriminator, 1),) if half is None else ((self.discriminator, 1), (half, 2))

    def state_dict(self) -> dict[str, Any]:
        """Return everything as tensors and plain values."""
        parts = {name: getattr(self, name).state_dict() for name in self._saved()}
        counters = {"step": self.step, "seconds": self.seconds, "history": self.history, "sparsity": self.sparsity}
        return {**parts, **counters, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned; what comes from a file goes through :mod:`gan.training.restore`."""
        for name in self._saved():
            getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"].cpu())
        self.step, self.seconds, self.history = state["step"], state["seconds"], list(state["history"])
        self.sparsity = state.get("sparsity", 0.0)  # older checkpoints have none

    def _saved(self) -> tuple[str, ...]:
        return (*self._MODULES, *(name for name in self._OPTIONAL if getattr(self, name) is not None))


def build_state(
    spec: GeneratorSpec,
    recipe: TrainingRecipe,
    dataset: ImageDataset,
    *,
    seed: int,
    device: torch.device,
    teacher: Teacher | None = None,
    guide: Guide | None = None,
    start: Start | None = None,
) -> TrainingState:
    """Build the state before the first step; every random stream derives from ``seed``, the data is on ``device``.

    Raises:
        SpecError: the recipe asks for what spec, teacher, guide or start do not give.
    """
    _check_given(recipe, guide, start)
    _check_roundings(spec, recipe)
    plain = build_generator(spec, seed=seed)
    if start is not None:
        begin_from(plain, spec, start)
    if not recipe.weight_form.plain:
        apply_form(plain, recipe.weight_form)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 4)
        companion = _companion(spec, recipe, teacher)
        generator: Generator | Growing = plain
        if recipe.progressive is not None:
            generator = Growing(plain, spec, recipe.progressive.sizes)
    discriminator, half = _discriminators(spec, recipe, seed=seed, start=start)
    _place([generator, discriminator, half, companion], device, channels_last=recipe.channels_last)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    judging = [module for module in (discriminator, half) if module is not None]
    made = [module for module in (generator, companion) if module is not None]
    split = learnt_images(dataset.train, recipe, guide)
    energy = None
    if guide is not None and recipe.energy is not None:
        energy = guided_distance(
            guide,
            split,
            num_classes=spec.num_classes,
            settings=recipe.energy,
            mirrored=dataset.horizontal_flip,
            bf16=recipe.energy.bf16 and trains_in_bf16(recipe, device),
        )
    return TrainingState(
        generator=generator,
        average=average,
        discriminator=discriminator,
        generator_optimizer=_adam(made, recipe.generator_learning_rate, recipe),
        discriminator_optimizer=_adam(judging, recipe.discriminator_learning_rate, recipe),
        batches=BatchSource(
            split if recipe.selected_evenly else evened(split), seed=seed + 2, horizontal_flip=dataset.horizontal_flip
        ),
        rng=torch.Generator().manual_seed(seed + 3),
        latent_dim=spec.latent_dim,
        num_classes=spec.num_classes,
        half_discriminator=half,
        companion=companion,
        energy=energy,
        teacher=teacher,
    )


def _check_given(recipe: TrainingRecipe, guide: Guide | None, start: Start | None) -> None:
    """Refuse a guide or a start that the recipe does not name, and their absence where it does."""
    if (recipe.guide is None) != (guide is None):
        raise SpecError("a recipe with a guide needs it trained, and a guide needs such a recipe")
    if guide is not None and len(guide.others) != len(recipe.more_guides):
        raise SpecError(f"the recipe has {len(recipe.more_guides)} more_guides; got {len(guide.others)} trained ones")
    named = (recipe.start, recipe.start_discriminator)
    if named != (("", "") if start is None else (start.digest, start.discriminator_digest)):
        raise SpecError(f"the recipe must name the generator that training begins from; it names {named}")


def _discriminators(
    spec: GeneratorSpec, recipe: TrainingRecipe, *, seed: int, start: Start | None
) -> tuple[Discriminator, Discriminator | None]:
    """Build the discriminator and, where the recipe has one, that of images of half the size."""
    discriminator = build_discriminator(discriminator_spec(spec, recipe, 1), seed=seed + 1)
    if start is not None:
        judge_from(discriminator, start)
    if not recipe.dual_discriminator:
        return discriminator, None
    return discriminator, build_discriminator(discriminator_spec(spec, recipe, 2), seed=seed + 5)


def _place(modules: Sequence[torch.nn.Module | None], device: torch.device, *, channels_last: bool) -> None:
    """Bring modules to ``device``, in place, their weights in the memory order that is asked for."""
    for module in modules:
        if module is not None:
            module.to(device)
            if channels_last:
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub omits this


def _check_roundings(spec: GeneratorSpec, recipe: TrainingRecipe) -> None:
    """Refuse roundings where a circuit has others than those that training sees."""
    if not recipe.weight_form.activation_bits:
        return
    used = spec.mechanisms
    others = {
        "conditioning=conditional_batchnorm": spec.conditioning == "conditional_batchnorm",
        "normalisation=instance": spec.normalisation == "instance",
        "style_layers": used.style_layers > 0,
        "attention": used.attention != "none",
    }
    if found := [name for name, present in others.items() if present]:
        raise SpecError(
            "activation_bits rounds what goes from layer to layer; a circuit rounds more where a generator has "
            f"{', '.join(found)}; leave one of both out"
        )


def discriminator_spec(spec: GeneratorSpec, recipe: TrainingRecipe, smaller: int) -> DiscriminatorSpec:
    """Return the discriminator of images ``smaller`` times smaller, one convolution less for half of the side."""
    return DiscriminatorSpec(
        kind=recipe.discriminator,
        widths=recipe.discriminator_widths[smaller - 1 :],
        auxiliary_head=recipe.auxiliary_weight > 0,
        num_classes=spec.num_classes,
        image_size=spec.image_size // smaller,
        image_channels=spec.image_channels,
    )


def _companion(spec: GeneratorSpec, recipe: TrainingRecipe, teacher: Teacher | None) -> Encoder | Adaptors | None:
    if (recipe.distillation is None) != (teacher is None):
        raise SpecError("a recipe with distillation needs a teacher, and a teacher needs such a recipe")
    asked = "" if recipe.distillation is None else recipe.distillation.teacher
    if teacher is not None and asked not in ("", teacher.digest):
        raise SpecError(f"the teacher must be {asked}; got {teacher.digest}; give that one's folder")
    if recipe.method != "gan":
        return Encoder(spec, recipe.discriminator_widths)
    if recipe.distillation is None or teacher is None or not recipe.distillation.feature_weight:
        return None
    student = build_generator(spec)
    return Adaptors(map_channels(student, spec), map_channels(teacher.generator, teacher.spec))


def _adam(modules: Sequence[torch.nn.Module], learning_rate: float, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    parameters = [value for module in modules for value in module.parameters()]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=recipe.adam_betas, fused=True)
