"""Every block of the how-to page does what it says, in an empty folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import BLOCK, HOWTO, run_sh

_FILE = re.compile(r"`([\w/]+\.(?:py|yaml))`")


def parts() -> Iterator[tuple[str, str]]:
    """Each section's title and text."""
    for section in HOWTO.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        yield title, text


SECTIONS = {title: text for title, text in parts() if BLOCK.search(text)}


def write_files(text: str, folder: Path) -> None:
    """Write each block that the sentence before it names a file for, to every file of that sentence."""
    end = 0
    for block in BLOCK.finditer(text):
        kind, content = block.groups()
        if kind != "sh":
            names = _FILE.findall(text[end : block.start()].strip().rpartition(". ")[2])
            assert names, f"no file is named for {content[:60]!r}"
            for name in names:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
        end = block.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all sections, as a reader would have."""
    made = tmp_path_factory.mktemp("howto")
    return made


@pytest.mark.parametrize("title", SECTIONS)
def test_the_blocks_of_a_section_run(title: str, folder: Path) -> None:
    write_files(SECTIONS[title], folder)
    for kind, content in BLOCK.findall(SECTIONS[title]):
        if kind == "sh":
            run_sh(content, folder)
