"""A configuration builds the project's own parts, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import get_object
from omegaconf import OmegaConf

from gan.training import TrainingBudget
from search.building import BUILDERS, build
from search.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf"
BUDGET = {"_target_": "gan.training.TrainingBudget", "steps": 3}


def targets(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["_target_"]} if "_target_" in value else set()
        return own.union(*map(targets, value.values()))
    return set().union(*map(targets, value)) if isinstance(value, list) else set()


def test_the_list_is_what_the_configurations_name() -> None:
    named = set().union(*(targets(yaml.safe_load(path.read_text())) for path in CONF.rglob("*.yaml")))
    assert named == BUILDERS
    for name in BUILDERS:
        found = get_object(name)
        assert found.__module__.split(".")[0] == name.split(".")[0], name


def test_the_projects_own_parts_are_built() -> None:
    assert build(OmegaConf.create(BUDGET)) == TrainingBudget(steps=3)
    assert build(BUDGET) == TrainingBudget(steps=3)
    assert build(OmegaConf.create(BUDGET), images=7) == TrainingBudget(steps=3, images=7)
    assert build(None) is None
    assert list(build(OmegaConf.create([BUDGET]))) == [TrainingBudget(steps=3)]


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "os.system",
        "subprocess.run",
        "search.provenance.subprocess.run",
        "search.files.write_text",
        "gan.training.TrainingBudget.__init__",
        "gan.training",
        "",
    ],
)
@pytest.mark.parametrize("place", ["itself", "in a mapping", "in a list", "interpolated"])
def test_nothing_else_is(name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node: dict[str, Any] = {"_target_": name, "cmd": f"touch {tmp_path / 'ran'}"}
    if place == "in a mapping":
        node = BUDGET | {"images": {"deeper": node}}
    elif place == "in a list":
        node = BUDGET | {"images": [[node]]}
    elif place == "interpolated":
        monkeypatch.setenv("WHAT", name)
        node["_target_"] = "${oc.env:WHAT}"
    with pytest.raises(ConfigError, match="ZKGAN_BUILDERS"):
        build(OmegaConf.create(node))
    assert not (tmp_path / "ran").exists()


def test_users_allow_their_own_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_builders.py").write_text("def seven():\n    return 7\n\ndef eight():\n    return 8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ZKGAN_BUILDERS", "some.thing, own_builders.seven")
    assert build({"_target_": "own_builders.seven"}) == 7
    with pytest.raises(ConfigError, match=r"own_builders\.eight"):
        build({"_target_": "own_builders.eight"})
    del sys.modules["own_builders"]
