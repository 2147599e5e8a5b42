"""Digests of candidates."""

from __future__ import annotations

import dataclasses
import json

import pytest

from gan.guide import EnergySettings, GuideSpec
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from gan.training import Distillation, Progressive, TrainingBudget, TrainingRecipe, WeightForm
from search.candidate import Candidate
from search.errors import RecordError

SPEC = GeneratorSpec(
    family="conv", latent_dim=8, conditioning="one_hot", widths=(16, 8), kernel=4, upsampling="transposed"
)
CANDIDATE = Candidate(SPEC, TrainingRecipe(), TrainingBudget(steps=3), 5)


def test_digest_is_that_of_the_first_release() -> None:
    """Studies are continued, and checkpoints found, by it: fields that came later change nothing at their defaults."""
    assert CANDIDATE.digest == "fff046de3d3edb9aabec5da362b08373116fff422b36fdab363ef8dfd1bc361a"


def test_digest_differs_for_every_part() -> None:
    others = [
        dataclasses.replace(CANDIDATE, spec=dataclasses.replace(SPEC, mechanisms=Mechanisms(skip=True))),
        dataclasses.replace(CANDIDATE, recipe=TrainingRecipe(gradient_clip=1.0)),
        dataclasses.replace(CANDIDATE, budget=TrainingBudget(steps=4)),
        dataclasses.replace(CANDIDATE, seed=6),
    ]
    assert len({CANDIDATE.digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize(
    "recipe",
    [
        TrainingRecipe(),
        TrainingRecipe(
            weight_form=WeightForm(kind="integer", weight_bits=4, sparsity=0.5, pruning_at=(0.25, 0.5)),
            distillation=Distillation(feature_weight=0.5, teacher="ab"),
            augmentation=("translation",),
            decay_from=0.5,
        ),
        TrainingRecipe(progressive=Progressive(sizes=(8, 16, 32), fade=0.25), adam_betas=(0.5, 0.9)),
        TrainingRecipe(guide=GuideSpec(widths=(4, 8, 16)), selected_share=0.7, energy=EnergySettings(weight=3.0)),
        TrainingRecipe(
            guide=GuideSpec(), more_guides=(GuideSpec(seed=6), GuideSpec(seed=7)), energy=EnergySettings(projections=9)
        ),
    ],
)
def test_a_candidate_comes_back_from_its_text(recipe: TrainingRecipe) -> None:
    spec = dataclasses.replace(SPEC, mechanisms=Mechanisms(skip=True))
    candidate = Candidate(spec, recipe, TrainingBudget(images=7, seconds=1.5), 5)
    found = Candidate.from_json(candidate.to_json())
    assert found == candidate
    assert found.digest == candidate.digest


def test_fields_that_a_text_lacks_are_at_their_defaults() -> None:
    content = json.loads(CANDIDATE.to_json())
    del content["recipe"]["decay_from"], content["spec"]["mechanisms"]
    assert Candidate.from_json(json.dumps(content)) == CANDIDATE


def test_a_text_that_is_no_candidate_is_refused() -> None:
    content = json.loads(CANDIDATE.to_json())
    for text in (
        "",
        "[]",
        "{}",
        json.dumps({**content, "seed": None}),
        json.dumps({**content, "recipe": {**content["recipe"], "unknown": 1}}),
        json.dumps({**content, "recipe": {**content["recipe"], "weight_form": 3}}),
        json.dumps({**content, "recipe": {**content["recipe"], "batch_size": 1}}),
        json.dumps({**content, "spec": {"family": "conv"}}),
        json.dumps({**content, "budget": {}}),
    ):
        with pytest.raises(RecordError, match="must be a JSON object with spec, recipe, budget and seed"):
            Candidate.from_json(text)


def test_parameters_name_both_digests() -> None:
    values = CANDIDATE.parameters()
    assert (values["spec_digest"], values["recipe_digest"]) == (SPEC.digest, CANDIDATE.recipe.digest)
