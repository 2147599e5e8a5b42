"""The four composite networks of a layer benchmark, trained for real, with their accuracy on the test set."""

from evaluation.composites.cache import TrainedComposite, composite_digest, load_or_train_composite
from evaluation.composites.folding import with_batchnorm, without_batchnorm
from evaluation.composites.magnitudes import largest_magnitudes
from evaluation.composites.recipe import CompositeRecipe, cifar10_recipe, digits_recipe
from evaluation.composites.spec import CompositeKind, CompositeSpec, Square, build_composite, check_composite_fits
from evaluation.composites.training import train_composite

__all__ = [
    "CompositeKind",
    "CompositeRecipe",
    "CompositeSpec",
    "Square",
    "TrainedComposite",
    "build_composite",
    "check_composite_fits",
    "cifar10_recipe",
    "composite_digest",
    "digits_recipe",
    "largest_magnitudes",
    "load_or_train_composite",
    "train_composite",
    "with_batchnorm",
    "without_batchnorm",
]
