"""Measuring a machine: circuits, stages, and the command."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from zk import calibrate_cli, calibration
from zk.calibrate_cli import calibrate, calibration_lines
from zk.calibration import REPEATED_BELOW_SECONDS, calibrate_machine, sample_line
from zk.calibration_circuits import (
    CALIBRATION_CIRCUITS,
    CalibrationCircuit,
    convolutions,
    dense,
    elementwise,
)
from zk.circuit_cost import CircuitCost
from zk.cost import calibrated_path, machine_cost_model
from zk.cost_cli import main
from zk.cost_model import (
    BYTES,
    LEAST_SPREAD,
    SECONDS,
    STAGES,
    TERMS,
    CostModel,
    CostSample,
    LinearFit,
    StageSample,
    load_cost_model,
    save_cost_model,
)
from zk.export import run_onnx
from zk.machine import Machine, this_machine
from zk.stages import StageFailed
from zk.types import Budget, CircuitOptions, Outcome, StageResult

MACHINE = Machine("Fast 9000", 4, 8 << 30, "Linux x86_64", "23.0.5")
BUDGET = Budget(4 << 30, 120.0)
TINY = CircuitOptions(decomp_base=128, scale_rebase_multiplier=10, logrows=8)
COST = CircuitCost(1, 1, 12_345, 24_690, 3, 0, 2, 0, 0, 0, 20, 2, 13, 2, 14, 8, 1)

every_circuit = pytest.mark.parametrize("circuit", CALIBRATION_CIRCUITS, ids=lambda circuit: circuit.name)


def constant_model(value: float, spread: float = 1.5) -> CostModel:
    """Every quantity is ``value``, whatever the circuit."""
    fits = {
        f"{stage} {quantity}": LinearFit((value, *(0.0,) * (len(terms) - 1)), spread)
        for (stage, quantity), terms in TERMS.items()
    }
    return CostModel(MACHINE, fits, 2)


def sample_of(seconds: float, size: float, name: str = "some circuit") -> CostSample:
    return CostSample(name, COST, {stage: StageSample(seconds, size) for stage in STAGES})


# The circuits


@every_circuit
def test_every_circuit_is_a_valid_model_and_the_same_for_a_seed(circuit: CalibrationCircuit, tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.onnx", "again.onnx", "other.onnx"))
    inputs, same, different = circuit.write(first, 3), circuit.write(again, 3), circuit.write(other, 4)
    onnx.checker.check_model(str(first), full_check=True)
    assert first.read_bytes() == again.read_bytes()
    assert np.array_equal(inputs, same)
    assert not np.array_equal(inputs, different)
    weighted = len(onnx.load(str(first)).graph.initializer) > 0
    assert (first.read_bytes() != other.read_bytes()) == weighted
    assert inputs.dtype == np.float32
    assert 1.0 < np.abs(inputs).max() <= 2.0
    (shape,) = (
        tuple(size.dim_value for size in value.type.tensor_type.shape.dim) for value in onnx.load(first).graph.input
    )
    assert inputs.shape == shape


@every_circuit
def test_looked_up_values_stay_inside_the_tables(circuit: CalibrationCircuit, tmp_path: Path) -> None:
    """A value outside makes ezkl's prover hang, so a circuit that has one would use its whole budget."""
    inputs = circuit.write(tmp_path / "m.onnx", calibration._SEED)
    model = onnx.load(str(tmp_path / "m.onnx"))
    looked_up = [node.input[0] for node in model.graph.node if node.op_type in {"Tanh", "Sigmoid", "HardSwish"}]
    inner = [name for name in looked_up if name != "x"]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    onnx.save(model, str(tmp_path / "inner.onnx"))
    values = run_onnx(tmp_path / "inner.onnx", (inputs,)) if inner else []
    low, high = circuit.options.lookup_range
    scale = 1 << circuit.options.input_scale_bits
    for tensor in [*([inputs] if "x" in looked_up else []), *values]:
        assert low < scale * tensor.min() < scale * tensor.max() < high


def test_the_circuits_span_what_they_are_said_to_span() -> None:
    options = [circuit.options for circuit in CALIBRATION_CIRCUITS]
    assert len({circuit.name for circuit in CALIBRATION_CIRCUITS}) == len(CALIBRATION_CIRCUITS)
    heights = [option.logrows for option in options if option.logrows is not None]
    assert (len(heights), min(heights), max(heights)) == (len(options), 11, 18)
    assert {option.num_inner_cols for option in options} == {1, 2, 3}
    assert any(
        option.lookup_range[1] - option.lookup_range[0] >= 1 << height
        for option, height in zip(options, heights, strict=True)
    )
    assert len(CALIBRATION_CIRCUITS) > max(map(len, TERMS.values()))


@pytest.mark.parametrize(
    ("build", "given", "made", "operators"),
    [
        (elementwise("Tanh", 12), (1, 12), (1, 12), ["Tanh"]),
        (dense(3, 5), (1, 3), (1, 5), ["Gemm"]),
        (convolutions((2, 3), 4, (None,)), (1, 2, 4, 4), (1, 3, 4, 4), ["Conv"]),
        (convolutions((2, 3, 1), 4, ("Relu", None)), (1, 2, 4, 4), (1, 1, 4, 4), ["Conv", "Relu", "Conv"]),
        (convolutions((2, 3, 1), 4, (None, "Tanh")), (1, 2, 4, 4), (1, 1, 4, 4), ["Conv", "Conv", "Tanh"]),
    ],
)
def test_builders(
    tmp_path: Path, build: Any, given: tuple[int, ...], made: tuple[int, ...], operators: list[str]
) -> None:
    inputs = CalibrationCircuit("", build, TINY).write(tmp_path / "m.onnx", 0)
    assert inputs.shape == given
    assert [node.op_type for node in onnx.load(str(tmp_path / "m.onnx")).graph.node] == operators
    (output,) = run_onnx(tmp_path / "m.onnx", (inputs,))
    assert output.shape == made


# Measuring


def test_a_machine_is_measured_end_to_end(tmp_path: Path) -> None:
    circuits = [
        CalibrationCircuit("relu 32", elementwise("Relu", 32), TINY),
        CalibrationCircuit("dense 8-16", dense(8, 16), TINY),
        CalibrationCircuit("conv 2-2", convolutions((2, 2), 6, (None,)), dataclasses.replace(TINY, logrows=9)),
    ]
    said: list[str] = []
    model, samples = calibrate_machine(
        MACHINE, tmp_path / "work", tmp_path / "srs", budget=BUDGET, circuits=circuits, say=said.append
    )
    assert said == [sample_line(sample) for sample in samples]
    assert [sample.name for sample in samples] == [circuit.name for circuit in circuits]
    assert [sample.cost.logrows for sample in samples] == [8, 8, 9]
    assert [sample.cost.range_checks for sample in samples] == [2, 0, 0]
    assert list((tmp_path / "work").iterdir()) == []
    assert (model.machine, model.circuits) == (MACHINE, 3)
    for sample in samples:
        assert tuple(sample.stages) == STAGES
        for taken in sample.stages.values():
            assert 0 < taken.seconds < 60
            assert 10e6 < taken.bytes < 1e9
    for (stage, quantity), terms in TERMS.items():
        fit = model.fits[f"{stage} {quantity}"]
        assert len(fit.coefficients) == len(terms)
        for sample in samples:  # a fit meets its own circuits as closely as its interval says, or closer
            ratio = model.estimate(stage, quantity, sample.cost).middle / getattr(sample.stages[stage], quantity)
            assert abs(ratio - 1) <= fit.spread - 1 + 1e-9
    save_cost_model(model, tmp_path / "m.json")
    assert load_cost_model(tmp_path / "m.json") == model


def test_a_stage_that_leaves_the_budget_ends_the_calibration(tmp_path: Path) -> None:
    said: list[str] = []
    circuits = [CalibrationCircuit("relu", elementwise("Relu", 32), TINY)]
    with pytest.raises(StageFailed, match="stage settings: out_of_memory"):
        calibrate_machine(
            MACHINE, tmp_path / "work", tmp_path, budget=Budget(1, 60.0), circuits=circuits, say=said.append
        )
    assert said == []
    assert list((tmp_path / "work").iterdir()) == []


class FakeRunner:
    """Answers each run with the next of the given results."""

    def __init__(self, *answers: tuple[float, int]) -> None:
        self.results: list[StageResult] = []
        self.answers = iter(answers)

    def run(self, stage: str, target: str, kwargs: dict[str, Any]) -> None:
        work, peak = next(self.answers)
        self.results.append(StageResult(stage, Outcome.OK, 9.0, peak, work_seconds=work))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(0.5, 30), (0.1, 10), (0.3, 20)], StageSample(0.3, 30.0)),
        ([(0.1, 10), (9.0, 50), (0.3, 20)], StageSample(0.3, 50.0)),
        ([(REPEATED_BELOW_SECONDS, 30)], StageSample(REPEATED_BELOW_SECONDS, 30.0)),
        ([(7.0, 30)], StageSample(7.0, 30.0)),
    ],
)
def test_short_stages_count_with_the_median_of_three(answers: list[tuple[float, int]], expected: StageSample) -> None:
    runner: Any = FakeRunner((99.0, 99), *answers)
    runner.run("earlier", "", {})
    assert calibration._measure(runner, "prove", "zk.backend:prove", {}) == expected
    assert len(runner.results) == 1 + len(answers)


def test_line_of_a_sample() -> None:
    stages = {
        "setup": StageSample(1.234, 2.5 * 2**30),
        "witness": StageSample(8.0, 8.0),
        "prove": StageSample(0.567, 2**28),
    }
    line = sample_line(CostSample("relu", COST, stages))
    assert re.sub(" +", " ", line) == (
        "relu 12,345 rows, 2 blocks at 2^13: setup 1.23 s 2.50 GiB, prove 0.57 s 0.25 GiB"
    )


# The command


class FakeCalibration:
    """Stands for :func:`calibrate_machine`: keeps what it was asked, and gives a constant model."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(
        self, machine: Machine, workdir: Path, srs_dir: Path, *, budget: Budget
    ) -> tuple[CostModel, Sequence[CostSample]]:
        assert workdir.is_dir()
        self.asked.append({"machine": machine, "workdir": workdir, "srs_dir": srs_dir, "budget": budget})
        return constant_model(2.0), [sample_of(2.0, 1.0), sample_of(4.0, 4.0)]


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCalibration:
    fake = FakeCalibration()
    monkeypatch.setattr(calibrate_cli, "calibrate_machine", fake)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return fake


def test_the_command_measures_this_machine_and_stores_the_model(
    calibrated: FakeCalibration, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "m.json"
    options = ["--out", str(out), "--srs-dir", "somewhere", "--memory-gib", "1.5", "--seconds", "9"]
    assert main(["calibrate", *options]) == 0
    (asked,) = calibrated.asked
    assert (asked["machine"], asked["srs_dir"]) == (this_machine(), Path("somewhere"))
    assert asked["budget"] == Budget(3 << 29, 9.0)
    assert not asked["workdir"].exists()
    assert load_cost_model(out) == constant_model(2.0)
    printed = capsys.readouterr().out.splitlines()
    assert printed[: len(TERMS)] == calibration_lines(constant_model(2.0), [sample_of(2.0, 1.0), sample_of(4.0, 4.0)])
    assert re.match(r"2 circuits in \d+ s on ", printed[-2])
    assert printed[-1] == f"stored in {out}"
    assert not (tmp_path / "cache").exists()


def test_without_a_file_predictions_of_this_machine_take_the_model(
    calibrated: FakeCalibration, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate([]) == 0
    path = calibrated_path(this_machine().digest)
    assert capsys.readouterr().out.splitlines()[-1] == f"stored in {path}"
    assert machine_cost_model(this_machine().digest) == load_cost_model(path) == constant_model(2.0)
    assert calibrated.asked[0]["budget"] == Budget(8 << 30, 600.0)


def test_a_failed_calibration_stores_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StageFailed("stage prove: timed_out")

    monkeypatch.setattr(calibrate_cli, "calibrate_machine", fail)
    assert main(["calibrate", "--out", str(tmp_path / "m.json")]) == 1
    assert capsys.readouterr() == ("", "error: stage prove: timed_out\n")
    assert list(tmp_path.iterdir()) == []


def test_a_budget_must_be_positive(calibrated: FakeCalibration, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--memory-gib", "0"]) == 1
    assert capsys.readouterr().err.startswith("error: a budget must be positive; got memory_bytes=0")
    assert calibrated.asked == []


def test_lines_say_how_closely_the_fit_meets_its_circuits() -> None:
    """Where 2 is predicted, 2 and 4 seconds give errors of 0 and 1/2, and 1 and 4 bytes errors of 1 and 1/2."""
    lines = calibration_lines(constant_model(2.0, spread=1.25), [sample_of(2.0, 1.0), sample_of(4.0, 4.0)])
    assert [re.sub(" +", " ", line) for line in lines] == [
        f"{stage} {quantity} mean error of the fit {error}%, interval x/: 1.25"
        for stage, quantity in TERMS
        for error in [{SECONDS: "25.0", BYTES: "75.0"}[quantity]]
    ]
    assert set(LEAST_SPREAD) == {SECONDS, BYTES}
