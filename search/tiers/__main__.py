"""``python -m search.tiers report``: the page about the published experiments, from their studies."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from search.errors import SearchError
from search.stored import DEFAULT_STORAGE
from search.tiers.alternatives import read_alternatives
from search.tiers.arithmetic import read_roundings, read_weight_forms
from search.tiers.collect import read_trials, tier_rows
from search.tiers.files import read_rows
from search.tiers.limits import file_ladder, read_filed_ladder, read_ladder, read_machine
from search.tiers.page import Evidence, write_page
from search.tiers.published import published_experiments
from search.tiers.row import TierRow
from zk.errors import ZkError

LADDER = Path("mlruns/studies/compile-ladder")
RESULTS = Path("docs/results")
STEM = Path("docs/results/tiers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and print the paths of its files; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m search.tiers", description=__doc__)
    parser.add_argument("command", choices=["report"], help="what to do")
    parser.add_argument("--storage", default=DEFAULT_STORAGE, help="Optuna's storage of the studies")
    parser.add_argument("--out", type=Path, default=STEM, help="path of the page, without ending")
    parser.add_argument("--ladder", type=Path, default=LADDER, help="folder of experiment=compile_ladder")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of what the benchmarks wrote")
    parser.add_argument("--fresh", action="store_true", help="leave out rows that only an earlier page has")
    given = parser.parse_args(arguments)
    ladder = given.out.with_name(f"{given.out.name}-ladder.json")
    try:
        filed = [] if given.fresh else read_rows(given.out.with_suffix(".json"), {"id", "regime"}, "this command")
        rungs, measured_on = read_ladder(given.ladder), read_machine(given.ladder)
        if not rungs and not given.fresh:
            rungs, measured_on = read_filed_ladder(ladder)
        evidence = Evidence(
            rows=tier_rows(
                published_experiments(), read_trials(given.storage), [TierRow.from_json(row) for row in filed]
            ),
            ladder=rungs,
            measured_on=measured_on,
            alternatives=read_alternatives(given.results / "alternatives.json"),
            roundings=read_roundings(given.results / "rounding.json"),
            weight_forms=read_weight_forms(given.results / "weight-forms.json"),
        )
        paths = write_page(evidence, given.out)
        if rungs:
            paths.append(file_ladder(rungs, measured_on, ladder))
    except (SearchError, ZkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(str(path) for path in paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
