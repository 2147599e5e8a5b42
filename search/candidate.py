"""One point of the search: what is built and how it is trained."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from gan.digest import json_digest
from gan.errors import GanError
from gan.spec import GeneratorSpec
from gan.training import Distillation, Progressive, TrainingBudget, TrainingRecipe, WeightForm
from search.errors import RecordError

CANDIDATE_NAME = "candidate.json"
_RECIPE_PARTS = {"weight_form": WeightForm, "distillation": Distillation, "progressive": Progressive}


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
        """Return it as flat, named values for a record."""
        flat = {f"spec.{name}": value for name, value in asdict(self.spec).items()}
        flat |= {f"recipe.{name}": value for name, value in asdict(self.recipe).items()}
        flat |= {f"budget.{name}": value for name, value in asdict(self.budget).items() if value is not None}
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
            value = json.loads(text)
            recipe = {
                name: _RECIPE_PARTS[name](**part) if name in _RECIPE_PARTS and part is not None else part
                for name, part in value["recipe"].items()
            }
            spec, budget = GeneratorSpec.from_mapping(value["spec"]), TrainingBudget(**value["budget"])
            return cls(spec, TrainingRecipe(**recipe), budget, int(value["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError, GanError) as error:
            raise RecordError(
                f"a candidate must be a JSON object with spec, recipe, budget and seed; got {text[:60]!r}: {error}"
            ) from error
