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
        "gan.guide.EnergySettings",
        "gan.guide.GuideSpec",
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
"""What ``_target_`` may name. They read and write files where their arguments say (data, their cache), may download
known datasets, and ``RayEngine`` joins the cluster that it is given; none runs what a configuration or a file says."""

OWN_BUILDERS = "ZKGAN_BUILDERS"
"""Environment variable with the names of further builders, separated by commas or spaces. It is no setting, because
configurations come from others, too."""

own_builders = frozenset(os.environ.get(OWN_BUILDERS, "").replace(",", " ").split())
"""Read once, when the program starts: Hydra can be told to set environment variables."""


def build(node: Any, **arguments: Any) -> Any:
    """Build what ``node`` describes, as :func:`hydra.utils.instantiate` does; None gives None.

    Args:
        node: a part of a configuration.
        arguments: handed to the builder beside those of ``node``, or Hydra's own (``_convert_``).

    Raises:
        ConfigError: it names a builder that is neither the project's nor allowed by the user.
        OmegaConfBaseException: a value is missing, or an interpolation leads nowhere.
    """
    if node is None:
        return None
    config = node if OmegaConf.is_config(node) else OmegaConf.create(node)
    # What is built is what was looked at: resolved once, with nothing left that a second look could resolve otherwise.
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    for value in _strings(plain):
        if "${" in value:
            raise ConfigError(f"a value must not hold an interpolation that is escaped; got {value[:200]!r}")
    for name in _named(plain):
        if not isinstance(name, str) or name not in BUILDERS | own_builders:
            raise ConfigError(
                f"_target_ must name one of the project's builders; got {str(name)[:200]!r}; to allow one of your own, "
                f"put its name into the environment variable {OWN_BUILDERS}"
            )
    return instantiate(plain, **arguments)


def _strings(value: Any) -> Iterator[str]:
    """Yield every string anywhere in ``value``, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _strings(pair)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _strings(child)


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
