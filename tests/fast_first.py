"""A plugin for mutation testing: files whose tests are fast come first, by the durations that mutmut measured.

mutmut hands over the tests that reach a mutant in no order. A file's tests stay together, as do their fixtures.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

STATS = Path("mutmut-stats.json")
"""In the folder of the mutants, where their tests run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not STATS.is_file():
        return
    durations = json.loads(STATS.read_text(encoding="utf-8"))["duration_by_test"]
    totals = Counter[str]()
    for item in items:
        totals[item.nodeid.partition("::")[0]] += durations.get(item.nodeid, 0.0)
    items.sort(key=lambda item: totals[item.nodeid.partition("::")[0]])
