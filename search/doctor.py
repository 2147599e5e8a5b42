"""``python -m search.doctor``: what this machine has, what is missing, and how large a circuit it can prove.

Packages come first, looked at with the standard library: nothing else can be, where one of them is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from search.errors import ConfigError
from search.finding import Finding, State
from search.options import parse_options

PROJECT = "zkgan-search"
HELP = """\
Says what this machine has, what is missing, and how large a circuit it can prove.

  python -m search.doctor [dataset.root=FOLDER] [srs_folder=FOLDER]

  dataset.root=FOLDER  look for train.parquet and test.parquet there
  srs_folder=FOLDER    where reference strings are kept; default mlruns/srs

Exit status: 0 if `python -m search` can run here, 1 if something that it needs is missing, 2 if it was not understood.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at everything and print it; gives the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(argument in ("-h", "--help") for argument in given):
        print(HELP, end="")
        return 0
    try:
        options = parse_options(given, single=("dataset.root", "srs_folder"))
        if options.words:
            raise ConfigError(f"options are key=value; got {options.words[0]!r}")
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    root = options.one("dataset.root")
    found = list(package_findings())
    if not any(finding.state is State.BAD for finding in found):
        try:
            from search.diagnosis import diagnose  # here, because it imports the packages that may be missing
        except Exception as error:  # damaged packages raise whatever they meet
            found.append(Finding("imports", State.BAD, f"every package must load; {error!r}"))
        else:
            found += diagnose(Path(options.one("srs_folder") or "mlruns/srs"), None if root is None else Path(root))
    width = max(len(finding.name) for finding in found)
    for finding in found:
        print(f"{finding.state:<8} {finding.name:<{width}}  {finding.text}")
    return 1 if any(finding.state is State.BAD for finding in found) else 0


def package_findings() -> Iterable[Finding]:
    """Compare the installed versions with what the project asks for, extras aside."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        yield Finding("packaging", State.BAD, "it must be installed to compare versions")
        return
    try:
        wanted = [Requirement(text) for text in requires(PROJECT) or ()]
        yield Finding(PROJECT, State.GOOD, f"{version(PROJECT)} with Python {sys.version.split()[0]}")
    except (PackageNotFoundError, InvalidRequirement) as error:
        yield Finding(PROJECT, State.BAD, f"it must be installed (pip install -e .); {error}")
        return
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, State.BAD, f"{requirement.specifier} must be installed")
            continue
        good = requirement.specifier.contains(found, prereleases=True)
        text = found if good else f"must be {requirement.specifier}; found {found}"
        yield Finding(requirement.name, State.GOOD if good else State.BAD, text)


if __name__ == "__main__":
    sys.exit(main())
