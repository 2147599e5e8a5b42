"""``python -m search.reproduce run=ID``: a trial rebuilt from its MLflow record, and how near it comes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from search.problems import problem_in
from search.reproduce.comparison import EXACT
from search.reproduce.report import Reproduction
from search.reproduce.request import PLACES, read_request
from search.reproduce.run import DEFAULT_FOLDER, REPORT_NAME, reproduce

HELP = f"""\
Rebuilds a trial from its MLflow record and compares every figure with the recorded one.

  python -m search.reproduce run=ID [options]
  python -m search.reproduce study=NAME trial=N [options]

Options
  uri=URL          of the record; default: tracking.uri of conf/config.yaml
  how=HOW          load: take the recorded weights (default); retrain: train again from spec, recipe, budget and seed
  proof=BOOL       prove again; default: true if the record has a proof that counts
  samples=N        generated images per score; default: the recorded number, another one needs tolerance=
  tolerance=X      greatest difference, times the recorded figure where that is above 1; default {EXACT:g}
  out=FOLDER       receives {REPORT_NAME}, the generator, its circuit and its proof; default {DEFAULT_FOLDER}/ID
  {", ".join(f"{place}=" for place in PLACES)}
                   where these lie now; default of the first three: where they lay, of the others: as conf/config.yaml
                   says, since a record chooses no folder in which something is written

Commit, package versions, machine, threads, device and scoring networks that differ are stated, not refused; other data
are refused. A budget in seconds is replaced by the steps that it bought. The recorded configuration can name the
project's own builders only, and those that the environment variable ZKGAN_BUILDERS allows.

Exit status: 0 if everything recorded that was asked for is within the tolerance, 1 if not, 2 if it could not be tried.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Reproduce the trial that the arguments name; gives the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(argument in ("-h", "--help") for argument in given):
        print(HELP, end="")
        return 0
    found: list[Reproduction] = []
    if problem := problem_in(lambda: found.append(reproduce(read_request(given)))):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0 if found[0].reproduced else 1


if __name__ == "__main__":
    sys.exit(main())
