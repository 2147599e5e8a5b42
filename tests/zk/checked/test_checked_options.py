"""Options of a checked circuit: ranges, JSON, and what follows from them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from zk.checked.errors import CheckedError
from zk.checked.options import CheckedOptions

OTHER = CheckedOptions(
    activation_bits=6,
    private_inputs=("latent",),
    salt=0,
    weights="bound",
    direct=("node",),
    cuts=(3, 5),
    num_inner_cols=3,
    logrows=12,
)


def test_every_option_of_the_other_differs() -> None:
    default = CheckedOptions()
    names = [field.name for field in dataclasses.fields(CheckedOptions)]
    assert [name for name in names if getattr(OTHER, name) == getattr(default, name)] == []


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("activation_bits", 1, 20), ("logrows", 6, 26), ("salt", 0, 256), ("num_inner_cols", 1, 8)],
)
def test_ranges(name: str, low: int, high: int) -> None:
    room = {"logrows": 26} if name != "logrows" else {"activation_bits": 4}
    for value in (low, high):
        assert getattr(CheckedOptions(**{**room, name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(CheckedError, match=f"{name} must be in {low}..{high}; got {value}"):
            CheckedOptions(**{**room, name: value})


def test_weights_and_activations_are_checked() -> None:
    with pytest.raises(CheckedError, match="weights must be one of"):
        CheckedOptions(weights="private")
    assert CheckedOptions(activation_bits=10, logrows=12).activation_bits == 10
    with pytest.raises(CheckedError, match="at most logrows - 2"):
        CheckedOptions(activation_bits=11, logrows=12)


@pytest.mark.parametrize("options", [CheckedOptions(), OTHER])
def test_options_survive_json(options: CheckedOptions) -> None:
    assert CheckedOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation_bits", "8"),
        ("activation_bits", True),
        ("activation_bits", 8.0),
        ("logrows", None),
        ("weights", 1),
        ("private_inputs", "latent"),
        ("private_inputs", [1]),
        ("direct", {"a": 1}),
        ("cuts", [1.0]),
        ("cuts", [True]),
    ],
)
def test_values_of_a_wrong_type_are_refused(name: str, value: Any) -> None:
    with pytest.raises(CheckedError, match=f"option '{name}'"):
        CheckedOptions.from_json({**OTHER.to_json(), name: value})


def test_other_names_are_refused() -> None:
    data = OTHER.to_json()
    for changed in ({**data, "more": 1}, {name: data[name] for name in list(data)[1:]}, [data], None):
        with pytest.raises(CheckedError, match="options of a checked circuit must be"):
            CheckedOptions.from_json(changed)


def test_json_of_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(CheckedError, match="salt must be"):
        CheckedOptions.from_json({**OTHER.to_json(), "salt": 257})


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(CheckedOptions)])
def test_every_option_changes_the_digest(field: str) -> None:
    default = CheckedOptions()
    changed = dataclasses.replace(default, **{field: getattr(OTHER, field)})
    assert changed.digest != default.digest
    assert dataclasses.replace(changed, **{field: getattr(default, field)}).digest == default.digest


def test_lists_are_taken_for_tuples() -> None:
    sequences: Any = {"private_inputs": ["latent"], "direct": ["node"], "cuts": [3, 5]}
    assert dataclasses.replace(OTHER, **sequences) == OTHER
    assert hash(dataclasses.replace(OTHER, **sequences)) == hash(OTHER)


@pytest.mark.parametrize(("logrows", "divisor"), [(6, 56), (10, 1016), (15, 32760)])
def test_the_divisor_is_the_length_of_a_table(logrows: int, divisor: int) -> None:
    options = CheckedOptions(activation_bits=4, logrows=logrows)
    assert options.divisor == divisor
    assert options.half_range == divisor // 2
    assert len(range(-options.half_range, options.half_range)) == divisor
