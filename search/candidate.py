"""One point of the search: what is built and how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gan.digest import json_digest
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe
from search.labels import parameters_of

_OF_DATASET = ("spec.image_channels", "spec.image_size", "spec.num_classes")


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

    @property
    def digest(self) -> str:
        """sha256 of everything in it."""
        parts = {"spec": self.spec.form, "recipe": self.recipe.form, "budget": asdict(self.budget), "seed": self.seed}
        return json_digest(parts)

    def parameters(self) -> dict[str, Any]:
        """Return it as flat, named values for a record, but for what the dataset decides."""
        flat = parameters_of("spec", self.spec) | parameters_of("recipe", self.recipe)
        flat |= parameters_of("budget", self.budget)
        flat = {name: value for name, value in flat.items() if name not in _OF_DATASET}
        return flat | {"seed": self.seed, "spec_digest": self.spec.digest}
