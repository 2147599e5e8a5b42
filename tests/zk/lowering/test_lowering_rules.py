"""Every rule keeps what the graph computes, does what it promises, and leaves alone what it cannot do."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from zk.export import export_onnx
from zk.lowering import RULES, Lowering, lower
from zk.lowering.activations import CLIP, FOLD_GELU, HARDSWISH, LEAKY_RELU, RELU_ABSOLUTE
from zk.lowering.batchnorm import FOLD_BATCHNORM
from zk.lowering.constants import CONSTANT_FOLDING, POWER_OF_TWO_SCALE
from zk.lowering.factors import FOLD_FACTOR, is_free
from zk.lowering.padding import SUPPORTED_PADDING
from zk.lowering.phases import PHASE_CONVOLUTION
from zk.lowering.pooling import AVERAGE_POOL, MAX_POOL_TREE

IMAGE = (1, 4, 6, 6)


class Compute(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def exported(module: nn.Module, shape: tuple[int, ...], folder: Path) -> onnx.ModelProto:
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            layer.running_mean.normal_(0, 0.5)
            layer.running_var.uniform_(0.3, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    export_onnx(module, (torch.randn(shape),), folder / "model.onnx", ("x",), ("y",))
    return onnx.load(str(folder / "model.onnx"))


def op_types(lowering: Lowering) -> list[str]:
    return [node.op_type for node in lowering.model.graph.node if node.op_type != "Constant"]


def up(factor: int, convolution: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=factor), convolution)


PHASES = {
    "dcgan": (nn.ConvTranspose2d(4, 5, 4, 2, 1), IMAGE, 4),
    "output padding": (nn.ConvTranspose2d(4, 5, 3, 2, 1, output_padding=1), IMAGE, 4),
    "groups, oblong": (nn.ConvTranspose2d(4, 6, 5, 2, 2, groups=2), (1, 4, 6, 7), 4),
    "kernel as stride": (nn.ConvTranspose2d(4, 5, 2, 2), IMAGE, 4),
    "stride 3": (nn.ConvTranspose2d(4, 5, 4, 3), (1, 4, 5, 5), 9),
    "no pad": (nn.ConvTranspose2d(4, 5, 6, 2, bias=False), (1, 4, 5, 5), 4),
    "more pad than taps": (nn.ConvTranspose2d(4, 5, 4, 2, 3), IMAGE, 4),
    "nearest": (up(2, nn.Conv2d(4, 5, 3, padding=1)), (1, 4, 5, 5), 4),
    "nearest, 5x5, groups": (up(2, nn.Conv2d(4, 6, 5, padding=2, groups=2)), (1, 4, 5, 5), 4),
    "nearest, by 3": (up(3, nn.Conv2d(4, 5, 3, padding=1)), (1, 4, 5, 5), 9),
    "nearest, no pad": (up(2, nn.Conv2d(4, 5, 3)), (1, 4, 5, 5), 4),
}


@pytest.mark.parametrize("name", PHASES)
def test_phase_convolution(name: str, tmp_path: Path) -> None:
    module, shape, phases = PHASES[name]
    lowering = lower(exported(module, shape, tmp_path), [CONSTANT_FOLDING, PHASE_CONVOLUTION])
    assert op_types(lowering).count("Conv") == phases
    assert not {"ConvTranspose", "Resize", "Upsample"} & set(op_types(lowering))


def test_phases_multiply_only_what_counts() -> None:
    """A 4x4 kernel at stride 2 has 4 taps a phase, a 3x3 one after doubling 2x2 sums."""
    from zk.lowering.phases import transposed_axis, upsampled_axis

    assert [transposed_axis(phase, 4, 2, 1).taps for phase in (0, 1)] == [((3,), (1,)), ((2,), (0,))]
    assert [transposed_axis(phase, 4, 2, 1).first for phase in (0, 1)] == [-1, 0]
    assert [upsampled_axis(phase, 3, 2, 1).taps for phase in (0, 1)] == [((0,), (1, 2)), ((0, 1), (2,))]
    assert [upsampled_axis(phase, 3, 2, 1).first for phase in (0, 1)] == [-1, 0]


@pytest.mark.parametrize(
    "module",
    [
        nn.ConvTranspose2d(4, 5, 3, 1, 1),  # nothing to insert
        nn.ConvTranspose2d(4, 5, 1, 2),  # a phase without taps
        nn.ConvTranspose2d(4, 5, 4, (2, 1), 1),
        nn.ConvTranspose2d(4, 5, 3, 2, dilation=2),
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(4, 5, 3, stride=2, padding=1)),
        nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 5, 3, padding=1)),
    ],
    ids=str,
)
def test_other_convolutions_are_left_alone(module: nn.Module, tmp_path: Path) -> None:
    assert lower(exported(module, IMAGE, tmp_path), [PHASE_CONVOLUTION]).steps == ()


def test_an_upsampling_that_others_read_stays(tmp_path: Path) -> None:
    convolution = nn.Conv2d(4, 4, 3, padding=1)
    module = Compute(lambda x: (lambda big: convolution(big) + big)(F.interpolate(x, scale_factor=2)))
    module.convolution = convolution
    assert lower(exported(module, IMAGE, tmp_path), [CONSTANT_FOLDING, PHASE_CONVOLUTION]).steps == ()


BATCHNORMS = {
    "transposed, groups": (
        nn.Sequential(nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2, bias=False), nn.BatchNorm2d(6)),
        IMAGE,
        ["ConvTranspose"],
    ),
    "alone": (nn.BatchNorm2d(4), IMAGE, ["Mul", "Add"]),
    "after a shuffle": (
        nn.Sequential(nn.Conv2d(4, 16, 3), nn.PixelShuffle(2), nn.BatchNorm2d(4)),
        IMAGE,
        ["Conv", "DepthToSpace"],
    ),
    "after linear and reshape": (
        nn.Sequential(nn.Linear(6, 32), nn.Unflatten(1, (2, 4, 4)), nn.BatchNorm2d(2)),
        (1, 6),
        ["Gemm", "Reshape"],
    ),
    "after an activation": (
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh(), nn.BatchNorm2d(4)),
        IMAGE,
        ["Conv", "Tanh", "Mul", "Add"],
    ),
}


@pytest.mark.parametrize("name", BATCHNORMS)
def test_batchnorm(name: str, tmp_path: Path) -> None:
    module, shape, expected = BATCHNORMS[name]
    lowering = lower(exported(module, shape, tmp_path), [CONSTANT_FOLDING, FOLD_BATCHNORM])
    assert op_types(lowering) == expected


@pytest.mark.parametrize("op_type", ["Conv", "MatMul"])
def test_batchnorm_is_not_folded_into_a_layer_that_others_read(op_type: str) -> None:
    """The value before BatchNorm is an output, too; a MatMul has no bias to fold into."""
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(3, 4, 1, 1) if op_type == "Conv" else (4, 3)).astype(np.float32)
    shape = [1, 4, 2, 2] if op_type == "Conv" else [2, 4]
    numbers = [generator.uniform(0.5, 1.5, 3).astype(np.float32) for _ in range(4)]
    names = ["gain", "shift", "mean", "variance"]
    nodes = [
        helper.make_node(op_type, ["x", "w"], ["z"]),
        helper.make_node("BatchNormalization", ["z", *names], ["y"]),
    ]
    slots = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if op_type == "Conv":
        slots.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        slots,
        [numpy_helper.from_array(v, n) for v, n in zip([weight, *numbers], ["w", *names], strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert op_types(lower(model, [FOLD_BATCHNORM])) == [op_type, "Mul", "Add"]


POOLS = {
    "2x2": (nn.AvgPool2d(2), ["Reshape", "ReduceSum", "Mul"]),
    "3x2": (nn.AvgPool2d((3, 2)), ["Reshape", "ReduceSum", "Mul"]),
    "global": (nn.AdaptiveAvgPool2d(1), ["ReduceSum", "Mul", "Reshape"]),
    "mean": (Compute(lambda x: x.mean((2, 3))), ["ReduceSum", "Mul"]),
}


@pytest.mark.parametrize("name", POOLS)
def test_average_pool(name: str, tmp_path: Path) -> None:
    module, expected = POOLS[name]
    assert op_types(lower(exported(module, IMAGE, tmp_path), [AVERAGE_POOL])) == expected


@pytest.mark.parametrize(("kernel", "comparisons"), [(2, 2), (3, 4), ((2, 3), 3)])
def test_max_pool_tree(kernel: int, comparisons: int, tmp_path: Path) -> None:
    lowering = lower(exported(nn.MaxPool2d(kernel), IMAGE, tmp_path), [MAX_POOL_TREE])
    assert op_types(lowering).count("Abs") == comparisons
    assert "MaxPool" not in op_types(lowering)


@pytest.mark.parametrize(
    "module",
    [
        nn.AvgPool2d(3, stride=2),
        nn.AvgPool2d(2, padding=1),
        nn.AvgPool2d(4),
        nn.MaxPool2d(3, stride=1),
        nn.MaxPool2d(4),
    ],
    ids=str,
)
def test_windows_that_do_not_tile_are_left_alone(module: nn.Module, tmp_path: Path) -> None:
    assert lower(exported(module, IMAGE, tmp_path), [AVERAGE_POOL, MAX_POOL_TREE]).steps == ()


def test_the_maximum_of_two_values(tmp_path: Path) -> None:
    module = Compute(lambda x: torch.maximum(x[:, :2], x[:, 2:]))
    assert "Max" not in op_types(lower(exported(module, IMAGE, tmp_path), [CONSTANT_FOLDING, MAX_POOL_TREE]))


ACTIVATIONS = {
    "relu": (nn.ReLU(), RELU_ABSOLUTE, ["Abs", "Add", "Mul"]),
    "leaky": (nn.LeakyReLU(0.2), LEAKY_RELU, ["Abs", "Mul", "Mul", "Add"]),
    "relu6": (nn.ReLU6(), CLIP, ["Sub", "Abs", "Sub", "Abs", "Sub", "Add", "Mul"]),
    "clamp": (Compute(lambda x: x.clamp(-1, 1)), CLIP, ["Sub", "Abs", "Sub", "Abs", "Sub", "Mul"]),
    "hardswish by gate": (Compute(lambda x: x * F.hardsigmoid(x)), HARDSWISH, ["HardSwish"]),
    "hardswish by clip": (Compute(lambda x: x * F.relu6(x + 3) / 6), HARDSWISH, ["HardSwish"]),
    "hardswish, gate first": (Compute(lambda x: (F.relu6(x + 3) / 6) * x), HARDSWISH, ["HardSwish"]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, tmp_path: Path) -> None:
    module, rule, expected = ACTIVATIONS[name]
    assert op_types(lower(exported(module, IMAGE, tmp_path), [CONSTANT_FOLDING, rule])) == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * F.relu6(x + 2) / 6,
        lambda x: x * F.relu6(x + 3) / 5,
        lambda x: x * F.hardsigmoid(x + 1),
        lambda x: x * x.clamp(0, 5),
    ],
)
def test_what_resembles_hardswish_stays(function: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path) -> None:
    assert "HardSwish" not in op_types(lower(exported(Compute(function), IMAGE, tmp_path), [HARDSWISH]))


def test_gelu_between_layers_costs_no_factor(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.GELU(), nn.Conv2d(4, 2, 1))
    rules = [CONSTANT_FOLDING, FOLD_GELU, POWER_OF_TWO_SCALE, FOLD_FACTOR]
    lowering = lower(exported(module, IMAGE, tmp_path), rules)
    assert op_types(lowering) == ["Conv", "Erf", "Add", "Mul", "Conv"]


@pytest.mark.parametrize("module", [nn.GELU(), nn.Sequential(nn.Tanh(), nn.GELU())], ids=str)
def test_gelu_without_a_layer_before_it_stays(module: nn.Module, tmp_path: Path) -> None:
    assert lower(exported(module, IMAGE, tmp_path), [FOLD_GELU]).steps == ()


def test_scalars_have_one_spelling(tmp_path: Path) -> None:
    module = Compute(lambda x: (x * 3.0) / 2.5 * 0.5)
    lowering = lower(exported(module, IMAGE, tmp_path), [POWER_OF_TWO_SCALE])
    assert op_types(lowering) == ["Mul"]
    factor = numpy_helper.to_array(lowering.model.graph.initializer[0])
    assert factor.shape == ()
    assert math.isclose(factor, 0.6, rel_tol=1e-6)


@pytest.mark.parametrize(("factor", "free"), [(0.5, True), (2.0**-9, True), (1.0, False), (2.0, False), (0.3, False)])
def test_free_factors(factor: float, free: bool) -> None:
    assert is_free(factor) is free


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (Compute(lambda x: x * 0.5), ["Mul"]),
        (nn.Sequential(nn.Conv2d(4, 4, 1), Compute(lambda x: x * 0.3)), ["Conv"]),
        (nn.Sequential(Compute(lambda x: x * 0.3), nn.PixelShuffle(2), nn.Conv2d(1, 4, 1)), ["DepthToSpace", "Conv"]),
        (nn.Sequential(nn.Conv2d(4, 4, 1), Compute(lambda x: x * 0.25)), ["Conv", "Mul"]),
        (nn.Sequential(nn.Tanh(), Compute(lambda x: x * 0.3), nn.Tanh()), ["Tanh", "Mul", "Tanh"]),
    ],
)
def test_factors_go_into_weights(module: nn.Module, expected: list[str], tmp_path: Path) -> None:
    assert op_types(lower(exported(module, IMAGE, tmp_path), [FOLD_FACTOR])) == expected


def test_padding_goes_into_the_convolution(tmp_path: Path) -> None:
    module = nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(4, 4, 3, padding=1))
    lowering = lower(exported(module, IMAGE, tmp_path), [CONSTANT_FOLDING, SUPPORTED_PADDING])
    assert op_types(lowering) == ["Conv"]
    assert {slot.name: list(slot.ints) for slot in lowering.model.graph.node[0].attribute}["pads"] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("pads", "value", "expected"),
    [((1, 2, 0, 1), 0.0, ["Concat", "Concat"]), ((1, 1, 1, 1), 0.5, ["Pad"]), ((-1, 1, 0, 0), 0.0, ["Pad"])],
)
def test_padding_alone(pads: tuple[int, ...], value: float, expected: list[str], tmp_path: Path) -> None:
    module = nn.ConstantPad2d(pads, value)
    assert op_types(lower(exported(module, IMAGE, tmp_path), [CONSTANT_FOLDING, SUPPORTED_PADDING])) == expected


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("strides", [None, [2, 2]])
def test_automatic_pads_become_numbers(mode: str, strides: list[int] | None) -> None:
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(3, 4, 4, 3)).astype(np.float32), "w")
    facts = {"auto_pad": mode, "kernel_shape": [4, 3]} | ({"strides": strides} if strides else {})
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], **facts)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(IMAGE))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    lowering = lower(model, [SUPPORTED_PADDING])
    names = {slot.name for slot in lowering.model.graph.node[0].attribute}
    assert {"pads", "strides"} <= names
    assert "auto_pad" not in names


def test_all_rules_on_whole_networks(tmp_path: Path) -> None:
    classifier = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1), nn.LeakyReLU(0.2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip
    generator = nn.Sequential(
        nn.Linear(6, 32), nn.Unflatten(1, (8, 2, 2)), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.GELU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    for module, shape in ((classifier, (1, 3, 8, 8)), (generator, (1, 6))):
        kinds = set(op_types(lower(exported(module, shape, tmp_path), RULES)))
        left = {"BatchNormalization", "ConvTranspose", "Resize", "MaxPool", "AveragePool", "Relu", "LeakyRelu"}
        assert not kinds & left
