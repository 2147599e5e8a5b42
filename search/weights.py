"""A trained generator on disk: its spec and its weights, readable without running code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from atomic_files import write_bytes, write_text
from gan.generators import Generator, build_generator
from gan.spec import GeneratorSpec
from plain_files import check_plain_file, read_plain
from search.errors import RecordError
from weight_shapes import differing_shapes

WEIGHTS_NAME = "generator.safetensors"
SPEC_NAME = "spec.json"
_MOST_SPEC_BYTES = 2**20
WEIGHTS_DIGEST = "weights_sha256"
"""What the digest of the weights file is called in records."""


def save_generator(folder: Path, spec: GeneratorSpec, generator: nn.Module, *, half: bool = False) -> None:
    """Write spec and weights of ``generator`` to ``folder``.

    With ``half``, matrices and kernels are rounded to half precision, in half the bytes; what is read back is a
    generator of these rounded weights.

    Raises:
        RecordError: a weight has no place in half precision.
    """
    write_text(folder / SPEC_NAME, spec.to_json())
    weights = {name: value.detach().cpu().contiguous() for name, value in generator.state_dict().items()}
    if half:
        weights = halved(weights)
    write_bytes(folder / WEIGHTS_NAME, save(weights))


def halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices and kernels to half precision; what has one dimension or none stays as it is.

    Raises:
        RecordError: a weight has no place in half precision.
    """
    found = {name: value.half() if value.ndim > 1 else value for name, value in weights.items()}
    if wrong := [name for name, value in found.items() if not bool(value.isfinite().all())]:
        raise RecordError(
            f"weights must be finite and at most {torch.finfo(torch.half).max:,.0f} to be kept in half precision; "
            f"{wrong[0]} has others; keep them as they are"
        )
    return found


def weights_sha256(folder: Path) -> str:
    """Return the sha256 of the weights file in ``folder``; equal weights give equal files."""
    return hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()


def load_generator(folder: Path) -> tuple[GeneratorSpec, Generator]:
    """Return spec and generator as :func:`save_generator` wrote them, in evaluation mode on the CPU.

    Shapes are compared before memory is taken: a spec alone may describe a network of any size.

    Raises:
        RecordError: a file is missing or damaged, or the weights are not those of the spec.
    """
    try:
        spec = GeneratorSpec.from_json(read_plain(folder / SPEC_NAME, most_bytes=_MOST_SPEC_BYTES).decode())
        check_plain_file(folder / WEIGHTS_NAME)
        weights = load_file(folder / WEIGHTS_NAME)
        differing = differing_shapes(lambda: build_generator(spec), weights)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise RecordError(
            f"{folder} must hold a generator, {SPEC_NAME} and {WEIGHTS_NAME}; {error}; train it again"
        ) from error
    if differing:
        name, (wanted, found) = next(iter(differing.items()))
        raise RecordError(
            f"{folder / WEIGHTS_NAME} must have the weights of {SPEC_NAME} beside it; {name} must be "
            f"{_shape(wanted)}, found {_shape(found)}; they are of another generator"
        )
    generator = build_generator(spec)
    generator.load_state_dict(weights)
    return spec, generator.eval()


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(list(shape))
