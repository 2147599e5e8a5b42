"""A trained generator made a model that comes with the project."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evaluation.classifier import TrainedClassifier
from evaluation.classifier.export import export_classifier
from gan.generators import Generator
from gan.spec import GeneratorSpec
from search.circuit import circuit_inputs, export_generator
from search.circuit_forms import make_plan
from search.errors import ReleaseError
from search.files import write_text
from search.released.model import CHAIN, FACTS_NAME, IMAGE, ReleasedModel, read_released
from search.weights import save_generator, weights_sha256
from zk.chain import write_chain
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedPlan
from zk.plan import PlanGoal
from zk.types import Budget

LARGEST_WEIGHTS_BYTES = 5_000_000
"""What a repository can carry for each model."""


@dataclass(frozen=True, kw_only=True)
class ReleasePlanning:
    """How a model's circuits are laid out.

    Attributes:
        goal: memory and fidelity to keep.
        base: what the plans start from.
        budget: limits of each call of EZKL while planning.
        samples: images that ranges and fidelity are measured on.
        seed: of their latents.
        bits: scale of the activations, where training has rounded them to it; 0 leaves it to the plan.
    """

    goal: PlanGoal
    base: CheckedOptions
    budget: Budget
    samples: int = 64
    seed: int = 1
    bits: int = 0


def write_released(
    name: str,
    spec: GeneratorSpec,
    generator: Generator,
    *,
    class_names: Sequence[str],
    classifier: TrainedClassifier,
    planning: ReleasePlanning,
    root: Path,
    training: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
) -> ReleasedModel:
    """Plan the circuits of a generator and of its chain with ``classifier``, and write the model's folder in ``root``.

    ``training`` says how it came about. The facts are written last, and a folder without them is no model.

    Raises:
        ReleaseError: no layout fulfils the goal, or the weights are too large to be carried.
        ZkError: a network cannot be exported or planned.
    """
    folder = root / name
    with tempfile.TemporaryDirectory(prefix="release-") as work_name:
        work = Path(work_name)
        exported = export_generator(generator, spec, work / "generator.onnx")
        write_chain(exported.path, export_classifier(classifier, work / "classifier.onnx").path, work / "chain.onnx")
        samples = _samples(spec, planning)
        layouts = {
            kind: _layout(kind, network, samples, work / kind, planning)
            for kind, network in ((IMAGE, exported.path), (CHAIN, work / "chain.onnx"))
        }
    save_generator(folder, spec, generator)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if size > LARGEST_WEIGHTS_BYTES:
        raise ReleaseError(f"weights must take at most {LARGEST_WEIGHTS_BYTES:,} bytes; those of {name} take {size:,}")
    facts = {
        "spec_digest": spec.digest,
        "weights_sha256": weights_sha256(folder),
        "network_sha256": exported.digest,
        "class_names": list(class_names),
        "classifier_digest": classifier.digest,
        "layouts": {kind: layout.to_json() for kind, layout in layouts.items()},
        "training": dict(training or {}),
        "scores": dict(scores or {}),
        "proof": {},
    }
    write_text(folder / FACTS_NAME, json.dumps(facts, indent=2) + "\n")
    return read_released(name, root)


def file_facts(
    model: ReleasedModel, *, scores: Mapping[str, Any] | None = None, proof: Mapping[str, Any] | None = None
) -> None:
    """Replace the scores, or the figures of a proof, in a model's facts."""
    path = model.folder / FACTS_NAME
    found = {"scores": scores, "proof": proof}
    given = {name: dict(values) for name, values in found.items() if values is not None}
    facts = {**json.loads(path.read_text(encoding="utf-8")), **given}
    write_text(path, json.dumps(facts, indent=2) + "\n")


def _samples(spec: GeneratorSpec, planning: ReleasePlanning) -> list[Tensor]:
    drawn = [
        circuit_inputs(spec, seed=planning.seed, index=index, label=index % spec.num_classes)
        for index in range(planning.samples)
    ]
    return [torch.cat(column) for column in zip(*drawn, strict=True)]


def _layout(
    kind: str, network: Path, samples: Sequence[Tensor], folder: Path, planning: ReleasePlanning
) -> CheckedOptions:
    plan = make_plan(
        network,
        samples,
        folder,
        goal=planning.goal,
        form=planning.base,
        budget=planning.budget,
        model=None,
        bits=planning.bits,
    )
    assert isinstance(plan, CheckedPlan)  # the base is a checked circuit's
    if plan.best is None:
        raise ReleaseError(f"some layout of the {kind} must fulfil the goal; none does: {plan.reasons}")
    return plan.best.options
