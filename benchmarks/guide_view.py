"""What a guide still sees between a model's images and those that it was to be like.

    python benchmarks/guide_view.py [--model record] [--overrides experiment=record dataset.root=DATA ...]

Frechet distances of 10,000 images each, in the evened-out features in which the energy distance of the training is
taken: two disjoint sets of the selected training images, and the generator's images (in float) against one of them.
Where the two are alike, the guide has nothing left to teach.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from evaluation.metrics.frechet import frechet_distance, gaussian_statistics
from evaluation.sampling import balanced_indices, balanced_labels
from gan.data import to_signed_unit
from gan.guide import EnergyDistance
from gan.training import learnt_images
from search.configured import configured
from search.guide import recipe_guide
from search.objective import sampler_for
from search.released.model import read_released

IMAGES, PART = 10_000, 500


def main() -> None:
    """Print both distances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="record")
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    given = parser.parse_args()
    session = configured(["experiment=record", *given.overrides], Path("mlruns/guide-view"))
    dataset, recipe = session.dataset, session.settings.recipe
    guide = recipe_guide(recipe, dataset, device=torch.device("cpu"), cache=session.settings.cache_folder, say=print)
    if guide is None or recipe.energy is None:
        parser.error("the configuration must be of a training with a guide and an energy distance")
    split = learnt_images(dataset.train, recipe, guide)
    energy = EnergyDistance(
        guide.network, split, num_classes=dataset.num_classes, settings=recipe.energy, mirrored=dataset.horizontal_flip
    )
    model = read_released(given.model)
    draw = sampler_for(model.spec, model.generator(), seed=0)
    labels = balanced_labels(IMAGES, dataset.num_classes)
    both = balanced_indices(split.labels, dataset.num_classes, 2 * IMAGES, seed=0)
    one = balanced_indices(split.labels, dataset.num_classes, IMAGES, seed=0)
    halves = (one, both[~torch.isin(both, one)])

    @torch.no_grad()
    def seen(parts: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat([energy.features(part) for part in parts])

    first, second = (
        gaussian_statistics(seen([to_signed_unit(split.images[part]) for part in torch.split(half, PART)]))
        for half in halves
    )
    rows = torch.arange(IMAGES)
    made = gaussian_statistics(seen([draw(labels[part], part) for part in torch.split(rows, PART)]))
    print(f"selected training images, disjoint sets: {frechet_distance(first, second):.4f}")
    print(f"images of {given.model} against one of them:  {frechet_distance(made, first):.4f}")


if __name__ == "__main__":
    main()
