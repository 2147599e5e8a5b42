from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from search.engine import StudyPlan, run_study
from search.errors import ConfigError
from search.runner import SerialRunner
from search.space import SearchSpace, build_fixed_space, build_search_space
from search.study import front_trials, scored_trials
from search.warm_start import SEED, SeedCandidate, enqueue_seeds, front_seeds, published_seeds
from tests.search.conftest import CheapEvaluator, SilentObserver

ROOT = Path(__file__).resolve().parents[2]
MakeStudy = Callable[..., optuna.Study]
SPEC = GeneratorSpec(
    family="subpixel", latent_dim=4, conditioning="embedding", embed_dim=3, widths=(5, 4), num_classes=2, image_size=16
)


def test_the_parameters_of_a_draw_are_found_again(space: SearchSpace) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(40):
        trial = study.ask()
        spec = space.suggest_spec(trial, num_classes=2, image_size=16)
        weight = trial.suggest_float("recipe.auxiliary_weight", 0.1, 1.0, log=True)
        assert space.parameters_of(spec, {"auxiliary_weight": weight}) == trial.params


def test_unknown_recipe_fields_stay_open(space: SearchSpace) -> None:
    assert "recipe.auxiliary_weight" not in space.parameters_of(SPEC, {})


@pytest.mark.parametrize(
    ("changes", "recipe", "message"),
    [
        ({"latent_dim": 5}, {}, r"latent_dim 5 is not one of \[2, 4\]"),
        ({"widths": (9, 4)}, {}, "subpixel.width_0 9 is not from 4 to 8"),
        ({"widths": (5, 4, 3)}, {}, r"subpixel.stages 3 is not one of \[1, 2\]"),
        ({"family": "conv", "kernel": 4, "upsampling": "transposed"}, {}, r"family conv is not one of"),
        ({"activation": "silu"}, {}, "activation silu is relu here"),
        ({"mechanisms": Mechanisms(dropout=0.5)}, {}, "mechanisms"),
        ({}, {"auxiliary_weight": 2.0}, "recipe.auxiliary_weight 2.0 is not from 0.1 to 1.0"),
    ],
)
def test_what_a_space_cannot_draw_is_named(
    space: SearchSpace, changes: dict[str, object], recipe: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        space.parameters_of(replace(SPEC, **changes), recipe)


def test_a_fixed_space_draws_its_own_generator() -> None:
    space = build_fixed_space({"family": "subpixel", "latent_dim": 4, "widths": [5, 4], "conditioning": "one_hot",
                               "mechanisms": {"dropout": 0.5}})  # fmt: skip
    spec = replace(SPEC, mechanisms=Mechanisms(dropout=0.5))
    study = optuna.create_study()
    drawn = space.suggest_spec(study.ask(), num_classes=2, image_size=16)
    assert space.parameters_of(drawn, {}).keys() == study.trials[0].params.keys()
    assert drawn.mechanisms == spec.mechanisms


def test_a_study_begins_with_the_front_of_another(make_study: MakeStudy, plan: StudyPlan) -> None:
    first = make_study(name="first")
    run_study(first, plan, SerialRunner(CheapEvaluator()), SilentObserver())
    study, evaluate = make_study(name="second", sampler=optuna.samplers.RandomSampler(seed=9)), CheapEvaluator()
    seeds = front_seeds(first)
    assert [seed.source for seed in seeds] == [f"trial {trial.number} of first" for trial in front_trials(first)]
    assert enqueue_seeds(study, plan.space, seeds) == (len(seeds), [])
    assert enqueue_seeds(study, plan.space, seeds) == (0, [])
    run_study(study, plan, SerialRunner(evaluate), SilentObserver())
    digests = [trial.user_attrs["candidate_digest"] for trial in front_trials(first)]
    assert [candidate.digest for candidate in evaluate.calls[: len(seeds)]] == digests
    assert [trial.user_attrs[SEED] for trial in scored_trials(study)[: len(seeds)]] == [seed.source for seed in seeds]


def test_a_seed_outside_the_space_is_left_out_and_named(make_study: MakeStudy) -> None:
    space = build_search_space(
        families={"subpixel": {"stages": 2, "width_0": 5, "width_1": 4}},
        shared={"latent_dim": {"choices": [2, 4]}, "conditioning": "embedding", "embed_dim": 3},
    )
    study = make_study()
    seeds = [SeedCandidate("exp_001", replace(SPEC, latent_dim=3), {}), SeedCandidate("exp_002", SPEC, {})]
    queued, outside = enqueue_seeds(study, space, seeds)
    assert (queued, len(study.trials)) == (1, 1)
    assert outside == ["exp_001 is left out: it is not in this search space: latent_dim 3 is not one of [2, 4]"]


def test_every_published_generator_is_a_seed(make_study: MakeStudy) -> None:
    seeds = published_seeds(ROOT / "conf", num_classes=10, image_size=32)
    assert len(seeds) == len(list((ROOT / "conf" / "experiment").glob("tier[1-4]/*.yaml"))) > 30
    (best,) = (seed for seed in seeds if seed.source == "published exp_016")
    assert (best.spec.latent_dim, best.spec.widths) == (128, (256, 128, 64, 32))
    fields = {"latent_dim": {"choices": [64, 128]}, "conditioning": "embedding", "embed_dim": 64, "kernel": 4,
              "upsampling": "transposed", "activation": "leaky_relu", "mechanisms.full_size_head": True,
              "stages": 4}  # fmt: skip
    widths = {f"width_{place}": {"choices": [width, 2 * width]} for place, width in enumerate((256, 128, 64, 32))}
    space = build_search_space({"conv": {**fields, **widths}})
    queued, outside = enqueue_seeds(make_study(), space, seeds)
    assert queued >= 1
    assert queued + len(outside) == len(seeds)
