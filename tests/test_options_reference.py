"""The reference of options names every setting, and says of each what it means."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from search.building import BUILDERS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "options_reference", ROOT / "docs" / "extensions" / "options_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_setting_is_explained(reference: ModuleType) -> None:
    options = reference.options_in(ROOT / "conf" / "config.yaml")
    assert len(options) > 40
    assert [option.key for option in options if not option.text or not option.kind] == []


@pytest.mark.parametrize("target", sorted(BUILDERS))
def test_every_argument_of_a_builder_is_explained(target: str, reference: ModuleType) -> None:
    summary, parameters = reference.parameters_of(target)
    assert summary.endswith((".", ":"))
    assert [found.name for found in parameters if not found.text] == []


def test_comments_belong_to_their_keys(reference: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(
        "# What it is for.\n"
        "a: 1 # first\n"
        "# and its end\n"
        "b: [2, 3] # second\n"
        "# Of the third.\n"
        "c: null\n"
        "d:\n  e: ??? # inner\n"
        "f: http://x#y\n"
    )
    found = {option.key: (option.kind, option.value, option.text) for option in reference.options_in(path)}
    assert found == {
        "a": ("int", "1", "first and its end"),
        "b": ("list", "[2, 3]", "second"),
        "c": ("optional", "null", "Of the third."),
        "d.e": ("required", "???", "inner"),
        "f": ("str", "http://x#y", ""),
    }
    assert reference.head_comment(path) == "What it is for."


def test_docstrings_are_read_by_argument(reference: ModuleType) -> None:
    doc = "Do.\n\nArgs:\n    one: first,\n        and more.\n    two: second.\n\nReturns:\n    three: no argument.\n"
    assert reference.described(doc) == {"one": "first, and more.", "two": "second."}


def test_the_page_has_every_group(reference: ModuleType) -> None:
    page = reference.options_page()
    for group in (path.name for path in (ROOT / "conf").iterdir() if path.is_dir()):
        assert f"\n### {group}\n" in page
    assert "| `study.trials` | `int` | `6` |" in page
    assert "`experiment/tier3=exp_016`" in page
