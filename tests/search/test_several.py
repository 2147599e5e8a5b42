"""Lists of experiments: each is run, whatever becomes of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import initialize_config_dir
from omegaconf import DictConfig

from search.errors import ConfigError
from search.several import run_each
from tests.test_config import CONF

NAMES = ["tier1/exp_001", "tier1/exp_002", "tier1/exp_003"]


def test_every_experiment_is_run_with_the_overrides_of_all(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    lines: list[str] = []

    def run(config: DictConfig) -> str | None:
        seen.append((config.study.name, config.training.budget.seconds))
        if config.study.name == "exp_001-strong":
            raise RuntimeError("defect")
        return "no data" if config.study.name == "exp_002-strong" else None

    overrides = ["experiment=tier1", "training.budget.seconds=7", "dataset.root=x"]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        failed = run_each(NAMES, overrides, tmp_path, run, lines.append)
    assert seen == [("exp_001-strong", 7), ("exp_002-strong", 7), ("exp_003-strong", 7)]
    assert failed == ["tier1/exp_001", "tier1/exp_002"]
    assert "tier1/exp_001: RuntimeError: defect" in lines
    assert "tier1/exp_002: no data" in lines


def test_experiments_of_a_list_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names of their own; got study.name=all"):
        run_each(NAMES, ["study.name=all"], tmp_path, lambda config: None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "v0: '" + "x" * 5000 + "'\n" + "".join(f"v{n}: ${{v{n - 1}}}${{v{n - 1}}}\n" for n in range(1, 30)),
            "once resolved",
        ),
        ("study: {name: 'n-${oc.env:HOME}'}", "call one of"),
        ("a: &x [1]\nb: [*x, *x]", "anchors and aliases"),
    ],
    ids=["grows", "reads", "copies"],
)
def test_an_experiment_of_a_list_is_refused_as_it_is_alone(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("defaults: [_self_, {experiment: null}]\n")
    (tmp_path / "conf" / "experiment").mkdir()
    (tmp_path / "conf" / "experiment" / "one.yaml").write_text(f"# @package _global_\n{text}\n")
    lines: list[str] = []

    def run(config: DictConfig) -> str | None:
        raise AssertionError("it was composed")

    with initialize_config_dir(version_base="1.3", config_dir=str(tmp_path / "conf")):
        assert run_each(["one"], [], tmp_path, run, lines.append) == ["one"]
    assert words in lines[-1]


def test_what_goes_wrong_is_told_without_passwords(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []

    def run(config: DictConfig) -> str | None:
        raise RuntimeError(f"cannot connect to postgresql://me:{'hunter'}2@db/x")

    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        run_each(NAMES[:1], [], tmp_path, run, lines.append)
    said = "".join([*lines, *capsys.readouterr()])
    assert said.count("postgresql://me:***@db/x") == 2
    assert "hunter2" not in said
