"""Models that come with the project: their files and scores, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from evaluation.classifier import ClassifierRecipe
from evaluation.errors import CacheFileError
from evaluation.sampling import dequantize
from gan.generators import build_generator
from gan.sampling import latents_for, one_hot_rows
from gan.spec import GeneratorSpec
from search.circuit import circuit_inputs
from search.errors import ReleaseError
from search.released.again import again_lines, score_again
from search.released.card import CARD_NAME, card_text
from search.released.measure import CasPlan, cas_of, circuit_images, scores_with_data
from search.released.model import CHAIN, FACTS_NAME, IMAGE, read_released, released_names
from search.released.prove import released_network
from search.released.write import file_facts, write_released
from search.weights import save_generator
from tests.search.released_scene import LIMITS, PLANNING, SPEC, Released
from zk.export import run_onnx


def test_what_is_written_is_read_back(released: Released) -> None:
    found = read_released("tiny", released.models)
    assert found == released.model
    assert released_names(released.models) == ["tiny"]
    assert (found.spec, found.class_names, found.scores) == (SPEC, ("frog", "ship"), {"accuracy": 0.5})
    assert set(found.layouts) == {IMAGE, CHAIN}
    card = (found.folder / CARD_NAME).read_text()
    assert card == card_text(found)
    assert "| images of the class asked for | 50.0 % | - |" in card
    assert "Not measured." in card
    inputs = circuit_inputs(SPEC, seed=3)
    assert torch.equal(found.generator()(*inputs), build_generator(SPEC).eval()(*inputs))
    assert [found.label_of(text) for text in ("frog", "ship", "0", "1")] == [0, 1, 0, 1]


@pytest.mark.parametrize("text", ["toad", "2", "-1", "", "1.0", "²"])
def test_other_classes_are_refused(released: Released, text: str) -> None:
    with pytest.raises(ReleaseError, match="frog, ship, or 0 to 1"):
        released.model.label_of(text)


@pytest.mark.parametrize("name", ["", "none", "../models/tiny", "tiny/", "TINY", "tiny\n"])
def test_other_names_are_refused(released: Released, name: str) -> None:
    with pytest.raises(ReleaseError, match=r"come with the project \(tiny\)"):
        read_released(name, released.models)


def test_damaged_files_are_refused(released: Released, tmp_path: Path) -> None:
    def damaged(file: str, content: bytes) -> Path:
        shutil.rmtree(tmp_path / "tiny", ignore_errors=True)
        shutil.copytree(released.model.folder, tmp_path / "tiny")
        (tmp_path / "tiny" / file).write_bytes(content)
        return tmp_path

    facts = json.loads((released.model.folder / FACTS_NAME).read_text())
    other = replace(SPEC, latent_dim=5).to_json().encode()
    cases = {
        "weights_sha256": ("generator.safetensors", b"other"),
        "spec_digest": ("spec.json", other),
        "must describe": ("spec.json", b"[]"),
        "JSONDecodeError": (FACTS_NAME, b"{"),
        "scores": (FACTS_NAME, json.dumps({k: v for k, v in facts.items() if k != "scores"}).encode()),
        "CheckedError": (FACTS_NAME, json.dumps(facts | {"layouts": {"image": {}}}).encode()),
        "larger than": (FACTS_NAME, b" " * 1_000_001),
        "nested too deeply": (FACTS_NAME, b"[" * 200_000),
        "must count": (
            FACTS_NAME,
            json.dumps(facts | {"proof": {"counts_as_proved": False, "wiring": "linked"}}).encode(),
        ),
        "its wiring linked": (
            FACTS_NAME,
            json.dumps(facts | {"proof": {"counts_as_proved": True, "wiring": "unchecked"}}).encode(),
        ),
        "must name 2 classes": (FACTS_NAME, json.dumps(facts | {"class_names": ["frog"]}).encode()),
    }
    for message, (file, content) in cases.items():
        with pytest.raises(ReleaseError, match=message):
            read_released("tiny", damaged(file, content))
    for kind in (IMAGE, CHAIN):
        other_network = replace(released.model, network_sha256={**released.model.network_sha256, kind: "0" * 64})
        with pytest.raises(ReleaseError, match=f"the {kind}'s network .* constraints.txt"):
            released_network(other_network, CHAIN, tmp_path / "network", released.classifiers)
    (tmp_path / "other").mkdir()
    save_generator(tmp_path / "other", SPEC, build_generator(replace(SPEC, latent_dim=5)))
    with pytest.raises(ReleaseError, match="those of its spec"):
        replace(released.model, folder=tmp_path / "other").generator()


def test_the_networks_are_those_that_proofs_are_about(released: Released, tmp_path: Path) -> None:
    image = released_network(released.model, IMAGE, tmp_path, released.classifiers)
    chain = released_network(released.model, CHAIN, tmp_path, released.classifiers)
    inputs = tuple(tensor.numpy() for tensor in circuit_inputs(SPEC, seed=7, label=1))
    alone, (picture, logits) = run_onnx(image, inputs)[0], run_onnx(chain, inputs)
    assert np.allclose(alone, picture, atol=1e-6)
    assert logits.shape == (1, 2)
    assert [slot.name for slot in onnx.load(str(chain)).graph.output] == ["image", "logits"]
    only_image = replace(released.model, layouts={IMAGE: released.model.layouts[IMAGE]})
    with pytest.raises(ReleaseError, match="circuit for chain; it has image"):
        released_network(only_image, CHAIN, tmp_path, released.classifiers)
    with pytest.raises(CacheFileError):
        released_network(replace(released.model, classifier_digest="0" * 64), CHAIN, tmp_path, released.classifiers)


def test_what_cannot_be_a_model_is_not_written(released: Released, tmp_path: Path) -> None:
    def write(name: str, *, spec: GeneratorSpec = SPEC, names: tuple[str, ...] = ("a", "b")) -> None:
        write_released(
            name,
            spec,
            build_generator(spec).eval(),
            class_names=names,
            classifier=released.classifier,
            planning=PLANNING,
            root=tmp_path,
        )

    (tmp_path / "old").mkdir()
    large = replace(SPEC, latent_dim=200, widths=(2048,))
    for message, refused in (
        ("new name", lambda: write("old")),
        ("new name", lambda: write("Record")),
        ("new name", lambda: write("../x")),
        ("new name", lambda: write("classifiers")),
        ("the spec has 2 classes; the data name 1", lambda: write("new", names=("a",))),
        ("weights must take at most", lambda: write("new", spec=large)),
    ):
        with pytest.raises(ReleaseError, match=message):
            refused()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_in_half_precision_the_circuit_is_of_the_rounded_weights(released: Released, tmp_path: Path) -> None:
    generator = build_generator(SPEC, seed=4).eval()
    model = write_released(
        "half",
        SPEC,
        generator,
        class_names=("a", "b"),
        classifier=released.classifier,
        planning=PLANNING,
        root=tmp_path,
        half=True,
    )
    assert model.training == {"weights_rounded_to": "float16"}
    rounded = model.generator().state_dict()
    kernels = [name for name, value in generator.state_dict().items() if value.ndim > 1]
    assert all(torch.equal(rounded[name], generator.state_dict()[name].half().float()) for name in kernels)
    inputs = circuit_inputs(SPEC, seed=7, label=1)
    exported = run_onnx(
        released_network(model, IMAGE, tmp_path / "network", released.classifiers),
        tuple(tensor.numpy() for tensor in inputs),
    )[0]
    with torch.no_grad():
        stored, before = model.generator()(*inputs), generator(*inputs)
    assert np.allclose(exported.reshape(stored.shape), stored.numpy(), atol=1e-6)
    assert not np.allclose(stored.numpy(), before.numpy(), atol=1e-6)


def test_scores_are_of_the_circuits_images_and_are_found_again(released: Released, tmp_path: Path) -> None:
    shutil.copytree(released.models, tmp_path / "models")
    model, both = read_released("tiny", tmp_path / "models"), released.classifier
    said: list[str] = []
    images, refused = circuit_images(model, samples=24, seed=5, budget=LIMITS, say=said.append)
    assert refused == 0.0
    assert said == ["tiny: 24 images by its circuit, 0 of them without a proof"]
    latent = latents_for(torch.arange(24), latent_dim=SPEC.latent_dim, seed=5)
    exact = model.generator()(latent, one_hot_rows(torch.arange(24) % 2, 2))
    assert (dequantize(images) - exact).abs().mean() < 0.05
    assert torch.equal(images[:20], circuit_images(model, samples=20, seed=5, budget=LIMITS, say=said.append)[0])

    scores = scores_with_data(
        images, dataset=released.data, classifier=both, judge=both, seed=5, cache=tmp_path / "cache"
    )
    assert scores["accuracy"] == scores["judge_accuracy"] == scores["check"]["accuracy"]
    assert scores["frechet_distance"] == pytest.approx(scores["judge_frechet_distance"])
    assert (scores["samples"], scores["arithmetic"], scores["seed"]) == (24, "circuit", 5)
    assert scores["diversity"] == pytest.approx(scores["check"]["diversity"])
    recipe = ClassifierRecipe(epochs=1, batch_size=12)
    cas = cas_of(
        images,
        CasPlan(both.spec, recipe, 24),
        dataset=released.data,
        seed=0,
        device=torch.device("cpu"),
        cache=tmp_path / "cache",
    )
    assert set(cas) == {"cas", "real_cas", "cas_images", "real_cas_images"}
    assert (cas["cas_images"], cas["real_cas_images"]) == (24, 40)
    json.dumps({**scores, **cas})

    with pytest.raises(ReleaseError, match="recorded scores"):
        score_again(model, budget=LIMITS, classifiers=released.classifiers)
    file_facts(model, scores=scores)
    again = score_again(
        read_released("tiny", tmp_path / "models"), budget=LIMITS, tolerance=0.0, classifiers=released.classifiers
    )
    assert {found.name for found in again} == set(scores["check"])
    assert again_lines(again)[-1] == "all within the tolerance"
    scores["check"]["accuracy"] += 0.01
    file_facts(model, scores=scores)
    again = score_again(read_released("tiny", tmp_path / "models"), budget=LIMITS, classifiers=released.classifiers)
    assert again_lines(again)[-1] == "OUTSIDE the tolerance: accuracy"
    card = (model.folder / CARD_NAME).read_text()
    assert "24 images in circuit arithmetic" in card
    file_facts(model, scores={**scores, "check": {"samples": 24}})
    with pytest.raises(ReleaseError, match="it has samples"):
        score_again(read_released("tiny", tmp_path / "models"), budget=LIMITS, classifiers=released.classifiers)
