"""How large the tree is and how alike its parts are, now or at an earlier commit.

    python benchmarks/house.py [--revision COMMIT] [--tests] [--keep before|after]

Counts Python files, lines, the longest file and function of the packages and of their tests, and passages of six and
more lines that stand twice in the packages (Pylint's ``duplicate-code``, which leaves out imports, signatures, comments
and docstrings). ``--tests`` also runs the fast tests under coverage, about ten minutes on two cores. ``--keep`` puts
the figures into mlruns/hardening/house.json for ``python benchmarks/hardening.py page``. Needs ``.[dev,house]``.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "mlruns" / "hardening" / "house.json"
PACKAGES = ("search", "gan", "zk", "evaluation")
_ALIKE = ("--min-similarity-lines=6", *(f"--ignore-{what}=y" for what in ("imports", "signatures")))


def sizes(files: Iterable[Path], root: Path) -> dict[str, Any]:
    """Count files and lines, and name the longest file and function."""
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}
    lines = {name: text.count("\n") for name, text in texts.items()}
    functions = {
        f"{name}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for name, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return {
        "files": len(texts),
        "lines": sum(lines.values()),
        "functions": len(functions),
        "longest_file": _greatest(lines),
        "longest_function": _greatest(functions),
    }


def _greatest(lengths: dict[str, int]) -> dict[str, Any]:
    name = max(lengths, key=lambda key: lengths[key])
    return {"name": name, "lines": lengths[name]}


def passages_that_stand_twice(root: Path) -> int:
    """Count what Pylint finds alike in two places of the packages."""
    options = ("--disable=all", "--enable=duplicate-code", "--output-format=json2", *_ALIKE)
    command = [sys.executable, "-m", "pylint", *options, *PACKAGES, *(path.name for path in root.glob("*.py"))]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    try:
        return len(json.loads(found.stdout)["messages"])
    except json.JSONDecodeError as error:
        raise SystemExit(f"Pylint must print JSON; it printed {found.stdout[:99]!r}: {found.stderr[:500]}") from error


def tested(root: Path) -> dict[str, Any]:
    """Run the fast tests under coverage: how many, for how long, with how many failures, reaching which share."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = os.environ | {"PYTHONPATH": str(root), "COVERAGE_FILE": str(place / "coverage")}
        coverage = [sys.executable, "-m", "coverage"]
        settings = f"--rcfile={ROOT / 'pyproject.toml'}"
        pytest = ["-m", "pytest", "-n", "logical", "--dist", "loadfile", f"--junitxml={place / 't.xml'}"]
        subprocess.run([*coverage, "run", settings, *pytest], cwd=root, env=environment, check=False)
        subprocess.run([*coverage, "combine", "--quiet", settings], cwd=root, env=environment, check=True)
        report = [*coverage, "json", "--quiet", settings, "-o", str(place / "coverage.json")]
        subprocess.run(report, cwd=root, env=environment, check=True)
        content = json.loads((place / "coverage.json").read_text(encoding="utf-8"))
        suite = next(ElementTree.parse(place / "t.xml").iter("testsuite")).attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    return {
        "tests": int(suite["tests"]),
        "failed": failed,
        "seconds": round(float(suite["time"])),
        "coverage": round(content["totals"]["percent_covered"] / 100, 4),
        "packages": by_package(content["files"]),
    }


def by_package(files: Mapping[str, Any]) -> dict[str, float]:
    """Give the share of each package's statements that were run."""
    counts = {package: [0, 0] for package in PACKAGES}
    for name, file in files.items():
        counted = counts[name.partition("/")[0]]
        counted[0] += file["summary"]["covered_lines"]
        counted[1] += file["summary"]["num_statements"]
    return {package: round(covered / total, 4) for package, (covered, total) in counts.items() if total}


@contextmanager
def tree(revision: str | None) -> Iterator[Path]:
    """Give the tree as it is, or a copy of it at ``revision``, which does not outlast this."""
    if revision is None:
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        subprocess.run(["git", "-C", folder, "checkout", "--quiet", revision], check=True)
        yield Path(folder)


def measured(root: Path, *, tests: bool) -> dict[str, Any]:
    """Put the figures of one tree together."""
    packages = [path for package in PACKAGES for path in (root / package).rglob("*.py")] + list(root.glob("*.py"))
    return {
        "packages": sizes(packages, root),
        "tests": sizes((root / "tests").rglob("*.py"), root),
        "duplicates": passages_that_stand_twice(root),
        "run": tested(root) if tests else None,
    }


def main() -> int:
    """Measure one tree, print it and keep it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revision", help="a commit; the tree as it is without one")
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--keep", choices=("before", "after"))
    given = parser.parse_args()
    named = ["git", "rev-parse", "--short", given.revision or "HEAD"]
    commit = subprocess.run(named, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    with tree(given.revision) as root:
        found = {"commit": commit, **measured(root, tests=given.tests)}
    print(json.dumps(found, indent=1))
    if given.keep is not None:
        known = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps({**known, given.keep: found}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
