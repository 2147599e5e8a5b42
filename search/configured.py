"""A session's settings and data, composed from overrides in a program that is no Hydra application itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra import initialize_config_dir
from omegaconf import DictConfig

from gan.data import ImageDataset
from search.building import build
from search.compose import CONFIG_FOLDER, build_settings
from search.settings import SessionSettings
from search.several import composed


@dataclass(frozen=True)
class Configured:
    """What a configuration says: as it stands, the settings read from it, and the data that it names."""

    config: DictConfig
    settings: SessionSettings
    dataset: ImageDataset


def configured(overrides: Sequence[str], output: Path) -> Configured:
    """Compose the configuration of ``python -m search`` with ``overrides`` and build what it says.

    Args:
        overrides: as on the command line.
        output: folder that stands for the session's.

    Raises:
        ConfigError, DataError, and Hydra's own: as the command would.
    """
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_FOLDER):
        config = composed(overrides, output)
        return Configured(config, build_settings(config), build(config.dataset))
