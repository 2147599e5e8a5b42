"""Everything that reads what others may have written: for each reader, good files to begin with, and what it may raise.

A reader given any bytes must succeed or raise one of its own errors. It must write nothing beside the files that it
was given, and take no more memory than the driver allows.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from PIL import Image

from evaluation.classifier.shipped import read_shipped
from evaluation.errors import EvaluationError
from gan.data.cache import cached_splits
from gan.data.decode import decode_rgb
from gan.data.parquet import load_parquet_dataset
from gan.data.types import Split
from gan.errors import CheckpointError, DataError, GanError, SpecError
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe
from gan.training.checkpoint import load_checkpoint, save_checkpoint
from search.building import build
from search.candidate import Candidate
from search.errors import ConfigError, RecordError, ReleaseError, SearchError, StudyError
from search.filters import parse_filter
from search.names import checked_name
from search.options import parse_options
from search.released.model import FACTS_NAME, read_released
from search.reproduce.record import read_trial
from search.tracked import RecordedRun
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator, save_generator
from tests.fuzz import kept_targets as kept
from tests.fuzz import trained_targets as trained
from tests.tiny_spec import TINY_SPEC
from tests.zk.tiny_networks import TINY
from zk.audit_key import open_proving_key
from zk.bundle import read_bundle
from zk.bundle_check import verify_bundle
from zk.bundle_format import DESCRIBED, MANIFEST, BundleError
from zk.bundle_write import write_bundle
from zk.circuit_cost import circuit_cost, load_settings
from zk.cost import SHIPPED as COST_MODEL
from zk.cost_model import load_cost_model
from zk.errors import ArtifactError, LoweringError, OptionError
from zk.export import export_onnx
from zk.graph_inputs import graph_inputs
from zk.lower import load_model
from zk.lowering import RULES, lower
from zk.pipeline import prove_sample
from zk.prove import load_sample
from zk.simulation.compiled import read_graph
from zk.simulation.errors import SimulationError
from zk.srs import check_srs_file, srs_path
from zk.types import Budget
from zk.verify import load_proof, public_integers

BUDGET = Budget(2 << 30, 120.0)
DIGEST = "0" * 64


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: of the target, and of its folder of seeds.
        seeds: makes good inputs; may use a folder that all targets share (:class:`Scene`).
        read: takes the input, and an empty folder of its own.
        refusals: errors that it may raise.
        files: names that ``read`` itself leaves in its folder.
    """

    name: str
    seeds: Callable[[Scene], list[bytes]]
    read: Callable[[bytes, Path], object]
    refusals: tuple[type[Exception], ...]
    files: frozenset[str] = field(default=frozenset(("input",)))


class Scene:
    """Good files: a proof of a tiny generator and all that belongs to it, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = False

    def file(self, name: str) -> bytes:
        """Content of one file of the proof's folder, ``model.onnx``, ``srs``, ``bundle.zip`` or a bundle's member."""
        if not self._made:
            self._make()
        return (self.folder / name).read_bytes()

    def _make(self) -> None:
        self._made = True
        if (self.folder / "bundle.zip").exists():
            return
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.Tanh())
        sample = (torch.randn(1, 4),)
        model = self.folder / "model.onnx"
        self.folder.mkdir(parents=True, exist_ok=True)
        export_onnx(module, sample, model, ("latent",), ("image",))
        run = prove_sample(
            model,
            sample,
            self.folder,
            options=TINY,
            budget=BUDGET,
            srs_dir=self.folder / "strings",
            threads=1,
            keep_proving_key=True,
        )
        assert run.counts_as_proved, run.stages
        srs = srs_path(self.folder / "strings", run.logrows or 0)
        shutil.copyfile(srs, self.folder / "srs")
        write_bundle(run, self.folder, self.folder / "bundle", onnx_path=model, srs_path=srs, config=None)
        write_bundle(run, self.folder, self.folder / "bundle.zip", onnx_path=model, srs_path=srs, config=None)


def _put(data: bytes, folder: Path, name: str = "input") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _pictures(_scene: Scene) -> list[bytes]:
    picture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    return [_encoded(picture, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]


def _encoded(picture: Image.Image, kind: str) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind)
    return target.getvalue()


def _table(rows: int = 20) -> bytes:
    cell = _encoded(Image.fromarray(np.zeros((32, 32, 3), np.uint8)), "PNG")
    images = pa.array([{"bytes": cell, "path": None}] * rows)
    table = pa.table({"img": images, "label": pa.array([row % 10 for row in range(rows)], pa.int64())})
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


_TABLE = _table()


def _read_table(data: bytes, folder: Path) -> object:
    _put(data, folder, "train.parquet")
    _put(_TABLE, folder, "test.parquet")
    return load_parquet_dataset(root=folder, layout="cifar10")


def _splits() -> tuple[Split, Split]:
    images, labels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1])
    return Split(images, labels), Split(images, labels)


def _cache_files(scene: Scene) -> list[bytes]:
    folder = scene.folder / "cache"
    cached_splits(str(folder), name="fuzz", key={}, build=_splits)
    return [path.read_bytes() for path in folder.glob("*.npz")]


def _read_cache(data: bytes, folder: Path) -> object:
    name = hashlib.sha256(json.dumps({"format": 1}, separators=(",", ":")).encode()).hexdigest()[:32]
    _put(data, folder, f"fuzz-{name}.npz")
    found = cached_splits(str(folder), name="fuzz", key={}, build=_splits)
    assert torch.equal(found[0].images, _splits()[0].images), "a damaged cache was believed"
    return found


def _read_network(data: bytes, folder: Path) -> object:
    path = _put(data, folder)
    graph_inputs(path)
    return lower(load_model(path), RULES)


def _weights(scene: Scene) -> list[bytes]:
    save_generator(scene.folder / "generator", TINY_SPEC, build_generator(TINY_SPEC))
    return [(scene.folder / "generator" / WEIGHTS_NAME).read_bytes()]


def _read_weights(data: bytes, folder: Path) -> object:
    _put(data, folder, WEIGHTS_NAME)
    _put(TINY_SPEC.to_json().encode(), folder, SPEC_NAME)
    return load_generator(folder)


def _read_spec(data: bytes, _folder: Path) -> object:
    spec = GeneratorSpec.from_json(data.decode("utf-8", "replace"))
    with torch.device("meta"):
        return build_generator(spec)


def _candidate() -> str:
    return Candidate(TINY_SPEC, TrainingRecipe(), TrainingBudget(images=100), 0).to_json()


def _checkpoints(scene: Scene) -> list[bytes]:
    path = scene.folder / "checkpoint.pt"
    save_checkpoint(path, {"seed": "0"}, {"step": 3, "weights": {"a": torch.zeros(2, 3)}})
    return [path.read_bytes()]


def _read_checkpoint(data: bytes, folder: Path) -> object:
    return load_checkpoint(_put(data, folder), {"seed": "0"}, device=torch.device("cpu"))


def _members(scene: Scene) -> list[bytes]:
    scene.file("srs")
    names = (*DESCRIBED, MANIFEST)
    return [bytes([index]) + scene.file(f"bundle/{name}") for index, name in enumerate(names)]


def _member_reader(scene: Scene) -> Callable[[bytes, Path], object]:
    """Read a bundle in which one member is the input and the manifest has its digest."""

    def read(data: bytes, folder: Path) -> object:
        names = (*DESCRIBED, MANIFEST)
        name = names[(data[0] if data else 0) % len(names)]
        target = folder / "bundle"
        target.mkdir()
        for other in names:
            (target / other).write_bytes(data[1:] if other == name else scene.file(f"bundle/{other}"))
        if name != MANIFEST:
            manifest = json.loads(scene.file(f"bundle/{MANIFEST}"))
            manifest["members"][name] = {"bytes": len(data) - 1, "sha256": hashlib.sha256(data[1:]).hexdigest()}
            (target / MANIFEST).write_text(json.dumps(manifest))
        found = verify_bundle(target, folder / "no-srs", budget=BUDGET)
        assert not found.accepted
        return found

    return read


def _key_reader(scene: Scene) -> Callable[[bytes, Path], object]:
    """Read the proving key of 2 MB after the changes that the input asks for: places, and bytes to put there."""

    def read(data: bytes, folder: Path) -> object:
        key = bytearray(scene.file("pk.key"))
        for at in range(0, len(data) - 4, 5):
            place = int.from_bytes(data[at : at + 4], "little")
            if place >> 31:  # cut off from here
                del key[place & 0x3FFFFF :]
            elif len(key):
                key[place % len(key)] = data[at + 4]
        return open_proving_key(_put(bytes(key), folder))

    return read


def _read_settings(data: bytes, folder: Path) -> object:
    return circuit_cost(load_settings(_put(data, folder)))


def _read_proof(data: bytes, folder: Path) -> object:
    return public_integers(load_proof(_put(data, folder)))


def _read_compiled(data: bytes, _folder: Path) -> object:
    return read_graph(data, input_scale_bits=5, param_scale_bits=5)


def _samples(_scene: Scene) -> list[bytes]:
    return [json.dumps({"input_data": [[0.5, 1, -2, 0]]}).encode()]


def _arrays(_scene: Scene) -> list[bytes]:
    target = io.BytesIO()
    np.savez(target, latent=np.zeros((1, 4), np.float32))
    return [target.getvalue()]


def _sample_reader(scene: Scene, suffix: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> object:
        return load_sample(_put(data, folder, f"input{suffix}"), scene.folder / "model.onnx")

    return read


_CONFIGURATIONS = (
    "_target_: search.objectives.Objective\nmetric: accuracy\ndirection: maximize\nreference: 0.0\n",
    "_target_: zk.types.Budget\nmemory_bytes: 100\nwall_seconds: ${n}\nn: 3\n",
    "a: {_target_: gan.training.TrainingBudget, images: 10}\nb: [{_target_: search.patience.Patience}]\n",
    "_target_: os.system\ncommand: touch here\n",
    "_target_: gan.training.TrainingRecipe\nloss: bce\nadam_betas: [0.5, 0.9]\n_convert_: all\n",
)


def _read_configuration(data: bytes, _folder: Path) -> object:
    text = data.decode("utf-8", "replace")
    if not isinstance(yaml.safe_load(text), dict | list):  # OmegaConf knows no others
        return text
    return build(OmegaConf.create(text))


def _read_words(data: bytes, _folder: Path) -> object:
    """Read a study's name, a filter, then options."""
    name, condition, *words = (data.decode("utf-8", "replace") + "\x1f").split("\x1f")
    checked_name(name, "study.name")
    parse_filter(condition)
    return parse_options(words[:-1], single=("samples",), repeated=("where",), prefixes=("a.",)).count("samples")


class _Records:
    """A tracking server that gives what the input says."""

    def __init__(self, data: bytes) -> None:
        parts = data.split(b"\x1e")
        tags = dict(part.decode("utf-8", "replace").partition("=")[::2] for part in parts[0].split(b"\n"))
        self._run = RecordedRun("0", tags, {}, {"train_steps": 3.0})
        self._files = dict(enumerate(parts[1:]))

    def run(self, _run_id: str) -> RecordedRun:
        return self._run

    def fetch(self, _run_id: str, name: str, folder: Path) -> Path | None:
        content = self._files.pop(min(self._files)) if self._files else None
        return None if content is None else _put(content, folder, name)


def _records(scene: Scene) -> list[bytes]:
    tags = f"role=trial\noutcome=scored\nspec_digest={TINY_SPEC.digest}\ntrial=3\nstudy=s".encode()
    files = [b"a: 1\n", b"{}", COST_MODEL.read_bytes(), _candidate().encode(), TINY_SPEC.to_json().encode()]
    return [b"\x1e".join([tags, *files, *_weights(scene)])]


def _read_record(data: bytes, folder: Path) -> object:
    return read_trial(_Records(data), "0", folder, retrain=False)  # type: ignore[arg-type]  # what it needs of a reader


def _read_classifier(data: bytes, folder: Path) -> object:
    facts = {"digest": DIGEST, "weights_sha256": hashlib.sha256(data).hexdigest()}
    (folder / "input.json").write_text(json.dumps(facts))
    return read_shipped(_put(data, folder, "input.safetensors"), DIGEST)


def _facts(_scene: Scene) -> list[bytes]:
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


def _read_facts(data: bytes, folder: Path) -> object:
    own = folder / "model"
    own.mkdir()
    _put(data, own, FACTS_NAME)
    _put(TINY_SPEC.to_json().encode(), own, SPEC_NAME)
    _put(b"", own, WEIGHTS_NAME)
    return read_released("model", folder)


def all_targets(scene: Scene) -> dict[str, Target]:
    """Every reader by name."""

    def of(name: str) -> Callable[[Scene], list[bytes]]:
        return lambda found: [found.file(name)]

    found = [
        Target("image", _pictures, lambda data, _: decode_rgb(data, "input"), (DataError,), frozenset()),
        Target("parquet", lambda _: [_TABLE], _read_table, (DataError,), frozenset(("train.parquet", "test.parquet"))),
        Target("decoded-cache", _cache_files, _read_cache, (DataError,), frozenset(("*.npz",))),
        Target("onnx", of("model.onnx"), _read_network, (ArtifactError, LoweringError)),
        Target("weights", _weights, _read_weights, (RecordError,), frozenset((WEIGHTS_NAME, SPEC_NAME))),
        Target("classifier", _weights, _read_classifier, (EvaluationError,), frozenset(("input.*",))),
        Target("spec", lambda _: [TINY_SPEC.to_json().encode()], _read_spec, (SpecError,), frozenset()),
        Target(
            "candidate",
            lambda _: [_candidate().encode()],
            lambda data, _: Candidate.from_json(data.decode("utf-8", "replace")),
            (RecordError,),
            frozenset(),
        ),
        Target("checkpoint", _checkpoints, _read_checkpoint, (CheckpointError,)),
        Target(
            "bundle-zip",
            of("bundle.zip"),
            lambda data, folder: read_bundle(_put(data, folder, "input.zip")),
            (BundleError,),
            frozenset(("input.zip",)),
        ),
        Target("bundle-member", _members, _member_reader(scene), (), frozenset(("bundle",))),
        Target("settings", of("settings.json"), _read_settings, (ArtifactError,)),
        Target("proving-key", lambda _: [b"\0\0\0\0\1", b"\0\1\0\x80\0"], _key_reader(scene), (ArtifactError,)),
        Target("proof", of("proof.json"), _read_proof, (ArtifactError,)),
        Target("srs", of("srs"), lambda data, folder: check_srs_file(_put(data, folder)), (ArtifactError,)),
        Target("compiled-circuit", of("circuit.ezkl"), _read_compiled, (SimulationError,), frozenset()),
        Target(
            "cost-model",
            lambda _: [COST_MODEL.read_bytes()],
            lambda data, folder: load_cost_model(_put(data, folder)),
            (ArtifactError,),
        ),
        Target(
            "sample-json",
            _samples,
            _sample_reader(scene, ".json"),
            (OptionError, ArtifactError),
            frozenset(("input.json",)),
        ),
        Target(
            "sample-npz",
            _arrays,
            _sample_reader(scene, ".npz"),
            (OptionError, ArtifactError),
            frozenset(("input.npz",)),
        ),
        Target(
            "configuration",
            lambda _: [text.encode() for text in _CONFIGURATIONS],
            _read_configuration,
            (ConfigError, HydraException, OmegaConfBaseException, yaml.YAMLError),
            frozenset(),
        ),
        Target(
            "words",
            lambda _: [b"digits\x1frows<100\x1fwhere=family=conv\x1fsamples=12\x1fa.b=sqlite:///x"],
            _read_words,
            (ConfigError,),
            frozenset(),
        ),
        Target("record", _records, _read_record, (SearchError, GanError), frozenset(("*",))),
        Target("guide", lambda _: trained.guides(), trained.read_a_guide, (DataError,)),
        Target("reference", lambda _: trained.references(), trained.read_a_reference, (EvaluationError,)),
        Target(
            "composite",
            lambda _: trained.composite_reports(),
            trained.read_a_composite,
            (EvaluationError,),
            frozenset(("input.*",)),
        ),
        Target(
            "classifier-facts",
            lambda _: trained.classifier_reports(),
            trained.read_a_classifier,
            (EvaluationError,),
            frozenset((f"{DIGEST}.*",)),
        ),
        Target("model-facts", _facts, _read_facts, (ReleaseError,), frozenset(("model",))),
        Target("kept-record", lambda _: kept.kept_records(), kept.read_a_kept_record, (StudyError,), frozenset()),
        Target(
            "layer-rows",
            lambda _: kept.layer_rows(),
            kept.read_layer_rows,
            (ArtifactError,),
            frozenset(("rows.json",)),
        ),
        Target(
            "ladder",
            lambda _: kept.ladders(),
            kept.read_a_ladder,
            (ArtifactError, SearchError),
            frozenset(("ladder.json",)),
        ),
        Target(
            "environment",
            lambda _: kept.environments(),
            kept.read_an_environment,
            (RecordError, ValueError),
            frozenset(),
        ),
        Target("audited-settings", of("settings.json"), kept.read_audited_settings, (ArtifactError,)),
    ]
    return {target.name: target for target in found}


def try_input(target: Target, data: bytes, folder: Path) -> bool:
    """Read ``data`` in an empty folder; gives whether it was accepted.

    Raises:
        Exception: the reader's own defect: an error that it must not raise.
        AssertionError: it left files that it must not.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        target.read(data, folder)
        accepted = True
    except target.refusals:
        accepted = False
    left = [path.name for path in folder.iterdir() if not any(path.match(name) for name in target.files)]
    assert not left, f"{target.name} left {left}"
    return accepted
