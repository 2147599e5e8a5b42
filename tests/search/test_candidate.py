"""Digests of candidates."""

from __future__ import annotations

import dataclasses

from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe
from search.candidate import Candidate

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
