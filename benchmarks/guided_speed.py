"""What several guides, and what is where in their maps, cost a training in images a second.

    python benchmarks/guided_speed.py [--steps 64] [--overrides dataset.root=DATA ...]

Every variant trains the generator of ``experiment=record`` from random weights, one after the other in one process; the
guides come from the cache, or are trained first. Ratios of one run on a quiet machine are what counts.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from gan.guide import GuideSpec
from gan.training import TrainingRecipe
from gan.training.hardware import trains_in_bf16
from gan.training.memory import keep_freed_memory
from gan.training.state import build_state
from gan.training.step import train_step
from search.configured import configured
from search.guide import recipe_guide
from search.space import First

WARM_UP = 32
"""Steps before the clock starts: the memory of generated images fills, and the first decomposition is made."""
STRONG = GuideSpec(widths=(96, 192, 384), epochs=24)


def variants(recipe: TrainingRecipe) -> dict[str, TrainingRecipe]:
    """Name the recipes to compare; the second guide is the one of ``recipe``, the third its like."""
    assert recipe.guide is not None
    assert recipe.energy is not None
    one = replace(recipe, guide=STRONG, energy=replace(recipe.energy, moments=1.0))
    assert one.energy is not None
    fast = replace(one.energy, bf16=True)
    two = replace(one, more_guides=(recipe.guide,), energy=fast)
    several = replace(fast, projections=256, real_images=500)
    three = replace(two, more_guides=(*two.more_guides, replace(recipe.guide, seed=6)))
    return {
        "one guide, float32": one,
        "one guide, bfloat16": replace(one, energy=fast),
        "two guides, bfloat16": two,
        "two guides, bfloat16, 256 projections": replace(two, energy=several),
        "two of three guides, bfloat16, 256 projections": replace(three, energy=replace(several, guides_per_step=2)),
        "three guides, bfloat16, 256 projections": replace(three, energy=several),
    }


def main() -> None:
    """Print a row for each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    given = parser.parse_args()
    session = configured(["experiment=record", *given.overrides], Path("mlruns/guided-speed"))
    settings, device = session.settings, torch.device("cpu")
    shape = {"num_classes": session.dataset.num_classes, "image_size": session.dataset.image_size}
    spec = settings.space.suggest_spec(First(), **shape)
    keep_freed_memory()
    first = None
    print("| guides | images a second | of the first |\n| --- | ---: | ---: |")
    for name, recipe in variants(settings.recipe).items():
        guide = recipe_guide(recipe, session.dataset, device=device, cache=settings.cache_folder)
        state = build_state(spec, recipe, session.dataset, seed=0, device=device, guide=guide)
        bf16 = trains_in_bf16(recipe, device)
        for _ in range(WARM_UP):
            train_step(state, recipe, bf16=bf16)
        started = time.perf_counter()
        for _ in range(given.steps):
            train_step(state, recipe, bf16=bf16)
        rate = given.steps * recipe.batch_size / (time.perf_counter() - started)
        first = first or rate
        print(f"| {name} | {rate:.0f} | {rate / first:.2f} |", flush=True)


if __name__ == "__main__":
    main()
