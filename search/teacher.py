"""A trained generator as the teacher of others, or as what their training begins from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch

from gan.digest import json_digest
from gan.errors import SpecError
from gan.generators import Generator
from gan.spec import GeneratorSpec
from gan.training import CHECKPOINT_NAME, Start, Teacher, check_start, checkpoint_discriminator
from search.errors import ConfigError
from search.space import SearchSpace
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator


def load_teacher(folder: Path, device: torch.device) -> Teacher:
    """Load the teacher from ``folder``, of a candidate, or of a study that has but one.

    Raises:
        ConfigError: no generator is there, or several are.
    """
    spec, generator, digest = _trained(folder, "training.teacher")
    return Teacher(spec, generator.to(device).requires_grad_(False), digest)


def load_start(folder: Path, *, discriminator: bool = False) -> Start:
    """Load what training begins from, as :func:`load_teacher` does, or from the folder of a model that is shipped.

    With ``discriminator`` the one in the trial's checkpoint goes on with it.

    Raises:
        ConfigError: no generator is there, or several are.
        DamagedCheckpointError: the checkpoint is not there, unreadable, or without a discriminator.
    """
    found = Start(*_trained(folder, "training.start"))
    if not discriminator:
        return found
    return replace(found, discriminator=checkpoint_discriminator(_place(folder, "training.start") / CHECKPOINT_NAME))


def check_start_of(space: SearchSpace, start: Start | None, *, num_classes: int, image_size: int) -> None:
    """Refuse a ``start`` that the one generator of ``space`` cannot begin from, before anything is trained.

    In a space of several each trial finds out for itself.

    Raises:
        ConfigError: it cannot; the message says in what they differ.
    """
    if start is None:
        return
    try:
        if (spec := space.only_spec(num_classes=num_classes, image_size=image_size)) is not None:
            check_start(spec, start)
    except SpecError as error:
        raise ConfigError(f"training.start does not fit the search space: {error}") from error


def _trained(folder: Path, option: str) -> tuple[GeneratorSpec, Generator, str]:
    place = _place(folder, option)
    spec, generator = load_generator(place)
    weights = hashlib.sha256((place / WEIGHTS_NAME).read_bytes()).hexdigest()
    return spec, generator, json_digest({"spec": spec.digest, "weights": weights})


def _place(folder: Path, option: str) -> Path:
    """Find the folder with the generator: this one, or the only one in it."""
    here = (folder / WEIGHTS_NAME).is_file()
    found = [folder] if here else sorted(path.parent for path in folder.glob(f"*/{WEIGHTS_NAME}"))
    if len(found) != 1:
        raise ConfigError(
            f"{option} must be a folder with one {WEIGHTS_NAME} and its {SPEC_NAME}; {folder} has "
            f"{len(found)}; train that one first, or name the candidate's own folder"
        )
    return found[0]
