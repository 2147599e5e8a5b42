"""The documentation's pages, their links and their blocks of code."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MADE = ("_build", "reference")
"""Folders below docs that are made when the documentation is built."""
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("models/*/README.md"),
        *(page for page in (ROOT / "docs").rglob("*.md") if page.relative_to(ROOT / "docs").parts[0] not in MADE),
    ]
)
HOWTO = ROOT / "docs" / "howto.md"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LANGUAGES = ("sh", "python", "yaml")
"""Of blocks that somebody is to run or to save; others show what a command prints, or are directives of a page."""


@dataclass(frozen=True)
class Block:
    """A block of code: its page's name below the project, its place among that page's blocks, what is in it."""

    page: str
    place: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.place}"


def name_of(page: Path) -> str:
    """The page's path below the project."""
    return page.relative_to(ROOT).as_posix()


def without_blocks(page: Path) -> str:
    """The page's text between its blocks."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    """The blocks of code on ``page``, in order."""
    found = [match.groups() for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    code = [(language, text) for language, text in found if language in LANGUAGES]
    return [Block(name_of(page), place, language, text) for place, (language, text) in enumerate(code)]


def anchors(page: Path) -> set[str]:
    """Names that headings get on a page: small letters, no punctuation, hyphens for spaces."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[str, bool]]:
    """Each link to a place in this project, and whether it leads somewhere; others would need a network."""
    for link in _LINK.findall(without_blocks(page)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        yield link, target.exists() and (not anchor or anchor in anchors(target))


def run_sh(line: str, folder: Path) -> str:
    """Run ``line`` in ``folder`` with the environment's programs first; gives what it printed."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        process = subprocess.Popen(
            ["bash", "-e", "-c", line],
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            status = process.wait()
        finally:  # nothing of a command that takes too long goes on
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        printed.seek(0)
        text = printed.read()
    assert status == 0, f"{line}\n{text[-4000:]}"
    return text
