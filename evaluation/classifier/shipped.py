"""Weights of classifiers that come with the project, so that scores are comparable from machine to machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from atomic_files import write_bytes
from evaluation.errors import CacheFileError
from evaluation.files import load_tensors
from json_files import read_json
from shipped_files import shipped_folder

SHIPPED = shipped_folder("models") / "classifiers"
"""Where they lie, in a checkout as in an installed package."""


def ship(cached: Path, folder: Path) -> Path:
    """Copy the weights and the report of the cache file ``cached`` to ``folder``; gives the path of the weights.

    Raises:
        CacheFileError: ``cached`` is not a whole cache file.
    """
    payload = load_tensors(cached)
    if missing := {"weights", "digest", "report"} - payload.keys():
        raise CacheFileError(f"{cached.name} must be a classifier of the cache; it has no {', '.join(sorted(missing))}")
    data = save({name: value.contiguous() for name, value in payload.pop("weights").items()})
    path = folder / f"{payload['digest']}.safetensors"
    facts = {**payload, "weights_sha256": hashlib.sha256(data).hexdigest()}
    write_bytes(path.with_suffix(".json"), json.dumps(facts, indent=2).encode() + b"\n")
    write_bytes(path, data)
    return path


def read_shipped(path: Path, digest: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights and facts that :func:`ship` wrote for ``digest``.

    Raises:
        CacheFileError: they are damaged, or do not belong together.
    """
    try:
        data, facts = path.read_bytes(), read_json(path.with_suffix(".json"))
        found = hashlib.sha256(data).hexdigest()
        if (facts["digest"], facts["weights_sha256"]) != (digest, found):
            raise CacheFileError(f"{path.name} must be the file that its report names; got SHA-256 {found}")
        return {name: torch.as_tensor(value) for name, value in load(data).items()}, dict(facts)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CacheFileError(f"{path.name} must hold weights beside a report; got {error!r}") from error
