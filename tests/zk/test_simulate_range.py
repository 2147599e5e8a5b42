"""Which samples a circuit refuses: the simulator's flags beside EZKL's witness generator and mock prover."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from simulate_models import GENERATOR_SHAPES, GENERATORS, Function, Shapes, randomise
from test_simulate import export, flat, run_cases, simulated
from torch import Tensor

from zk.simulation.guard import RangeGuard, table_range
from zk.types import CircuitOptions

SCALE_BITS = 4
TRIES = 20
PAIR: Shapes = ((1, 2),)
MODELS: dict[str, tuple[Any, Shapes]] = {
    "public": (lambda x: x + x - x, PAIR),
    "relu": (lambda x: F.relu(x * 1.5), PAIR),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.3), PAIR),
    "absolute": (lambda x: abs(x), PAIR),
    "greater_of_two": (torch.maximum, ((1, 2), (1, 2))),
    "hardtanh": (lambda x: F.hardtanh(x, -5.0, 5.0), PAIR),
    "max_pool": (lambda x: F.max_pool2d(x, 3, 2, 1), ((1, 1, 2, 2),)),
    "least": (lambda x: x.amin(1), ((1, 3),)),
    "average_pool": (lambda x: F.avg_pool2d(x * 1.7, 2), ((1, 1, 2, 2),)),
    "product": (lambda x: x * 1.7, PAIR),
    "concatenation": (lambda x, y: torch.cat([x * 0.5, y], 1), ((1, 1), (1, 1))),
    "small_digits": (lambda x: x * 1.7, PAIR),
    "tanh": (lambda x: torch.tanh(x * 1.2), PAIR),
}
# so few digits that the divisor of the rebase, 16, does not fit either, unless a rest is taken off it
DIGITS = {"small_digits": (4, 2)}


def options(name: str) -> CircuitOptions:
    base, legs = DIGITS.get(name, (16, 2))
    return CircuitOptions(
        input_scale_bits=SCALE_BITS,
        param_scale_bits=SCALE_BITS,
        decomp_base=base,
        decomp_legs=legs,
        lookup_range=(-100, 100),
        ignore_range_check_inputs_outputs=False,
        min_logrows=8,
    )


def integers_near_bounds(name: str, shapes: Shapes) -> list[tuple[Tensor, ...]]:
    """Inputs, as integers, most of them close to where something no longer fits."""
    base, legs = DIGITS.get(name, (16, 2))
    bound = base**legs
    source = random.Random(name)

    def value(centre: float) -> int:
        if source.random() < 0.4:
            return source.randint(-bound // 3, bound // 3)
        return source.choice((-1, 1)) * round(centre + source.choice((-2, -1, 0, 1)))

    found = [tuple(torch.full(shape, number) for shape in shapes) for number in (bound, bound - 1, 1)]
    for _ in range(TRIES):
        centre = source.choice((bound, bound / 2 + 1, bound / 1.7, bound / 1.5))
        found.append(
            tuple(
                torch.tensor([value(centre) for _ in range(torch.Size(shape).numel())]).reshape(shape)
                for shape in shapes
            )
        )
    return found


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("refusals")
    cases, drawn = [], {}
    for name, (function, shapes) in MODELS.items():
        export(Function(function), shapes, folder / f"{name}.onnx")
        drawn[name] = integers_near_bounds(name, shapes)
        inputs = [[(x / 2.0**SCALE_BITS).flatten().tolist() for x in sample] for sample in drawn[name]]
        case = {"name": name, "onnx": str(folder / f"{name}.onnx"), "options": options(name).to_json(), "logrows": 9}
        cases.append(case | {"inputs": inputs, "mock": True})
    found = run_cases(folder, cases)
    return {"folder": folder, "drawn": drawn, "found": dict(zip(MODELS, found, strict=True))}


@pytest.mark.parametrize("name", MODELS)
def test_flags_equal_the_provers_verdict(refusals: dict[str, Any], name: str) -> None:
    samples = refusals["drawn"][name]
    inputs = [torch.cat(column) / 2.0**SCALE_BITS for column in zip(*samples, strict=True)]
    simulation = simulated(refusals["folder"], name).run(inputs)
    accepted = refusals["found"][name]["mock"]
    assert simulation.in_range.tolist() == accepted
    assert {True, False} == set(accepted), "both verdicts must occur"
    for sample, integers in enumerate(refusals["found"][name]["integers"]):
        if integers is not None:
            assert flat(simulation.integers, sample) == integers


def test_figures_of_the_ranges_tell_when_all_fit(refusals: dict[str, Any]) -> None:
    circuit = simulated(refusals["folder"], "tanh")
    within = circuit.run([torch.tensor([[1.0, -2.0]])])
    assert within.in_range.all()
    assert within.looked_up == (-2 * 19, 19)
    assert 0 < within.decomposed_peak < 256
    beyond = circuit.run([torch.tensor([[1.0, -2.0], [8.0, 0.0], [13.0, 0.0]])])
    assert beyond.looked_up == (-2 * 19, 247)
    assert beyond.in_range.tolist() == [True, True, True]  # the table's column reaches beyond the asked 100
    product = simulated(refusals["folder"], "product")
    assert product.run([torch.tensor([[9.0, -9.0]])]).decomposed_peak == 243  # 144 * 27 / 16
    assert not product.run([torch.tensor([[9.5, 0.0]])]).in_range.any()


@pytest.mark.parametrize(
    ("low", "high", "logrows", "expected"),
    [(-100, 100, 9, 403), (-250, 253, 9, 253), (-250, 254, 9, 757), (-300, 300, 9, 707), (-100, 100, 10, 915)],
)
def test_tables_fill_their_columns(low: int, high: int, logrows: int, expected: int) -> None:
    assert table_range({"lookup_range": [low, high], "logrows": logrows}) == (low, expected)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tanh tables of one and of two columns, asked at both ends and one beyond."""
    folder = tmp_path_factory.mktemp("tables")
    export(Function(torch.tanh), ((1, 1),), folder / "tanh.onnx")
    ends = {(-250, 250): (-250, 253), (-250, 254): (-250, 757)}
    cases = [
        {
            "name": f"{low} {high}",
            "onnx": str(folder / "tanh.onnx"),
            "options": CircuitOptions(lookup_range=(low, high), min_logrows=9).to_json(),
            "logrows": 9,
            "inputs": [[[value / 128]] for value in (bottom - 1, bottom, top, top + 1)],
            "mock": True,
        }
        for (low, high), (bottom, top) in ends.items()
    ]
    return {"folder": folder, "ends": ends, "found": run_cases(folder, cases), "cases": cases}


def test_the_ends_of_tables_are_the_provers(tables: dict[str, Any]) -> None:
    for case, found in zip(tables["cases"], tables["found"], strict=True):
        circuit = simulated(tables["folder"], case["name"])
        inputs = torch.tensor(case["inputs"]).reshape(4, 1)
        assert found["mock"] == [False, True, True, False]
        assert circuit.run([inputs]).in_range.tolist() == found["mock"]


def test_what_the_witness_holds_is_what_the_circuit_proves(tmp_path: Path) -> None:
    """The mock prover checks every constraint, the public outputs' included."""
    latent = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    inputs = latent, torch.eye(3)[:2]
    cases = []
    for name in ("subpixel", "separable"):
        export(randomise(GENERATORS[name]()), GENERATOR_SHAPES, tmp_path / f"{name}.onnx")
        case = {"name": name, "onnx": str(tmp_path / f"{name}.onnx"), "logrows": 14, "mock": True}
        case["options"] = CircuitOptions().to_json()
        cases.append(case | {"inputs": [[x[i].flatten().tolist() for x in inputs] for i in range(2)]})
    for case, found in zip(cases, run_cases(tmp_path, cases), strict=True):
        simulation = simulated(tmp_path, case["name"]).run(inputs)
        assert found["mock"] == simulation.in_range.tolist() == [True, True]
        assert [flat(simulation.integers, sample) for sample in range(2)] == found["integers"]


def test_a_guard_of_no_digits_too_many() -> None:
    guard = RangeGuard(
        2, {"decomp_base": 2**20, "decomp_legs": 10, "lookup_range": [-1, 1], "logrows": 9}, torch.device("cpu")
    )
    guard.decompose(torch.tensor([[2.0**53], [-5.0]], dtype=torch.float64))
    assert (guard.in_range.tolist(), guard.decomposed_peak) == ([True, True], 2**53)


def test_a_constant_that_several_nodes_read_must_fit_the_digits(tmp_path: Path) -> None:
    """Where public values are left to the verifier, and only there: 17 at scale 4 is 272, above 16**2."""
    large, small = torch.tensor([[17.0, 17.25]]), torch.tensor([[15.0, 15.25]])
    functions = {
        "alone": lambda x, y: (x + large, y - 1.0),
        "shared": lambda x, y: (x + large, y + large),
        "small": lambda x, y: (x + small, y + small),
    }
    shapes, inputs = ((1, 2), (1, 2)), ([-4.0, -4.0], [-3.0, -3.0])
    cases = []
    for left_out in (True, False):
        layout = dataclasses.replace(options("public"), ignore_range_check_inputs_outputs=left_out)
        for name, function in functions.items():
            path = tmp_path / f"{name}-{left_out}.onnx"
            export(Function(function), shapes, path)
            case = {"name": path.stem, "onnx": str(path), "options": layout.to_json(), "logrows": 9}
            cases.append(case | {"inputs": [list(inputs)], "mock": True})
    verdicts = [found["mock"] == [True] for found in run_cases(tmp_path, cases)]
    assert verdicts == [True, False, True, True, True, True]
    for case, accepted in zip(cases, verdicts, strict=True):
        found = simulated(tmp_path, str(case["name"])).run([torch.tensor([values]) for values in inputs])
        assert bool(found.in_range.all()) is accepted
