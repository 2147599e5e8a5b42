"""Links of README and docs lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, links, name_of, without_blocks


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link, whole in links(page) if not whole] == []


def test_pages_are_found() -> None:
    assert {"README.md", "CHANGELOG.md"} <= {page.name for page in PAGES}
    assert len(PAGES) > 20


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A *title*\n[a](page.md#a-title) [b](#b) [c](none.md) [d](https://e.f)\n", encoding="utf-8")
    assert list(links(page)) == [("page.md#a-title", True), ("#b", False), ("none.md", False)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:search|gan|zk|evaluation|benchmarks|tests)/[\w/]+\.py)`", without_blocks(page))
    assert [name for name in named if not (ROOT / name).is_file()] == []
