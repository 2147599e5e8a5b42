"""Recorded configurations that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gan.generators import build_generator
from search.candidate import Candidate
from search.engines import LocalEngine
from search.errors import RecordError
from search.reproduce.record import RecordedSession
from search.reproduce.settings import _config, build_session
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
