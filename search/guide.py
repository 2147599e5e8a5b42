"""The guide of a recipe, from the cache or trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from gan.data import ImageDataset
from gan.guide import Guide, load_or_train_guide
from gan.training import TrainingRecipe

GUIDES = "guides"
"""Where they are kept, in the cache folder."""
GUIDE_WEIGHTS = "guide_weights"
"""What a trial's record calls the digest of its guide's weights."""


def _silent(_: str) -> None:
    return None


def recipe_guide(
    recipe: TrainingRecipe,
    dataset: ImageDataset,
    *,
    device: torch.device,
    cache: Path | None,
    say: Callable[[str], None] = _silent,
) -> Guide | None:
    """Load the guide that ``recipe`` asks for from ``cache / "guides"``, or train it; None where it asks for none."""
    if recipe.guide is None:
        return None
    epochs, started = recipe.guide.epochs, time.monotonic()
    guide = load_or_train_guide(
        recipe.guide,
        dataset,
        device=device,
        cache_dir=None if cache is None else cache / GUIDES,
        progress=lambda epoch, loss: say(
            f"guide: epoch {epoch} of {epochs}, loss {loss:.3f}, {time.monotonic() - started:.0f} s"
        ),
    )
    say(
        f"guide of the training, which scores nothing: {100 * guide.accuracy:.1f}% of {len(dataset.test):,} real test "
        f"images, trained in {guide.train_seconds:.0f} s ({guide.digest[:12]})"
    )
    return guide
