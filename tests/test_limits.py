"""The page of bounds says what the code holds to."""

import importlib
import re

import pytest

from tests.pages import ROOT

_ROW = re.compile(r"^\| [^|]+ \| ([\d,]+) \| `([\w.]+)\.(\w+)` \|$", re.MULTILINE)
ROWS = _ROW.findall((ROOT / "docs" / "limits.md").read_text(encoding="utf-8"))


def test_every_bound_is_found() -> None:
    assert len(ROWS) == 10


@pytest.mark.parametrize(("bound", "module", "name"), ROWS)
def test_a_bound_is_the_code_s(bound: str, module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(bound.replace(",", ""))
