"""From a spec to a discriminator with reproducible initial weights."""

from __future__ import annotations

import torch

from gan.discriminators.projection import ProjectionDiscriminator
from gan.discriminators.published import PublishedDiscriminator
from gan.discriminators.spec import DiscriminatorSpec


def build_discriminator(spec: DiscriminatorSpec, *, seed: int = 0) -> PublishedDiscriminator | ProjectionDiscriminator:
    """Build the discriminator that ``spec`` describes, on the CPU; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PublishedDiscriminator(spec) if spec.kind == "published" else ProjectionDiscriminator(spec)
