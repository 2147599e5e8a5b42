"""Readers of generators: specs, weights, candidates, checkpoints and released models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from evaluation.classifier.shipped import read_shipped
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe
from gan.training.checkpoint import load_checkpoint, save_checkpoint
from search.candidate import Candidate
from search.released.model import FACTS_NAME, read_released
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator, save_generator
from tests.fuzz.scene import DIGEST, Scene, put
from tests.tiny_spec import TINY_SPEC


def weights(scene: Scene) -> list[bytes]:
    save_generator(scene.folder / "generator", TINY_SPEC, build_generator(TINY_SPEC))
    return [(scene.folder / "generator" / WEIGHTS_NAME).read_bytes()]


def read_weights(data: bytes, folder: Path) -> object:
    put(data, folder, WEIGHTS_NAME)
    put(TINY_SPEC.to_json().encode(), folder, SPEC_NAME)
    return load_generator(folder)


def read_spec(data: bytes, _folder: Path) -> object:
    spec = GeneratorSpec.from_json(data.decode("utf-8", "replace"))
    with torch.device("meta"):
        return build_generator(spec)


def candidate() -> str:
    return Candidate(TINY_SPEC, TrainingRecipe(), TrainingBudget(images=100), 0).to_json()


def checkpoints(scene: Scene) -> list[bytes]:
    path = scene.folder / "checkpoint.pt"
    save_checkpoint(path, {"seed": "0"}, {"step": 3, "weights": {"a": torch.zeros(2, 3)}})
    return [path.read_bytes()]


def read_checkpoint(data: bytes, folder: Path) -> object:
    return load_checkpoint(put(data, folder), {"seed": "0"}, device=torch.device("cpu"))


def read_classifier(data: bytes, folder: Path) -> object:
    facts = {"digest": DIGEST, "weights_sha256": hashlib.sha256(data).hexdigest()}
    (folder / "input.json").write_text(json.dumps(facts))
    return read_shipped(put(data, folder, "input.safetensors"), DIGEST)


def facts(_scene: Scene) -> list[bytes]:
    facts = {
        "weights_sha256": hashlib.sha256(b"").hexdigest(),
        "spec_digest": TINY_SPEC.digest,
        "class_names": [str(label) for label in range(10)],
        "network_sha256": {"image": DIGEST},
        "classifier_digest": DIGEST,
        "layouts": {},
        "scores": {},
        "training": {},
        "proof": {},
    }
    return [json.dumps(facts).encode()]


def read_facts(data: bytes, folder: Path) -> object:
    own = folder / "model"
    own.mkdir()
    put(data, own, FACTS_NAME)
    put(TINY_SPEC.to_json().encode(), own, SPEC_NAME)
    put(b"", own, WEIGHTS_NAME)
    return read_released("model", folder)
