"""Candidates that a study begins with: published generators, and the fronts of other studies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml

from gan.errors import SpecError
from gan.spec import GeneratorSpec
from search.endings import stored_record
from search.errors import ConfigError
from search.space import First, SearchSpace, build_fixed_space
from search.study import front_trials

SEED = "seed"
"""Attribute of a trial that was queued to begin with: where it is from."""


@dataclass(frozen=True)
class SeedCandidate:
    """A generator that is known to be worth a trial.

    Attributes:
        source: where it is from, for people.
        spec: the generator.
        recipe: fields of the training recipe that it was trained with, as far as they are known.
    """

    source: str
    spec: GeneratorSpec
    recipe: Mapping[str, Any]


def front_seeds(study: optuna.Study) -> list[SeedCandidate]:
    """Return the front of ``study``, best first objective first."""
    found = []
    for trial in front_trials(study):
        if (record := stored_record(trial)) is not None:
            spec = GeneratorSpec.from_mapping(record["spec"])
            recipe = {name.removeprefix("recipe."): value for name, value in trial.params.items()
                      if name.startswith("recipe.")}  # fmt: skip
            found.append(SeedCandidate(f"trial {trial.number} of {study.study_name}", spec, recipe))
    return found


def published_seeds(configurations: Path, *, num_classes: int, image_size: int) -> list[SeedCandidate]:
    """Return the generators of the four published tiers, from ``experiment/tierN/*.yaml`` below ``configurations``.

    Those that cannot make images of that size are left out.
    """
    found = []
    for path in sorted(configurations.glob("experiment/tier[0-9]/*.yaml")):
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))["search_space"]["spec"]
        try:
            spec = build_fixed_space(fields).suggest_spec(First(), num_classes=num_classes, image_size=image_size)
        except SpecError:
            continue
        found.append(SeedCandidate(f"published {path.stem}", spec, {}))
    return found


def enqueue_seeds(study: optuna.Study, space: SearchSpace, seeds: Iterable[SeedCandidate]) -> tuple[int, list[str]]:
    """Queue those of ``seeds`` that ``space`` can draw, each once over all sessions.

    Gives the number queued now, and a sentence for each seed that the space cannot draw.
    """
    known = {trial.user_attrs.get(SEED) for trial in study.get_trials(deepcopy=False)}
    queued, outside = 0, []
    for seed in seeds:
        try:
            parameters = space.parameters_of(seed.spec, seed.recipe)
        except ConfigError as error:
            outside.append(f"{seed.source} is left out: {error}")
            continue
        if seed.source not in known:
            study.enqueue_trial(parameters, user_attrs={SEED: seed.source})
            known.add(seed.source)
            queued += 1
    return queued, outside
