"""Try mutants in random order, so that those tried at any time stand for all.

    python benchmarks/mutation.py [--most 500] [--children 1]

mutmut (``[tool.mutmut]`` of pyproject.toml) makes the mutants of the numerical cores, of the audit and of the verifier
in mutants/, and keeps there what became of each; a later run goes on. By itself it would try the cheap ones first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST = "gan.losses.*"
"""A few that are cheap: whatever mutmut is asked to run, it makes the mutants of all files first."""
PART = 500
"""Mutants between two looks at the unchanged code, which take two minutes."""


def run(names: Sequence[str], children: int) -> None:
    """Try the mutants called ``names``, with one thread each."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(children), *names]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)


def untried() -> list[str]:
    """Names of the mutants that nothing is known of, in the order of their files."""
    found = list[str]()
    for path in sorted((ROOT / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        found += [name for name, code in codes.items() if code is None]
    return found


def main() -> None:
    """Try as many as asked for of those that are left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=500, help="mutants to try in this run")
    parser.add_argument("--children", type=int, default=1, help="how many at a time")
    given = parser.parse_args()
    run([FIRST], given.children)
    names = untried()
    random.Random(0).shuffle(names)
    wanted = names[: given.most]
    for start in range(0, len(wanted), PART):
        run(wanted[start : start + PART], given.children)
    print(f"{len(untried())} mutants are left")


if __name__ == "__main__":
    main()
