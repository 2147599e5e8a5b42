"""From a spec to a module with reproducible initial weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan.generators.families import hybrid_stages, image_stages, mlp_stages
from gan.generators.generator import Generator
from gan.generators.layers import build_activation, stage_layers
from gan.mechanisms import STYLE_WIDTH
from gan.spec import GeneratorSpec


def build_generator(spec: GeneratorSpec, *, seed: int = 0) -> Generator:
    """Build the generator that ``spec`` describes, in training mode, on the CPU, in float32.

    The same spec and seed give the same weights; the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = _STAGES.get(spec.family, image_stages)(spec)
        generator = Generator(class_code=_class_code(spec), stages=stages, mapping=_mapping(spec))
        if spec.mechanisms.spectral_norm:
            for layer in stage_layers(generator):
                spectral_norm(layer)
        return generator


_STAGES = {"mlp": mlp_stages, "hybrid": hybrid_stages}


def _class_code(spec: GeneratorSpec) -> nn.Module | None:
    if spec.conditioning == "embedding":
        return nn.Linear(spec.num_classes, spec.embed_dim, bias=False)
    return nn.Identity() if spec.conditioning == "one_hot" else None


def _mapping(spec: GeneratorSpec) -> nn.Module | None:
    layers: list[nn.Module] = []
    for place in range(spec.mechanisms.style_layers):
        inputs = STYLE_WIDTH if place else spec.input_dim
        layers += [nn.Linear(inputs, STYLE_WIDTH), build_activation(spec.activation_at(place))]
    return nn.Sequential(*layers) if layers else None
