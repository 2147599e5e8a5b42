"""Readers of configurations, command lines and recorded trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from search.building import build
from search.filters import parse_filter
from search.growth import check_growth
from search.names import checked_name
from search.options import parse_options
from search.reproduce.record import read_trial
from search.tracked import RecordedRun
from tests.fuzz.generator_targets import candidate, weights
from tests.fuzz.scene import Scene, put
from tests.tiny_spec import TINY_SPEC
from zk.cost import SHIPPED as COST_MODEL

CONFIGURATIONS = (
    "_target_: search.objectives.Objective\nmetric: accuracy\ndirection: maximize\nreference: 0.0\n",
    "_target_: zk.types.Budget\nmemory_bytes: 100\nwall_seconds: ${n}\nn: 3\n",
    "a: {_target_: gan.training.TrainingBudget, images: 10}\nb: [{_target_: search.patience.Patience}]\n",
    "_target_: os.system\ncommand: touch here\n",
    "_target_: gan.training.TrainingRecipe\nloss: bce\nadam_betas: [0.5, 0.9]\n_convert_: all\n",
)


def read_configuration(data: bytes, _folder: Path) -> object:
    text = data.decode("utf-8", "replace")
    if not isinstance(yaml.safe_load(text), dict | list):  # OmegaConf knows no others
        return text
    config = OmegaConf.create(text)
    plain: Any = OmegaConf.to_container(config, resolve=False)
    check_growth({"given": plain})
    return build(config)


def read_words(data: bytes, _folder: Path) -> object:
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
        return None if content is None else put(content, folder, name)


def records(scene: Scene) -> list[bytes]:
    tags = f"role=trial\noutcome=scored\nspec_digest={TINY_SPEC.digest}\ntrial=3\nstudy=s".encode()
    files = [b"a: 1\n", b"{}", COST_MODEL.read_bytes(), candidate().encode(), TINY_SPEC.to_json().encode()]
    return [b"\x1e".join([tags, *files, *weights(scene)])]


def read_record(data: bytes, folder: Path) -> object:
    return read_trial(_Records(data), "0", folder, retrain=False)  # type: ignore[arg-type]  # what it needs of a reader
