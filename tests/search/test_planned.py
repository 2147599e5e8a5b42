from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.generators import Generator, build_generator
from gan.sampling import GeneratorSampler
from gan.spec import GeneratorSpec
from search.circuit import circuit_inputs
from search.circuit_forms import simulator_of
from search.front_circuits import plan_findings
from search.planned import CircuitPlanning, CircuitSampler, plan_generator
from zk.export import run_onnx
from zk.plan import Plan, PlanGoal
from zk.types import Budget, CircuitOptions

BUDGET = Budget(4 << 30, 120.0)
SPEC = GeneratorSpec(
    family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8, head="clamp"
)
PLANNING = CircuitPlanning(
    goal=PlanGoal(memory_bytes=8 << 30), options=CircuitOptions(min_logrows=8), budget=BUDGET, samples=6
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return build_generator(SPEC, seed=3).eval()


@pytest.fixture(scope="module")
def planned(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    folder = tmp_path_factory.mktemp("plan")
    return plan_generator(SPEC, generator, folder, PLANNING), folder


def test_a_plan_keeps_its_goal(planned: tuple[Plan, Path], generator: Generator) -> None:
    plan, folder = planned
    assert plan.best is not None
    assert plan.best.fidelity is not None
    assert plan.best.fidelity.mean_abs_error <= PLANNING.goal.mean_abs_error
    assert (folder / "plan.txt").read_text().count("chosen") == 1
    metrics, facts = plan_findings(plan)
    assert metrics["planned_rows"] == plan.best.cost.rows
    assert str(plan.best.options.decomp_base) in facts["plan"]
    inputs = circuit_inputs(SPEC, index=5)
    expected = generator(*inputs).detach()
    found = torch.from_numpy(run_onnx(plan.onnx_path, tuple(x.numpy() for x in inputs))[0]).reshape(expected.shape)
    assert (found - expected).abs().mean() < PLANNING.goal.mean_abs_error  # its constants may be rounded
    source = torch.from_numpy(run_onnx(plan.source, tuple(x.numpy() for x in inputs))[0]).reshape(expected.shape)
    torch.testing.assert_close(source, expected, atol=1e-4, rtol=0)


def test_the_circuit_s_images_are_the_generator_s_up_to_rounding(
    planned: tuple[Plan, Path], generator: Generator
) -> None:
    plan, folder = planned
    circuit = simulator_of(plan, folder / "chosen", BUDGET)
    sampler = CircuitSampler(circuit, SPEC, seed=9)
    labels, indices = torch.tensor([0, 1, 1]), torch.tensor([4, 2, 7])
    images = sampler(labels, indices)
    exact = GeneratorSampler(generator, latent_dim=4, num_classes=2, seed=9)(labels, indices)
    assert images.shape == exact.shape
    assert images.abs().max() <= 1
    assert 0 < (images - exact).abs().mean() < 0.02
    assert sampler.refused == 0
    torch.testing.assert_close(sampler(labels[1:2], indices[1:2]), images[1:2], rtol=0, atol=0)


def test_no_layout_within_the_goal_is_a_finding(generator: Generator, tmp_path: Path) -> None:
    plan = plan_generator(SPEC, generator, tmp_path, replace(PLANNING, goal=PlanGoal(memory_bytes=1 << 20)))
    assert plan.best is None
    metrics, facts = plan_findings(plan)
    assert metrics == {}
    assert "predicted memory" in facts["circuit_failure"]
    assert "above 0.0" in facts["circuit_failure"]
