import dataclasses
import inspect
import json
from pathlib import Path

import hydra
import onnx
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from evaluation.classifier import ClassifierRecipe
from evaluation.classifier.__main__ import run

CONF = Path(__file__).resolve().parents[3] / "conf"
DATASETS = ("digits", "cifar10", "cifar10_parquet", "mnist", "mnist_parquet", "image_folder")


def composed(*overrides: str):
    with initialize_config_dir(str(CONF), version_base=None):
        return compose("classifier_app", overrides=list(overrides))


@pytest.mark.parametrize(
    "path",
    sorted({*CONF.glob("classifier/*.yaml"), *CONF.glob("judge/*.yaml")}),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_config_builds_and_names_every_recipe_field(path: Path) -> None:
    group = path.parent.name
    node = composed(f"{group}={path.stem}")[group]
    spec, recipe = hydra.utils.instantiate(node.spec), hydra.utils.instantiate(node.recipe)
    assert isinstance(recipe, ClassifierRecipe)
    assert set(node.recipe) - {"_target_"} == {field.name for field in dataclasses.fields(ClassifierRecipe)}
    assert set(node.spec) - {"_target_"} == set(inspect.signature(type(spec)).parameters) - {
        "num_classes",
        "image_size",
    }


@pytest.mark.parametrize("name", DATASETS)
def test_classifier_and_judge_follow_the_data_set(name: str) -> None:
    config = composed(f"dataset={name}")
    assert config.classifier.spec.variant == "avgpool"
    assert config.judge.spec._target_ == "evaluation.classifier.JudgeSpec"
    assert composed(f"dataset={name}", "classifier=strided").classifier.spec.variant == "strided"


def test_the_application_reports_both_networks(tmp_path, dataset, monkeypatch, capsys) -> None:
    (tmp_path / "tiny_source.py").write_text("def load():\n    return DATASET\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("tiny_source")
    module.DATASET = dataset
    config = composed(
        "classifier.spec.widths=[8,8]", "judge.spec.widths=[8,8]", "classifier.recipe.epochs=2", "judge.recipe.epochs=2"
    )
    monkeypatch.setattr("search.building.own_builders", frozenset({"tiny_source.load"}))
    OmegaConf.update(config, "dataset", {"_target_": "tiny_source.load"}, merge=False)
    config.cache_folder = str(tmp_path / "cache")
    facts = run(config, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(json.dumps(facts))
    assert (tmp_path / "out" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    graph = onnx.load(tmp_path / "out" / "classifier.onnx").graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    size = dataset.test.images.shape[-1]
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, 3, size, size]
    assert facts["onnx"]["max_abs_error"] <= 1e-3
    printed = capsys.readouterr().out
    assert "expected calibration error" in printed
    assert f"{facts['judge']['accuracy']:.4f}" in printed
    assert "accuracy on green" in printed
    assert len(list((tmp_path / "cache" / "classifiers").glob("*.pt"))) == 2
    run(config, tmp_path / "again")
    assert len(list((tmp_path / "cache" / "classifiers").glob("*.pt"))) == 2
