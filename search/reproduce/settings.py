"""From a recorded configuration to what a session is built of: the part that knows Hydra."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan.data import ImageDataset
from search.building import build
from search.compose import CONFIG_FOLDER, build_settings
from search.errors import ConfigError, RecordError
from search.growth import check_growth
from search.problems import KNOWN_ERRORS
from search.reproduce.record import RecordedSession
from search.settings import SessionSettings

_LONGEST = 1_000_000
_OURS = ("cache_folder", "proving.srs_folder", "cost_model")
_DOWNLOADED = "gan.data.load_torchvision_dataset"  # its root is written to
_PLACED = {
    "gan.data.load_digits_dataset": "dataset",
    "gan.data.load_image_folder_dataset": "dataset",
    "gan.data.load_parquet_dataset": "dataset",
    _DOWNLOADED: "dataset",
    "search.layers.data.cifar10_or_digits": "dataset",
    "search.ray_engine.RayEngine": "engine",
}
"""Builders that write files or join a cluster, and the only part of a recorded configuration that may name each."""


def default_uri() -> str:
    """Return the tracking URI of ``conf/config.yaml``."""
    return str(_shipped("config.yaml").tracking.uri)


def _shipped(name: str) -> DictConfig | ListConfig:
    return OmegaConf.load(Path(CONFIG_FOLDER) / name)


def build_dataset(session: RecordedSession, places: Mapping[str, str]) -> ImageDataset:
    """Load the dataset of ``session``; ``places`` replaces where things lie.

    Raises:
        ConfigError: a place has no meaning for this configuration.
        RecordError: the recorded configuration is none that is read here, or has no dataset.
        gan.errors.DataError: the data cannot be read.
    """
    found = _config(session, places).get("dataset")
    if not isinstance(found, DictConfig):
        raise RecordError(f"the recorded configuration must have a dataset; got {str(found)[:200]!r}")
    dataset: ImageDataset = build(found)
    return dataset


def build_session(
    session: RecordedSession, places: Mapping[str, str], *, device: torch.device | None, retrain: bool
) -> SessionSettings:
    """Build what ``session`` was run with, on ``device`` (None: the configured one).

    Raises:
        SearchError, gan.errors.GanError, zk.errors.ZkError: the configuration cannot be built any more.
    """
    config = _config(session, places)
    if not retrain:  # loading needs no teacher and no start, whose folders may be gone
        config.training.recipe.distillation = None
        config.training.start = None
    config.study.continues = None  # what went on from an earlier study is trained from the start
    config.study.seeds = []
    if session.cost_model is not None:
        config.cost_model = str(session.cost_model)
    try:
        settings = build_settings(config)
    except (AttributeError, TypeError, ValueError, KeyError, InstantiationException, OmegaConfBaseException) as error:
        raise RecordError(f"the recorded configuration must be one that can be built; {error}") from error
    return settings if device is None else dataclasses.replace(settings, device=device)


def _keep_here(config: DictConfig, places: Mapping[str, str]) -> None:
    """Have the shipped configuration say which folders and files of this machine are used, and by how many workers.

    A record comes from others; it must not choose where on this machine something is read and written.
    """
    shipped = _shipped("config.yaml")
    for name in _OURS:
        if name not in places:
            OmegaConf.update(config, name, OmegaConf.select(shipped, name))
    _keep_data_here(config, places)
    config.engine = _shipped("engine/local.yaml")


def _keep_data_here(config: DictConfig, places: Mapping[str, str]) -> None:
    """Have a dataset write below our own cache folder only; where it is merely read from may stay as recorded."""
    dataset = config.get("dataset")
    if not isinstance(dataset, DictConfig):
        return
    data = f"{config.cache_folder}/data"  # as in conf/dataset
    if dataset.get("cache_dir") is not None:
        dataset.cache_dir = data
    if dataset.get("_target_") == _DOWNLOADED:
        dataset.download = True
        if "dataset.root" not in places:
            dataset.root = data


def _check_text(text: str) -> None:
    """Refuse what would grow when it is read: aliases, which are copied."""
    if len(text) > _LONGEST:
        raise RecordError(f"the recorded configuration must have at most {_LONGEST:,} characters; it has {len(text):,}")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise RecordError("the recorded configuration must be readable, without aliases; it has one")


def _check_values(plain: dict[str, Any]) -> None:
    """Refuse what would be resolved, also where YAML has it escaped, and builders where they have no place."""
    for path, value in _below(plain):
        if any(isinstance(text, str) and "${" in text for text in (*path, value)):
            raise RecordError("the recorded configuration must be resolved, without interpolations; it has one")
        if path[-1] == "_target_" and (part := _PLACED.get(str(value))) is not None and path[:-1] != (part,):
            raise RecordError(f"the recorded configuration must name {value} as its {part} only; found at {path[:-1]}")
    try:
        check_growth(plain)
    except ConfigError as error:
        raise RecordError(f"the recorded configuration must be one that can be read; {error}") from error


def _below(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield whatever stands below ``value`` that is no container, or an empty one, with the names that lead there."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in parts:
        if isinstance(part, (dict, list)) and part:
            yield from _below(part, (*path, name))
        else:
            yield (*path, name), part


def _config(session: RecordedSession, places: Mapping[str, str]) -> DictConfig:
    """Read the configuration of ``session`` as it may be used here: nothing else in this module reads one."""
    try:
        _check_text(session.config)
        config = OmegaConf.create(session.config)
        if not isinstance(config, DictConfig):
            raise RecordError("the recorded configuration must be a mapping of names to values")
        plain: Any = OmegaConf.to_container(config, resolve=False)
        _check_values(plain)
        for name, value in places.items():
            if OmegaConf.select(config, name, default=_ABSENT) is _ABSENT:
                raise ConfigError(f"{name} must be in the recorded configuration to be replaced; it is not")
            OmegaConf.update(config, name, value)
        _keep_here(config, places)
    except (
        OmegaConfBaseException,
        yaml.YAMLError,
        RecursionError,
        AssertionError,
    ) as error:  # the last of a bare number
        raise RecordError(f"the recorded configuration must be readable: {error}") from error
    return config


_ABSENT = object()


def first_matching(
    sessions: Iterable[RecordedSession],
    build: Callable[[RecordedSession], SessionSettings],
    matches: Callable[[SessionSettings], bool],
) -> SessionSettings | None:
    """Return what ``build`` makes of the first session that ``matches``; one that cannot be built does not."""
    for session in sessions:
        try:
            settings = build(session)
        except (*KNOWN_ERRORS, InstantiationException):
            continue
        if matches(settings):
            return settings
    return None
