"""A trained generator on disk: its spec and its weights, readable without running code."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from gan.generators import Generator, build_generator
from gan.spec import GeneratorSpec
from search.files import write_text

WEIGHTS_NAME = "generator.safetensors"
SPEC_NAME = "spec.json"
WEIGHTS_DIGEST = "weights_sha256"
"""What the digest of the weights file is called in records."""


def save_generator(folder: Path, spec: GeneratorSpec, generator: nn.Module) -> None:
    """Write spec and weights of ``generator`` to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SPEC_NAME, spec.to_json())
    partial = folder / f"{WEIGHTS_NAME}.{os.getpid()}.partial"
    save_file({name: value.detach().cpu().contiguous() for name, value in generator.state_dict().items()}, partial)
    os.replace(partial, folder / WEIGHTS_NAME)


def weights_sha256(folder: Path) -> str:
    """Return the sha256 of the weights file in ``folder``; equal weights give equal files."""
    return hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()


def load_generator(folder: Path) -> tuple[GeneratorSpec, Generator]:
    """Return spec and generator as :func:`save_generator` wrote them, in evaluation mode on the CPU."""
    spec = GeneratorSpec.from_json((folder / SPEC_NAME).read_text(encoding="utf-8"))
    generator = build_generator(spec)
    generator.load_state_dict(load_file(folder / WEIGHTS_NAME))
    return spec, generator.eval()
