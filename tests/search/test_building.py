"""A configuration builds the project's own parts, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import get_object
from omegaconf import OmegaConf

from gan.training import TrainingBudget
from search import building
from search.building import BUILDERS, build
from search.compose import CONFIG_FOLDER
from search.errors import ConfigError
from search.hydra_settings import check_hydra

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
        "atomic_files.write_text",
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


ESCAPED = (
    r"\${oc.create:{_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: [RAN]}}}",
    r"\\\${oc.create:{_target_: pathlib.Path.touch}}",
    r"\${evil}",
)


@pytest.mark.parametrize("text", ESCAPED)
@pytest.mark.parametrize("plain", [True, False])
def test_what_would_resolve_at_a_second_look_is_refused(text: str, plain: bool, tmp_path: Path) -> None:
    evil = {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": [str(tmp_path / "ran")]}}
    node = BUDGET | {"images": text.replace("RAN", str(tmp_path / "ran"))}
    whole = {"evil": evil, "node": node, "nodes": [node]}
    for wanted in ("node", "nodes"):
        given = whole[wanted] if plain else OmegaConf.create(whole)[wanted]
        with pytest.raises(ConfigError, match="escaped"):
            build(given)
    with pytest.raises(ConfigError, match="ZKGAN_BUILDERS"):
        build({"_target_": "gan.training.TrainingBudget", "images": OmegaConf.create(evil)})
    with pytest.raises(ConfigError, match="ZKGAN_BUILDERS"):
        build(OmegaConf.create({"evil": evil, "node": BUDGET | {"images": "${evil}"}}).node)
    with pytest.raises(ConfigError, match="ZKGAN_BUILDERS"):
        build({"_target_": ["gan.training.TrainingBudget"]})
    assert not (tmp_path / "ran").exists()


def hydra_refuses(*arguments: str) -> str:
    try:
        check_hydra(arguments, config_folder=CONFIG_FOLDER, config_name="config")
    except ConfigError as error:
        return str(error)
    return ""


def test_overrides_that_double_are_refused_before_they_are_resolved() -> None:
    doubled = [f"+v{level}=${{v{level - 1}}}${{v{level - 1}}}" for level in range(1, 40)]
    assert "at most 1,000,000 characters once resolved" in hydra_refuses("+v0=0123456789", *doubled)
    assert hydra_refuses("+v0=0123456789", *doubled[:5]) == ""


def test_hydra_itself_is_left_as_it_is(tmp_path: Path) -> None:
    for fine in ((), ("study.trials=1",), ("hydra.run.dir=x", "hydra.verbose=true"), ("--help",)):
        assert hydra_refuses(*fine) == ""
    for name, override in (
        ("callbacks", "+hydra.callbacks.x._target_=numpy.savetxt"),
        ("job.env_set", "+hydra.job.env_set.ZKGAN_BUILDERS=os.system"),
        ("launcher", "hydra.launcher._target_=os.system"),
        ("sweeper", "hydra.sweeper._target_=os.system"),
        ("job_logging", "hydra.job_logging.handlers.file.filename=/etc/passwd"),
        ("hydra_logging", "+hydra.hydra_logging.handlers.console.mode=w"),
        ("mode", "hydra.mode=MULTIRUN"),
    ):
        assert f"hydra.{name} as it is" in hydra_refuses(override)
    for flag in (("-m",), ("--config-name", "x"), ("-cp", "/x"), ("--experimental-rerun", "x.pickle")):
        assert "is not supported" in hydra_refuses(*flag)
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nhydra:\n  callbacks:\n    x:\n      _target_: numpy.savetxt\n"
    (tmp_path / "experiment" / "theirs.yaml").write_text(text)
    assert "hydra.callbacks as it is" in hydra_refuses("experiment=theirs", "--config-dir", str(tmp_path))


def test_the_command_refuses_before_hydra_runs_anything(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    command = [sys.executable, "-m", "search", "dry_run=true", "+hydra.callbacks.x._target_=pathlib.Path.touch"]
    found = subprocess.run(
        [*command, f"+hydra.callbacks.x.self={target}"], capture_output=True, text=True, cwd=CONF.parent, check=False
    )
    assert found.returncode == 1
    assert "hydra.callbacks as it is" in found.stderr
    assert not target.exists()


def test_the_command_says_its_version() -> None:
    command = [sys.executable, "-m", "search", "--version"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=CONF.parent, check=True)
    assert found.stdout == f"zkgan-search {version('zkgan-search')}\n"


def test_users_allow_their_own_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_builders.py").write_text("def seven():\n    return 7\n\ndef eight():\n    return 8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(building, "own_builders", frozenset({"some.thing", "own_builders.seven"}))
    assert build({"_target_": "own_builders.seven"}) == 7
    with pytest.raises(ConfigError, match=r"own_builders\.eight"):
        build({"_target_": "own_builders.eight"})
    del sys.modules["own_builders"]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("search", ("good and provable in zero knowledge", "experiment/tier3: exp_016", "dry_run=true")),
        ("evaluation.classifier", ("classifier that generators are scored by", "dataset: cifar10")),
    ],
)
def test_help_teaches(module: str, words: tuple[str, ...]) -> None:
    found = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    for word in words:
        assert word in found.stdout


def test_a_shell_gets_its_completion() -> None:
    command = [sys.executable, "-m", "search", "--shell-completion", "install=bash"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0
    asked = f"{found.stdout}\ndeclare -F hydra_bash_completion"
    script = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
    assert "hydra_bash_completion" in script.stdout


def test_what_is_not_composed_is_not_handed_on(tmp_path: Path) -> None:
    """Hydra composes a sweep's values one by one, and would build callbacks before the application is asked."""
    assert "Could not override" in hydra_refuses("no.such=1")
    callback = "+hydra.callbacks.x._target_=numpy.savetxt"
    assert "study.seed" in hydra_refuses(callback, "hydra.mode=MULTIRUN", "study.seed=1,2")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "nice.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, callbacks: {x: {_target_: os.mkdir, path: made}}}\n"
    )
    given = ("--config-dir", str(tmp_path), "experiment=nice")
    assert "leave hydra.callbacks" in hydra_refuses(*given, "study.seed=1")
    assert "study.seed" in hydra_refuses(*given, "study.seed=1,2")
