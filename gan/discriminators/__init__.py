"""Conditional discriminators."""

from gan.discriminators.build import build_discriminator
from gan.discriminators.output import DiscriminatorOutput
from gan.discriminators.spec import DiscriminatorSpec

__all__ = ["DiscriminatorOutput", "DiscriminatorSpec", "build_discriminator"]
