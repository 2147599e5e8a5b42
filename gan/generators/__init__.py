"""Conditional generators built from a :class:`gan.spec.GeneratorSpec`."""

from gan.generators.build import build_generator
from gan.generators.folding import fold_batchnorm
from gan.generators.generator import Generator

__all__ = ["Generator", "build_generator", "fold_batchnorm"]
