"""``python -m search.tiers report``: the page about the published experiments, from their studies."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from search.tiers.collect import read_trials, tier_rows
from search.tiers.page import write_page
from search.tiers.published import published_experiments

STORAGE = "sqlite:///mlruns/optuna.db"
STEM = Path("docs/results/tiers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and print the paths of its files; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m search.tiers", description=__doc__)
    parser.add_argument("command", choices=["report"], help="what to do")
    parser.add_argument("--storage", default=STORAGE, help="Optuna's storage of the studies")
    parser.add_argument("--out", type=Path, default=STEM, help="path of the page, without ending")
    given = parser.parse_args(arguments)
    rows = tier_rows(published_experiments(), read_trials(given.storage))
    print("\n".join(str(path) for path in write_page(rows, given.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
