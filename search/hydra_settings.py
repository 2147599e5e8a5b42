"""What a configuration may say to Hydra itself: nothing that runs code before the application does.

Hydra builds callbacks, launchers, sweepers and log handlers from ``hydra.*``, and sets environment variables, before
any of our code is asked; :mod:`search.building` cannot look at these. So it is composed once before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser  # no public function tells overrides from Hydra's own flags
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from search.errors import ConfigError
from search.growth import check_growth

FIXED = ("callbacks", "job.env_set", "job.env_copy", "launcher", "sweeper", "job_logging", "hydra_logging", "mode")
"""Parts of ``hydra`` that must be as Hydra has them."""


def guard(*, config_folder: str, config_name: str) -> None:
    """Check this program's own command line, and end it with a message where it is refused."""
    try:
        check_hydra(sys.argv[1:], config_folder=config_folder, config_name=config_name)
    except ConfigError as error:
        sys.exit(f"error: {error}")


def check_hydra(arguments: Sequence[str], *, config_folder: str, config_name: str) -> None:
    """Refuse a command line whose configuration changes the parts of Hydra that run code.

    Raises:
        ConfigError: it changes :data:`FIXED`, asks for several runs, names another configuration, is none that can be
            composed, or grows beyond measure when it is resolved.
    """
    given = get_args_parser().parse_args(list(arguments))
    if given.help or given.hydra_help or given.shell_completion:
        return
    for flag in ("multirun", "experimental_rerun", "config_path", "config_name"):
        if getattr(given, flag):
            raise ConfigError(
                f"--{flag.replace('_', '-')} is not supported; a search is one study, and experiment=tiers runs several"
            )
    places = [f"hydra.searchpath=[file://{given.config_dir}]"] if given.config_dir else []
    try:
        with initialize_config_dir(version_base="1.3", config_dir=config_folder):
            whole = compose(config_name, overrides=[*given.overrides, *places], return_hydra_config=True)
            found = _fixed(whole)
            plain = _fixed(compose(config_name, return_hydra_config=True))
    except (HydraException, OmegaConfBaseException) as error:
        # Hydra may compose what this did not, as with a sweep's values, and would build its parts before we are asked.
        raise ConfigError(str(error)) from error
    unresolved: Any = OmegaConf.to_container(whole, resolve=False)
    check_growth(unresolved)
    if changed := [name for name in FIXED if found[name] != plain[name]]:
        raise ConfigError(f"a configuration must leave hydra.{changed[0]} as it is, since Hydra runs what it names")


def _fixed(config: DictConfig) -> dict[str, Any]:
    found = {}
    for name in FIXED:
        value = OmegaConf.select(config.hydra, name)
        found[name] = OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value
    return found
