"""What front members get once the search is over: a classification accuracy score, and for one of them a proof."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna

from evaluation import EvaluationError, classification_accuracy_score
from evaluation.classifier import ClassifierRecipe
from gan.data import ImageDataset
from search.circuit_forms import BUNDLE, CircuitPlan
from search.objective import sampler_for
from search.proving import ProofAttempt, fits, proof_conditions, proof_facts, proof_metrics, prove_front
from search.settings import SessionSettings
from search.study import add_late_findings, late_findings
from search.tracking import Tracker
from search.trial_rows import candidate_folders, front_rows
from search.weights import load_generator
from zk.pipeline import ProofRun
from zk.srs import srs_path


def score_front(
    study: optuna.Study,
    settings: SessionSettings,
    dataset: ImageDataset,
    tracker: Tracker,
    *,
    say: Callable[[str], None] = print,
) -> None:
    """Give each front member its classification accuracy score, unless it has one under the same conditions.

    A member whose images cannot train a classifier keeps the reason as a fact; the others go on.
    """
    folders, late = candidate_folders(study), late_findings(study)
    images, recipe = cas_conditions(settings, dataset)
    wanted = {"cas_images": float(images), "cas_epochs": float(recipe.epochs)}
    for row in front_rows(study) if images else []:
        number = row["trial"]
        known = late.get(number, {"metrics": {}})["metrics"]
        if "cas" in known and all(known.get(name) == value for name, value in wanted.items()):
            continue
        metrics, facts = _cas_of(settings, dataset, folders[number], images, recipe)
        add_late_findings(study, number, metrics={**metrics, **wanted}, facts=facts)
        run = tracker.trial_run(number)
        tracker.metrics(run, {**metrics, **wanted})
        tracker.tags(run, facts)
        cas, real = (f"{metrics[name]:.1%}" if name in metrics else "failed" for name in ("cas", "cas_real"))
        say(f"trial {number:3d}  a classifier trained on {images:,} of its images scores {cas} (on real ones: {real})")


def cas_conditions(settings: SessionSettings, dataset: ImageDataset) -> tuple[int, ClassifierRecipe]:
    """Return how many images are generated (as many as the real training set has, unless said) and the recipe."""
    images = len(dataset.train) if settings.cas_images is None else settings.cas_images
    recipe = settings.classifier[1]
    return images, recipe if settings.cas_epochs is None else dataclasses.replace(recipe, epochs=settings.cas_epochs)


def _cas_of(
    settings: SessionSettings, dataset: ImageDataset, folder: Path, images: int, recipe: ClassifierRecipe
) -> tuple[dict[str, float], dict[str, str]]:
    spec, generator = load_generator(folder)
    try:
        result = classification_accuracy_score(
            sampler_for(spec, generator.to(settings.device), seed=settings.evaluation.seed),
            spec=settings.classifier[0].for_dataset(dataset),
            recipe=recipe,
            dataset=dataset,
            images=images,
            seed=settings.classifier_seed,
            device=settings.device,
            cache_dir=settings.cache_folder / "classifiers",
        )
    except EvaluationError as error:
        return {}, {"cas_failure": str(error)}
    found = {"cas": result.accuracy, "cas_real": result.real_accuracy, "cas_real_images": float(result.real_images)}
    return found, {}


def proved_row(study: optuna.Study, settings: SessionSettings) -> Mapping[str, Any] | None:
    """Return the front's best member that fits the proving budget if its proof counts, else None.

    A proof of another layout than the one planned now (an earlier session's, say) is to be made again.
    """
    best = next((row for row in front_rows(study) if fits(row, settings.proving.budget)), None)
    if best is None or best.get("proof.counts") != "true":
        return None
    return best if best.get("planned_rows", best["proof.rows"]) == best["proof.rows"] else None


def prove_best(
    study: optuna.Study,
    settings: SessionSettings,
    tracker: Tracker,
    *,
    circuits: Mapping[int, CircuitPlan],
    say: Callable[[str], None] = print,
) -> list[ProofAttempt]:
    """Prove one image of the best front member that fits, unless that one's proof counts already."""
    if (known := proved_row(study, settings)) is not None:
        say(f"the proof of trial {known['trial']} counts already")
        return []
    folders = candidate_folders(study)
    attempts = prove_front(front_rows(study), folders, settings.proving, circuits, engine=settings.engine, say=say)
    for attempt in attempts:
        metrics, facts = proof_metrics(attempt.run, settings.proving.cost_model), proof_facts(attempt.run)
        facts |= srs_fact(settings.proving.srs_folder, attempt.run) | proof_conditions(settings.proving)
        if attempt.run.cost is not None:  # the plan may have been made anew
            metrics |= {"planned_rows": metrics["proof.rows"], "planned_logrows": metrics["proof.logrows"]}
        add_late_findings(study, attempt.trial, metrics=metrics, facts=facts)
        run = tracker.trial_run(attempt.trial)
        tracker.metrics(run, metrics)
        tracker.tags(run, facts)
        for path in proof_files(folders[attempt.trial] / "proof"):
            tracker.artifact(run, path, "proof")
    return attempts


def srs_fact(folder: Path, run: ProofRun) -> dict[str, str]:
    """Return the digest of the reference string that ``run`` used: its proof verifies with that one only."""
    path = srs_path(folder, run.logrows) if run.logrows is not None else None
    if path is None or not path.exists():
        return {}
    with path.open("rb") as stream:
        return {"proof.srs_sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def proof_files(folder: Path) -> list[Path]:
    """Return the files of a proof worth filing; keys can be made again, the reference string is kept apart."""
    kept = ("network.onnx", "settings.json", "proof.json", "vk.key", "proved_image.png", "witness.json", BUNDLE)
    return [folder / name for name in kept if (folder / name).exists()]
