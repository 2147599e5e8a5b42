"""Recorded configurations that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from search.engines import LocalEngine
from search.errors import RecordError
from search.reproduce.record import RecordedSession
from search.reproduce.settings import _config, build_session
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
