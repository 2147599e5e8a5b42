"""Plans: every candidate drafted for real, the fastest that keeps the goal chosen, and proved at its digits."""

import dataclasses
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from zk.errors import OptionError
from zk.export import export_onnx
from zk.pipeline import prove_sample
from zk.planner import ABSOLUTE, LOWERED, NEVER_REBASE, Plan, PlanGoal, format_plan, plan_circuit, untrained_layouts
from zk.types import Budget, CircuitOptions

BUDGET = Budget(4 << 30, 120.0)
GOAL = PlanGoal(memory_bytes=8 << 30)
BASE = CircuitOptions(min_logrows=8)


class Convolutional(nn.Module):
    """Upsampling, ReLU and a clipped head; with ``tanh`` a looked-up one."""

    def __init__(self, tanh: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.ConvTranspose2d(2, 4, 4, 2, 1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        self.tanh = tanh

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return torch.tanh(y) if self.tanh else y.clamp(-1, 1)


def exported(module: nn.Module, folder: Path) -> Path:
    export_onnx(module, (torch.zeros(1, 2, 6, 6),), folder / "m.onnx", ("x",), ("y",))
    return folder / "m.onnx"


def planned(module: nn.Module, folder: Path, goal: PlanGoal = GOAL) -> Plan:
    torch.manual_seed(0)
    return plan_circuit(
        exported(module, folder), [torch.randn(6, 2, 6, 6)], folder / "plan", goal=goal, base=BASE, budget=BUDGET
    )


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(Convolutional(), tmp_path_factory.mktemp("planner"))


def test_without_tables_the_scale_grows(plan: Plan) -> None:
    assert plan.best is not None
    assert (plan.best.form, plan.best.options.scale_rebase_multiplier) == (ABSOLUTE, NEVER_REBASE)
    rows = {(found.form, found.options.scale_rebase_multiplier): found.cost.rows for found in plan.candidates}
    assert rows[LOWERED, 1] > 1.2 * rows[ABSOLUTE, NEVER_REBASE]


def test_candidates_are_ranked_and_explained(plan: Plan) -> None:
    seconds = [found.predicted_prove_seconds for found in plan.candidates if not found.verdict]
    assert seconds == sorted(seconds)
    text = format_plan(plan)
    assert text.count("chosen") == 1
    assert len(text.splitlines()) == 1 + len(plan.candidates)
    assert "never" in text


def test_the_choice_is_proved_as_planned(plan: Plan, tmp_path: Path) -> None:
    inputs = (torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(3)),)
    run = prove_sample(
        plan.onnx_path, inputs, tmp_path / "run", options=plan.best.options, budget=BUDGET, srs_dir=tmp_path / "srs"
    )
    assert run.counts_as_proved
    assert run.cost.rows == plan.best.cost.rows
    assert run.fidelity.mean_abs_error <= GOAL.mean_abs_error


def test_tables_keep_the_scale_low(tmp_path: Path) -> None:
    plan = planned(Convolutional(tanh=True), tmp_path)
    assert plan.best is not None
    assert plan.best.options.scale_rebase_multiplier < NEVER_REBASE
    low, high = plan.best.options.lookup_range
    assert low < -10 < 10 < high


def test_a_goal_that_nothing_meets_is_said(tmp_path: Path) -> None:
    plan = planned(Convolutional(), tmp_path, PlanGoal(memory_bytes=8 << 30, mean_abs_error=1e-9))
    assert (plan.best, plan.onnx_path) == (None, None)
    assert all("mean error" in found.verdict for found in plan.candidates)


def test_finer_weights_lie_nearer(tmp_path: Path) -> None:
    plan = planned(Convolutional(), tmp_path, PlanGoal(memory_bytes=8 << 30, param_scales=(4, 9)))
    errors = {found.options.param_scale_bits: found.fidelity.mean_abs_error for found in plan.candidates}
    assert errors[9] < errors[4]


def test_layouts_before_training(tmp_path: Path) -> None:
    direct, grown = untrained_layouts(exported(Convolutional(), tmp_path), tmp_path / "a", BASE)
    assert (direct.options, grown.options.scale_rebase_multiplier) == (BASE, NEVER_REBASE)
    assert {node.op_type for node in onnx.load(str(grown.onnx_path)).graph.node} & {"Relu", "ConvTranspose"} == set()
    assert [layout.name for layout in untrained_layouts(exported(Convolutional(True), tmp_path), tmp_path, BASE)] == [
        "direct"
    ]


@pytest.mark.parametrize(
    "change",
    [{"memory_bytes": 0}, {"mean_abs_error": 0.0}, {"range_margin": 0.9}, {"param_scales": ()}, {"input_scales": ()}],
)
def test_illegal_goals(change: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="plan"):
        dataclasses.replace(GOAL, **change)
