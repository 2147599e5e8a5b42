"""Several experiments by one command, each a study of its own, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

EXPERIMENT, LIST = "experiment=", "experiments="


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
    """
    kept = [override for override in overrides if not override.startswith((EXPERIMENT, LIST))]
    failed = []
    for place, name in enumerate(names, 1):
        say(f"== {place} of {len(names)}: {name}")
        config = compose("config", overrides=[*kept, f"{EXPERIMENT}{name}"], return_hydra_config=True)
        with open_dict(config):
            config.hydra.runtime.output_dir = str(output / name.replace("/", "-"))
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        OmegaConf.set_struct(config, True)
        if problem := run(config):
            say(f"{name}: {problem}")
            failed.append(name)
    return failed
