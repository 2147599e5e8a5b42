"""Everything that reads what others may have written: for each reader, good files to begin with, and what it may raise.

A reader given any bytes must succeed or raise one of its own errors. It must write nothing beside the files that it
was given, and take no more memory than the driver allows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from evaluation.errors import EvaluationError
from gan.data.decode import decode_rgb
from gan.errors import CheckpointError, DataError, GanError, SpecError
from search.candidate import Candidate
from search.errors import ConfigError, RecordError, ReleaseError, SearchError, StudyError
from search.weights import SPEC_NAME, WEIGHTS_NAME
from tests.fuzz import generator_targets as generators
from tests.fuzz import image_targets as images
from tests.fuzz import kept_targets as kept
from tests.fuzz import proof_targets as proofs
from tests.fuzz import session_targets as sessions
from tests.fuzz import trained_targets as trained
from tests.fuzz.scene import DIGEST, Scene, put
from tests.tiny_spec import TINY_SPEC
from zk.bundle import read_bundle
from zk.bundle_format import BundleError
from zk.cost import SHIPPED as COST_MODEL
from zk.cost_model import load_cost_model
from zk.errors import ArtifactError, LoweringError, OptionError
from zk.simulation.errors import SimulationError
from zk.srs import check_srs_file


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


def all_targets(scene: Scene) -> dict[str, Target]:
    """Every reader by name."""

    def of(name: str) -> Callable[[Scene], list[bytes]]:
        return lambda found: [found.file(name)]

    found = [
        Target("image", images.pictures, lambda data, _: decode_rgb(data, "input"), (DataError,), frozenset()),
        Target(
            "parquet",
            lambda _: [images.TABLE],
            images.read_table,
            (DataError,),
            frozenset(("train.parquet", "test.parquet")),
        ),
        Target("decoded-cache", images.cache_files, images.read_cache, (DataError,), frozenset(("*.npz",))),
        Target("onnx", of("model.onnx"), proofs.read_network, (ArtifactError, LoweringError)),
        Target(
            "weights", generators.weights, generators.read_weights, (RecordError,), frozenset((WEIGHTS_NAME, SPEC_NAME))
        ),
        Target(
            "classifier", generators.weights, generators.read_classifier, (EvaluationError,), frozenset(("input.*",))
        ),
        Target("spec", lambda _: [TINY_SPEC.to_json().encode()], generators.read_spec, (SpecError,), frozenset()),
        Target(
            "candidate",
            lambda _: [generators.candidate().encode()],
            lambda data, _: Candidate.from_json(data.decode("utf-8", "replace")),
            (RecordError,),
            frozenset(),
        ),
        Target("checkpoint", generators.checkpoints, generators.read_checkpoint, (CheckpointError,)),
        Target(
            "bundle-zip",
            of("bundle.zip"),
            lambda data, folder: read_bundle(put(data, folder, "input.zip")),
            (BundleError,),
            frozenset(("input.zip",)),
        ),
        Target("bundle-member", proofs.members, proofs.member_reader(scene), (), frozenset(("bundle",))),
        Target("settings", of("settings.json"), proofs.read_settings, (ArtifactError,)),
        Target("proving-key", lambda _: [b"\0\0\0\0\1", b"\0\1\0\x80\0"], proofs.key_reader(scene), (ArtifactError,)),
        Target("proof", of("proof.json"), proofs.read_proof, (ArtifactError,)),
        Target("srs", of("srs"), lambda data, folder: check_srs_file(put(data, folder)), (ArtifactError,)),
        Target("compiled-circuit", of("circuit.ezkl"), proofs.read_compiled, (SimulationError,), frozenset()),
        Target(
            "cost-model",
            lambda _: [COST_MODEL.read_bytes()],
            lambda data, folder: load_cost_model(put(data, folder)),
            (ArtifactError,),
        ),
        Target(
            "sample-json",
            proofs.samples,
            proofs.sample_reader(scene, ".json"),
            (OptionError, ArtifactError),
            frozenset(("input.json",)),
        ),
        Target(
            "sample-npz",
            proofs.arrays,
            proofs.sample_reader(scene, ".npz"),
            (OptionError, ArtifactError),
            frozenset(("input.npz",)),
        ),
        Target(
            "configuration",
            lambda _: [text.encode() for text in sessions.CONFIGURATIONS],
            sessions.read_configuration,
            (ConfigError, HydraException, OmegaConfBaseException, yaml.YAMLError),
            frozenset(),
        ),
        Target(
            "words",
            lambda _: [b"digits\x1frows<100\x1fwhere=family=conv\x1fsamples=12\x1fa.b=sqlite:///x"],
            sessions.read_words,
            (ConfigError,),
            frozenset(),
        ),
        Target("record", sessions.records, sessions.read_record, (SearchError, GanError), frozenset(("*",))),
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
        Target("model-facts", generators.facts, generators.read_facts, (ReleaseError,), frozenset(("model",))),
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
