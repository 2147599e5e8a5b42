from dataclasses import dataclass, field, replace

import pytest

from gan.mechanisms import Mechanisms
from gan.training import Distillation, WeightForm
from search.candidate import Candidate
from search.labels import config_tags, parameters_of


@dataclass(frozen=True)
class Inner:
    kind: str = "plain"
    sizes: tuple[int, ...] = field(default_factory=lambda: (1, 2))


@dataclass(frozen=True)
class Outer:
    name: str
    widths: tuple[int, ...] = ()
    betas: tuple[float, ...] = (0.0, 0.9)
    inner: Inner = Inner()
    other: Inner | None = None
    flag: bool = False


def test_fields_are_flat_and_short() -> None:
    assert parameters_of("x", Outer("a", (24, 8, 4))) == {
        "x.name": "a",
        "x.widths": "24-8-4",
        "x.betas": "0.0, 0.9",
        "x.flag": False,
    }
    assert parameters_of("x", Outer("a"))["x.widths"] == "none"


def test_a_nested_part_shows_what_is_not_its_default() -> None:
    found = parameters_of("x", Outer("a", inner=Inner("bent"), other=Inner(sizes=(3,))))
    assert {name: value for name, value in found.items() if "inner" in name or "other" in name} == {
        "x.inner.kind": "bent",
        "x.other.sizes": "3",
    }


def test_no_parameter_of_a_candidate_is_an_object(tiny_candidate: Candidate) -> None:
    spec = replace(tiny_candidate.spec, mechanisms=Mechanisms(skip=True))
    recipe = replace(tiny_candidate.recipe, weight_form=WeightForm(kind="ternary"), distillation=Distillation())
    found = replace(tiny_candidate, spec=spec, recipe=recipe).parameters()
    assert all(isinstance(value, (str, int, float)) for value in found.values())
    assert found["spec.widths"] == "4"
    assert found["spec.mechanisms.skip"] is True
    assert found["recipe.weight_form.kind"] == "ternary"
    assert found["budget.steps"] == 1
    assert found["spec_digest"] == spec.digest
    assert not {"spec.mechanisms", "recipe.weight_form", "recipe.progressive", "spec.image_size"} & set(found)
    plain = tiny_candidate.parameters()
    assert not any(name.startswith(("spec.mechanisms", "recipe.weight_form")) for name in plain)


@pytest.mark.parametrize(
    ("experiment", "tags"),
    [
        ("tier3/exp_016", {"experiment": "tier3/exp_016", "tier": "3"}),
        ("cifar10_checked", {"experiment": "cifar10_checked"}),
        ("tiers", {"experiment": "tiers"}),
        (None, {}),
        ("null", {}),
    ],
)
def test_an_experiment_of_a_tier_has_its_tag(experiment: str | None, tags: dict[str, str]) -> None:
    found = config_tags({"experiment": experiment, "training": "strong", "dataset": "digits", "halving": None})
    assert found == {**tags, "training": "strong"}
