"""From a model that comes with the project, a class and a seed to an image, its proof, and their files."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evaluation.classifier import TrainedClassifier, circuit_form, load_shipped
from evaluation.classifier.shipped import SHIPPED
from search.circuit import INPUT_NAMES, NETWORK_NAME, circuit_inputs
from search.errors import ReleaseError
from search.pictures import save_image_grid
from search.released.model import CHAIN, IMAGE, MODELS, ReleasedModel, read_released
from search.released.request import ProofRequest
from zk.bundle import Bundle, read_bundle
from zk.chain import write_chain
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.options import CheckedOptions
from zk.checked.prove import Proving
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.checked.simulate import CheckedSimulator
from zk.export import export_onnx
from zk.srs import srs_path
from zk.types import Budget

IMAGE_NAME, BUNDLE_NAME = "image.png", "bundle.zip"


@dataclass(frozen=True)
class ReleasedProof:
    """What came out.

    Attributes:
        run: every stage and verdict.
        srs: the reference string.
        bundle: None unless the proof counts; then image and network lie beside it.
    """

    run: CheckedRun
    srs: Path
    bundle: Bundle | None


def prove_released(
    request: ProofRequest, say: Callable[[str], None], *, models: Path = MODELS, classifiers: Path = SHIPPED
) -> ReleasedProof:
    """Prove one image of a model, with its classifier's answer if that is asked for.

    Image, network and bundle go to the request's folder, which appears with all of them, and only if the proof counts.

    Raises:
        ReleaseError: no such model or class, its files are damaged, the classifier sees another class in the image, or
            the folder exists or cannot be written.
        ZkError: a network cannot be exported, or the image leaves the circuit's range.
        CacheFileError: the classifier's files are damaged.
    """
    model = read_released(request.model, models)
    label, out = model.label_of(request.label), request.out
    if os.path.lexists(out):
        raise ReleaseError(f"out must not exist, since nothing is replaced; found {out}; choose another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".proof-", dir=out.parent) as name:
            proof = _proved(request, model, label, Path(name), say, classifiers)
            if proof.bundle is None:
                return proof
            os.rename(Path(name) / "kept", out)  # of one folder: it appears whole
            return dataclasses.replace(proof, bundle=read_bundle(out / BUNDLE_NAME))
    except OSError as error:
        raise ReleaseError(f"{out} must be a folder that can be written; {error}; choose another") from error


def _proved(
    request: ProofRequest,
    model: ReleasedModel,
    label: int,
    work: Path,
    say: Callable[[str], None],
    classifiers: Path,
) -> ReleasedProof:
    layout = _layout(model, request)
    network = released_network(model, request.kind, work / "networks", classifiers)
    inputs = circuit_inputs(model.spec, seed=request.seed, label=label)
    proving = Proving(
        workdir=work / "proof",
        srs_dir=request.srs_folder,
        budget=Budget(request.memory_bytes, request.seconds),
        srs_kind=request.srs_kind,
        threads=request.threads,
    )
    circuit = build_checked(network, layout, proving.workdir, budget=proving.budget)
    if request.chain:
        _check_class(model, circuit, inputs, label)
    say(f"{model.name}: {model.class_names[label]} of seed {request.seed}, latent {_visibility(request)}")
    run = prove_checked(network, circuit, inputs, proving)
    bundle = None
    if run.counts_as_proved:
        kept = work / "kept"
        kept.mkdir()
        shutil.copy2(network, kept / NETWORK_NAME)
        _save_picture(model, run, kept / IMAGE_NAME)
        facts = {"model": model.name, "checked": layout.to_json(), "srs": str(request.srs_kind)}
        bundle = write_checked_bundle(
            run, circuit, kept / BUNDLE_NAME, onnx_path=network, proving=proving, config=facts
        )
    return ReleasedProof(run, srs_path(proving.srs_dir, run.proof.logrows, proving.srs_kind), bundle)


def released_network(model: ReleasedModel, kind: str, folder: Path, classifiers: Path = SHIPPED) -> Path:
    """Write the network that proofs of ``kind`` are about: the generator, or the chain of generator and classifier.

    Raises:
        ReleaseError: the model has no such circuit, or the network is not the one that its facts name.
        ZkError: it cannot be exported.
        CacheFileError: the classifier's files are damaged.
    """
    model.layout(kind)
    generator = model.export(folder)
    if kind == IMAGE:
        return generator
    chain = write_class_chain(generator, load_shipped(model.classifier_digest, classifiers), folder)
    model.check_network(CHAIN, chain)
    return chain


def write_class_chain(generator: Path, classifier: TrainedClassifier, folder: Path) -> Path:
    """Write the chain of a generator's ONNX file and a classifier to ``folder``."""
    module, example = circuit_form(classifier)
    last = export_onnx(module, example, folder / "classifier.onnx", ("image",), ("logits",), tolerance=1e-3).path
    write_chain(generator, last, folder / "chain.onnx")
    return folder / "chain.onnx"


def _layout(model: ReleasedModel, request: ProofRequest) -> CheckedOptions:
    private = (INPUT_NAMES[0],) if request.private_latent else ()
    return dataclasses.replace(model.layout(request.kind), private_inputs=private)


def _visibility(request: ProofRequest) -> str:
    return "private" if request.private_latent else "public"


def _check_class(model: ReleasedModel, circuit: CheckedCircuit, inputs: Sequence[Tensor], label: int) -> None:
    """Refuse an image that the circuit's classifier takes for something else, before it costs a proof."""
    logits = CheckedSimulator(circuit).run(inputs).outputs[-1].flatten()
    found = int(logits.argmax())
    if found != label or int((logits == logits[label]).sum()) > 1:
        raise ReleaseError(
            f"the classifier must find class {model.class_names[label]} for a chain to say so; it finds "
            f"{model.class_names[found]}, or is undecided; choose another seed"
        )


def _save_picture(model: ReleasedModel, run: CheckedRun, path: Path) -> None:
    assert run.fidelity is not None  # a proof that counts has it
    channels, size = model.spec.image_channels, model.spec.image_size
    image = torch.tensor(run.fidelity.output[: channels * size * size]).reshape(1, channels, size, size)
    save_image_grid(image, path, columns=1)
