"""A trained generator as the teacher of others, or as what their training begins from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from gan.digest import json_digest
from gan.generators import Generator
from gan.spec import GeneratorSpec
from gan.training import Start, Teacher
from search.errors import ConfigError
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator


def load_teacher(folder: Path, device: torch.device) -> Teacher:
    """Load the teacher from ``folder``, of a candidate, or of a study that has but one.

    Raises:
        ConfigError: no generator is there, or several are.
    """
    spec, generator, digest = _trained(folder, "training.teacher")
    return Teacher(spec, generator.to(device).requires_grad_(False), digest)


def load_start(folder: Path) -> Start:
    """Load what training begins from, as :func:`load_teacher` does, or from the folder of a model that is shipped."""
    return Start(*_trained(folder, "training.start"))


def _trained(folder: Path, option: str) -> tuple[GeneratorSpec, Generator, str]:
    here = (folder / WEIGHTS_NAME).is_file()
    found = [folder] if here else sorted(path.parent for path in folder.glob(f"*/{WEIGHTS_NAME}"))
    if len(found) != 1:
        raise ConfigError(
            f"{option} must be a folder with one {WEIGHTS_NAME} and its {SPEC_NAME}; {folder} has "
            f"{len(found)}; train that one first, or name the candidate's own folder"
        )
    spec, generator = load_generator(found[0])
    weights = hashlib.sha256((found[0] / WEIGHTS_NAME).read_bytes()).hexdigest()
    return spec, generator, json_digest({"spec": spec.digest, "weights": weights})
