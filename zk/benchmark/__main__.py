"""``python -m zk.benchmark report FOLDER``: the analysis page of the layer benchmark."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from zk.benchmark.report import write_report
from zk.errors import ZkError

DEFAULT_STEM = Path("docs/results/layer-benchmark")
"""Where the report goes, less the endings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; gives the exit status: 0, or 1 with the error on stderr."""
    parser = argparse.ArgumentParser(prog="python -m zk.benchmark", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS), help="what to do; each has its own --help")
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = COMMANDS[parser.parse_args(given[:1]).command]
    try:
        return command(given[1:])
    except (ZkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def report(arguments: Sequence[str]) -> int:
    """Write the analysis of measured rows and print the paths of its files."""
    parser = argparse.ArgumentParser(prog="python -m zk.benchmark report", description=report.__doc__)
    parser.add_argument(
        "folder", type=Path, help="has rows.json and machine.json; layer-scaling and so on may lie beside it"
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_STEM, help="path of the report, without ending")
    given = parser.parse_args(arguments)
    print("\n".join(str(path) for path in write_report(given.folder, given.out)))
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"report": report}
"""Subcommands by name; each takes the arguments after its name and gives the exit status."""


if __name__ == "__main__":
    sys.exit(main())
