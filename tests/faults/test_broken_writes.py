"""No artifact is ever half of one: the disk may be full at any byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cases import SHARES, Case, break_off, cases

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_write_leaves_the_old_file_or_the_new_one(case: Case, tmp_path: Path) -> None:
    found = list(break_off(case, tmp_path))
    assert len(found) == 2 * len(SHARES)
    assert [broken for broken in found if broken.corrupt] == []
    assert any(broken.refused for broken in found), "no write was broken off"
