"""A trained generator as the teacher of others."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from gan.digest import json_digest
from gan.training import Teacher
from search.errors import ConfigError
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator


def load_teacher(folder: Path, device: torch.device) -> Teacher:
    """Load the generator in ``folder``, or in the one candidate of the study whose folder it is.

    Raises:
        ConfigError: none is there, or several are.
    """
    here = (folder / WEIGHTS_NAME).is_file()
    found = [folder] if here else sorted(path.parent for path in folder.glob(f"*/{WEIGHTS_NAME}"))
    if len(found) != 1:
        raise ConfigError(
            f"training.teacher must be a folder with one {WEIGHTS_NAME} and its {SPEC_NAME}; {folder} has "
            f"{len(found)}; train the teacher first, or name the candidate's own folder"
        )
    spec, generator = load_generator(found[0])
    weights = hashlib.sha256((found[0] / WEIGHTS_NAME).read_bytes()).hexdigest()
    digest = json_digest({"spec": spec.digest, "weights": weights})
    return Teacher(spec, generator.to(device).requires_grad_(False), digest)
