import json

import pytest
import torch

from evaluation.classifier import load_or_train
from evaluation.classifier.cache import load_shipped
from evaluation.classifier.shipped import ship
from evaluation.errors import CacheFileError


@pytest.fixture
def shipped(dataset, spec, recipe, tmp_path):
    """A trained classifier, and the file in a folder of its own that it was shipped as."""
    trained = load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=tmp_path / "cache")
    return trained, ship(tmp_path / "cache" / f"{trained.digest}.pt", tmp_path / "shipped")


def test_a_shipped_classifier_is_taken_and_not_trained(dataset, spec, recipe, shipped, tmp_path) -> None:
    trained, path = shipped
    again = load_or_train(
        spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=tmp_path / "other", shipped=path.parent
    )
    assert not (tmp_path / "other").exists()
    assert (again.digest, again.report) == (trained.digest, trained.report)
    images = dataset.test.images[:4].float()
    assert torch.equal(again.module(images), trained.module(images))


@pytest.mark.parametrize("damage", ["a flipped byte", "another digest", "no report", "no JSON"])
def test_a_damaged_shipped_file_is_refused(dataset, spec, recipe, shipped, damage) -> None:
    _, path = shipped
    if damage == "a flipped byte":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif damage == "no JSON":
        path.with_suffix(".json").write_text("{")
    else:
        facts = json.loads(path.with_suffix(".json").read_text())
        facts["digest"] = "0" * 64
        if damage == "no report":
            facts = {"digest": path.stem}
        path.with_suffix(".json").write_text(json.dumps(facts))
    with pytest.raises(CacheFileError, match=path.name):
        load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=None, shipped=path.parent)


def test_a_spec_of_any_size_takes_no_memory(shipped) -> None:
    """Three hundred bytes of facts once asked for sixteen gigabytes of weights."""
    trained, path = shipped
    facts = json.loads(path.with_suffix(".json").read_text())
    facts["spec"]["widths"] = [10**8] * len(facts["spec"]["widths"])
    path.with_suffix(".json").write_text(json.dumps(facts))
    with pytest.raises(CacheFileError, match=r"its weights must be those of its spec; .*weight.* differ"):
        load_shipped(trained.digest, path.parent)


def test_only_cache_files_are_shipped(tmp_path) -> None:
    torch.save({"weights": {}}, tmp_path / "x.pt")
    with pytest.raises(CacheFileError, match="it has no digest, report"):
        ship(tmp_path / "x.pt", tmp_path)
