"""Predictions, heights, and which model they come from."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.circuit_cost import CircuitCost, block_count, circuit_cost, table_rows, usable_rows
from zk.columns import circuit_columns, proof_bytes, proving_key_bytes, verification_key_bytes
from zk.cost import (
    MAX_BLOCKS,
    SHIPPED,
    calibrated_path,
    choose_logrows,
    fastest_logrows,
    machine_cost_model,
    predict_cost,
    predict_peak_bytes,
    predict_prove_seconds,
    shipped_cost_model,
)
from zk.cost_model import LEAST_SPREAD, STAGES, TERMS, CostModel, Estimate, LinearFit, load_cost_model, save_cost_model
from zk.errors import ArtifactError
from zk.machine import Machine, this_machine

MACHINE = Machine("Fast 9000", 4, 8 << 30, "Linux x86_64", "23.0.5")
SETTINGS: dict[str, Any] = {
    "run_args": {"logrows": 15, "num_inner_cols": 2, "lookup_range": [-2048, 2048]},
    "num_rows": 57_190,
    "total_assignments": 114_380,
    "total_const_size": 206,
    "num_dynamic_lookups": 0,
    "num_shuffles": 0,
    "einsum_params": {"equations": [], "total_einsum_col_size": 0},
    "model_instance_shapes": [[1, 18], [1, 10], [1, 3, 16, 16]],
    "required_lookups": [{"Tanh": {"scale": 128.0}}],
    "required_range_checks": [[-1, 1], [0, 16383]],
}


def with_rows(rows: int, **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SETTINGS), "num_rows": rows, **changes}


def model_of(spread: float = 1.0, **weights: tuple[str, float]) -> CostModel:
    """A model in which each quantity ("prove_seconds") is a multiple of one term, or nothing."""
    fits = {}
    for (stage, quantity), terms in TERMS.items():
        term, weight = weights.get(f"{stage}_{quantity}", (terms[0], 0.0))
        assert term in terms
        coefficients = tuple(weight if name == term else 0.0 for name in terms)
        fits[f"{stage} {quantity}"] = LinearFit(coefficients, spread)
    return CostModel(MACHINE, fits, 3)


NOTHING = model_of()
TALLER_IS_WORSE = model_of(prove_bytes=("height_extended", 1.0))
TALLER_IS_FASTER = model_of(prove_bytes=("height_extended", 1.0), prove_seconds=("columns", 1.0))


def memory_at(circuit: dict[str, Any], logrows: int, model: CostModel) -> float:
    """What heights are compared by: the middle of the stage that needs most, of the two that take long."""
    found = predict_cost(circuit_cost(circuit, logrows), model).peak_bytes
    return max(found["setup"].middle, found["prove"].middle)


# Predictions


def test_each_stage_is_predicted_with_its_interval() -> None:
    model = model_of(
        2.0,
        setup_seconds=("rows", 0.5),
        prove_seconds=("once", 7.0),
        witness_bytes=("cells", 3.0),
        verify_bytes=("public", 10.0),
    )
    found = predict_cost(circuit_cost(SETTINGS), model)
    assert tuple(found.seconds) == tuple(found.peak_bytes) == STAGES
    assert found.seconds["setup"] == Estimate(57_190 / 4, 57_190 / 2, 57_190)
    assert found.seconds["prove"] == Estimate(3.5, 7.0, 14.0)
    assert found.peak_bytes["witness"] == Estimate(114_380 * 1.5, 114_380 * 3, 114_380 * 6)
    assert found.peak_bytes["verify"] == Estimate(7960 / 2, 7960, 2 * 7960)
    assert found.seconds["witness"] == found.peak_bytes["prove"] == Estimate(0.0, 0.0, 0.0)
    assert found.admission_bytes == 114_380 * 6


def test_admission_takes_the_greatest_upper_end_of_all_stages() -> None:
    cost = circuit_cost(SETTINGS)
    for stage in STAGES:
        model = model_of(1.5, **{f"{stage}_bytes": ("once", 1000.0)})
        assert predict_cost(cost, model).admission_bytes == predict_peak_bytes(cost, model) == 1500
    assert predict_prove_seconds(cost, model_of(1.5, prove_seconds=("once", 4.0))) == 4.0


def test_sizes_follow_from_the_columns_whatever_the_model() -> None:
    cost = circuit_cost(SETTINGS)
    columns = circuit_columns(cost)
    for model in (NOTHING, TALLER_IS_FASTER, None):
        found = predict_cost(cost, model)
        assert found.pk_bytes == proving_key_bytes(columns)
        assert found.vk_bytes == verification_key_bytes(columns)
        assert found.proof_bytes == proof_bytes(columns)


def test_predictions_as_json() -> None:
    found = predict_cost(circuit_cost(SETTINGS), model_of(2.0, prove_seconds=("once", 7.0), setup_bytes=("once", 8.0)))
    zero = [0.0, 0.0, 0.0]
    assert found.to_json() == {
        "setup_seconds": zero,
        "witness_seconds": zero,
        "prove_seconds": [3.5, 7.0, 14.0],
        "verify_seconds": zero,
        "setup_peak_bytes": [4.0, 8.0, 16.0],
        "witness_peak_bytes": zero,
        "prove_peak_bytes": zero,
        "verify_peak_bytes": zero,
        "pk_bytes": found.pk_bytes,
        "vk_bytes": found.vk_bytes,
        "proof_bytes": found.proof_bytes,
        "admission_bytes": 16,
    }


# The shipped model


def test_the_shipped_model_is_readable_and_says_where_it_was_measured() -> None:
    model = shipped_cost_model()
    assert model == load_cost_model(SHIPPED)
    assert model is shipped_cost_model()
    assert model.machine.processor != ""
    assert model.machine.ezkl.split(".")[0] == "23"  # keys of another major version have other columns
    assert model.circuits >= 10  # fewer leave nothing to judge an interval by
    for (_, quantity), fit in zip(TERMS, model.fits.values(), strict=True):
        assert LEAST_SPREAD[quantity] <= fit.spread < 3


def test_no_model_means_the_shipped_one() -> None:
    cost = circuit_cost(SETTINGS)
    assert predict_cost(cost) == predict_cost(cost, shipped_cost_model()) != predict_cost(cost, NOTHING)
    assert predict_peak_bytes(cost) == predict_peak_bytes(cost, shipped_cost_model())
    assert predict_prove_seconds(cost) == predict_prove_seconds(cost, shipped_cost_model())


@pytest.mark.parametrize(
    ("logrows", "rows", "constants", "inner", "tables", "public", "setup", "prove"),
    [
        (15, 189_184, 91, 2, (1, 2), 2816, 978_415_616, 1_821_659_136),
        (14, 189_184, 91, 2, (1, 2), 2816, 938_409_984, 1_769_267_200),
        (15, 130_562, 92, 3, (1, 2), 2816, 964_640_768, 1_799_766_016),
        (16, 147_456, 3, 2, (0, 2), 32_768, 968_302_592, 1_586_958_336),
    ],
)
def test_memory_of_measured_circuits(
    logrows: int, rows: int, constants: int, inner: int, tables: tuple[int, int], public: int, setup: int, prove: int
) -> None:
    """Peak resident memory of circuits that the shipped model was not fitted to (ezkl 23.0.5, 2 cores)."""
    measured = with_rows(
        rows,
        run_args={"logrows": logrows, "num_inner_cols": inner, "lookup_range": [-1000, 1000]},
        total_assignments=rows * inner,
        total_const_size=constants,
        model_instance_shapes=[[public]],
        required_lookups=SETTINGS["required_lookups"] * tables[0],
        required_range_checks=[[-1, 1], [0, 1023]][: tables[1]],
    )
    found = predict_cost(circuit_cost(measured)).peak_bytes
    assert 0.85 < found["setup"].middle / setup < 1.15
    assert 0.85 < found["prove"].middle / prove < 1.15


def test_shipped_predictions_grow_with_rows_and_are_of_the_right_order() -> None:
    costs = [circuit_cost(with_rows(rows), 15) for rows in (20_000, 40_000, 90_000, 400_000)]
    peaks, seconds = [predict_peak_bytes(c) for c in costs], [predict_prove_seconds(c) for c in costs]
    assert peaks == sorted(set(peaks))
    assert seconds == sorted(set(seconds))
    assert 0.6e9 < peaks[1] < 1.2e9  # measured 0.79 GB at two blocks
    assert 3.0 < seconds[1] < 60.0


# The model of this machine


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_calibrated_models_lie_in_the_users_cache(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert calibrated_path("0123abc") == cache / "zkgan-search" / "cost-model-0123abc.json"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = tmp_path / "home" / ".cache" / "zkgan-search" / "cost-model-0123abc.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert calibrated_path("0123abc") == expected
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert calibrated_path("0123abc") == expected


def test_a_machine_that_was_not_measured_gets_the_shipped_model(cache: Path) -> None:
    assert machine_cost_model(MACHINE.digest) is shipped_cost_model()
    assert not cache.exists()


def test_a_measured_machine_gets_its_own_model_and_no_other_does(cache: Path) -> None:
    digest = this_machine().digest
    save_cost_model(TALLER_IS_FASTER, calibrated_path(digest))
    assert machine_cost_model(digest) == TALLER_IS_FASTER
    assert machine_cost_model(MACHINE.digest) is shipped_cost_model()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"machine": {}, "fits": {}, "circuits": 3}'])
def test_an_unreadable_model_is_an_error_and_never_passed_over(cache: Path, content: str) -> None:
    path = calibrated_path(MACHINE.digest)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(ArtifactError, match=rf"{path.name} must be a cost model of this version"):
        machine_cost_model(MACHINE.digest)


def test_a_model_of_another_version_is_an_error(cache: Path) -> None:
    path = calibrated_path(MACHINE.digest)
    short = LinearFit(NOTHING.fits["prove seconds"].coefficients[1:], 1.0)
    save_cost_model(dataclasses.replace(NOTHING, fits={**NOTHING.fits, "prove seconds": short}), path)
    with pytest.raises(ArtifactError, match=rf"{path.name} must .*prove seconds needs 5 coefficients"):
        machine_cost_model(MACHINE.digest)


def test_a_folder_in_place_of_the_model_is_an_error(cache: Path) -> None:
    calibrated_path(MACHINE.digest).mkdir(parents=True)
    with pytest.raises(ArtifactError, match="must be a cost model"):
        machine_cost_model(MACHINE.digest)


# Heights


@pytest.mark.parametrize("rows", [100, 57_190, 600_000])
def test_height_leaves_room_for_the_tables_and_is_least_in_memory(rows: int) -> None:
    circuit = with_rows(rows)
    chosen = choose_logrows(circuit, min_logrows=10, max_logrows=20)
    assert usable_rows(chosen) >= table_rows(circuit)
    assert block_count(rows, chosen) <= MAX_BLOCKS
    allowed = [k for k in range(15, 21) if block_count(rows, k) <= MAX_BLOCKS]
    peaks = {k: memory_at(circuit, k, shipped_cost_model()) for k in allowed}
    assert peaks[chosen] == min(peaks.values())


@pytest.mark.parametrize(
    ("rows", "low", "high", "least", "greatest"),
    [
        (57_190, 10, 20, 15, 20),  # 16,384 rows of the longest table do not fit into 2**14
        (57_190, 17, 18, 17, 18),
        (600_000, 10, 20, 17, 20),  # 19 blocks at 2**15, 10 at 2**16, 5 at 2**17
        (8 * (2**17 - 7) - 1, 10, 20, 17, 20),  # 8 blocks at 2**17
        (8 * (2**17 - 7), 10, 20, 18, 20),  # 9
        (57_190, 10, 13, 13, 13),  # nothing holds the tables
        (10**7, 10, 17, 17, 17),  # nothing holds so few blocks
        (57_190, 16, 16, 16, 16),
    ],
)
def test_the_model_decides_among_the_sensible_heights(
    rows: int, low: int, high: int, least: int, greatest: int
) -> None:
    circuit = with_rows(rows)
    assert choose_logrows(circuit, min_logrows=low, max_logrows=high, model=TALLER_IS_WORSE) == least
    assert choose_logrows(circuit, min_logrows=low, max_logrows=high, model=NOTHING) == greatest  # all tie


def test_the_height_holds_all_public_values() -> None:
    circuit = with_rows(3000, model_instance_shapes=[[1, 2500], [1, 2500]], required_lookups=[])
    circuit["required_range_checks"] = []
    assert choose_logrows(circuit, min_logrows=8, max_logrows=20, model=TALLER_IS_WORSE) == 13
    assert choose_logrows(circuit, min_logrows=8, max_logrows=11, model=TALLER_IS_WORSE) == 11
    circuit["model_instance_shapes"] = [[2**13 - 7]]
    assert choose_logrows(circuit, min_logrows=8, max_logrows=20, model=TALLER_IS_WORSE) == 13
    circuit["model_instance_shapes"] = [[2**13 - 6]]
    assert choose_logrows(circuit, min_logrows=8, max_logrows=20, model=TALLER_IS_WORSE) == 14


@pytest.mark.parametrize(("weight", "expected"), [(0.1, 15), (0.5, 15), (1.0, 16)])
def test_the_stage_that_needs_most_decides_the_height(weight: float, expected: int) -> None:
    """Rows times lookups are 393,216 at 2**15 (two blocks) and at 2**16 (one); the extended domain has 2**17, 2**18."""
    model = model_of(prove_bytes=("height_extended", 1.0), setup_bytes=("lookups", weight))
    assert choose_logrows(with_rows(57_190), min_logrows=10, max_logrows=20, model=model) == expected


def test_neither_the_width_of_an_interval_nor_short_stages_decide_the_height() -> None:
    """As above: the setup alone would take 2**16, the proof alone 2**15."""
    model = model_of(prove_bytes=("height_extended", 1.0), setup_bytes=("lookups", 0.5), witness_bytes=("bitmaps", 1e9))
    setup = dataclasses.replace(model.fits["setup bytes"], spread=10.0)
    model = dataclasses.replace(model, fits={**model.fits, "setup bytes": setup})
    assert choose_logrows(with_rows(57_190), min_logrows=10, max_logrows=20, model=model) == 15


def test_the_fastest_height_that_fits() -> None:
    """Bytes are four times 2**k, seconds are columns: 15 takes two blocks, 16 and above one, so 16 to 20 tie."""
    circuit = with_rows(57_190)

    def fastest(memory: int, low: int = 10, high: int = 20) -> int:
        return fastest_logrows(circuit, min_logrows=low, max_logrows=high, memory_bytes=memory, model=TALLER_IS_FASTER)

    assert [fastest(4 << k) for k in (30, 20, 18, 16)] == [20, 20, 18, 16]
    assert (fastest((4 << 18) - 1), fastest((4 << 16) - 1), fastest(4 << 15)) == (17, 15, 15)
    assert fastest((4 << 15) - 1) == 15  # nothing fits: the height with least memory
    assert fastest(1, low=17, high=19) == 17
    assert choose_logrows(circuit, min_logrows=10, max_logrows=20, model=TALLER_IS_FASTER) == 15


def test_the_upper_end_of_memory_must_fit() -> None:
    circuit = with_rows(57_190)
    wide = model_of(1.5, prove_bytes=("height_extended", 1.0))
    at_16 = int(1.5 * (4 << 16))
    found = [
        fastest_logrows(circuit, min_logrows=15, max_logrows=17, memory_bytes=memory, model=wide)
        for memory in (at_16 - 1, at_16)
    ]
    assert found == [15, 16]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 10**6),
    lookup_high=st.integers(1, 40_000),
    low=st.integers(8, 18),
    more=st.integers(0, 6),
    memory=st.integers(1, 2**34),
)
def test_chosen_heights_agree_with_a_naive_search(
    rows: int, lookup_high: int, low: int, more: int, memory: int
) -> None:
    found = with_rows(rows, run_args={**SETTINGS["run_args"], "lookup_range": [-1, lookup_high]})
    model, high = shipped_cost_model(), low + more
    costs: dict[int, CircuitCost] = {k: circuit_cost(found, k) for k in range(low, high + 1)}
    allowed = [k for k, cost in costs.items() if usable_rows(k) >= 796] or [high]
    allowed = [k for k in allowed if costs[k].table_columns == 1] or [high]
    allowed = [k for k in allowed if costs[k].blocks <= MAX_BLOCKS] or [allowed[-1]]
    predicted = {k: predict_cost(costs[k], model) for k in allowed}
    needed = {k: memory_at(found, k, model) for k in allowed}
    cheapest = max(k for k in allowed if needed[k] == min(needed.values()))
    assert choose_logrows(found, min_logrows=low, max_logrows=high, model=model) == cheapest
    fitting = {k: p.seconds["prove"].middle for k, p in predicted.items() if p.admission_bytes <= memory}
    fastest = max(k for k in fitting if fitting[k] == min(fitting.values())) if fitting else cheapest
    assert fastest_logrows(found, min_logrows=low, max_logrows=high, memory_bytes=memory, model=model) == fastest
