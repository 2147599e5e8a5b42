"""The guide of a recipe, from the cache or trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from gan.data import ImageDataset
from gan.guide import Guide, GuideSpec, load_or_train_guide
from gan.training import TrainingRecipe
from search.shipped_guides import SHIPPED_GUIDES, shipped_guide

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
    """Load the guides that ``recipe`` asks for, or train them; None where it has none.

    One that came with the project is taken before one in ``cache / "guides"``: all machines then learn from the same.

    Raises:
        RecordError: a file that came with the project is damaged.
    """
    if recipe.guide is None:
        return None

    def found(spec: GuideSpec) -> Guide:
        started = time.monotonic()
        guide = shipped_guide(spec, dataset, device=device, folder=SHIPPED_GUIDES) or load_or_train_guide(
            spec,
            dataset,
            device=device,
            cache_dir=None if cache is None else cache / GUIDES,
            progress=lambda epoch, loss: say(
                f"guide: epoch {epoch} of {spec.epochs}, loss {loss:.3f}, {time.monotonic() - started:.0f} s"
            ),
        )
        say(
            f"guide of the training, which scores nothing: {100 * guide.accuracy:.1f}% of {len(dataset.test):,} real "
            f"test images, trained in {guide.train_seconds:.0f} s ({guide.digest[:12]})"
        )
        return guide

    return replace(found(recipe.guide), others=tuple(found(spec) for spec in recipe.more_guides))
