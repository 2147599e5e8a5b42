import dataclasses
import json

import pytest
import torch

from evaluation.classifier import cache as cache_module
from evaluation.classifier import classifier_digest, load_or_train
from evaluation.errors import SpecError


@pytest.fixture
def trainings(monkeypatch) -> list[int]:
    """Seeds of the trainings that really ran."""
    ran: list[int] = []
    original = cache_module.train_classifier

    def spy(**arguments):
        ran.append(arguments["seed"])
        return original(**arguments)

    monkeypatch.setattr(cache_module, "train_classifier", spy)
    return ran


def test_the_second_call_loads(dataset, spec, recipe, classifier, tmp_path, trainings) -> None:
    first = load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=tmp_path)
    second = load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=str(tmp_path))
    assert trainings == [0]
    assert first.digest == second.digest == classifier.digest
    assert first.report == second.report
    assert not second.module.training
    for name, value in first.module.state_dict().items():
        assert torch.equal(value, second.module.state_dict()[name])
    facts = json.loads((tmp_path / f"{first.digest}.json").read_text())
    assert facts["report"]["accuracy"] == first.report.accuracy
    assert facts["seed"] == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".pt"]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "other digest", "other weights", "no report"])
def test_a_damaged_file_is_trained_again(dataset, spec, recipe, tmp_path, trainings, caplog, damage) -> None:
    trained = load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=tmp_path)
    path = tmp_path / f"{trained.digest}.pt"
    data = path.read_bytes()
    if damage in ("garbage", "truncated", "empty"):
        path.write_bytes({"garbage": b"\x80garbage", "truncated": data[: len(data) // 2], "empty": b""}[damage])
    else:
        payload = torch.load(path, weights_only=True)
        if damage == "other digest":
            payload["digest"] = "0" * 64
        elif damage == "other weights":
            payload["weights"].popitem()
        else:
            del payload["report"]["accuracy"]
        torch.save(payload, path)
    again = load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=tmp_path)
    assert trainings == [0, 0]
    assert "cannot be read" in caplog.text
    assert again.report.accuracy == trained.report.accuracy
    load_or_train(spec=spec, recipe=recipe, dataset=dataset, seed=0, cache_dir=tmp_path)
    assert trainings == [0, 0]


def test_digest_depends_on_all_that_decides_the_weights(dataset, spec, recipe, judge, monkeypatch) -> None:
    base = {"spec": spec, "recipe": recipe, "dataset": dataset, "seed": 0}
    changes = [
        {},
        {"seed": 1},
        {"spec": dataclasses.replace(spec, widths=(8, 9))},
        {"spec": judge.spec},
        {"recipe": dataclasses.replace(recipe, epochs=5)},
        {"dataset": dataclasses.replace(dataset, digest="other")},
        {"dataset": dataclasses.replace(dataset, horizontal_flip=False)},
    ]
    digests = [classifier_digest(**{**base, **change}) for change in changes]
    monkeypatch.setattr(cache_module, "weights_code_digest", lambda: "another version")
    digests.append(classifier_digest(**base))
    assert len(set(digests)) == len(changes) + 1


def test_a_spec_for_other_classes_is_refused_before_training(dataset, spec, recipe, trainings) -> None:
    with pytest.raises(SpecError, match="num_classes"):
        load_or_train(
            spec=dataclasses.replace(spec, num_classes=7), recipe=recipe, dataset=dataset, seed=0, cache_dir=None
        )
    assert trainings == []
