"""A trained generator made a model that comes with the project."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from atomic_files import write_text
from evaluation.classifier import TrainedClassifier
from gan.generators import Generator
from gan.spec import GeneratorSpec
from search.circuit import NETWORK_NAME, export_generator
from search.circuit_forms import make_plan
from search.errors import ReleaseError
from search.planned import CircuitPlanning, planning_samples
from search.released.card import CARD_NAME, card_text
from search.released.facts import HALF, ROUNDED
from search.released.model import CHAIN, FACTS_NAME, IMAGE, LARGEST_WEIGHTS, ReleasedModel, is_name, read_released
from search.released.prove import write_class_chain
from search.weights import WEIGHTS_NAME, load_generator, save_generator, weights_sha256
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedPlan
from zk.srs import file_sha256


def write_released(
    name: str,
    spec: GeneratorSpec,
    generator: Generator,
    *,
    class_names: Sequence[str],
    classifier: TrainedClassifier,
    planning: CircuitPlanning,
    root: Path,
    training: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    half: bool = False,
) -> ReleasedModel:
    """Plan the circuits of a generator and of its chain with ``classifier``, and write the model's folder in ``root``.

    ``training`` says how it came about. With ``half`` the weights are rounded to half precision, and the circuits are
    those of the rounded ones. The folder appears whole, and replaces none.

    Raises:
        ReleaseError: the name cannot be used, the classes are not those of the spec, no layout fulfils the goal, or the
            weights are too large to be carried.
        ZkError: a network cannot be exported or planned.
    """
    if not is_name(name) or os.path.lexists(root / name):
        raise ReleaseError(
            f"a model needs a new name of small letters, digits, - and _; got {name!r}; remove the old one"
        )
    if len(class_names) != spec.num_classes:
        raise ReleaseError(f"the spec has {spec.num_classes} classes; the data name {len(class_names)}")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as work_name:
        work, made = Path(work_name), Path(work_name) / "made"
        folder = made / name
        save_generator(folder, spec, generator, half=half)
        _check_size(folder, half=half)
        _, generator = load_generator(folder)
        exported = export_generator(generator, spec, work / NETWORK_NAME).path
        networks = {IMAGE: exported, CHAIN: write_class_chain(exported, classifier, work)}
        samples = planning_samples(spec, planning)
        layouts = {kind: _layout(kind, path, samples, work / kind, planning) for kind, path in networks.items()}
        facts = {
            "spec_digest": spec.digest,
            "weights_sha256": weights_sha256(folder),
            "network_sha256": {kind: file_sha256(path) for kind, path in networks.items()},
            "class_names": list(class_names),
            "classifier_digest": classifier.digest,
            "layouts": {kind: layout.to_json() for kind, layout in layouts.items()},
            "training": {**(training or {}), **({ROUNDED: HALF} if half else {})},
            "scores": dict(scores or {}),
            "proof": {},
        }
        write_text(folder / FACTS_NAME, json.dumps(facts, indent=2) + "\n")
        write_text(folder / CARD_NAME, card_text(read_released(name, made)))
        os.rename(folder, root / name)
    return read_released(name, root)


def file_facts(
    model: ReleasedModel, *, scores: Mapping[str, Any] | None = None, proof: Mapping[str, Any] | None = None
) -> None:
    """Replace the scores, or the figures of a proof, in a model's facts and on its card."""
    path = model.folder / FACTS_NAME
    found = {"scores": scores, "proof": proof}
    given = {name: dict(values) for name, values in found.items() if values is not None}
    facts = {**json.loads(path.read_text(encoding="utf-8")), **given}
    write_text(path, json.dumps(facts, indent=2) + "\n")
    write_text(model.folder / CARD_NAME, card_text(read_released(model.name, model.folder.parent)))


def _check_size(folder: Path, *, half: bool) -> None:
    if (size := (folder / WEIGHTS_NAME).stat().st_size) > LARGEST_WEIGHTS:
        raise ReleaseError(
            f"weights must take at most {LARGEST_WEIGHTS:,} bytes; those of {folder.name} take {size:,}; train a "
            f"smaller generator{'' if half else ', or give half=true, which rounds them to half precision'}"
        )


def _layout(
    kind: str, network: Path, samples: Sequence[Tensor], folder: Path, planning: CircuitPlanning
) -> CheckedOptions:
    plan = make_plan(
        network,
        samples,
        folder,
        goal=planning.goal,
        form=planning.options,
        budget=planning.budget,
        model=planning.cost_model,
        bits=planning.bits,
    )
    if not isinstance(plan, CheckedPlan):
        raise ReleaseError("a model's circuits must be checked ones; give circuit=checked")
    if plan.best is None:
        raise ReleaseError(f"some layout of the {kind} must fulfil the goal; none does: {plan.reasons}")
    return plan.best.options
