"""Proofs of the images of a model that comes with the project."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search.circuit import circuit_inputs
from search.errors import ReleaseError
from search.released.card import card_text
from search.released.model import CHAIN, IMAGE
from search.released.pictures import save_front
from search.released.prove import ReleasedProof, prove_released, released_network
from search.released.record import proof_figures, record_row, record_table
from search.released.request import ProofRequest
from tests.search.released_scene import SPEC, Released, request
from zk import verify_cli, verify_model
from zk.export import run_onnx
from zk.machine import this_machine

Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def verify(released: Released, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run the command that verifies against a model; gives exit status and output."""
    monkeypatch.setattr(verify_model, "MODELS", released.models)
    monkeypatch.setattr(verify_model, "SHIPPED", released.classifiers)

    def run(proof: ReleasedProof, *words: str) -> tuple[int, str]:
        assert proof.bundle is not None
        capsys.readouterr()
        accepted = [] if any(word.startswith("srs=") for word in words) else ["srs=test-only"]
        status = verify_cli.main([str(proof.bundle.path), *words, *accepted, "--srs", str(proof.srs)])
        text = capsys.readouterr()
        return status, text.out + text.err

    return run


def proved(released: Released, asked: ProofRequest) -> ReleasedProof:
    return prove_released(asked, lambda line: None, models=released.models, classifiers=released.classifiers)


def test_an_image_is_proved_and_checked(released: Released, tmp_path: Path, verify: Verify) -> None:
    said: list[str] = []
    proof = prove_released(request(tmp_path), said.append, models=released.models, classifiers=released.classifiers)
    assert proof.run.counts_as_proved
    assert said == ["tiny: ship of seed 7, latent private"]
    assert proof.bundle is not None
    assert {path.name for path in tmp_path.iterdir()} == {"out", "srs"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"image.png", "network.onnx", "bundle.zip"}
    assert proof.bundle.manifest.model_sha256 == released.model.network_sha256[IMAGE]
    assert {tensor.name for tensor in proof.bundle.manifest.public if tensor.role != "check"} == {"one_hot", "image"}
    expected = released.model.generator()(*circuit_inputs(SPEC, seed=7, label=1))
    shown = torch.from_numpy(np.asarray(Image.open(tmp_path / "out" / "image.png")).copy()).permute(2, 0, 1)
    assert (shown.float() / 127.5 - 1 - expected[0]).abs().mean() < 0.05

    figures = proof_figures(proof, this_machine())
    json.dumps(figures)
    assert (figures["wiring"], figures["counts_as_proved"]) == ("linked", True)
    assert figures["prove_seconds"] > 0
    assert figures["peak_rss_bytes"] >= figures["prove_peak_rss_bytes"] > 10**7
    assert figures["bundle_bytes"] > figures["proof_bytes"] > 1000
    assert "| wiring | linked |" in card_text(replace(released.model, proof=figures))
    row = record_row(replace(released.model, proof=figures))
    assert (row["name"], row["accuracy"], row["judge_accuracy"], row["rows"]) == ("tiny", 0.5, None, figures["rows"])
    save_front(
        [row, {**row, "diversity": 0.3, "real_diversity": 0.4, "real_accuracy": 0.9}], [], tmp_path / "front.png"
    )
    with Image.open(tmp_path / "front.png") as drawn:
        assert drawn.size[0] > 1000
    text = "\n".join(record_table([row, record_row(released.model)]))
    assert text.count("| tiny |") == 4
    assert "| linked |" in text

    status, text = verify(proof, "model=tiny", "label=ship")
    assert status == 0
    assert "rebuild" in text
    assert "class ship was asked for" in text
    for words, answer, message in (
        (["model=tiny", "label=frog"], 1, "class frog must have been asked for; it was ship"),
        (["model=tiny", "seed=7"], 1, "latent must be a public input"),
        (["model=tiny", "srs=ceremony"], 1, "whoever drew it can forge any image"),
        (["model=tiny", "srs=mine"], 2, "srs must be one of"),
        (["model=tiny", "chain=true"], 1, "the model must have the recorded SHA-256"),
        (["model=none"], 2, "come with the project (tiny)"),
        (["model=tiny", "label=toad"], 2, "label must be one of frog, ship"),
        (["model=tiny", "colour=red"], 2, "unknown option"),
    ):
        status, text = verify(proof, *words)
        assert (status, message in text) == (answer, True), text
    usage = " ".join(verify_cli._parser().format_usage().split())
    assert usage.count("model=NAME") == 1
    for stray in (["tiny"], ["label=ship"], ["model=tiny", "stray"], ["model=tiny", "--no-rebuild"]):
        with pytest.raises(SystemExit):
            verify(proof, *stray)
    with pytest.raises(ReleaseError, match="nothing is replaced"):
        proved(released, request(tmp_path))


def test_other_layouts_of_the_same_weights_are_rejected(
    released: Released, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse = replace(released.model.layouts[IMAGE], activation_bits=1)
    hidden = replace(released.model.layouts[IMAGE], private_inputs=("latent", "one_hot"))
    for name, layout in (("coarse", coarse), ("hidden", hidden)):
        monkeypatch.setattr("search.released.prove._layout", lambda model, asked, layout=layout: layout)
        status, text = verify(proved(released, request(tmp_path, out=tmp_path / name)), "model=tiny")
        assert status == 1
        assert "the layout that the model comes with; it has another" in text
        assert ("one_hot must be a public input" in text) == (name == "hidden")


def test_a_public_latent_is_compared_with_its_seed(released: Released, tmp_path: Path, verify: Verify) -> None:
    proof = proved(released, request(tmp_path, private_latent=False))
    assert verify(proof, "model=tiny", "label=ship", "seed=7")[0] == 0
    status, text = verify(proof, "model=tiny", "seed=8")
    assert (status, "latent must be the one that the seed gives" in text) == (1, True)


def test_a_chain_says_what_the_classifier_finds(
    released: Released, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = released_network(released.model, CHAIN, tmp_path / "networks", released.classifiers)

    def answer(label: int) -> int:
        inputs = circuit_inputs(SPEC, seed=7, label=label)
        return int(np.argmax(run_onnx(chain, tuple(tensor.numpy() for tensor in inputs))[1]))

    right = answer(0)  # of untrained networks, the class hardly depends on what was asked for
    assert answer(1) == right
    asked = request(tmp_path, label=str(right), chain=True, private_latent=False)
    proof = proved(released, asked)
    assert proof.bundle is not None
    names = {tensor.name for tensor in proof.bundle.manifest.public if tensor.role != "check"}
    assert names == {"latent", "one_hot", "image", "logits"}
    status, text = verify(proof, "model=tiny", "chain=true")
    assert (status, f"class {right} was asked for and found" in text) == (0, True)
    status, text = verify(proof, "model=tiny")
    assert (status, "the model must have the recorded SHA-256" in text) == (1, True)

    wrong = replace(asked, label=str(1 - right), out=tmp_path / "wrong")
    with pytest.raises(ReleaseError, match="choose another seed"):
        proved(released, wrong)
    assert not wrong.out.exists()
    monkeypatch.setattr("search.released.prove._check_class", lambda *arguments: None)
    status, text = verify(proved(released, wrong), "model=tiny", "chain=true")
    assert (status, f"the last output is greatest at class {right}" in text) == (1, True)
