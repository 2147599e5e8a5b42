"""The page of ``benchmarks/hardening.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zk.benchmark.report.text import table

_MISSING = "not counted yet"


def page_lines(content: Mapping[str, Any]) -> list[str]:
    """Lay out what ``docs/results/hardening.json`` holds."""
    return [
        "# Hardening, measured",
        "",
        "Each figure is printed by the command beside it; `python benchmarks/hardening.py page` puts them together,",
        "here and in `docs/results/hardening.json`.",
        "",
        *table(("what", "command", "figure"), _summary(content)),
        *_mutants(content["mutation"]),
        *_coverage(content["coverage_by_package"]),
        *_readers(content["fuzz"]),
        *_blocks("Blocks with a shortened command", "what is not tried", content["docs"], "shortened"),
        *_blocks("Blocks that no test runs", "why", content["docs"], "left_out"),
    ]


def _summary(content: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    fuzz, faults, mutation = content["fuzz"], content["fault_files"], content["mutation"]
    coverage, docs = content["coverage"], content["docs"]
    inputs, crashes = sum(row["inputs"] for row in fuzz), sum(row["crashes"] for row in fuzz)
    made_up = f"{inputs:,} inputs to {len(fuzz)} readers, {crashes} findings" if fuzz else _MISSING
    yield "made-up files, and what they broke", "`make fuzz`", made_up
    broken_off = _MISSING if faults is None else f"{faults['cases']} cases, {faults['corrupt']} corrupt"
    yield "writes broken off, and files left half written", "`make faults`", broken_off
    noticed = _MISSING
    if mutation is not None:
        noticed = f"{mutation['score']:.1%} of {mutation['mutants']:,}"
        if untried := mutation.get("not checked", 0):
            noticed += f" ({untried:,} more were not tried)"
    yield "changes to the numerical cores and the verifier that a test notices", "`make mutation`", noticed
    share = _MISSING if coverage is None else f"{coverage:.1%}"
    yield "statements that the fast tests run", "`make coverage`", share
    ran = _MISSING
    if docs is not None:
        ran = f"{docs['executed']} of {docs['blocks']}, {len(docs['shortened'])} of them with a shortened command"
        if docs["failed"]:
            ran += f"; {len(docs['failed'])} tests failed"
    yield "blocks of code on the pages that a test runs", "`make docs`", ran
    whole = _MISSING if docs is None else f"{docs['links']}, {docs['broken']} of them broken"
    yield "links between the pages", "`make docs`", whole


def _mutants(mutation: Mapping[str, Any] | None) -> list[str]:
    if mutation is None:
        return []
    rows = [
        (
            f"`{name}`",
            f"{row['mutants']}",
            f"{row['score']:.1%}",
            f"{row.get('survived', 0)}",
            f"{row.get('no tests', 0)}",
        )
        for name, row in mutation["files"].items()
    ]
    return [
        "",
        "## Mutants by file",
        "",
        *table(("file", "mutants", "noticed", "survived", "reached by no test"), rows),
    ]


def _coverage(packages: Mapping[str, float] | None) -> list[str]:
    if not packages:
        return []
    rows = [(name, f"{share:.1%}") for name, share in packages.items()]
    return ["## Coverage by package", "", *table(("package", "statements run"), rows)]


def _readers(fuzz: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = [(row["target"], f"{row['inputs']:,}", str(row["crashes"])) for row in fuzz]
    return ["## Readers", "", *table(("reader", "inputs", "findings"), rows)] if rows else []


def _blocks(title: str, head: str, docs: Mapping[str, Any] | None, kind: str) -> list[str]:
    if docs is None or not docs[kind]:
        return []
    return [f"## {title}", "", *table(("block", head), list(docs[kind].items()))]
