"""What a configuration may say to Hydra itself: nothing that runs code before the application does.

Hydra builds callbacks, launchers, sweepers and log handlers from ``hydra.*``, and sets environment variables, before
any of our code is asked; :mod:`search.building` cannot look at these. So it is composed once before. Composing alone
imports the packages of ``hydra.searchpath``, copies what a file repeats by aliases, and resolves interpolations in
lists of defaults: overrides and files are looked at before that.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser  # no public function tells overrides from Hydra's own flags
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, OverrideParseException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from plain_files import read_plain
from search.errors import ConfigError
from search.growth import check_growth, check_interpolations
from search.urls import safe_url

FIXED = ("callbacks", "job.env_set", "job.env_copy", "launcher", "sweeper", "job_logging", "hydra_logging", "mode")
"""Parts of ``hydra`` that must be as Hydra has them."""
_LONGEST_FILE = 100_000
"""Bytes of one file of settings. The longest shipped one has some six thousand."""
_DEEPEST = 50  # levels of a file; composing calls itself for each


def guard(*, config_folder: str, config_name: str) -> None:
    """Check this program's own command line, and end it with a message where it is refused."""
    try:
        check_hydra(sys.argv[1:], config_folder=config_folder, config_name=config_name)
    except ConfigError as error:
        sys.exit(safe_url(f"error: {error}"))  # Hydra's messages repeat the override, its password included


def check_hydra(arguments: Sequence[str], *, config_folder: str, config_name: str) -> None:
    """Refuse a command line whose configuration changes the parts of Hydra that run code.

    Raises:
        ConfigError: it changes :data:`FIXED` or ``hydra.searchpath``, asks for several runs, names another
            configuration, is none that can be composed, grows beyond measure when it is resolved, or calls a resolver
            that is not in :data:`search.growth.RESOLVERS`.
    """
    given = get_args_parser().parse_args(list(arguments))
    check_files()
    for override in _parsed(given.overrides):
        _check_override(override)
    if given.shell_completion or ((given.help or given.hydra_help) and not given.overrides):
        return
    for flag in ("multirun", "experimental_rerun", "config_path", "config_name"):
        if getattr(given, flag):
            raise ConfigError(
                f"--{flag.replace('_', '-')} is not supported; a search is one study, and experiment=tiers runs several"
            )
    places = [_search_path(given.config_dir)] if given.config_dir else []
    try:
        with initialize_config_dir(version_base="1.3", config_dir=config_folder):
            whole = compose(config_name, overrides=[*given.overrides, *places], return_hydra_config=True)
            plain = compose(config_name, return_hydra_config=True)
        check_composed(whole)
        found, wanted = _fixed(whole), _fixed(plain)
    except (HydraException, OmegaConfBaseException, RecursionError) as error:
        # Hydra may compose what this did not, as with a sweep's values, and would build its parts before we are asked.
        raise ConfigError(str(error)) from error
    if changed := [name for name in FIXED if found[name] != wanted[name]]:
        raise ConfigError(f"a configuration must leave hydra.{changed[0]} as it is, since Hydra runs what it names")


def check_composed(config: DictConfig) -> None:
    """Look at a configuration before anything in it is resolved; see :func:`search.growth.check_growth`.

    Raises:
        ConfigError: it is refused.
    """
    unresolved: Any = OmegaConf.to_container(config, resolve=False)
    check_growth(unresolved)


def check_files() -> None:
    """Have every file of settings that Hydra reads from here on looked at first.

    Reading such a file then raises ConfigError where it has aliases, is longer than any that is written by hand, or
    has an interpolation that no configuration may have.
    """
    Plugins.instance()  # registers Hydra's own kinds of sources, once, and so must come first
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = _CheckedFiles


class _CheckedFiles(FileConfigSource):
    """Folders of settings; only a source sees the files that are read, which defaults may name outside its folder."""

    def load_config(self, config_path: str) -> ConfigResult:
        _check_file(Path(os.path.realpath(os.path.join(self.path, self._normalize_file_name(config_path)))))
        return super().load_config(config_path)


def _check_file(path: Path) -> None:
    """Refuse a file of settings that must not be composed; where there is none, that is left to Hydra to report."""
    if not path.exists():
        return
    try:
        text = read_plain(path, most_bytes=_LONGEST_FILE).decode()
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise ConfigError(f"a file of settings must nest at most {_DEEPEST} levels deep; {path} nests more")
            _check_event(event, path)
    except ConfigError:
        raise
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"a file of settings must be readable YAML; {path}: {error}") from error


def _check_event(event: yaml.Event, path: Path) -> None:
    where = str(path) if event.start_mark is None else f"{path}, line {event.start_mark.line + 1}"
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise ConfigError(f"a file of settings must not have anchors and aliases, & and *; write it out: {where}")
    if isinstance(event, yaml.ScalarEvent):
        try:
            check_interpolations(event.value)
        except ConfigError as error:
            raise ConfigError(f"{error}: {where}") from error


def _parsed(overrides: Sequence[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        shown = safe_url(error.override)
        # What the grammar says repeats pieces of the value, in which a password would not be known for one.
        detail = f"; {error.message}" if shown == error.override else "; put its value into quotes"
        raise ConfigError(f"an override must be KEY=VALUE as Hydra reads it; got {shown}{detail}") from error
    except HydraException as error:
        raise ConfigError(str(error)) from error


def _check_override(override: Override) -> None:
    """Refuse what composing would run or resolve."""
    if re.split(r"[^\w]+", override.key_or_group)[:2] == ["hydra", "searchpath"]:
        raise ConfigError(
            "hydra.searchpath must be left as it is, since Hydra imports the packages in it; give a folder of settings "
            "of your own by --config-dir"
        )
    for text in _strings(override.value()):
        check_interpolations(text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for part in value.values() for text in _strings(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in _strings(part))


def _search_path(folder: str) -> str:
    """Return the override that has settings looked up in ``folder`` too, as ``--config-dir`` does."""
    path = os.path.abspath(folder).replace("'", "\\'")
    return f"hydra.searchpath=['file://{path}']"


def _fixed(config: DictConfig) -> dict[str, Any]:
    found = {}
    for name in FIXED:
        value = OmegaConf.select(config.hydra, name)
        found[name] = OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value
    return found
