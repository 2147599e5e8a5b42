"""Generators on disk are read back, and damaged or foreign ones are refused before memory is taken."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gan.generators import build_generator
from gan.mechanisms import Mechanisms
from search.errors import RecordError
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator, save_generator, weights_sha256
from tests.tiny_spec import TINY_SPEC


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_generator(tmp_path, TINY_SPEC, build_generator(TINY_SPEC, seed=3))
    return tmp_path


@pytest.mark.parametrize("mechanisms", [Mechanisms(), Mechanisms(spectral_norm=True)])
def test_what_was_saved_is_loaded(mechanisms: Mechanisms, tmp_path: Path) -> None:
    spec = dataclasses.replace(TINY_SPEC, mechanisms=mechanisms)
    saved = build_generator(spec, seed=3).eval()
    save_generator(tmp_path, spec, saved)
    found, loaded = load_generator(tmp_path)
    assert found == spec
    assert not loaded.training
    latent, one_hot = torch.randn(2, TINY_SPEC.latent_dim), torch.eye(10)[:2]
    assert torch.equal(loaded(latent, one_hot), saved(latent, one_hot))


def test_in_half_precision_matrices_are_rounded_and_take_half_the_room(tmp_path: Path) -> None:
    spec = dataclasses.replace(TINY_SPEC, latent_dim=200)
    saved = build_generator(spec, seed=3)
    for name in ("whole", "half"):
        save_generator(tmp_path / name, spec, saved, half=name == "half")
    whole, half = (load_generator(tmp_path / name)[1].state_dict() for name in ("whole", "half"))
    for name, value in whole.items():
        assert half[name].dtype == value.dtype
        assert torch.equal(half[name], value.half().float() if value.ndim > 1 else value)
    sizes = [(tmp_path / name / WEIGHTS_NAME).stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.7 * sizes[0]


def test_equal_weights_give_equal_files(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save_generator(other, TINY_SPEC, build_generator(TINY_SPEC, seed=3))
    assert weights_sha256(folder) == weights_sha256(other)


@pytest.mark.parametrize("name", [SPEC_NAME, WEIGHTS_NAME])
def test_missing_and_damaged_files_are_named(name: str, folder: Path) -> None:
    path = folder / name
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\xff" * 64, b"[" * 100_000):
        path.write_bytes(damaged)
        with pytest.raises(RecordError, match="must hold a generator"):
            load_generator(folder)
    path.unlink()
    with pytest.raises(RecordError, match=name):
        load_generator(folder)


def test_a_giant_that_only_the_spec_has_is_never_built(folder: Path) -> None:
    giant = json.loads(TINY_SPEC.to_json()) | {"widths": [8192, 8192, 8192]}  # 19 GB of weights
    (folder / SPEC_NAME).write_text(json.dumps(giant))
    with pytest.raises(RecordError, match="must have the weights of spec.json"):
        load_generator(folder)


def test_weights_that_lack_a_tensor_are_refused(folder: Path) -> None:
    weights = dict(build_generator(TINY_SPEC).state_dict())
    name, _ = weights.popitem()
    save_file(weights, folder / WEIGHTS_NAME)
    with pytest.raises(RecordError, match=rf"{name} must be \[.*\], found absent"):
        load_generator(folder)
