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
from zk.plan import Plan, PlanGoal, format_plan
from zk.plan_forms import ABSOLUTE, DEFERRED, LOWERED, NEVER_REBASE, untrained_layouts
from zk.planner import plan_circuit
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
    growing = {found.form for found in plan.candidates if found.options.scale_rebase_multiplier == NEVER_REBASE}
    assert plan.best.form in growing | {f"{DEFERRED}-3"}  # two layers: no third product to divide after
    default = [found for found in plan.candidates if found.options.num_inner_cols == 2]
    rows = {(found.form, found.options.scale_rebase_multiplier): found.cost.rows for found in default}
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
    assert plan.best.form == DEFERRED  # one division before the table
    low, high = plan.best.options.lookup_range
    assert -200 < low < -10 < 10 < high < 200
    inputs = (torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(3)),)
    run = prove_sample(
        plan.onnx_path, inputs, tmp_path / "run", options=plan.best.options, budget=BUDGET, srs_dir=tmp_path / "srs"
    )
    assert run.counts_as_proved
    assert run.fidelity.mean_abs_error <= 2 * plan.best.fidelity.mean_abs_error


def test_inner_columns_change_the_layout_alone(plan: Plan) -> None:
    """The best forms are tried with one and three inner columns: other rows, the same outputs."""
    best = [found for found in plan.candidates if found.form == ABSOLUTE and found.options.scale_rebase_multiplier > 2]
    assert {found.options.num_inner_cols for found in best} == {1, 2, 3}
    assert len({found.fidelity.mean_abs_error for found in best}) == 1
    rows = {found.options.num_inner_cols: found.cost.rows for found in best}
    assert rows[1] > rows[2] > rows[3]


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
    assert dataclasses.replace(direct.options, lookup_range=BASE.lookup_range) == BASE
    assert direct.options.lookup_range == (-(16 << 7), 16 << 7)
    assert grown.options.scale_rebase_multiplier == NEVER_REBASE
    assert {node.op_type for node in onnx.load(str(grown.onnx_path)).graph.node} & {"Relu", "ConvTranspose"} == set()
    direct, deferred = untrained_layouts(exported(Convolutional(True), tmp_path), tmp_path, BASE)
    assert (direct.name, deferred.name, deferred.options.param_scale_bits) == ("direct", DEFERRED, 0)


@pytest.mark.parametrize(
    "change",
    [{"memory_bytes": 0}, {"mean_abs_error": 0.0}, {"range_margin": 0.9}, {"param_scales": ()}, {"input_scales": ()}],
)
def test_illegal_goals(change: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="plan"):
        dataclasses.replace(GOAL, **change)
