"""How hard the project is to break, in figures: each part is counted by a command of its own, then put together.

    python benchmarks/hardening.py docs         links of the documentation, and its blocks of code by their tests
    python benchmarks/hardening.py mutation     what `mutmut run` left in mutants/
    python benchmarks/hardening.py page         all parts, into docs/results/hardening.{json,md}

Parts are kept in mlruns/hardening; tests/fuzz/drive.py, tests/faults/drive.py and benchmarks/house.py write theirs
there, too. The targets ``fuzz``, ``faults``, ``mutation``, ``coverage`` and ``docs`` of the Makefile run the tools
first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "mlruns" / "hardening"
RESULTS = ROOT / "docs" / "results"
sys.path.insert(0, str(ROOT))

from hardening_page import page_lines  # noqa: E402

from atomic_files import write_text  # noqa: E402  # of this checkout
from tests.pages import HOWTO, PAGES, blocks, links, name_of  # noqa: E402

_DOCS_TESTS = ("tests/test_docs.py", "tests/test_howto.py", "tests/test_commands.py")


def count_docs() -> dict[str, Any]:
    """Run the documentation's tests; a block is executed if its test passed, and left out if that was skipped."""
    report = PARTS / "docs.xml"
    PARTS.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", *_DOCS_TESTS, "-m", "slow or not slow"]
    command += ["-o", "junit_family=xunit1", f"--junitxml={report}"]  # the family that has properties
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    passed, left_out, shortened, failed = set[str](), dict[str, str](), dict[str, str](), list[str]()
    for case in ElementTree.parse(report).iter("testcase"):
        test, _, block = case.attrib["name"].partition("[")
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(case.attrib["name"])
        elif skipped is not None:
            left_out[block.removesuffix("]")] = skipped.attrib.get("message", "")
        else:
            notes = [found.attrib["value"] for found in case.iter("property") if found.attrib["name"] == "shortened"]
            shortened.update((block.removesuffix("]"), note) for note in notes if note)
            passed.add(test if test == "test_the_blocks_of_a_section_run" else block.removesuffix("]"))
    if any(name.startswith("test_the_blocks_of_a_section_run") for name in failed):
        passed.discard("test_the_blocks_of_a_section_run")  # its sections build on each other
    code = [block for page in PAGES for block in blocks(page)]
    howto = name_of(HOWTO)
    executed = [b for b in code if ("test_the_blocks_of_a_section_run" if b.page == howto else str(b)) in passed]
    whole = [leads for page in PAGES for _, leads in links(page)]
    return {
        "blocks": len(code),
        "executed": len(executed),
        "links": len(whole),
        "broken": whole.count(False),
        "shortened": shortened,
        "left_out": left_out,
        "failed": failed,
        "status": status,
    }


def count_mutants() -> dict[str, Any]:
    """Count what became of each file's mutants; the score is the share of the tried ones that a test noticed."""
    from mutmut.stats import status_by_exit_code

    files: dict[str, dict[str, int]] = {}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]["only_mutate"]
    for path in sorted((ROOT / "mutants").rglob("*.meta")):
        name = path.relative_to(ROOT / "mutants").as_posix().removesuffix(".meta")
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].values()
        if codes and any(fnmatch(name, pattern) for pattern in wanted):
            # A mutant that was killed from outside, as for memory, says nothing.
            files[name] = Counter("not checked" if code == -9 else status_by_exit_code[code] for code in codes)
    total = sum((Counter(counts) for counts in files.values()), start=Counter[str]())
    return {**_counted(total), "files": {name: _counted(counts) for name, counts in files.items()}}


def _counted(counts: Mapping[str, int]) -> dict[str, Any]:
    noticed = sum(counts.get(status, 0) for status in ("killed", "timeout", "segfault", "caught by type check"))
    tried = sum(counts.values()) - counts.get("not checked", 0)
    return {"mutants": tried, "score": round(noticed / tried, 4) if tried else 0.0, **counts}


def write_page() -> None:
    """Put the parts that were counted together; a part that was not is null there, and the page says so."""

    def part(name: str) -> Any:
        path = PARTS / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    fuzz, faults, house = part("fuzz") or [], part("fault_files"), part("house")
    content = {
        "fuzz": [{key: row[key] for key in ("target", "inputs", "crashes")} for row in fuzz],
        "fuzz_findings_kept": sum(path.is_file() for path in (ROOT / "tests" / "fuzz" / "seeds").glob("*/*")),
        "fault_files": None if faults is None else {key: faults[key] for key in ("cases", "corrupt")},
        "mutation": part("mutation"),
        "coverage": None if not (house and house["after"]["run"]) else house["after"]["run"]["coverage"],
        "docs": part("docs"),
        "browser": part("browser"),
        "house": house,
    }
    write_text(RESULTS / "hardening.json", json.dumps(content, indent=1) + "\n")
    write_text(RESULTS / "hardening.md", "\n".join(page_lines(content)).rstrip() + "\n")


COUNTS: dict[str, Callable[[], dict[str, Any]]] = {
    "docs": count_docs,
    "mutation": count_mutants,
}


def main() -> int:
    """Count one part, or write the page; exit status 1 where the documentation has a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*COUNTS, "page"])
    part = parser.parse_args().part
    if part == "page":
        write_page()
        print(RESULTS / "hardening.md")
        return 0
    found = COUNTS[part]()
    write_text(PARTS / f"{part}.json", json.dumps(found, indent=1) + "\n")
    for name, row in found.pop("files", {}).items():
        print(f"{name:<40} {row['mutants']:>5} mutants {row['score']:>7.1%}")
    print(json.dumps(found, indent=1))
    return int(bool(found.get("status") or found.get("broken")))


if __name__ == "__main__":
    sys.exit(main())
