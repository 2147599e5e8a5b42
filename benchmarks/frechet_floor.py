"""How far real images are from real images: what of a Frechet distance is due to the number of images alone.

    python benchmarks/frechet_floor.py [--sizes 2500 5000 10000 25000] [--overrides dataset=... dataset.root=DATA ...]

Two disjoint random sets of training images of each size are compared, and one of them with the test images, in the
features of classifier and judge. Both sets are of one distribution: what is between them is the sampling's. Where the
overrides are of a training with a guide (experiment=record), as many of the images that it selects are compared,
too, of every class alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from evaluation.inference import predict
from evaluation.metrics.frechet import frechet_distance, gaussian_statistics
from evaluation.sampling import balanced_indices
from gan.training import learnt_images
from search.configured import configured
from search.guide import recipe_guide
from search.session import train_judges
from zk.benchmark.report.text import NOTHING, number, table


def main() -> None:
    """Print a row for each size and network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_500, 5_000, 10_000, 25_000])
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    given = parser.parse_args()
    session = configured(["dataset=cifar10_parquet", *given.overrides], Path("mlruns/frechet-floor"))
    dataset, judges = session.dataset, train_judges(session.settings, session.dataset)
    if 2 * max(given.sizes) > len(dataset.train):
        parser.error(f"sizes must be at most {len(dataset.train) // 2}, half of the training images")
    order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(0))
    recipe = session.settings.recipe
    guide = recipe_guide(recipe, dataset, device=torch.device("cpu"), cache=session.settings.cache_folder, say=print)
    kept = None if guide is None else learnt_images(dataset.train, recipe, guide)
    rows = []
    for name, network in (("classifier", judges.classifier), ("judge", judges.judge)):
        train = predict(network.module, dataset.train.images).features
        test = gaussian_statistics(predict(network.module, dataset.test.images).features)
        learnt = None if kept is None else predict(network.module, kept.images).features
        for size in given.sizes:
            first, second = (gaussian_statistics(train[order[at : at + size]]) for at in (0, size))
            distances: list[float | None] = [frechet_distance(first, second), frechet_distance(first, test)]
            if kept is not None and learnt is not None:
                drawn = balanced_indices(kept.labels, dataset.num_classes, size, seed=0)
                enough = len(drawn) == size
                distances.append(frechet_distance(gaussian_statistics(learnt[drawn]), test) if enough else None)
            figures = [NOTHING if distance is None else number(distance) for distance in distances]
            rows.append((name, f"{train.shape[1]:,}", f"{size:,}", *figures))
    tests = f"{len(dataset.test):,} test images"
    heads = ["features of", "how many", "images", "training images, disjoint", f"training against {tests}"]
    heads += [] if kept is None else [f"selected {recipe.selected_share:.0%} against {tests}"]
    print("\n".join(table(heads, rows)))


if __name__ == "__main__":
    main()
