"""How much memory a training takes beside the data: weights, their averages and moments, and what backward needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan.discriminators import build_discriminator
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training.recipe import TrainingRecipe
from gan.training.state import discriminator_spec

_GENERATOR_COPIES = 5
"""Weights, gradients, two moments of Adam, the average."""
_DISCRIMINATOR_COPIES = 4


def training_bytes(spec: GeneratorSpec, recipe: TrainingRecipe) -> int:
    """Return the bytes of weights and of what one step keeps for backward. Only shapes are computed.

    The step's peak is the discriminator's update: the generated batch's graph is kept for the generator's, beside that
    of the discriminator on real and generated images. Buffers of single operations come on top. A companion (an
    encoder, adaptors), a teacher, a guide and a second discriminator are left out.
    """
    generator = build_generator(spec).to("meta")
    judge = build_discriminator(discriminator_spec(spec, recipe, 1), seed=0).to("meta")
    count, both = recipe.batch_size, 2 * recipe.batch_size
    with torch.device("meta"):
        latent, one_hot = torch.empty(count, spec.latent_dim), torch.empty(count, spec.num_classes)
        images = torch.empty(both, spec.image_channels, spec.image_size, spec.image_size)
        labels = torch.empty(both, dtype=torch.int64)
    kept = _kept_bytes(generator, latent, one_hot) + _kept_bytes(judge, images, labels)
    copies = _GENERATOR_COPIES * _weight_bytes(generator) + _DISCRIMINATOR_COPIES * _weight_bytes(judge)
    return kept + copies


def _weight_bytes(module: nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in module.parameters())


def _kept_bytes(module: nn.Module, *inputs: Tensor) -> int:
    """Return the bytes that a forward pass keeps for backward, each tensor once, weights aside."""
    sizes = {value.untyped_storage()._cdata: 0 for value in module.parameters()}
    kept: list[Tensor] = []  # alive until all are counted, so that no address is met twice

    def keep(value: Tensor) -> Tensor:
        kept.append(value)
        storage = value.untyped_storage()
        sizes.setdefault(storage._cdata, storage.nbytes())
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        module(*inputs)
    return sum(sizes.values())
