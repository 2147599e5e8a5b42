"""One point of the search: what is built and how it is trained."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from gan.digest import json_digest
from gan.errors import GanError
from gan.guide import EnergySettings, GuideSpec
from gan.spec import GeneratorSpec
from gan.training import Distillation, Progressive, TrainingBudget, TrainingRecipe, WeightForm
from json_files import parse_json
from search.errors import RecordError
from search.labels import parameters_of

CANDIDATE_NAME = "candidate.json"
_OF_DATASET = ("spec.image_channels", "spec.image_size", "spec.num_classes")
_RECIPE_PARTS = {
    "weight_form": WeightForm,
    "distillation": Distillation,
    "progressive": Progressive,
    "guide": GuideSpec,
    "energy": EnergySettings,
}


@dataclass(frozen=True)
class Candidate:
    """A generator spec with its training: equal ones give equal generators on one dataset, budgets in seconds aside.

    Attributes:
        spec: the generator.
        recipe: how it is trained.
        budget: for how long.
        seed: seed of its weights and of every random stream of its training.
    """

    spec: GeneratorSpec
    recipe: TrainingRecipe
    budget: TrainingBudget
    seed: int

    @cached_property
    def digest(self) -> str:
        """sha256 of everything in it."""
        parts = {"spec": self.spec.form, "recipe": self.recipe.form, "budget": asdict(self.budget), "seed": self.seed}
        return json_digest(parts)

    def parameters(self) -> dict[str, Any]:
        """Return it as flat, named values for a record, but for what the dataset decides."""
        flat = parameters_of("spec", self.spec) | parameters_of("recipe", self.recipe)
        flat |= parameters_of("budget", self.budget)
        flat = {name: value for name, value in flat.items() if name not in _OF_DATASET}
        return flat | {"seed": self.seed, "spec_digest": self.spec.digest, "recipe_digest": self.recipe.digest}

    def to_json(self) -> str:
        """Return it as JSON, every field named."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Candidate:
        """Read a candidate back from :meth:`to_json`; one that was written before a field existed has its default.

        Raises:
            RecordError: the text is no candidate of this version.
        """
        try:
            value = parse_json(text)
            recipe = {
                name: _RECIPE_PARTS[name](**part) if name in _RECIPE_PARTS and part is not None else part
                for name, part in value["recipe"].items()
            }
            recipe["more_guides"] = tuple(GuideSpec(**part) for part in recipe.get("more_guides", ()))
            spec, budget = GeneratorSpec.from_mapping(value["spec"]), TrainingBudget(**value["budget"])
            return cls(spec, TrainingRecipe(**recipe), budget, int(value["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, GanError) as error:
            raise RecordError(
                f"a candidate must be a JSON object with spec, recipe, budget and seed; got {text[:60]!r}: {error}"
            ) from error
