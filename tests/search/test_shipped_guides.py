import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.data import ImageDataset, load_digits_dataset
from gan.guide import Guide, GuideSpec, guide_key, train_guide
from gan.training import TrainingRecipe
from search import ship_guides, shipped_guides
from search.errors import RecordError
from search.guide import recipe_guide
from search.shipped_guides import SHIPPED_GUIDES, ship_guide, shipped_guide

CPU = torch.device("cpu")
SPEC = GuideSpec(widths=(2, 3, 4), epochs=1, batch_size=16, shift=1)


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return load_digits_dataset(image_size=8)


@pytest.fixture(scope="module")
def guide(dataset: ImageDataset) -> Guide:
    return train_guide(SPEC, dataset, device=CPU)


@pytest.fixture
def folder(guide: Guide, dataset: ImageDataset, tmp_path: Path) -> Path:
    return ship_guide(guide, SPEC, dataset, tmp_path / "guides").parent


def test_a_shipped_guide_is_the_trained_one_rounded(guide: Guide, dataset: ImageDataset, folder: Path) -> None:
    found = shipped_guide(SPEC, dataset, device=CPU, folder=folder)
    assert found is not None
    assert (found.accuracy, found.train_seconds) == (guide.accuracy, guide.train_seconds)
    assert found.margins.equal(guide.margins)
    assert not found.network.training
    for name, value in guide.network.state_dict().items():
        rounded = value.half().float() if value.ndim > 1 else value
        assert found.network.state_dict()[name].equal(rounded), name


def test_of_another_spec_or_dataset_there_is_none(dataset: ImageDataset, folder: Path) -> None:
    assert shipped_guide(replace(SPEC, seed=6), dataset, device=CPU, folder=folder) is None
    assert shipped_guide(SPEC, replace(dataset, horizontal_flip=not dataset.horizontal_flip), device=CPU,
                         folder=folder) is None  # fmt: skip


def test_a_training_takes_it_and_trains_none(
    guide: Guide, dataset: ImageDataset, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.guide.SHIPPED_GUIDES", folder)
    found = recipe_guide(TrainingRecipe(guide=SPEC, selected_share=0.5), dataset, device=CPU, cache=tmp_path / "cache")
    assert found is not None
    assert found.margins.equal(guide.margins)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["a flipped byte", "no report", "another's", "no margins"])
def test_a_damaged_one_is_refused(guide: Guide, dataset: ImageDataset, folder: Path, damage: str) -> None:
    path = folder / f"{guide_key(SPEC, dataset)}.safetensors"
    if damage == "a flipped byte":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif damage == "no report":
        path.with_suffix(".json").unlink()
    elif damage == "another's":
        other = replace(SPEC, widths=(2, 3, 5))
        made = ship_guide(train_guide(other, dataset, device=CPU), other, dataset, folder)
        facts = json.loads(made.with_suffix(".json").read_text()) | {"digest": path.stem}
        shutil.copy(made, path)
        path.with_suffix(".json").write_text(json.dumps(facts))
    else:
        ship_guide(replace(guide, margins=guide.margins[:-1]), SPEC, dataset, folder)
    with pytest.raises(RecordError, match="(?s)must hold a guide that came with the project; .*; get its file again"):
        shipped_guide(SPEC, dataset, device=CPU, folder=folder)


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_all_guides_of_a_recipe(away: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = "{_target_: gan.guide.GuideSpec, widths: [2, 2, 2], epochs: 1, seed: %d}"
    overrides = ["dataset=digits", "training=guided", f"training.recipe.guide={one % 5}",
                 f"training.recipe.more_guides=[{one % 6}]"]  # fmt: skip
    assert ship_guides.main(overrides, folder=away / "guides") == 0
    said = capsys.readouterr().out
    assert said.count(" bytes") == 2
    assert len(list((away / "guides").glob("*.safetensors"))) == len(list((away / "guides").glob("*.json"))) == 2


def test_the_command_says_what_it_needs(away: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ship_guides.main([]) == 2
    assert ship_guides.main(["dataset=digits"], folder=away / "guides") == 2
    assert "training.recipe must have a guide" in capsys.readouterr().err
    assert not (away / "guides").exists()


def test_those_of_the_project_are_whole() -> None:
    paths = sorted(SHIPPED_GUIDES.glob("*.safetensors"))
    assert [path.stem for path in paths] == [path.stem for path in sorted(SHIPPED_GUIDES.glob("*.json"))]
    for path in paths:
        tensors, facts = shipped_guides.read_shipped(path, path.stem)
        assert GuideSpec(**facts["spec"]).digest
        assert tensors["margins"].shape == (50_000,)
        assert path.stat().st_size <= 6_000_000
        assert 0.8 < facts["accuracy"] < 0.9
