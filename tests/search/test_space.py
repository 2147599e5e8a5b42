import optuna
import pytest
from optuna.trial import FixedTrial

from gan.errors import SpecError
from gan.training import TrainingRecipe
from search.errors import ConfigError
from search.space import Dimension, SearchSpace, build_fixed_space, build_search_space


def test_drawn_specs_are_legal_and_within_the_space(space: SearchSpace) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    drawn = [space.suggest_spec(study.ask(), num_classes=2, image_size=16) for _ in range(60)]
    assert {spec.family for spec in drawn} == {"subpixel", "mlp"}
    assert {len(spec.widths) for spec in drawn if spec.family == "subpixel"} == {1, 2}
    assert {spec.widths[0] for spec in drawn if spec.family == "subpixel"} == {4, 5, 6, 7, 8}
    assert all((spec.embed_dim == 3) == (spec.conditioning == "embedding") for spec in drawn)


def test_a_fixed_trial_gives_the_spec_that_it_names(space: SearchSpace) -> None:
    trial = FixedTrial(
        {"family": "subpixel", "latent_dim": 4, "conditioning": "embedding", "embed_dim": 3, "subpixel.stages": 2,
         "subpixel.width_0": 7, "subpixel.width_1": 4, "recipe.auxiliary_weight": 0.5}
    )  # fmt: skip
    spec = space.suggest_spec(trial, num_classes=2, image_size=16)
    assert (spec.widths, spec.latent_dim, spec.embed_dim, spec.num_classes) == ((7, 4), 4, 3, 2)
    assert space.suggest_recipe(trial, TrainingRecipe()).auxiliary_weight == 0.5


def test_a_family_replaces_a_shared_dimension() -> None:
    made = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": 4, "latent_dim": 9}},
        shared={"latent_dim": 2, "conditioning": "one_hot"},
    )
    study = optuna.create_study()
    assert made.suggest_spec(study.ask(), num_classes=2, image_size=16).latent_dim == 9


def test_a_space_of_one_generator_knows_it(space: SearchSpace) -> None:
    fields: dict[str, object] = {"family": "subpixel", "latent_dim": 4, "conditioning": "one_hot", "widths": [4]}
    one = build_fixed_space(fields, recipe={"auxiliary_weight": {"choices": [0.5, 1.0]}})
    known = one.only_spec(num_classes=2, image_size=16)
    assert known is not None
    assert (known.widths, known.latent_dim, known.image_size) == ((4,), 4, 16)
    assert space.only_spec(num_classes=2, image_size=16) is None
    for several in ({"low": 4, "high": 5}, {"choices": [4, 5]}):
        assert build_fixed_space(fields | {"latent_dim": several}).only_spec(num_classes=2, image_size=8) is None
    with pytest.raises(SpecError, match="image_size must be a multiple of 2"):
        one.only_spec(num_classes=2, image_size=9)
    assert space.only_spec(num_classes=2, image_size=9) is None  # others of it may be legal


def test_an_illegal_draw_is_a_spec_error(space: SearchSpace) -> None:
    trial = FixedTrial(
        {"family": "subpixel", "latent_dim": 4, "conditioning": "one_hot", "subpixel.stages": 1, "subpixel.width_0": 7}
    )
    with pytest.raises(SpecError, match="image_size must be a multiple of 2"):
        space.suggest_spec(trial, num_classes=2, image_size=9)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"choice": [1]}, r"got \['choice'\]"),
        ({}, "needs either choices or both low and high"),
        ({"low": 1}, "needs either choices or both low and high"),
        ({"choices": [1], "low": 1, "high": 2}, "needs either choices or both low and high"),
        ({"low": 3, "high": 2}, "needs low <= high; got 3 and 2"),
    ],
)
def test_malformed_dimensions(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Dimension.from_config("width_0", value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"families": {}}, "families must be of"),
        ({"families": {"diffusion": {}}}, "families must be of"),
        ({"families": {"mlp": {"width_0": 4}}}, "needs stages"),
        ({"families": {"mlp": {"stages": {"choices": [1, 3]}, "width_0": 4}}}, r"needs \['width_1', 'width_2'\]"),
        ({"families": {"mlp": {"stages": 1, "width_0": 4, "depth": 3}}}, r"got \['depth'\]"),
        ({"families": {"mlp": {"stages": 1, "width_0": 4}}, "recipe": {"momentum": 1}}, r"got \['momentum'\]"),
    ],
)
def test_malformed_spaces(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_search_space(**arguments)  # type: ignore[arg-type]
