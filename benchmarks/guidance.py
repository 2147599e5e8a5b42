"""Compare trainings with and without a guide, one idea at a time, after equally many images; and what selection does.

    python benchmarks/guidance.py [FOLDER] [--out docs/results/guidance.json] [--only NAME ...]
        [--overrides experiment=record dataset.root=DATA ...]

Every variant trains the same generator from the same seed, and is scored in float. Trainings are kept in FOLDER and go
on there when interrupted; variants that are in the file already, by the same recipe, are not measured again. With
--only, two processes can share a folder and a file. `--images` and `--widths` say how long, and which generator.
`--real` scores real test images instead: those that the guide, which never saw them, finds easiest.
"""

from __future__ import annotations

import argparse
import fcntl
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from atomic_files import write_text
from evaluation import evaluate_sampler
from evaluation.inception import classifier_inception_score
from evaluation.inference import predict
from evaluation.metrics.accuracy import accuracy
from evaluation.metrics.diversity import intra_class_diversity
from evaluation.metrics.frechet import frechet_distance, gaussian_statistics
from evaluation.sampling import dequantize
from gan.guide import EnergySettings, GuideSpec, selected
from gan.guide.train import guide_logits, label_margins
from gan.training import TrainingBudget, TrainingRecipe, train_generator
from search.configured import Configured, configured
from search.guide import recipe_guide
from search.objective import sampler_for
from search.session import Judges, train_judges
from search.space import First
from zk.benchmark.report.text import number, percent, table

FIXED: dict[str, Any] = {
    "discriminator_widths": (48, 96, 192),
    "auxiliary_weight": 0.2,
    "ema_decay": 0.995,
    "decay_from": 0.5,
    "restarts": (),
    "selected_evenly": True,
    "more_guides": (),
}
"""What all variants share, whatever the configuration says of the record's own training."""
GUIDE, ENERGY = GuideSpec(), EnergySettings(weight=20.0)
MOMENTS = replace(ENERGY, moments=0.2)
NONE: dict[str, Any] = {"guide": None, "selected_share": 1.0, "energy": None}
BOTH: dict[str, Any] = {"guide": GUIDE, "selected_share": 0.7, "energy": ENERGY}
SHARES = (1.0, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
VARIANTS: dict[str, dict[str, Any]] = {
    "no guide": NONE,
    "selected images": {**BOTH, "energy": None},
    "energy distance": {**BOTH, "selected_share": 1.0},
    "both": BOTH,
    "both, 85 % selected": {**BOTH, "selected_share": 0.85},
    "both, weight 60": {**BOTH, "energy": replace(ENERGY, weight=60.0)},
    "both, class head 0.5": {**BOTH, "auxiliary_weight": 0.5},
    "both, moments 0.2": {**BOTH, "energy": MOMENTS},
    "both, moments 1": {**BOTH, "energy": replace(ENERGY, moments=1.0)},
    "both, moments 0.2, larger discriminator": {**BOTH, "energy": MOMENTS, "discriminator_widths": (64, 128, 256)},
    "no guide, class head 1": {**NONE, "auxiliary_weight": 1.0},
}


def main() -> None:
    """Measure every variant that is not there yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("mlruns/studies/guidance"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/guidance.json"))
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--images", type=int, default=64_000, help="real images shown in each training")
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 64, 32])
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    parser.add_argument("--real", action="store_true", help="score selected real images, and end")
    given = parser.parse_args()
    found = configured(given.overrides, given.folder)
    judges = train_judges(found.settings, found.dataset)
    if given.real:
        print("\n".join(real_lines(found, judges)))
        return
    for name in given.only:
        recipe = recipe_of(name, found)
        known = {(row["variant"], row["images"], tuple(row["widths"]), row["recipe"]) for row in read(given.out)}
        if (name, given.images, tuple(given.widths), recipe.digest) in known:
            continue
        row = measured(name, recipe, found, judges, given)
        add(given.out, row, given.folder / "rows.lock")
        print(f"{name}: {percent(row['accuracy'])}", flush=True)
    current = {recipe_of(name, found).digest for name in VARIANTS}
    print("\n".join(lines(read(given.out), current)))


def recipe_of(name: str, found: Configured) -> TrainingRecipe:
    """Return the recipe of a variant."""
    return replace(found.settings.recipe, **{**FIXED, **VARIANTS[name]})


def add(path: Path, row: dict[str, Any], lock: Path) -> None:
    """Add a row to the file, in which another process may be adding one, too."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_text(path, json.dumps([*read(path), row], indent=1) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows that are known, in the order of the variants."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    order = {name: place for place, name in enumerate(VARIANTS)}
    return sorted(rows, key=lambda row: order.get(row["variant"], len(order)))


def measured(
    name: str, recipe: TrainingRecipe, found: Configured, judges: Judges, given: argparse.Namespace
) -> dict[str, Any]:
    """Train and score one variant."""
    settings, dataset = found.settings, found.dataset
    spec = settings.space.suggest_spec(First(), num_classes=dataset.num_classes, image_size=dataset.image_size)
    spec = replace(spec, widths=tuple(given.widths))
    result = train_generator(
        spec,
        recipe,
        TrainingBudget(images=given.images),
        dataset,
        seed=settings.seed,
        device=settings.device,
        folder=given.folder / f"{recipe.digest[:12]}-{'-'.join(map(str, given.widths))}-{given.images}",
        intervals=settings.evaluation.intervals,
        guide=recipe_guide(recipe, dataset, device=settings.device, cache=settings.cache_folder, say=print),
    )
    scores = evaluate_sampler(
        sampler_for(spec, result.generator, seed=0),
        reference=judges.reference,
        classifier=judges.classifier,
        judge=judges.judge,
        samples=settings.evaluation.samples,
        seed=0,
    )
    return {
        "variant": name,
        "recipe": recipe.digest,
        "images": given.images,
        "images_trained": result.images,
        "train_seconds": round(result.seconds, 1),
        "threads": torch.get_num_threads(),
        "accuracy": scores.accuracy,
        "judge_accuracy": scores.judge_accuracy,
        "inception_score": scores.inception_score,
        "diversity": scores.diversity,
        "frechet": scores.frechet_distance,
        "samples": scores.samples,
        "classifier": judges.classifier.digest,
        "widths": list(given.widths),
    }


def real_lines(found: Configured, judges: Judges) -> list[str]:
    """Score the share of every class's test images with the greatest margins, and lay it out as a table."""
    settings, dataset = found.settings, found.dataset
    guide = recipe_guide(settings.recipe, dataset, device=settings.device, cache=settings.cache_folder, say=print)
    assert guide is not None, "the recipe must have a guide: --overrides experiment=record ..."
    images = dataset.test.images.to(settings.device)
    margins = label_margins(guide_logits(guide.network, images).cpu(), dataset.test.labels)
    networks = (judges.classifier.module, judges.judge.module)
    whole = [gaussian_statistics(predict(network, dataset.test.images).features) for network in networks]
    rows = []
    for share in SHARES:
        kept = selected(dataset.test, margins, share)
        seen = [predict(network, kept.images) for network in networks]
        right = [accuracy(part.labels, kept.labels) for part in seen]
        far = [
            frechet_distance(gaussian_statistics(part.features), all_) for part, all_ in zip(seen, whole, strict=True)
        ]
        inception = classifier_inception_score(networks[0], kept.images, seed=0).mean
        diversity = intra_class_diversity(dequantize(kept.images), kept.labels, dataset.num_classes)
        figures = [percent(value) for value in (share, *right)]
        rows.append([*figures, *(number(value) for value in (inception, diversity, *far))])
    return table(("kept", "accuracy", "judge", "IS", "diversity", "Frechet distance", "by the judge"), rows)


def lines(rows: Sequence[dict[str, Any]], current: Collection[str]) -> list[str]:
    """Lay the rows out as a table; those of recipes that are not ``current`` say so."""
    return table(
        ("variant", "images", "seconds", "accuracy", "judge", "IS", "diversity", "Frechet distance"),
        (
            [
                row["variant"] if row["recipe"] in current else f"{row['variant']} (an older recipe)",
                number(row["images_trained"]),
                number(row["train_seconds"]),
                percent(row["accuracy"]),
                percent(row["judge_accuracy"]),
                number(row["inception_score"]),
                number(row["diversity"]),
                number(row["frechet"]),
            ]
            for row in rows
        ),
    )


if __name__ == "__main__":
    main()
