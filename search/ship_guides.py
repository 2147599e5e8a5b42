"""``python -m search.ship_guides``: put the guides of a configuration's recipe among the files of the project."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from search.configured import configured
from search.errors import ConfigError
from search.guide import recipe_guide
from search.problems import problem_in
from search.shipped_guides import SHIPPED_GUIDES, ship_guide

HELP = """\
  python -m search.ship_guides dataset=cifar10_parquet dataset.root=FOLDER [OVERRIDES]
      Write the guides of training.recipe, trained where the cache has none, to models/guides, in half precision:
      whoever trains with the same guides and data has these then. OVERRIDES are those of python -m search:
      experiment=record_wide, for example.
"""


def main(arguments: Sequence[str] | None = None, *, folder: Path = SHIPPED_GUIDES) -> int:
    """Write the guides of a configuration to ``folder``; gives the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or any(argument in ("-h", "--help") for argument in given):
        print(HELP, end="")
        return 0 if given else 2

    def work() -> None:
        session = configured(given, Path("mlruns/sessions/guides"))
        settings, dataset = session.settings, session.dataset
        recipe = settings.recipe
        guide = recipe_guide(recipe, dataset, device=settings.device, cache=settings.cache_folder, say=print)
        if guide is None or recipe.guide is None:
            raise ConfigError("training.recipe must have a guide; this one has none; give training=guided, for example")
        for one, spec in zip((guide, *guide.others), (recipe.guide, *recipe.more_guides), strict=True):
            path = ship_guide(one, spec, dataset, folder)
            print(f"{path}: {path.stat().st_size:,} bytes")

    if problem := problem_in(work):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
