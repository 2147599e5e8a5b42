"""From configuration to objects, by the project's own builders and nothing else.

Hydra calls whatever ``_target_`` names. A configuration, an override, or the record of somebody else's trial could so
run any function that Python can import; here it can only name what is listed, or what the user has allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from search.errors import ConfigError

BUILDERS = frozenset(
    (
        "evaluation.classifier.ClassifierRecipe",
        "evaluation.classifier.ClassifierSpec",
        "evaluation.classifier.JudgeSpec",
        "gan.data.load_digits_dataset",
        "gan.data.load_image_folder_dataset",
        "gan.data.load_parquet_dataset",
        "gan.data.load_torchvision_dataset",
        "gan.training.Distillation",
        "gan.training.Progressive",
        "gan.training.TrainingBudget",
        "gan.training.TrainingIntervals",
        "gan.training.TrainingRecipe",
        "gan.training.WeightForm",
        "gan.training.published_budget",
        "search.constraints.CircuitLimits",
        "search.engines.LocalEngine",
        "search.halving.Halving",
        "search.layers.data.cifar10_or_digits",
        "search.objectives.Objective",
        "search.patience.Patience",
        "search.ray_engine.RayEngine",
        "search.samplers.grid",
        "search.samplers.nsga2",
        "search.samplers.random",
        "search.samplers.tpe",
        "search.space.build_fixed_space",
        "search.space.build_search_space",
        "zk.checked.options.CheckedOptions",
        "zk.types.Budget",
        "zk.types.CircuitOptions",
    )
)
"""What ``_target_`` may name; none of these opens a file to write, or runs what a file says."""

OWN_BUILDERS = "ZKGAN_BUILDERS"
"""Environment variable with the names of further builders, separated by commas or spaces. It is no setting, because
configurations come from others, too."""


def build(node: Any, **arguments: Any) -> Any:
    """Build what ``node`` describes, as :func:`hydra.utils.instantiate` does; None gives None.

    Args:
        node: a part of a configuration.
        arguments: handed to the builder beside those of ``node``, or Hydra's own (``_convert_``).

    Raises:
        ConfigError: it names a builder that is neither the project's nor allowed by the user.
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    for name in _named(plain):
        if name not in BUILDERS | own_builders():
            raise ConfigError(
                f"_target_ must name one of the project's builders; got {str(name)[:200]!r}; to allow one of your own, "
                f"put its name into the environment variable {OWN_BUILDERS}"
            )
    return instantiate(node, **arguments)


def own_builders() -> frozenset[str]:
    """Return the names that the user has allowed."""
    return frozenset(os.environ.get(OWN_BUILDERS, "").replace(",", " ").split())


def _named(value: Any) -> Iterator[object]:
    """Yield whatever stands behind ``_target_`` anywhere below ``value``."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield value["_target_"]
        for child in value.values():
            yield from _named(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _named(child)
