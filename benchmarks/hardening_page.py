"""The page of ``benchmarks/hardening.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from zk.benchmark.report.text import table

_MISSING = "not counted yet"


_BY_HAND = """\
An audit by hand found 22 things that these inputs did not: names that a bundle's sender chose, checkpoints with which
torch wrote beyond its memory, archives with two directories, sizes that show only when they are taken. They are mended,
each with a test ([the changelog](../../CHANGELOG.md), Fixed; [what is bounded](../limits.md)), but for a key's trailing
zeros where the verifier has neither model nor pin, and fields of cached figures, which nobody else writes."""


def page_lines(content: Mapping[str, Any]) -> list[str]:
    """Lay out what ``docs/results/hardening.json`` holds."""
    return [
        "# Hardening, measured",
        "",
        "Each figure is printed by the command beside it; `python benchmarks/hardening.py page` puts them together,",
        "here and in `docs/results/hardening.json`.",
        "",
        *table(("what", "command", "figure"), _summary(content)),
        *_BY_HAND.splitlines(),
        *_mutants(content["mutation"]),
        *_house(content["house"]),
        *_readers(content["fuzz"], content["fuzz_findings_kept"]),
        *_blocks("Blocks with a shortened command", "what is not tried", content["docs"], "shortened"),
        *_blocks("Blocks that no test runs", "why", content["docs"], "left_out"),
    ]


def _summary(content: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    rows: list[tuple[str, str, str, Callable[[Any], str]]] = [
        ("made-up files, and what they broke", "fuzz", "fuzz", _fuzzed),
        (
            "writes broken off, and files left half written",
            "faults",
            "fault_files",
            lambda found: f"{found['cases']} cases, {found['corrupt']} corrupt",
        ),
        (
            "changes to the numerical cores and the verifier that a test notices",
            "mutation",
            "mutation",
            _noticed,
        ),
        ("statements that the fast tests run", "coverage", "coverage", lambda share: f"{share:.1%}"),
        ("blocks of code on the pages that a test runs", "docs", "docs", _executed),
        (
            "links between the pages",
            "docs",
            "docs",
            lambda found: f"{found['links']}, {found['broken']} of them broken",
        ),
    ]
    for what, target, part, text in rows:
        yield what, f"`make {target}`", text(content[part]) if content[part] else _MISSING
    if seen := content["browser"]:
        widths = " and ".join(str(width) for width in seen["widths"])
        figure = f"{seen['pages']} pages at {widths} pixels, {seen['wrong']} not in order"
        yield "pages in a browser", "`benchmarks/browser_docs.py`", figure


def _fuzzed(rows: Sequence[Mapping[str, Any]]) -> str:
    inputs, crashes = sum(row["inputs"] for row in rows), sum(row["crashes"] for row in rows)
    return f"{inputs:,} inputs to {len(rows)} readers, {crashes} findings"


def _noticed(mutation: Mapping[str, Any]) -> str:
    untried = mutation.get("not checked", 0)
    return f"{mutation['score']:.1%} of {mutation['mutants']:,}" + (f" ({untried:,} more not tried)" if untried else "")


def _executed(docs: Mapping[str, Any]) -> str:
    failed = f"; {len(docs['failed'])} tests failed" if docs["failed"] else ""
    return f"{docs['executed']} of {docs['blocks']}, {len(docs['shortened'])} of them with a shortened command{failed}"


def _mutants(mutation: Mapping[str, Any] | None) -> list[str]:
    if mutation is None:
        return []
    rows = [
        (
            f"`{name}`",
            f"{row['mutants']}",
            f"{row['score']:.1%}" if row["mutants"] else "none tried",
            f"{row.get('survived', 0)}",
            f"{row.get('no tests', 0)}",
        )
        for name, row in mutation["files"].items()
    ]
    return [
        "",
        "## Mutants by file",
        "",
        "They are drawn at random, and of each 500 that are drawn those with fast tests are tried first.",
        "",
        *table(("file", "mutants", "noticed", "survived", "reached by no test"), rows),
    ]


def _house(house: Mapping[str, Any] | None) -> list[str]:
    if not house:
        return []
    kept = [house[when] for when in ("before", "after") if when in house]

    def longest(part: str, what: str) -> Callable[[Any], str]:
        return lambda found: f"{found[part][what]['lines']} (`{found[part][what]['name']}`)"

    def counted(part: str, what: str) -> Callable[[Any], str]:
        return lambda found: f"{found[part][what]:,}"

    def covered(package: str) -> Callable[[Any], str]:
        return lambda found: f"{found['run']['packages'][package]:.1%}"

    rows: list[tuple[str, Callable[[Any], str]]] = [
        ("Python files of the packages", counted("packages", "files")),
        ("their lines", counted("packages", "lines")),
        ("lines of the longest file", longest("packages", "longest_file")),
        ("lines of the longest function", longest("packages", "longest_function")),
        ("passages of six and more lines that stand twice", lambda found: str(found["duplicates"])),
        ("test files", counted("tests", "files")),
        ("their lines", counted("tests", "lines")),
        ("lines of the longest test file", longest("tests", "longest_file")),
    ]
    if all(found["run"] for found in kept):
        rows += [
            ("tests, one for each set of parameters", counted("run", "tests")),
            ("tests that fail", counted("run", "failed")),
            ("seconds that they take, under coverage", counted("run", "seconds")),
            ("statements that they run", lambda found: f"{found['run']['coverage']:.1%}"),
        ]
        rows += [
            (f"statements of {package} that they run", covered(package)) for package in kept[-1]["run"]["packages"]
        ]
    cells = [(what, *(text(found) for found in kept)) for what, text in rows]
    return ["", "## The tree", "", *table(("what", *(f"at `{found['commit']}`" for found in kept)), cells)]


def _readers(fuzz: Sequence[Mapping[str, Any]], kept: int) -> list[str]:
    if not fuzz:
        return []
    return [
        "## Readers",
        "",
        f"A reader's run ends at a finding. The {kept} inputs that earlier runs found are in `tests/fuzz/seeds`, where",
        "the tests read them again.",
        "",
        *table(("reader", "inputs", "findings"), [(r["target"], f"{r['inputs']:,}", str(r["crashes"])) for r in fuzz]),
    ]


def _blocks(title: str, head: str, docs: Mapping[str, Any] | None, kind: str) -> list[str]:
    if docs is None or not docs[kind]:
        return []
    return [f"## {title}", "", *table(("block", head), list(docs[kind].items()))]
