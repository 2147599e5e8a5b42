"""One point of the search: what is built and how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gan.digest import json_digest
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe


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
        """Return it as flat, named values for a record."""
        flat = {f"spec.{name}": value for name, value in asdict(self.spec).items()}
        flat |= {f"recipe.{name}": value for name, value in asdict(self.recipe).items()}
        flat |= {f"budget.{name}": value for name, value in asdict(self.budget).items() if value is not None}
        return flat | {"seed": self.seed, "spec_digest": self.spec.digest}
