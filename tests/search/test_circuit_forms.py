"""A generator's checked circuit through the search's functions: figures, plan, images, proof."""

from pathlib import Path

import pytest
import torch

from gan.generators import Generator, build_generator
from gan.spec import GeneratorSpec
from search.circuit import CIRCUIT_METRICS, circuit_inputs, measure_spec
from search.circuit_forms import BUNDLE, describe_plan, prove_plan, simulator_of
from search.planned import CircuitPlanning, CircuitSampler, plan_generator
from zk.bundle import read_bundle
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedPlan
from zk.plan import PlanGoal
from zk.types import Budget, CircuitOptions, Wiring

BUDGET = Budget(4 << 30, 120.0)
FORM = CheckedOptions(private_inputs=("latent",))
SPEC = GeneratorSpec(
    family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8, head="tanh"
)
PLANNING = CircuitPlanning(goal=PlanGoal(memory_bytes=8 << 30), options=FORM, budget=BUDGET, samples=4)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return build_generator(SPEC, seed=3).eval()


@pytest.fixture(scope="module")
def planned(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> tuple[CheckedPlan, Path]:
    folder = tmp_path_factory.mktemp("plan")
    plan = plan_generator(SPEC, generator, folder, PLANNING)
    assert isinstance(plan, CheckedPlan)
    return plan, folder


def test_figures_before_training(tmp_path: Path) -> None:
    checked = measure_spec(SPEC, tmp_path / "checked", options=FORM, budget=BUDGET)
    direct = measure_spec(SPEC, tmp_path / "direct", options=CircuitOptions(), budget=BUDGET)
    assert (checked.compiled, checked.reason) == (True, "")
    assert set(checked.metrics) == CIRCUIT_METRICS
    assert checked.metrics["rows"] < direct.metrics["rows"] / 3
    assert checked.metrics["macs"] == direct.metrics["macs"]
    assert (tmp_path / "checked" / "figures.json").exists()


def test_a_network_without_a_checked_form_is_a_figure(tmp_path: Path) -> None:
    unknown = CheckedOptions(private_inputs=("nonsense",))
    figures = measure_spec(SPEC, tmp_path, options=unknown, budget=BUDGET)
    assert not figures.compiled
    assert "nonsense" in figures.reason


def test_the_plan_says_what_it_chose(planned: tuple[CheckedPlan, Path]) -> None:
    plan, folder = planned
    metrics, words = describe_plan(plan)
    assert plan.best is not None
    assert metrics["planned_rows"] == plan.best.rows
    assert metrics["planned_logrows"] == plan.best.options.logrows
    assert "checked" in words
    assert (folder / "plan.txt").read_text().count("chosen") == 1


def test_images_are_the_generator_s_up_to_rounding(planned: tuple[CheckedPlan, Path], generator: Generator) -> None:
    plan, folder = planned
    sampler = CircuitSampler(simulator_of(plan, folder / "chosen", BUDGET), SPEC, seed=9)
    labels, indices = torch.tensor([0, 1]), torch.tensor([4, 5])
    images = sampler(labels, indices)
    exact = torch.cat(
        [
            generator(*circuit_inputs(SPEC, seed=9, index=int(index), label=int(label))).detach()
            for label, index in zip(labels, indices, strict=True)
        ]
    )
    assert sampler.refused == 0
    assert (images - exact).abs().mean() < 0.02


def test_a_planned_circuit_is_proved(planned: tuple[CheckedPlan, Path], tmp_path: Path) -> None:
    plan, _ = planned
    inputs = circuit_inputs(SPEC, label=1)
    run = prove_plan(plan, inputs, [], tmp_path / "network.onnx", budget=BUDGET, srs_dir=tmp_path / "srs")
    assert run.counts_as_proved
    assert run.wiring is Wiring.LINKED
    assert len(run.tamper_reasons) == 2
    assert plan.best is not None
    assert run.cost is not None
    assert run.cost.rows == plan.best.rows
    assert run.stage("prove") is not None
    assert read_bundle(tmp_path / BUNDLE).manifest.counts_as_proved
