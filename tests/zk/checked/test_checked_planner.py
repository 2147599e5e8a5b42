"""Plans of checked circuits: goals are kept, parts are made where memory asks for them, rows are charged to steps."""

from pathlib import Path

import pytest
import torch
from torch import nn

from zk.benchmark.layers import Square
from zk.checked.attribution import attribute_checked
from zk.checked.circuit import build_checked
from zk.checked.errors import CheckedError
from zk.checked.evaluate import quantise, run_program
from zk.checked.layouts import cheaper_directly, cheapest_layout
from zk.checked.options import CheckedOptions
from zk.checked.parts import possible_cuts
from zk.checked.plan import CheckedPlan, format_checked_plan
from zk.checked.planner import logrows_for, plan_checked, scales_for
from zk.cost_cli import main as cost_main
from zk.export import export_onnx
from zk.plan import PlanGoal
from zk.types import Budget

BUDGET = Budget(4 << 30, 120.0)
BASE = CheckedOptions()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 40), nn.Hardswish(), nn.Linear(40, 30), nn.Hardswish(), nn.Linear(30, 8))
    return export_onnx(module, (torch.randn(1, 6),), tmp_path_factory.mktemp("net") / "n.onnx", ("x",), ("y",)).path


@pytest.fixture(scope="module")
def samples() -> list[torch.Tensor]:
    return [torch.randn(4, 1, 6, generator=torch.Generator().manual_seed(1))]


@pytest.fixture(scope="module")
def plan(network: Path, samples: list[torch.Tensor]) -> CheckedPlan:
    return plan_checked(network, samples, network.parent, goal=PlanGoal(memory_bytes=4 << 30), base=BASE, budget=BUDGET)


def test_the_fastest_that_fits_is_chosen(plan: CheckedPlan) -> None:
    assert plan.best is plan.candidates[0]
    seconds = [found.predicted_prove_seconds for found in plan.candidates]
    assert seconds == sorted(seconds)
    assert plan.fidelity.mean_abs_error < 0.01
    table = format_checked_plan(plan)
    assert table.count("chosen") == 1
    assert "4 samples" in table


def test_memory_makes_parts(network: Path, samples: list[torch.Tensor], plan: CheckedPlan) -> None:
    assert plan.best is not None
    goal = PlanGoal(memory_bytes=1)
    tight = plan_checked(network, samples, network.parent, goal=goal, base=BASE, budget=BUDGET, logrows=9)
    assert tight.best is None
    assert "predicted memory" in tight.reasons
    assert len(tight.candidates[0].costs) == 3  # one product each: as many parts as it can be cut into


def test_each_scale_is_cut_where_its_own_steps_allow(tmp_path: Path, samples: list[torch.Tensor]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 40), nn.Hardswish(), Square(), Square(), nn.Linear(40, 8))
    path = export_onnx(module, (torch.randn(1, 6),), tmp_path / "n.onnx", ("x",), ("y",)).path
    # the second square is divided before or after it, by the height: with other steps go other places for cuts
    places = {
        possible_cuts(build_checked(path, CheckedOptions(logrows=logrows), tmp_path, budget=BUDGET).program)
        for logrows in (15, 17)
    }
    assert len(places) == 2
    found = plan_checked(path, samples, tmp_path, goal=PlanGoal(memory_bytes=1), base=BASE, budget=BUDGET, logrows=12)
    assert len(found.candidates[0].costs) == 3


def test_an_error_bound_is_kept(network: Path, samples: list[torch.Tensor]) -> None:
    goal = PlanGoal(memory_bytes=4 << 30, mean_abs_error=1e-9)
    found = plan_checked(network, samples, network.parent, goal=goal, base=BASE, budget=BUDGET, logrows=9)
    assert found.best is None
    assert "mean error" in found.reasons


def test_activations_get_the_finest_scale_that_fits() -> None:
    assert scales_for(0.9, 12, BASE).activation_bits == 9
    assert scales_for(1.9, 12, BASE).activation_bits == 9
    assert scales_for(3.9, 12, BASE).activation_bits == 9
    assert scales_for(4.1, 12, BASE).activation_bits == 8
    with pytest.raises(CheckedError, match="raise logrows"):
        scales_for(5000.0, 12, BASE)


@pytest.mark.parametrize("reach", [0.01, 0.9, 1.0, 4.1, 63.0, 64.0])
@pytest.mark.parametrize("bits", [5, 7, 10])
def test_the_least_height_for_a_scale_is_the_least(reach: float, bits: int) -> None:
    logrows = logrows_for(reach, bits)
    assert scales_for(reach, logrows, BASE).activation_bits >= bits
    if logrows > bits + 3:  # the options' own limit
        assert scales_for(reach, logrows - 1, BASE).activation_bits < bits


def test_activations_are_as_fine_as_asked(network: Path, samples: list[torch.Tensor]) -> None:
    goal = PlanGoal(memory_bytes=2**34, mean_abs_error=9.0)
    for pinned in (False, True):
        plan = plan_checked(
            network, samples, network.parent, goal=goal, base=BASE, budget=BUDGET, least_bits=9, pinned=pinned
        )
        found = {candidate.options.activation_bits for candidate in plan.candidates}
        assert min(found) >= 9
        assert (found == {9}) is pinned


def test_tables_hold_what_only_the_chosen_scales_divide(tmp_path: Path) -> None:
    """Squares reach further than anything that the probe's scales look up."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), Square(), nn.AvgPool2d(2), nn.Conv2d(3, 4, 3, padding=1), Square(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip
    inputs = 3 * torch.randn(6, 1, 1, 8, 8)
    path = export_onnx(module.eval(), (inputs[0],), tmp_path / "n.onnx", ("x",), ("y",), tolerance=1e-2).path
    goal = PlanGoal(memory_bytes=2**34, mean_abs_error=1e9, range_margin=1.0)
    plan = plan_checked(path, [inputs], tmp_path, goal=goal, base=CheckedOptions(private_inputs=("x",)), budget=BUDGET)
    assert plan.best is not None
    for candidate in plan.candidates:
        circuit = build_checked(path, candidate.options, tmp_path, budget=BUDGET)
        for row in inputs:
            run_program(circuit.program, quantise(circuit.program, (row,)), circuit.foreign.values)


def test_a_product_that_skips_its_input_is_cheaper_directly(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1, stride=4), nn.Flatten(), nn.Linear(4, 2))
    path = export_onnx(module, (torch.randn(1, 1, 8, 8),), tmp_path / "n.onnx", ("x",), ("y",)).path
    found = cheaper_directly(path, tmp_path, BASE, BUDGET)
    assert len(found) == 1
    assert "conv" in found[0].lower()
    layout = cheapest_layout(path, tmp_path, BASE, budget=BUDGET, model=None)
    assert layout.direct == found
    program = build_checked(path, layout, tmp_path, budget=BUDGET).program
    assert [name for name in program.foreign if "Conv" in name]


def test_rows_are_charged_to_steps(network: Path, tmp_path: Path) -> None:
    circuit = build_checked(network, CheckedOptions(logrows=10, activation_bits=6), tmp_path, budget=BUDGET)
    found = attribute_checked(circuit)
    assert found.rows == sum(part.rows for part in circuit.parts)
    assert sum(step.macs for step in found.steps) == 6 * 40 + 40 * 30 + 30 * 8
    assert all(step.rows >= 0 for step in found.steps)
    assert sum(step.direct_rows for step in found.steps) > found.rows


def test_the_command_line(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.json"
    assert cost_main(["checked", str(network), "--private", "x", "--json", str(target)]) == 0
    printed = capsys.readouterr().out
    assert "direct rows" in printed
    assert "predicted prove" in printed
    assert target.exists()
    assert cost_main(["checked", str(network), "--private", "nonsense"]) == 1
