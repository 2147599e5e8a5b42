"""The evaluator itself, on a handful of made-up images; EZKL is replaced."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evaluation import compute_reference, load_or_train
from evaluation.classifier import ClassifierRecipe, ClassifierSpec, JudgeSpec
from gan.data import ImageDataset, Split
from gan.generators import build_generator
from gan.guide import EnergySettings, GuideSpec
from gan.spec import GeneratorSpec
from gan.training import (
    CHECKPOINT_NAME,
    TrainingBudget,
    TrainingHooks,
    TrainingIntervals,
    TrainingRecipe,
    earlier_checkpoint,
)
from search import circuit_cache
from search.candidate import Candidate
from search.circuit import CIRCUIT_METRICS, NETWORK_NAME, CircuitFigures
from search.constraints import CircuitLimits
from search.guide import GUIDES, recipe_guide
from search.objective import CIRCUIT_FOLDER, DAMAGED_NAME, EvaluationSettings, Evaluator
from search.record import TrialOutcome
from search.weights import WEIGHTS_NAME
from zk.checked.options import CheckedOptions
from zk.types import Budget

CPU = torch.device("cpu")
RECIPE = TrainingRecipe(batch_size=8, discriminator_widths=(8, 8), bf16=False)


def measured(spec: GeneratorSpec, folder: Path, **_: object) -> CircuitFigures:
    build_generator(spec)
    return CircuitFigures(dict.fromkeys(CIRCUIT_METRICS, 10.0 * spec.latent_dim), True, "")


@pytest.fixture
def evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluator:
    monkeypatch.setattr(circuit_cache, "measure_spec", measured)
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 2
    images = (torch.rand(96, 3, 8, 8, generator=rng) * 60 + labels[:, None, None, None] * 150).to(torch.uint8)
    splits = Split(images[:64], labels[:64]), Split(images[64:], labels[64:])
    dataset = ImageDataset("tiny", *splits, ("dark", "bright"), "digest", True)
    recipe = ClassifierRecipe(epochs=1, batch_size=16)
    networks = [
        load_or_train(spec=spec.for_dataset(dataset), recipe=recipe, dataset=dataset, seed=0, cache_dir=None)
        for spec in (ClassifierSpec(widths=(8, 8)), JudgeSpec(widths=(8, 8)))
    ]
    settings = EvaluationSettings(
        samples=20,
        seed=0,
        circuit=CheckedOptions(),
        limits=CircuitLimits(einsum_operations=None, rows=100),
        circuit_budget=Budget(memory_bytes=2**30, wall_seconds=60),
        intervals=TrainingIntervals(),
    )
    reference = compute_reference(dataset=dataset, classifier=networks[0], samples=20, seed=0, cache_dir=None)
    return Evaluator(dataset=dataset, classifier=networks[0], judge=networks[1], reference=reference,
                     settings=settings, device=CPU, circuits=tmp_path / "circuits")  # fmt: skip


@pytest.fixture
def candidate() -> Candidate:
    spec = GeneratorSpec(
        family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8
    )
    return Candidate(spec, RECIPE, TrainingBudget(steps=4), 0)


def test_a_guided_candidate_trains_its_guide_once(evaluator: Evaluator, candidate: Candidate, tmp_path: Path) -> None:
    recipe = replace(
        RECIPE,
        guide=GuideSpec(widths=(4, 4, 4), epochs=1, batch_size=16, shift=1),
        selected_share=0.5,
        energy=EnergySettings(real_images=8),
    )
    guided = replace(evaluator, cache=tmp_path / "cache")
    record = guided(replace(candidate, recipe=recipe), tmp_path / "trial", TrainingHooks())
    assert record.outcome is TrialOutcome.SCORED
    assert len(list((tmp_path / "cache" / GUIDES).iterdir())) == 1
    said = list[str]()
    guide = recipe_guide(recipe, evaluator.dataset, device=CPU, cache=tmp_path / "cache", say=said.append)
    assert guide is not None
    assert len(said) == 1  # from the cache: no epochs are told
    assert "which scores nothing" in said[0]
    assert recipe_guide(RECIPE, evaluator.dataset, device=CPU, cache=tmp_path / "cache", say=said.append) is None


def test_a_rung_is_scored_and_gone_on_from(evaluator: Evaluator, candidate: Candidate, tmp_path: Path) -> None:
    whole = evaluator(candidate, tmp_path / "whole", TrainingHooks())
    rung = evaluator(candidate, tmp_path / "parts", TrainingHooks(), 16)
    ended = evaluator(candidate, tmp_path / "parts", TrainingHooks())
    assert [record.metrics["train_images"] for record in (rung, ended, whole)] == [16, 32, 32]
    assert rung.outcome is ended.outcome is TrialOutcome.SCORED
    scores = ("accuracy", "inception_score", "diversity", "judge_accuracy")
    assert [ended.metrics[name] for name in scores] == [whole.metrics[name] for name in scores]
    weights = [(tmp_path / name / WEIGHTS_NAME).read_bytes() for name in ("parts", "whole")]
    assert weights[0] == weights[1]


def test_a_damaged_checkpoint_is_put_aside(evaluator: Evaluator, candidate: Candidate, tmp_path: Path) -> None:
    evaluator(candidate, tmp_path / "a", TrainingHooks(), 16)
    path = tmp_path / "a" / CHECKPOINT_NAME
    path.write_bytes(path.read_bytes()[:1000])
    record = evaluator(candidate, tmp_path / "a", TrainingHooks())
    assert record.outcome is TrialOutcome.SCORED
    assert record.facts["checkpoint"] == "one could not be read; trained from the one before, or anew"
    assert (tmp_path / "a" / DAMAGED_NAME).stat().st_size == 1000
    undisturbed = evaluator(candidate, tmp_path / "b", TrainingHooks())
    assert "checkpoint" not in undisturbed.facts
    assert record.metrics["accuracy"] == undisturbed.metrics["accuracy"]


@pytest.mark.parametrize("earlier_is_whole", [True, False])
def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(
    evaluator: Evaluator, candidate: Candidate, tmp_path: Path, earlier_is_whole: bool
) -> None:
    for images in (8, 16):
        evaluator(candidate, tmp_path / "a", TrainingHooks(), images)
    path = tmp_path / "a" / CHECKPOINT_NAME
    path.write_bytes(b"damaged")
    if not earlier_is_whole:
        earlier_checkpoint(path).write_bytes(b"damaged, too")
    evaluator = replace(evaluator, settings=replace(evaluator.settings, intervals=TrainingIntervals(record_steps=1)))
    steps = list[int]()
    record = evaluator(candidate, tmp_path / "a", TrainingHooks(on_record=lambda found: steps.append(found.step)))
    assert steps[0] == (2 if earlier_is_whole else 1)
    undisturbed = evaluator(candidate, tmp_path / "b", TrainingHooks())
    assert record.metrics["accuracy"] == undisturbed.metrics["accuracy"]


def test_what_is_over_a_limit_is_never_trained(evaluator: Evaluator, candidate: Candidate, tmp_path: Path) -> None:
    wide = replace(candidate, spec=replace(candidate.spec, latent_dim=11))
    record = evaluator(wide, tmp_path / "a", TrainingHooks())
    assert (record.outcome, record.reason) == (TrialOutcome.INFEASIBLE, "over the limit: rows")
    assert not (tmp_path / "a" / CHECKPOINT_NAME).exists()


def test_known_figures_leave_the_network_in_the_record(
    evaluator: Evaluator, candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator(candidate, tmp_path / "a", TrainingHooks())
    monkeypatch.setattr(circuit_cache, "measure_spec", None)
    evaluator(candidate, tmp_path / "b", TrainingHooks())
    assert (tmp_path / "b" / CIRCUIT_FOLDER / NETWORK_NAME).exists()
