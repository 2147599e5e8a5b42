"""What front members get once the search is over: a classification accuracy score, and for one of them a proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import optuna

from evaluation import classification_accuracy_score
from gan.data import ImageDataset
from search.front import candidate_folders, front_rows
from search.objective import sampler_for
from search.proving import ProofAttempt, proof_facts, proof_metrics, prove_front
from search.settings import SessionSettings
from search.study import add_late_findings, late_findings
from search.tracking import Tracker
from search.weights import load_generator


def score_front(
    study: optuna.Study,
    settings: SessionSettings,
    dataset: ImageDataset,
    tracker: Tracker,
    *,
    say: Callable[[str], None] = print,
) -> None:
    """Give each front member that has none its classification accuracy score."""
    folders, late = candidate_folders(study), late_findings(study)
    for row in front_rows(study):
        number = row["trial"]
        if not settings.cas_images or "cas" in late.get(number, {"metrics": {}})["metrics"]:
            continue
        metrics = _cas_metrics(settings, dataset, folders[number])
        cas, real = metrics["cas"], metrics["cas_real"]
        say(f"trial {number:3d}  a classifier trained on its images scores {cas:.1%} (on real ones: {real:.1%})")
        add_late_findings(study, number, metrics=metrics, facts={})
        tracker.metrics(tracker.start_trial(number, {}), metrics)


def _cas_metrics(settings: SessionSettings, dataset: ImageDataset, folder: Path) -> dict[str, float]:
    spec, generator = load_generator(folder)
    network, recipe = settings.classifier
    if settings.cas_epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=settings.cas_epochs)
    result = classification_accuracy_score(
        sampler_for(spec, generator.to(settings.device), seed=settings.evaluation.seed),
        spec=network.for_dataset(dataset),
        recipe=recipe,
        dataset=dataset,
        images=settings.cas_images,
        seed=settings.seed,
        device=settings.device,
        cache_dir=settings.cache_folder / "classifiers",
    )
    return {
        "cas": result.accuracy,
        "cas_real": result.real_accuracy,
        "cas_images": float(result.images),
        "cas_real_images": float(result.real_images),
    }


def prove_best(
    study: optuna.Study, settings: SessionSettings, tracker: Tracker, *, say: Callable[[str], None] = print
) -> list[ProofAttempt]:
    """Prove one image of the best front member that fits, unless this study has a proof that counts already."""
    late = late_findings(study)
    if any(found["facts"].get("proof.counts") == "true" for found in late.values()):
        say("a proof of this study counts already; see its report")
        return []
    attempts = prove_front(front_rows(study), candidate_folders(study), settings.proving)
    for attempt in attempts:
        metrics, facts = proof_metrics(attempt.run), proof_facts(attempt.run)
        add_late_findings(study, attempt.trial, metrics=metrics, facts=facts)
        run = tracker.start_trial(attempt.trial, {})
        tracker.metrics(run, metrics)
        tracker.tags(run, facts)
        for path in proof_files(candidate_folders(study)[attempt.trial] / "proof"):
            tracker.artifact(run, path, "proof")
    return attempts


def proof_files(folder: Path) -> list[Path]:
    """Return the files of a proof worth keeping: all but keys, circuits and strings that can be made again."""
    kept = ("network.onnx", "settings.json", "proof.json", "vk.key", "proved_image.png", "witness.json")
    return [folder / name for name in kept if (folder / name).exists()]
