"""From a model that comes with the project, a class and a seed to an image, its proof, and their files."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from evaluation.classifier import load_shipped
from evaluation.classifier.export import export_classifier
from evaluation.classifier.shipped import SHIPPED
from search.circuit import NETWORK_NAME, circuit_inputs
from search.errors import ReleaseError
from search.pictures import save_image_grid
from search.released.model import IMAGE, MODELS, ReleasedModel, read_released
from search.released.request import ProofRequest
from zk.bundle import Bundle
from zk.chain import write_chain
from zk.checked.circuit import build_checked
from zk.checked.options import CheckedOptions
from zk.checked.prove import Proving
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.export import run_onnx
from zk.srs import srs_path
from zk.types import Budget

LATENT = "latent"
IMAGE_NAME, BUNDLE_NAME = "image.png", "bundle.zip"


@dataclass(frozen=True)
class ReleasedProof:
    """What came out.

    Attributes:
        run: every stage and verdict.
        network: the ONNX file that the proof is about.
        srs: the reference string.
        image: picture of the proved image; None without a proof.
        bundle: None unless the proof counts.
    """

    run: CheckedRun
    network: Path
    srs: Path
    image: Path | None
    bundle: Bundle | None


def prove_released(
    request: ProofRequest, say: Callable[[str], None], *, models: Path = MODELS, classifiers: Path = SHIPPED
) -> ReleasedProof:
    """Prove one image of a model, with its classifier's answer if that is asked for, and write the files.

    Raises:
        ReleaseError: no such model or class, its files are damaged, or the classifier sees another class in the image.
        ZkError: a network cannot be exported, or the output folder holds files already.
        CacheFileError: the classifier's files are damaged.
    """
    model = read_released(request.model, models)
    label = model.label_of(request.label)
    if request.out.exists():
        raise ReleaseError(f"out must not exist, since nothing is replaced; found {request.out}; choose another folder")
    with tempfile.TemporaryDirectory(prefix="zk-prove-") as name:
        work = Path(name)
        network = released_network(model, request.kind, work / "networks", classifiers)
        inputs = circuit_inputs(model.spec, seed=request.seed, label=label)
        if request.chain:
            _check_class(model, network, inputs, label)
        layout = _layout(model, request)
        say(f"{model.name}: {model.class_names[label]} of seed {request.seed}, latent {_visibility(request)}")
        proving = Proving(
            workdir=work / "proof",
            srs_dir=request.srs_folder,
            budget=Budget(request.memory_bytes, request.seconds),
            srs_kind=request.srs_kind,
            threads=request.threads,
        )
        circuit = build_checked(network, layout, proving.workdir, budget=proving.budget)
        run = prove_checked(network, circuit, inputs, proving)
        srs = srs_path(proving.srs_dir, run.proof.logrows, proving.srs_kind)
        request.out.mkdir(parents=True)
        kept = Path(shutil.copy2(network, request.out / NETWORK_NAME))
        picture = _picture(model, run, request.out)
        bundle = None
        if run.counts_as_proved:
            facts = {"model": model.name, "checked": layout.to_json(), "srs": str(request.srs_kind)}
            target = request.out / BUNDLE_NAME
            bundle = write_checked_bundle(run, circuit, target, onnx_path=network, proving=proving, config=facts)
    return ReleasedProof(run, kept, srs, picture, bundle)


def released_network(model: ReleasedModel, kind: str, folder: Path, classifiers: Path = SHIPPED) -> Path:
    """Write the network that proofs of ``kind`` are about: the generator, or the chain of generator and classifier.

    Raises:
        ReleaseError: it is not the one that the model's facts name.
        ZkError: it cannot be exported.
        CacheFileError: the classifier's files are damaged.
    """
    generator = model.export(folder).path
    if kind not in model.layouts:
        raise ReleaseError(f"{model.name} must have a layout for {kind}; it has {', '.join(model.layouts)}")
    if kind == IMAGE:
        return generator
    chain = folder / "chain.onnx"
    classifier = export_classifier(load_shipped(model.classifier_digest, classifiers), folder / "classifier.onnx")
    write_chain(generator, classifier.path, chain)
    return chain


def _layout(model: ReleasedModel, request: ProofRequest) -> CheckedOptions:
    private = (LATENT,) if request.private_latent else ()
    return dataclasses.replace(model.layouts[request.kind], private_inputs=private)


def _visibility(request: ProofRequest) -> str:
    return "private" if request.private_latent else "public"


def _check_class(model: ReleasedModel, chain: Path, inputs: tuple[torch.Tensor, ...], label: int) -> None:
    """Refuse an image that the classifier takes for something else before it costs a proof."""
    found = int(np.argmax(run_onnx(chain, tuple(tensor.numpy() for tensor in inputs))[-1]))
    if found != label:
        raise ReleaseError(
            f"the classifier must find a {model.class_names[label]} for a chain to say so; it finds a "
            f"{model.class_names[found]}; choose another seed"
        )


def _picture(model: ReleasedModel, run: CheckedRun, folder: Path) -> Path | None:
    if run.fidelity is None:
        return None
    channels, size = model.spec.image_channels, model.spec.image_size
    image = torch.tensor(run.fidelity.output[: channels * size * size]).reshape(1, channels, size, size)
    path = folder / IMAGE_NAME
    save_image_grid(image, path, columns=1)
    return path
