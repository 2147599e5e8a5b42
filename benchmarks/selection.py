"""What choosing the images to learn from costs in likeness, and gains in sureness of the class.

    python benchmarks/selection.py [--overrides experiment=record dataset.root=DATA ...]

For each share kept, with the same share of every class and with one margin for all: the accuracy of classifier and
judge on real test images chosen so (mean over the classes), and the Frechet distance of 10,000 training images chosen
so, as many of every class, from the test images. The images are chosen by the recipe's guide; no scoring network has a
say.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

import torch

from evaluation.inference import predict
from evaluation.metrics.accuracy import per_class_accuracy
from evaluation.metrics.frechet import frechet_distance, gaussian_statistics
from evaluation.sampling import balanced_indices
from gan.guide import selected
from gan.guide.train import guide_logits, label_margins
from search.configured import configured
from search.guide import recipe_guide
from search.session import train_judges
from zk.benchmark.report.text import number, percent, table

IMAGES = 10_000
SHARES = (1.0, 0.85, 0.8, 0.75, 0.7, 0.65)


def main() -> None:
    """Print a row for each share and way of choosing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    given = parser.parse_args()
    session = configured(["experiment=record", *given.overrides], Path("mlruns/selection"))
    settings, dataset = session.settings, session.dataset
    guide = recipe_guide(settings.recipe, dataset, device=torch.device("cpu"), cache=settings.cache_folder, say=print)
    if guide is None:
        parser.error("the configuration must be of a training with a guide")
    judges = train_judges(settings, dataset)
    networks = (judges.classifier.module, judges.judge.module)
    whole = [gaussian_statistics(predict(network, dataset.test.images).features) for network in networks]
    margins = label_margins(guide_logits(guide.network, dataset.test.images), dataset.test.labels)
    rows = []
    for evenly in (True, False):
        for share in SHARES[0 if evenly else 1 :]:
            seen = selected(dataset.test, margins, share, evenly=evenly)
            learnt = selected(dataset.train, guide.margins, share, evenly=evenly)
            drawn = learnt.images[balanced_indices(learnt.labels, dataset.num_classes, IMAGES, seed=0)]
            right = [
                mean(per_class_accuracy(predict(network, seen.images).labels, seen.labels, dataset.num_classes))
                for network in networks
            ]
            far = [
                frechet_distance(gaussian_statistics(predict(network, drawn).features), test)
                for network, test in zip(networks, whole, strict=True)
            ]
            kept = learnt.labels.bincount() / dataset.train.labels.bincount()
            spread = f"{percent(float(kept.min()))} to {percent(float(kept.max()))}"
            figures = [*(percent(value) for value in right), *(number(value) for value in far)]
            rows.append(["in each class" if evenly else "together", percent(share), spread, *figures])
    heads = ("ranked", "kept", "of a class", "accuracy", "judge", "Frechet distance", "by the judge")
    print("\n".join(table(heads, rows)))


if __name__ == "__main__":
    main()
