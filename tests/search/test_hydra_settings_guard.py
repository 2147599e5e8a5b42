"""What is refused before Hydra composes, since composing alone runs, copies or reveals it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from search.compose import CONFIG_FOLDER
from search.errors import ConfigError
from search.hydra_settings import _check_file, check_hydra, guard


def refused(*arguments: str) -> str:
    try:
        check_hydra(arguments, config_folder=CONFIG_FOLDER, config_name="config")
    except ConfigError as error:
        return str(error)
    return ""


def experiment(folder: Path, text: str, name: str = "theirs") -> tuple[str, ...]:
    path = folder / "experiment" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# @package _global_\n{text}\n")
    return ("--config-dir", str(folder), f"experiment={name}")


@pytest.mark.parametrize(
    "override",
    ["hydra.searchpath=[pkg://evil_settings]", "++hydra.searchpath=[pkg://evil_settings]", "~hydra.searchpath"],
)
@pytest.mark.parametrize("flags", [(), ("--help",), ("--hydra-help",), ("--cfg", "job")])
def test_no_package_is_imported_for_its_settings(
    override: str, flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil_settings").mkdir()
    (tmp_path / "evil_settings" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "hydra.searchpath must be left as it is" in refused(*flags, override)
    assert "evil_settings" not in sys.modules


def test_help_composes_nothing_that_a_run_would_not(tmp_path: Path) -> None:
    given = experiment(tmp_path, "hydra: {job_logging: {handlers: {x: {class: os.system}}}}")
    assert "leave hydra.job_logging" in refused("--help", *given)


def test_a_file_cannot_name_packages_either(tmp_path: Path) -> None:
    assert "searchpath" in refused(*experiment(tmp_path, "hydra: {searchpath: ['pkg://evil_settings']}"))
    assert "evil_settings" not in sys.modules


@pytest.mark.parametrize("text", ["a: &x [1]\nb: [*x, *x]", "a: &x 1", "a: &x {b: 1}\nc: {<<: *x}"])
def test_files_with_aliases_are_refused_before_they_are_copied(text: str, tmp_path: Path) -> None:
    assert "must not have anchors and aliases" in refused(*experiment(tmp_path, text))


def test_files_beside_the_given_folder_are_looked_at_too(tmp_path: Path) -> None:
    experiment(tmp_path, "a: &x [1]\nb: [*x, *x]")
    given = experiment(tmp_path / "inner", "defaults: ['/../experiment/theirs@_global_']")
    assert "must not have anchors and aliases" in refused(*given)


@pytest.mark.parametrize("call", ["oc.env:SECRET_HERE", "oc.decode:a", "oc.select:'${oc.env:SECRET_HERE}'"])
def test_no_environment_variable_is_read(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_HERE", "hunter2")
    for text in (f'study: {{name: "n-${{{call}}}"}}', f'defaults: [{{override /dataset: "${{{call}}}"}}]'):
        found = refused(*experiment(tmp_path, text))
        assert "theirs.yaml, line 2" in found
        assert "hunter2" not in found
    escaped = experiment(tmp_path, f'study: {{name: "\\x24{{{call}}}"}}')
    assert "theirs.yaml, line 2" in refused(*escaped)
    if "'" not in call:
        assert "must name a value, or call one of" in refused(f"study.name=${{{call}}}")
        assert "must name a value, or call one of" in refused(f"dataset=${{{call}}}")
        assert "must name a value, or call one of" in refused(f"+own={{a: [${{{call}}}]}}")


def test_files_must_be_short_plain_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    _check_file(path)  # Hydra says best what is missing
    for text, words in (
        ("# " + "x" * 100_000, "more than 100,000 bytes"),
        ("a: [", "readable YAML"),
        ("a: " + "[" * 400 + "]" * 400, "at most 50 levels"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            _check_file(path)


def test_a_folder_of_settings_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's, [mine]"
    assert refused(*experiment(folder, "study: {trials: 3}")) == ""


@pytest.mark.parametrize(
    "override", ["study.storage=postgresql://me:hunt,er2@h/db", "study.storage=postgresql://me:hunt{er2@h/db"]
)
def test_a_refusal_shows_no_password(
    override: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["search", override])
    with pytest.raises(SystemExit) as ended:
        guard(config_folder=CONFIG_FOLDER, config_name="config")
    said = f"{ended.value}{capsys.readouterr()}"
    assert "postgresql://me:***@h/db" in said
    assert "hunt" not in said
