"""From a spec to a module with reproducible initial weights."""

from __future__ import annotations

import torch
from torch import nn

from gan.generators.families import hybrid_stages, image_stages, mlp_stages
from gan.generators.generator import Generator
from gan.spec import GeneratorSpec


def build_generator(spec: GeneratorSpec, *, seed: int = 0) -> Generator:
    """Build the generator that ``spec`` describes, in training mode, on the CPU, in float32.

    The same spec and seed give the same weights; the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(class_code=_class_code(spec), stages=_STAGES.get(spec.family, image_stages)(spec))


_STAGES = {"mlp": mlp_stages, "hybrid": hybrid_stages}


def _class_code(spec: GeneratorSpec) -> nn.Module | None:
    if spec.conditioning == "embedding":
        return nn.Linear(spec.num_classes, spec.embed_dim, bias=False)
    return nn.Identity() if spec.conditioning == "one_hot" else None
