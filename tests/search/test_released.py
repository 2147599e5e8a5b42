"""Models that come with the project: their files, proofs of their images, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from evaluation.classifier import ClassifierRecipe, ClassifierSpec, TrainedClassifier, load_or_train
from evaluation.classifier.shipped import ship
from evaluation.errors import CacheFileError
from evaluation.sampling import dequantize
from gan.generators import build_generator
from gan.sampling import latents_for, one_hot_rows
from gan.spec import GeneratorSpec
from search.circuit import circuit_inputs
from search.errors import ConfigError, ReleaseError
from search.planned import CircuitPlanning
from search.released.__main__ import main as released_main
from search.released.again import again_lines, score_again
from search.released.card import CARD_NAME, card_text
from search.released.measure import CasPlan, cas_of, circuit_images, scores_with_data
from search.released.model import CHAIN, FACTS_NAME, IMAGE, ReleasedModel, read_released, released_names
from search.released.pictures import save_front
from search.released.prove import ReleasedProof, prove_released, released_network
from search.released.record import proof_figures, record_row, record_table
from search.released.request import ProofRequest, read_proof_request
from search.released.write import file_facts, write_released
from search.weights import save_generator
from zk import prove_model, verify_cli, verify_model
from zk.checked.options import CheckedOptions
from zk.export import run_onnx
from zk.machine import this_machine
from zk.plan import PlanGoal
from zk.prove import main as prove_main
from zk.srs import SrsKind
from zk.types import Budget

SPEC = GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8)
LIMITS = Budget(4 * 10**9, 120)
PLANNING = CircuitPlanning(
    goal=PlanGoal(memory_bytes=10**9, mean_abs_error=0.05),
    options=CheckedOptions(private_inputs=("latent",)),
    budget=LIMITS,
    samples=4,
)


@dataclass(frozen=True)
class Released:
    model: ReleasedModel
    models: Path
    classifiers: Path
    classifier: TrainedClassifier
    data: Any


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("released")
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 3, 8, 8), generator=numbers, dtype=torch.uint8)
    split = SimpleNamespace(images=images, labels=torch.arange(40) % 2)
    data = SimpleNamespace(train=split, test=split, class_names=("frog", "ship"), digest="noise", horizontal_flip=False)
    classifier = load_or_train(
        spec=ClassifierSpec(widths=(4, 4)).for_dataset(data),
        recipe=ClassifierRecipe(epochs=1, batch_size=20),
        dataset=data,
        seed=0,
        cache_dir=folder,
    )
    ship(folder / f"{classifier.digest}.pt", folder / "classifiers")
    model = write_released(
        "tiny",
        SPEC,
        build_generator(SPEC).eval(),
        class_names=("frog", "ship"),
        classifier=classifier,
        planning=PLANNING,
        root=folder / "models",
        scores={"accuracy": 0.5},
    )
    return Released(model, folder / "models", folder / "classifiers", classifier, data)


def request(tmp_path: Path, **changes: object) -> ProofRequest:
    asked = ProofRequest(
        model="tiny",
        label="ship",
        seed=7,
        private_latent=True,
        chain=False,
        out=tmp_path / "out",
        srs_kind=SrsKind.TEST_ONLY,
        srs_folder=tmp_path / "srs",
        threads=2,
        memory_bytes=LIMITS.memory_bytes,
        seconds=LIMITS.wall_seconds,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


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


def test_the_command_line_of_models(
    released: Released, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert released_main([]) == 2
    assert released_main(["--help"]) == 0
    assert "check model=NAME" in capsys.readouterr().out
    for arguments, message in (
        (["sell", "model=tiny"], "the first word must be check, write, score, prove, picture, table"),
        (["check"], "model=NAME must be given"),
        (["check", "model=tiny", "dataset=digits"], "this takes model=, tolerance= only"),
        (["check", "model=tiny", "samples=5"], "this takes model=, tolerance= only"),
        (["write", "model=tiny", "folder=no-such-folder"], "folder=TRIAL must be"),
        (["check", "model=no-such-model"], "come with the project"),
        (["write", "model=tiny"], "folder=TRIAL must be"),
        (["prove", "model=tiny"], "label must be given"),
        (["table", "out=x", "dataset=digits"], "this takes out=, front=, tiers= only"),
        (["table", "front=x", "tiers=pyproject.toml"], "cannot be read"),
        (["picture", "model=tiny"], "out=FILE.png must be given"),
        (["picture", "model=no-such-model", "out=x"], "come with the project"),
    ):
        assert released_main(arguments) == 2
        assert message in capsys.readouterr().err


def test_the_command_line_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_proof_request(["model=record", "label=frog", "seed=7"])
    assert (found.private_latent, found.chain, found.kind, found.threads) == (True, False, IMAGE, None)
    assert (found.out, found.memory_bytes, found.seconds) == (Path("mlruns/proofs/record-frog-7"), 8 * 10**9, 600.0)
    found = read_proof_request(
        ["model=m", "label=1", "latent=public", "chain=true", "srs=ceremony", f"out={tmp_path}", "threads=1"]
    )
    assert (found.private_latent, found.kind, found.srs_kind, found.threads) == (False, CHAIN, SrsKind.CEREMONY, 1)
    assert (found.out, found.seed) == (tmp_path, 0)
    assert prove_main(["model=record", "--help"]) == 0
    assert "label=CLASS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=m"], "label must be given"),
        (["label=0"], "model must be given"),
        (["model=m", "label=0", "seed=-1"], "seed must be"),
        (["model=m", "label=0", "seed=9223372036854775808"], "seed must be"),
        (["model=m", "label=0", "latent=secret"], "latent must be one of private, public"),
        (["model=m", "label=0", "chain=1"], "chain must be true or false"),
        (["model=m", "label=0", "frog"], "options are key=value"),
        (["model=m", "label=0", "size=3"], "unknown option"),
    ],
)
def test_other_command_lines_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_proof_request(arguments)


def test_errors_end_the_command(
    released: Released, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prove_model, "MODELS", released.models)
    assert prove_main(["model=tiny", "label=toad"]) == 1
    assert "label must be one of frog, ship" in capsys.readouterr().err
