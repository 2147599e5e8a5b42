"""The images that a recipe learns from."""

from __future__ import annotations

from gan.data import Split
from gan.guide import Guide, selected
from gan.training.recipe import TrainingRecipe


def learnt_images(split: Split, recipe: TrainingRecipe, guide: Guide | None) -> Split:
    """Give those of the training images that ``guide`` keeps for ``recipe``, in their order; all without a guide."""
    if guide is None:
        return split
    margins = guide.common_margins if recipe.selected_by_all else guide.margins
    return selected(split, margins, recipe.selected_share, evenly=recipe.selected_evenly)
