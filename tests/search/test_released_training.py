"""What a model's facts say of a training that began from another generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gan.generators import build_generator
from gan.training import TrainingBudget
from search.candidate import CANDIDATE_NAME, Candidate
from search.errors import ConfigError
from search.released.card import _training_line
from search.released.facts import BEGUN_FROM, ROUNDED
from search.released.training import training_facts
from search.teacher import load_start
from search.weights import save_generator


@pytest.fixture
def trials(tiny_candidate: Candidate, tmp_path: Path) -> tuple[Path, Path]:
    """A trial, and one that went on from it."""
    first = replace(tiny_candidate, budget=TrainingBudget(images=640))
    folders = tmp_path / "first", tmp_path / "second"
    save_generator(folders[0], first.spec, build_generator(first.spec, seed=1))
    recipe = replace(first.recipe, start=load_start(folders[0]).digest)
    second = replace(first, recipe=recipe, budget=TrainingBudget(images=64))
    save_generator(folders[1], second.spec, build_generator(second.spec, seed=2))
    for folder, candidate in zip(folders, (first, second), strict=True):
        (folder / CANDIDATE_NAME).write_text(candidate.to_json())
    return folders


def test_both_trainings_are_told(trials: tuple[Path, Path]) -> None:
    first, second = trials
    before = training_facts(first)
    assert BEGUN_FROM not in before
    found = training_facts(second, [first])
    assert found[BEGUN_FROM] == before
    assert found["recipe"]["start"] == load_start(first).digest
    line = _training_line(found)
    assert line.startswith("64 images, without a guide")
    assert "It began from another's weights: 640 images, without a guide" in line
    assert "began" not in _training_line(before)
    assert "seed 0; the recipe is in model.json; then its weights were rounded to float16" in _training_line(
        {**before, ROUNDED: "float16"}
    )


def test_the_generator_that_training_began_from_must_be_named(trials: tuple[Path, Path]) -> None:
    first, second = trials
    with pytest.raises(ConfigError, match="^earlier=FOLDER must be given where training.start was"):
        training_facts(second)
    with pytest.raises(ConfigError, match="began from random weights$"):
        training_facts(first, [second])
    with pytest.raises(ConfigError, match="must hold the generator"):
        training_facts(second, [second])


def test_a_third_training_names_both_before_it(trials: tuple[Path, Path], tiny_candidate: Candidate) -> None:
    first, second = trials
    third, recipe = first.parent / "third", replace(tiny_candidate.recipe, start=load_start(second).digest)
    save_generator(third, tiny_candidate.spec, build_generator(tiny_candidate.spec, seed=3))
    (third / CANDIDATE_NAME).write_text(replace(tiny_candidate, recipe=recipe).to_json())
    found = training_facts(third, [second, first])
    assert found[BEGUN_FROM] == training_facts(second, [first])
    with pytest.raises(ConfigError, match=f"the one in {second} began from the generator"):
        training_facts(third, [second])
    with pytest.raises(ConfigError, match="must hold the generator"):
        training_facts(third, [first, second])
