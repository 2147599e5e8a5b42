"""Recorded configurations that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

from gan.generators import build_generator
from search.candidate import Candidate
from search.engines import LocalEngine
from search.errors import RecordError
from search.reproduce.record import RecordedSession
from search.reproduce.settings import _config, build_dataset, build_session
from search.weights import save_generator
from tests.test_config import composed


@pytest.mark.parametrize("text", ["0", "[1, 2]", "a: [", "a: ${"])
def test_a_configuration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="the recorded configuration must be"):
        _config(RecordedSession(text, {}, None), {"device": "cpu"})


def test_places_are_replaced() -> None:
    found = _config(RecordedSession("device: cuda\nrate: 1e-3\n", {}, None), {"device": "cpu"})
    assert (found.device, found.rate) == ("cpu", 0.001)


@pytest.mark.parametrize(
    "text", ["a: &x [1]\nb: [*x, *x]", "a: ${oc.env:HOME}", "a: 1\n" + "# filler\n" * 200_000], ids=str.__len__
)
def test_what_would_grow_when_it_is_read_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="the recorded configuration must"):
        _config(RecordedSession(text, {}, None), {})


def test_a_record_chooses_no_folder_and_no_database_of_this_machine() -> None:
    config = composed("dataset=cifar10_parquet", "dataset.root=x")
    config.cache_folder, config.proving.srs_folder, config.cost_model = "/home/a/cache", "/home/a/srs", "/home/a/model"
    config.study.seeds, config.study.storage = ["front"], "postgresql://127.0.0.1:9/d"
    config.engine = {"_target_": "search.ray_engine.RayEngine", "address": "10.0.0.1:6379"}
    session = RecordedSession(OmegaConf.to_yaml(config, resolve=True), {}, None)
    for places, cache in (({}, ".cache"), ({"cache_folder": "mine"}, "mine")):
        found = build_session(session, places, device=None, retrain=True)
        assert (found.cache_folder, found.proving.srs_folder) == (Path(cache), Path("mlruns/srs"))
        assert found.seeds == ()
        assert isinstance(found.engine, LocalEngine)


def test_only_training_again_needs_what_it_began_from(tiny_candidate: Candidate, tmp_path: Path) -> None:
    config = composed("dataset=cifar10_parquet", "dataset.root=x", f"training.start={tmp_path}/moved")
    session = RecordedSession(OmegaConf.to_yaml(config, resolve=True), {}, None)
    assert build_session(session, {}, device=None, retrain=False).start is None
    with pytest.raises(RecordError, match="training.start must be a folder"):
        build_session(session, {}, device=None, retrain=True)
    spec = tiny_candidate.spec
    save_generator(tmp_path / "here", spec, build_generator(spec, seed=3))
    found = build_session(session, {"training.start": str(tmp_path / "here")}, device=None, retrain=True)
    assert found.start is not None
    assert found.recipe.start == found.start.digest


def session_of(text: str) -> RecordedSession:
    return RecordedSession(text, {}, None)


@pytest.mark.parametrize(
    "text",
    [
        'study: {name: "\\x24{oc.env:HOME}"}',
        'study: {"\\x24{oc.env:HOME}": 1}',
        'study: [[1, {a: "\\u0024{b}"}]]',
        "study: {name: '\\${b}'}",
        'v0: "a"\n' + "".join(f'v{n}: "\\x24{{v{n - 1}}}\\x24{{v{n - 1}}}"\n' for n in range(1, 40)),
    ],
    ids=["value", "name", "list", "escaped", "doubled"],
)
def test_interpolations_are_found_however_they_are_written(text: str) -> None:
    with pytest.raises(RecordError, match="must be resolved, without interpolations"):
        _config(session_of(text), {})


def test_a_comment_is_no_interpolation() -> None:
    assert _config(session_of("a: 1 # ${b}"), {}).a == 1


def test_a_recorded_dataset_writes_below_our_own_cache_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for place in range(6):
            Image.new("RGB", (8, 8), (place, 0, 0)).save(tmp_path / "images" / name / f"{place}.png")
    text = (
        "cache_folder: /nowhere\n"
        f"dataset: {{_target_: gan.data.load_image_folder_dataset, root: {tmp_path}/images, image_size: 8,"
        f" cache_dir: {tmp_path}/victim}}\n"
    )
    dataset = build_dataset(session_of(text), {"cache_folder": str(tmp_path / "cache")})
    assert len(dataset.train) + len(dataset.test) == 12
    assert not (tmp_path / "victim").exists()
    assert list((tmp_path / "cache" / "data").iterdir())


def test_a_recorded_dataset_is_downloaded_to_our_own_folder() -> None:
    text = "dataset: {_target_: gan.data.load_torchvision_dataset, kind: mnist, root: /victim, download: false}\n"
    found = _config(session_of(text), {}).dataset
    assert (found.root, found.download) == (".cache/data", True)
    assert _config(session_of(text), {"dataset.root": "mine"}).dataset.root == "mine"
    parquet = "dataset: {_target_: gan.data.load_parquet_dataset, root: /data, layout: mnist, cache_dir: /victim}\n"
    found = _config(session_of(parquet), {}).dataset
    assert (found.root, found.cache_dir) == ("/data", ".cache/data")


@pytest.mark.parametrize("name", ["gan.data.load_torchvision_dataset", "search.ray_engine.RayEngine"])
@pytest.mark.parametrize("text", ["dataset: {seed: NODE}", "limits: {rows: [NODE]}", "training: NODE"])
def test_what_writes_has_its_own_place_in_a_record(name: str, text: str) -> None:
    node = f"{{_target_: {name}, root: /victim, address: evil}}"
    with pytest.raises(RecordError, match=r"as its (dataset|engine) only"):
        _config(session_of(text.replace("NODE", node)), {})


@pytest.mark.parametrize("text", ["", "null", "dataset: 3", "dataset: null", "proving: 3"])
def test_a_record_without_a_dataset_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="the recorded configuration must"):
        build_dataset(session_of(text), {})
