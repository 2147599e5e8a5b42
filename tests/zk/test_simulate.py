"""The simulator beside EZKL's own witnesses: every operator and whole generators, equal to the last bit."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from simulate_models import GENERATOR_SHAPES, GENERATORS, OPERATORS, A, Shapes, randomise, write_pad
from torch import Tensor

from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.errors import ZkError
from zk.export import export_onnx
from zk.simulate import IntegerCircuit, SimulationError, load_circuit, read_circuit
from zk.simulation.compiled import read_graph
from zk.simulation.operators import RULES
from zk.stages import StageRunner, write_json
from zk.types import Budget, CircuitOptions

BUDGET = Budget(2 << 30, 120.0)
WIDE = CircuitOptions(lookup_range=(-(1 << 26), 1 << 26), decomp_legs=3)
LAYOUTS = {
    "7/7": WIDE,
    "10/10": dataclasses.replace(WIDE, input_scale_bits=10, param_scale_bits=10),
    "7/7 x2": dataclasses.replace(WIDE, scale_rebase_multiplier=2),
    "10/10 x2": dataclasses.replace(WIDE, input_scale_bits=10, param_scale_bits=10, scale_rebase_multiplier=2),
}
GENERATOR_LAYOUTS = {
    "7/7": WIDE,
    "10/10": LAYOUTS["10/10"],
    "7/7 x2": LAYOUTS["7/7 x2"],
    "6/9": dataclasses.replace(WIDE, input_scale_bits=6, param_scale_bits=9),
}
SHAPES: dict[str, Shapes] = {name: shapes for name, (_, shapes) in OPERATORS.items()} | {"pad": (A,)}
SAMPLES = 2


def draw(shapes: Shapes, samples: int = SAMPLES, seed: int = 5) -> tuple[Tensor, ...]:
    """Normal numbers [samples, ...], each sample wider than the one before."""
    source = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.5, 3.0, samples)
    return tuple(
        torch.randn(samples, *shape[1:], generator=source) * spread.reshape(-1, *[1] * (len(shape) - 1))
        for shape in shapes
    )


def rows(inputs: tuple[Tensor, ...]) -> list[list[list[float]]]:
    return [[x[i].flatten().tolist() for x in inputs] for i in range(inputs[0].shape[0])]


def run_cases(folder: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        run = run_in_child(
            "witnesses",
            "simulate_targets:witnesses",
            {"folder": str(folder), "cases": cases},
            budget=BUDGET,
            log_path=folder / "log",
            threads=1,
        )
    assert run.result.ok, run.result.message
    return list(run.value)


def flat(tensors: tuple[Tensor, ...], sample: int) -> list[list[int]]:
    return [tensor[sample].flatten().tolist() for tensor in tensors]


def simulated(folder: Path, name: str) -> IntegerCircuit:
    return read_circuit(folder / f"{name}.ezkl", load_settings(folder / f"{name}.json"))


def export(module: torch.nn.Module, shapes: Shapes, path: Path) -> None:
    example = tuple(torch.full(shape, 0.5) for shape in shapes)
    outputs = module(*example)
    names = ("o", "p")[: len(outputs) if isinstance(outputs, tuple) else 1]
    export_onnx(module, example, path, tuple("abcd"[: len(shapes)]), names, checks=1)


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("operators")
    write_pad(folder / "pad.onnx")
    for name, (module, shapes) in OPERATORS.items():
        export(randomise(module), shapes, folder / f"{name}.onnx")
    keys = [(name, layout) for name in SHAPES for layout in LAYOUTS]
    cases = [
        {
            "name": f"{name} {layout.replace('/', '-')}",
            "onnx": str(folder / f"{name}.onnx"),
            "options": LAYOUTS[layout].to_json(),
            "logrows": 15,
            "inputs": rows(draw(SHAPES[name])),
        }
        for name, layout in keys
    ]
    return {"folder": folder, "found": dict(zip(keys, run_cases(folder, cases), strict=True))}


@pytest.mark.parametrize("name", SHAPES)
def test_every_operator_equals_the_witness(operators: dict[str, Any], name: str) -> None:
    for layout in LAYOUTS:
        circuit = simulated(operators["folder"], f"{name} {layout.replace('/', '-')}")
        simulation = circuit.run(draw(SHAPES[name]))
        expected = operators["found"][name, layout]["integers"]
        assert simulation.in_range.all(), layout
        assert [flat(simulation.integers, sample) for sample in range(SAMPLES)] == expected, layout
        assert all(any(values) for tensor in expected for values in tensor), "all zeros prove nothing"
        for output, integers, bits in zip(
            simulation.outputs, simulation.integers, circuit.output_scale_bits, strict=True
        ):
            assert torch.equal(output * 2.0**bits, integers.double())


def test_every_supported_operator_was_compared(operators: dict[str, Any]) -> None:
    seen: set[str] = set()
    rescaled = rebased = 0
    for name in SHAPES:
        data = (operators["folder"] / f"{name} 7-7.ezkl").read_bytes()
        found = [node.operator for node in read_graph(data, input_scale_bits=7, param_scale_bits=7).nodes]
        seen |= {operator.name for operator in found}
        rescaled += sum(bool(operator.multipliers) for operator in found)
        rebased += sum(operator.divisor != 1.0 for operator in found)
    assert set(RULES) | {"Input", "Constant"} == seen
    assert rescaled >= 2
    assert rebased >= 20


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("generators")
    latent, _ = draw(GENERATOR_SHAPES, 3)
    inputs = latent, torch.eye(3)[[0, 2, 1]]
    keys = [(name, layout) for name in GENERATORS for layout in GENERATOR_LAYOUTS]
    for name, family in GENERATORS.items():
        export(randomise(family()), GENERATOR_SHAPES, folder / f"{name}.onnx")
    cases = [
        {
            "name": f"{name} {layout.replace('/', '-')}",
            "onnx": str(folder / f"{name}.onnx"),
            "options": GENERATOR_LAYOUTS[layout].to_json(),
            "logrows": 15,
            "inputs": rows(inputs),
        }
        for name, layout in keys
    ]
    found = run_cases(folder, cases)
    return {"folder": folder, "inputs": inputs, "found": dict(zip(keys, found, strict=True))}


@pytest.mark.parametrize("name", GENERATORS)
def test_whole_generators_equal_the_witness(generators: dict[str, Any], name: str) -> None:
    for layout in GENERATOR_LAYOUTS:
        circuit = simulated(generators["folder"], f"{name} {layout.replace('/', '-')}")
        simulation = circuit.run(generators["inputs"])
        expected = generators["found"][name, layout]["integers"]
        assert [flat(simulation.integers, sample) for sample in range(3)] == expected, layout
        assert simulation.in_range.all()
        assert len({tuple(sample[0]) for sample in expected}) == 3


def test_a_batch_equals_its_samples_and_its_chunks(generators: dict[str, Any]) -> None:
    circuit = simulated(generators["folder"], "separable 7-7")
    latent, _ = draw(GENERATOR_SHAPES, 20, seed=1)
    inputs = latent, torch.eye(3)[torch.arange(20) % 3]
    together = circuit.run(inputs)
    for size in (1, 7, 20, 100):
        chunked = circuit.run(inputs, chunk_samples=size)
        assert torch.equal(chunked.integers[0], together.integers[0])
        assert torch.equal(chunked.in_range, together.in_range)
        assert (chunked.decomposed_peak, chunked.looked_up) == (together.decomposed_peak, together.looked_up)
    singles = [circuit.run([x[i : i + 1] for x in inputs]).integers[0] for i in range(20)]
    assert torch.equal(torch.cat(singles), together.integers[0])
    assert together.integers[0].shape == together.outputs[0].shape == (20, 3, 4, 4)
    assert together.integers[0].dtype == torch.int64


def test_inputs_are_float32_rounded_half_away(operators: dict[str, Any]) -> None:
    circuit = simulated(operators["folder"], "negative 7-7")
    x = torch.zeros(1, 4, 4, 4, dtype=torch.float64)
    # the third is 2.5 steps less 1e-12: as float32, the type of the circuit's input, it is 2.5 steps
    x.view(-1)[:4] = torch.tensor([2.5, -2.5, 2.5 - 1e-12, 2.4999], dtype=torch.float64) / 128
    assert circuit.run([x]).integers[0].flatten()[:4].tolist() == [-3, 3, -3, -2]


def test_the_circuit_is_close_to_the_float_model(generators: dict[str, Any]) -> None:
    module = randomise(GENERATORS["mlp"]()).eval()
    with torch.no_grad():
        expected = module(*generators["inputs"]).double()
    coarse, fine = (
        (simulated(generators["folder"], f"mlp {layout}").run(generators["inputs"]).outputs[0] - expected).abs().mean()
        for layout in ("7-7", "10-10")
    )
    assert 0.0 < fine < coarse / 3 < 0.02


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory, generators: dict[str, Any]) -> tuple[Path, Path]:
    """Settings, calibration and compilation as the pipeline runs them."""
    folder, onnx = tmp_path_factory.mktemp("staged"), generators["folder"] / "subpixel.onnx"
    runner = StageRunner(folder, CircuitOptions(lookup_range=(-100, 100)), BUDGET, threads=1)
    write_json(folder / "data.json", {"input_data": [x[:2].flatten().tolist() for x in generators["inputs"]]})
    runner.settings(onnx)
    runner.calibrate(onnx, folder / "data.json")
    runner.compile(onnx)
    return folder, onnx


def test_the_pipelines_files_and_a_fresh_compilation_agree(
    staged: tuple[Path, Path], generators: dict[str, Any]
) -> None:
    folder, onnx = staged
    read = read_circuit(folder / "circuit.ezkl", load_settings(folder / "settings.json"))
    loaded = load_circuit(onnx, folder / "settings.json", budget=BUDGET)
    first, second = (circuit.run(generators["inputs"]) for circuit in (read, loaded))
    expected = generators["found"]["subpixel", "7/7"]["integers"]
    assert [flat(first.integers, sample) for sample in range(3)] == expected
    assert torch.equal(first.integers[0], second.integers[0])
    assert first.in_range[:2].all()
    assert (loaded.input_shapes, loaded.output_shapes) == (GENERATOR_SHAPES, ((1, 3, 8, 8),))


def test_bad_inputs_are_refused(generators: dict[str, Any]) -> None:
    circuit = simulated(generators["folder"], "mlp 7-7")
    with pytest.raises(SimulationError, match="with the shapes"):
        circuit.run([torch.zeros(2, 6), torch.zeros(3, 3)])
    with pytest.raises(SimulationError, match="with the shapes"):
        circuit.run([torch.zeros(2, 6)])
    with pytest.raises(SimulationError, match="at least one sample"):
        circuit.run([torch.zeros(0, 6), torch.zeros(0, 3)])
    with pytest.raises(SimulationError, match="must be finite"):
        circuit.run([torch.full((1, 6), float("nan")), torch.zeros(1, 3)])


def test_files_that_do_not_fit_are_refused(staged: tuple[Path, Path], tmp_path: Path) -> None:
    folder, onnx = staged
    settings = load_settings(folder / "settings.json")
    data = (folder / "circuit.ezkl").read_bytes()
    other = json.loads(json.dumps(settings))
    other["run_args"]["param_scale"] = 8
    with pytest.raises(SimulationError, match="compiled with the given settings"):
        read_circuit(folder / "circuit.ezkl", other)
    other = json.loads(json.dumps(settings))
    other["model_output_scales"] = [9]
    with pytest.raises(SimulationError, match="must agree on scales"):
        read_circuit(folder / "circuit.ezkl", other)
    for bad in (b"", data[:500], b"\xff" * 64, onnx.read_bytes()):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(SimulationError):
            read_circuit(tmp_path / "bad", settings)
    with pytest.raises(SimulationError, match="compile it first"):
        read_circuit(tmp_path / "none", settings)
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    with pytest.raises(SimulationError, match="must compile before"):
        load_circuit(tmp_path / "bad.onnx", settings, budget=BUDGET)


def test_the_error_is_the_packages_own() -> None:
    assert issubclass(SimulationError, ZkError)
