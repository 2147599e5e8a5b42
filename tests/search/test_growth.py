from datetime import datetime
from typing import Any

import pytest
from omegaconf import OmegaConf

from search.errors import ConfigError
from search.growth import LONGEST, _Lengths, check_growth, check_interpolations


def doubled(levels: int) -> dict[str, Any]:
    """Each value is the one before it, twice."""
    return {"v0": "0123456789"} | {f"v{level}": f"${{v{level - 1}}}${{v{level - 1}}}" for level in range(1, levels)}


def length(config: dict[str, Any]) -> int:
    return _Lengths(config).of(())


def test_values_that_double_are_refused_without_being_resolved() -> None:
    check_growth(doubled(10))
    with pytest.raises(ConfigError, match=r"at most 1,000,000 characters once resolved; it has \d\d,\d{3},\d{3},\d{3}"):
        check_growth(doubled(30))


def test_containers_that_double_are_refused_too() -> None:
    config: dict[str, Any] = {"c0": {"a": "x" * 100}}
    config |= {f"c{level}": {"a": f"${{c{level - 1}}}", "b": f"${{c{level - 1}}}"} for level in range(1, 40)}
    with pytest.raises(ConfigError, match="once resolved"):
        check_growth(config)
    lists: dict[str, Any] = {"c0": ["x" * 100]}
    lists |= {f"c{level}": [f"${{c{level - 1}}}", f"${{c{level - 1}}}"] for level in range(1, 40)}
    with pytest.raises(ConfigError, match="once resolved"):
        check_growth(lists)


@pytest.mark.parametrize(
    "value",
    [
        "${a.b}",
        "${a[b]}",
        "${oc.select:a.b,none}",
        "${oc.select:nothing,${a.b}}",
        "${a.list.0}",
        "${a.list[0]}",
        "${a}",
        "x${a.b}y${a.b}",
        "${oc.select:'a.b'}",
        '${oc.select:"a.list"}',
        "${ oc.select : a.b , 3 }",
        "${oc.select:a.list.0_0}",
    ],
)
def test_no_resolved_value_is_longer_than_what_is_counted(value: str) -> None:
    plain = {"a": {"b": "x" * 5000, "list": ["z" * 6000]}, "value": value}
    resolved: Any = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
    assert 5000 <= len(str(resolved["value"])) <= _Lengths(plain).of(("value",)) + 40  # brackets and quotes


def test_relative_names_and_those_of_hydra_are_found() -> None:
    config: dict[str, Any] = {
        "hydra": {"runtime": {"name": "x" * 700}},
        "deep": {"near": "y" * 800, "one": "${.near}", "two": "${..top}", "own": "${hydra:runtime.name}"},
        "top": "z" * 900,
    }
    found = _Lengths(config)
    assert [found.of(("deep", name)) // 100 for name in ("one", "two", "own")] == [8, 9, 7]


def test_what_refers_to_itself_or_to_nothing_ends() -> None:
    assert length({"a": "${nothing}", "c": "$}{"}) < 100
    for config in ({"a": "${b}", "b": "${a}"}, {"a": {"long": "x" * 9000, "b": "y${a}"}}, {"a": "${oc.select:'a'}"}):
        with pytest.raises(ConfigError, match="must not refer to itself"):
            check_growth(config)


@pytest.mark.parametrize(
    "again",
    [
        '${oc.select:"NAME"}',
        "${oc.select:'NAME'}",
        "${oc.select:NAME,{}}",
        "${oc.select:NAME,'}'}",
        "${oc.select:NA\\ME}",
        "${oc.dict.values:NAME}",
        "${oc.select:${key},${NAME}}",
    ],
)
def test_no_way_to_write_a_name_hides_it(again: str) -> None:
    config: dict[str, Any] = {"v0": "x" * 5000, "key": "v1"}
    config |= {f"v{level}": again.replace("NAME", f"v{level - 1}") * 2 for level in range(1, 10)}
    with pytest.raises(ConfigError, match=r"once resolved|plainly written|must be written out|call one of"):
        check_growth(config)


def test_names_that_lead_through_an_interpolation_are_refused() -> None:
    config: dict[str, Any] = {"d0": {"k": "x" * 5000}, "e0": "${d0}"}
    for level in range(1, 20):
        config |= {f"d{level}": {"k": f"${{e{level - 1}.k}}" * 2}, f"e{level}": f"${{d{level}}}"}
    with pytest.raises(ConfigError, match="must not lead through another one"):
        check_growth(config)


def test_names_that_are_one_as_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="names must differ as text"):
        check_growth({"a": {1: "x", "1": "y" * LONGEST}})


@pytest.mark.parametrize(
    "text",
    ["${a", "n-${oc.env:HOME}", "${oc.decode:1}", "${oc.create:{}}", "${a}" * 3000, "${now:${a}}", "${:a}", "${a b}"],
)
def test_what_no_configuration_may_have_is_refused(text: str) -> None:
    for check in (check_interpolations, lambda value: check_growth({"c": {"d": value}})):
        with pytest.raises(ConfigError, match=r"plainly written|call one of|at most 10,000"):
            check(text)


def test_what_is_not_known_yet_counts_as_a_long_path() -> None:
    config: dict[str, Any] = {"hydra": {"runtime": {"output_dir": "???"}}, "a": "${hydra:runtime.output_dir}"}
    assert _Lengths(config).of(("a",)) > 4000


def test_names_that_are_made_by_an_interpolation_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be written out"):
        check_growth({"a": "b", "c": "${${a}}"})


def test_long_chains_are_refused_and_not_followed() -> None:
    chain = {f"v{place}": f"${{v{place + 1}}}" for place in range(20_000)}
    with pytest.raises(ConfigError, match="so deeply"):
        check_growth(chain)


def test_the_limit_is_the_longest_that_passes() -> None:
    check_growth({"a": "x" * (LONGEST - 1)})
    with pytest.raises(ConfigError, match="it has 1,000,001"):
        check_growth({"a": "x" * LONGEST})


@pytest.mark.parametrize("form", ["%c", "%99Y", "%9999c", "%99999Y"])
def test_a_date_counts_more_than_it_can_be_long(form: str) -> None:
    assert len(datetime.now().strftime(form)) <= length({"": f"${{now:{form}}}"})
