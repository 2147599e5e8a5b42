"""Several experiments by one command, each a study of its own, one after the other."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from search.errors import ConfigError
from search.hydra_settings import check_composed, check_files
from search.urls import safe_url

EXPERIMENT, LIST, NAME = "experiment=", "experiments=", "study.name="


def run_each(
    names: Sequence[str],
    overrides: Sequence[str],
    output: Path,
    run: Callable[[DictConfig], str | None],
    say: Callable[[str], None] = print,
) -> list[str]:
    """Run every experiment, whatever becomes of the others; gives the names of those that failed.

    Args:
        names: of files below ``conf/experiment``, without ending.
        overrides: of the command, less those of the list itself.
        output: folder that each gets a folder in.
        run: works on a composed configuration; gives what went wrong, or None.
        say: takes a line of progress.

    Raises:
        ConfigError: the overrides give all of them one name.
    """
    if shared := [override for override in overrides if override.startswith(NAME)]:
        raise ConfigError(f"experiments of a list must keep names of their own; got {shared[0]}; leave it out")
    kept = [override for override in overrides if not override.startswith((EXPERIMENT, LIST))]
    failed = []
    for place, name in enumerate(names, 1):
        say(f"== {place} of {len(names)}: {name}")
        try:
            problem = run(composed([*kept, f"{EXPERIMENT}{name}"], output / name.replace("/", "-")))
        except ConfigError as error:  # of its settings, which were read only now
            problem = str(error)
        except Exception as error:  # one experiment's defect must not take the others with it
            print(safe_url(traceback.format_exc()), end="", file=sys.stderr)
            problem = f"{type(error).__name__}: {error}"
        if problem:
            say(safe_url(f"{name}: {problem}"))
            failed.append(name)
    return failed


def composed(overrides: Sequence[str], output: Path) -> DictConfig:
    """Compose the configuration of one experiment, and give Hydra its own part; ``output`` is the session's folder.

    Hydra must have been told where the configurations are.

    Raises:
        ConfigError: a file of it, or what is composed, is refused by :mod:`search.hydra_settings`.
    """
    check_files()  # an experiment of a list was in nothing that has been looked at
    config = compose("config", overrides=list(overrides), return_hydra_config=True)
    check_composed(config)
    with open_dict(config):
        config.hydra.runtime.output_dir = str(output)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    OmegaConf.set_struct(config, True)
    return config
