"""Costs of nodes: they add up to ezkl's own figures, and each is what is known of it alone."""

import dataclasses
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tiny_networks import TINY
from torch import nn

from zk import attribution, attribution_runs, backend, counting
from zk.attribution import INTERFACE, Attribution, NodeCost, attribute_cost
from zk.attribution_graph import cut_points, model_graph, prefix_model
from zk.attribution_rules import helpful_rules
from zk.attribution_shapes import load_model
from zk.attribution_work import wasted_multiply_accumulates
from zk.circuit_cost import load_settings, public_value_count
from zk.errors import ArtifactError, BackendError, ZkError
from zk.export import export_onnx, run_onnx
from zk.lowering import RULES, Graph
from zk.types import Budget, CircuitOptions

Tensors = dict[str, NDArray[np.float32]]
BUDGET = Budget(2 << 30, 60.0)
LATENT = (torch.linspace(-1, 1, 4).view(1, 4), torch.eye(2)[:1])
IMAGE = (torch.linspace(-1, 1, 64).view(1, 1, 8, 8),)


class Transposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(6, 16), nn.BatchNorm2d(4)
        self.up, self.last = nn.ConvTranspose2d(4, 2, 4, 2, 1), nn.ConvTranspose2d(2, 1, 4, 2, 1)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        x = self.first(torch.cat([latent, one_hot], 1)).unflatten(1, (4, 2, 2))
        x = F.relu(self.norm(x))
        return torch.tanh(self.last(F.leaky_relu(self.up(x), 0.2)))


class SubPixel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.conv, self.last = (
            nn.Linear(4, 16),
            nn.Conv2d(4, 8, 3, padding=1),
            nn.Conv2d(2, 4, 3, padding=1),
        )
        self.gain, self.norm = nn.Linear(2, 2, bias=False), nn.BatchNorm2d(2)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        x = F.hardswish(self.first(latent)).view(1, 4, 2, 2)
        x = self.norm(F.pixel_shuffle(self.conv(x), 2)) * self.gain(one_hot).view(1, 2, 1, 1)
        return torch.tanh(F.pixel_shuffle(self.last(x * F.relu6(x + 3) / 6), 2))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.a, self.b = nn.Linear(4, 8), nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.skip, self.last = nn.Conv2d(2, 2, 1), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        x = self.first(latent).view(1, 2, 2, 2)
        up = F.interpolate(x, scale_factor=2)
        h = self.a(F.interpolate(F.relu(x), scale_factor=2)) + self.skip(up)
        x = torch.cat([h + self.b(F.relu(h)), up], 1)
        return torch.clamp(self.last(x) + one_hot[:, :1].view(1, 1, 1, 1), -1.0, 1.0)


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 7), nn.Linear(7, 5)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.last(F.silu(self.first(torch.cat([latent, one_hot], 1))) * 3.0))


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1), nn.Linear(16, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = F.avg_pool2d(F.relu(self.a(image)), 2)
        return self.last(F.max_pool2d(F.gelu(self.b(x)), 2).flatten(1))


class PulledSlices(nn.Module):
    """Two convolutions of which slices are used: ezkl's parser computes the slices only, once it sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        a, b = self.a(image), self.b(image)
        return a[:, :, 7:] + b[:, :, 7:]


MODELS: dict[str, tuple[type[nn.Module], tuple[torch.Tensor, ...]]] = {
    kind.__name__: (kind, inputs)
    for kind, inputs in (
        (Transposed, LATENT),
        (SubPixel, LATENT),
        (Residual, LATENT),
        (Perceptron, LATENT),
        (Classifier, IMAGE),
    )
}


def export(kind: type[nn.Module], inputs: tuple[torch.Tensor, ...], path: Path) -> nn.Module:
    torch.manual_seed(0)
    module = kind().eval()
    export_onnx(module, inputs, path, ("latent", "one_hot")[: len(inputs)], ("out",))
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attribution")
    for name, (kind, inputs) in MODELS.items():
        export(kind, inputs, path / f"{name}.onnx")
    return path


@cache
def attributed(path: Path, options: CircuitOptions = TINY) -> Attribution:
    return attribute_cost(path, path.parent / "work", options=options, budget=BUDGET)


def of(found: Attribution, op_type: str) -> list[NodeCost]:
    return [node for node in found.nodes if node.op_type == op_type]


def settings_of(path: Path, options: CircuitOptions = TINY) -> dict[str, object]:
    target = path.with_suffix(".settings.json")
    backend.gen_settings(onnx=str(path), settings=str(target), options=options.to_json(), logrows=10)
    return load_settings(target)


@pytest.mark.parametrize("name", MODELS)
def test_the_nodes_add_up_to_ezkls_own_totals(folder: Path, name: str) -> None:
    found, settings = attributed(folder / f"{name}.onnx"), settings_of(folder / f"{name}.onnx")
    assert sum(node.rows for node in found.nodes) == found.rows == settings["num_rows"]
    assert sum(node.assignments for node in found.nodes) == found.assignments == settings["total_assignments"]
    tables = [settings[key] for key in ("required_lookups", "required_range_checks")]
    assert sum(node.lookups for node in found.nodes) == found.lookups == sum(map(len, tables))  # type: ignore[arg-type]
    assert sum(node.share for node in found.nodes) == pytest.approx(1.0)
    assert min(node.rows for node in found.nodes) >= 0
    assert found.nodes[-1].name == INTERFACE
    assert found.nodes[-1].assignments == public_value_count(settings)
    assert not any("+" in node.op_type for node in found.nodes)  # none of these is fused across a cut


@pytest.mark.parametrize("name", MODELS)
def test_multiply_accumulates_are_those_of_the_module(folder: Path, name: str) -> None:
    kind, inputs = MODELS[name]
    assert attributed(folder / f"{name}.onnx").macs == counting.multiply_accumulates(kind(), inputs)


def test_cells_of_nodes_that_are_known_alone(folder: Path) -> None:
    """ReLU 16 cells an element, a table 1, a rebase 46; a node on a branch costs what it costs anywhere."""
    residual, subpixel = attributed(folder / "Residual.onnx"), attributed(folder / "SubPixel.onnx")
    assert [node.assignments for node in of(residual, "Relu")] == [16 * 8, 16 * 32]
    assert [node.assignments for node in of(residual, "Add")] == [32, 32, 48]
    assert [node.assignments for node in of(residual, "Concat")] == [0]
    assert [node.assignments for node in of(subpixel, "HardSwish") + of(subpixel, "Tanh")] == [16, 64]
    assert [node.lookups for node in of(subpixel, "HardSwish") + of(subpixel, "Tanh")] == [1, 1]
    one_by_one = of(residual, "Conv")[1]
    products, bias, rebases = 32 * 2, 32, 32 * 46
    assert (one_by_one.assignments, one_by_one.rebase_rows) == (products + bias + rebases, rebases // 2)
    (times_gain,) = [node for node in of(subpixel, "Mul") if node.rule is None]
    assert (times_gain.assignments, times_gain.rebase_rows) == (32 * 47, 32 * 23)
    assert [node.rebase_rows for node in of(residual, "Relu") + of(residual, "Add") + of(residual, "Clip")] == [0] * 6


def test_range_checks_and_visibility_are_charged_to_the_interface(folder: Path) -> None:
    path = folder / "SubPixel.onnx"
    checked = dataclasses.replace(TINY, ignore_range_check_inputs_outputs=False, output_visibility="private")
    plain, found = attributed(path), attributed(path, checked)
    assert [node.rows for node in found.nodes[:-1]] == [node.rows for node in plain.nodes[:-1]]
    assert found.rows == settings_of(path, checked)["num_rows"] == sum(node.rows for node in found.nodes)
    assert found.rows != plain.rows


def test_other_columns_and_multipliers_add_up_too(folder: Path) -> None:
    path = folder / "Perceptron.onnx"
    options = dataclasses.replace(TINY, num_inner_cols=3, scale_rebase_multiplier=2, logrows=11)
    found = attributed(path, options)
    assert found.rows == settings_of(path, options)["num_rows"] == sum(node.rows for node in found.nodes)
    assert (found.cost.logrows, found.cost.num_inner_cols) == (11, 3)
    assert [node.rebase_rows for node in of(found, "Gemm")][0] == 0  # at 2 the first product keeps its scale


def test_rules_that_help_are_named(folder: Path) -> None:
    def rules(name: str) -> dict[str, set[str | None]]:
        found: dict[str, set[str | None]] = {}
        for node in attributed(folder / f"{name}.onnx").nodes:
            found.setdefault(node.op_type, set()).add(node.rule)
        return found

    transposed, subpixel, classifier = rules("Transposed"), rules("SubPixel"), rules("Classifier")
    assert transposed["ConvTranspose"] == {"phase-convolution"}
    assert transposed["BatchNormalization"] == subpixel["BatchNormalization"] == {"fold-batchnorm"}
    assert transposed["LeakyRelu"] == {"leaky-relu-absolute"}
    assert subpixel["Clip"] == subpixel["Div"] == {"activation-lookup"}
    assert subpixel["HardSwish"] == subpixel["Conv"] == {None}
    assert [node.rule for node in of(attributed(folder / "Residual.onnx"), "Conv")][:2] == ["phase-convolution", None]
    assert rules("Residual")["Clip"] == {"clip-absolute"}
    assert [node.rule for node in of(attributed(folder / "Perceptron.onnx"), "Mul")] == [None, "fold-factor"]
    assert classifier["AveragePool"] == {"average-pool"}
    assert classifier["MaxPool"] == {"max-pool-tree"}
    assert classifier["Erf"] == classifier["Mul"] == {"activation-lookup-gelu"}


def test_what_only_looks_like_it_has_no_rule(tmp_path: Path) -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = F.gelu(self.norm(image)) * 0.5  # no layer before the norm or the GELU, and the factor is free
            return F.max_pool2d(F.avg_pool2d(x, 3, 1), 2, 1)  # windows that overlap

    export(Alone, IMAGE, tmp_path / "m.onnx")
    assert helpful_rules(model_graph(load_model(tmp_path / "m.onnx"))) == {}


@pytest.mark.parametrize("name", MODELS)
def test_every_named_rule_exists_and_rewrites_the_model(folder: Path, name: str) -> None:
    rules = {rule.name: rule for rule in RULES}
    path = folder / f"{name}.onnx"
    for wanted in {node.rule for node in attributed(path).nodes} - {None}:
        graph = Graph(prepared(path))
        assert rules[str(wanted)].apply(graph) > 0, wanted


def prepared(path: Path) -> onnx.ModelProto:
    """Fold constants first, as the lowering does: other rules want shapes as numbers."""
    constants = next(rule for rule in RULES if rule.name == "constant-folding")
    graph = Graph(load_model(path))
    constants.apply(graph)
    return graph.model()


def test_wasted_products_of_upsampling_layers(folder: Path) -> None:
    transposed = of(attributed(folder / "Transposed.onnx"), "ConvTranspose")
    assert [node.macs for node in transposed] == [4 * 4 * 2 * 16, 16 * 2 * 1 * 16]
    assert [node.wasted_macs for node in transposed] == [3 * node.macs for node in transposed]
    upsampled, one_by_one, plain, _ = of(attributed(folder / "Residual.onnx"), "Conv")
    assert (upsampled.wasted_macs, upsampled.macs) == (upsampled.macs * 5 // 9, 16 * 9 * 4)
    assert one_by_one.wasted_macs == plain.wasted_macs == 0
    (pool,) = of(attributed(folder / "Classifier.onnx"), "AveragePool")
    assert (pool.macs, pool.wasted_macs) == (0, 2 * 16 * 4)


@pytest.mark.parametrize(("kernel", "pad", "stride"), [(3, 1, 1), (5, 2, 1), (3, 0, 2), (2, 1, 1)])
def test_products_shared_behind_an_upsampling_by_brute_force(
    kernel: int, pad: int, stride: int, tmp_path: Path
) -> None:
    class Upsampled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, kernel, stride, pad)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.conv(F.interpolate(image, scale_factor=2))

    export(Upsampled, IMAGE, tmp_path / "m.onnx")
    graph = model_graph(load_model(tmp_path / "m.onnx"))
    side = (16 + 2 * pad - kernel) // stride + 1
    reads = [
        {((y * stride - pad + i) // 2, (x * stride - pad + j) // 2) for i in range(kernel) for j in range(kernel)}
        for y in range(side)
        for x in range(side)
    ]
    (conv,) = [node for node in graph.nodes if node.op_type == "Conv"]
    assert wasted_multiply_accumulates(graph, conv) == 2 * sum(kernel**2 - len(read) for read in reads)


def test_nodes_that_ezkl_fuses_across_a_cut_are_one_entry(tmp_path: Path) -> None:
    export(PulledSlices, IMAGE, tmp_path / "m.onnx")
    found = attributed(tmp_path / "m.onnx")
    costly = [node for node in found.nodes if node.rows and node.name != INTERFACE]
    assert [(node.op_type, node.name.count(" + ")) for node in costly] == [("Conv+Conv", 1), ("Add", 0)]
    assert [node.macs for node in costly] == [2 * 128, 0]
    assert costly[0].assignments < 128 * 46  # the rebases of one whole convolution
    assert costly[1].assignments == 16
    assert sum(node.rows for node in found.nodes) == found.rows == settings_of(tmp_path / "m.onnx")["num_rows"]


@pytest.fixture
def faulty_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module in the children's path whose functions stand in for the layout of prefixes."""
    lines = (
        "import os, time",
        "from zk.attribution_runs import lay_out",
        "def die(*, layouts):",
        "    for layout in layouts:",
        "        if layout['onnx'].endswith(MARK):",
        "            os._exit(3)",
        "        lay_out(layouts=[layout])",
        "    return {}",
        "def refuse(*, layouts):",
        "    kept = [layout for layout in layouts if not layout['onnx'].endswith(MARK)]",
        "    return {**lay_out(layouts=kept), **{x['settings']: 'no' for x in layouts if x not in kept}}",
        "def sleep(*, layouts):",
        "    time.sleep(60)",
    )
    (tmp_path / "faulty_layouts.py").write_text("\n".join(("MARK = 'cut-3.onnx'", *lines)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "faulty_layouts"


@pytest.mark.parametrize("fault", ["die", "refuse"])
def test_a_prefix_without_layout_joins_its_nodes(
    fault: str, faulty_layouts: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "Classifier.onnx"
    whole = attributed(path)
    graph = model_graph(load_model(path))
    assert [graph.nodes[cut.position].op_type for cut in cut_points(graph)][:3] == ["Relu", "AveragePool", "Conv"]
    assert cut_points(graph)[2].position == 3
    monkeypatch.setattr(attribution_runs, "LAYOUT_TARGET", f"{faulty_layouts}:{fault}")
    found = attribute_cost(path, folder / fault, options=TINY, budget=BUDGET)
    assert found.rows == whole.rows == sum(node.rows for node in found.nodes)
    assert [node.op_type for node in found.nodes[:2]] == ["Conv", "Relu"]
    assert found.nodes[2].op_type == "AveragePool+Conv"
    assert found.nodes[2].rows == sum(node.rows for node in whole.nodes[2:4])
    assert [node.rows for node in found.nodes[3:]] == [node.rows for node in whole.nodes[4:]]


def test_a_model_that_ezkl_dies_of_is_refused(
    faulty_layouts: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_layouts.py").write_text(
        (tmp_path / "faulty_layouts.py").read_text().replace("cut-3.onnx", "Perceptron.onnx")
    )
    monkeypatch.setattr(attribution_runs, "LAYOUT_TARGET", f"{faulty_layouts}:die")
    with pytest.raises(BackendError, match="ended with status 3"):
        attribute_cost(folder / "Perceptron.onnx", tmp_path / "work", options=TINY, budget=BUDGET)


def test_time_is_limited(faulty_layouts: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution_runs, "LAYOUT_TARGET", f"{faulty_layouts}:sleep")
    with pytest.raises(BackendError, match=r"dry layouts must end within 0\.5 s"):
        attribute_cost(folder / "Perceptron.onnx", tmp_path, options=TINY, budget=Budget(2 << 30, 0.5))


def test_a_refused_pad_names_the_rule(tmp_path: Path) -> None:
    class Padded(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return F.pad(F.relu(image), (1, 1, 1, 1))

    export(Padded, IMAGE, tmp_path / "m.onnx")
    with pytest.raises(BackendError, match="supported-padding"):
        attribute_cost(tmp_path / "m.onnx", tmp_path, options=TINY, budget=BUDGET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attribution.log", "m.onnx"]


def test_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(ArtifactError, match="valid ONNX model"):
        attribute_cost(path, tmp_path, options=TINY, budget=BUDGET)
    path.write_bytes(b"nonsense")
    with pytest.raises(ArtifactError, match="valid ONNX model"):
        attribute_cost(path, tmp_path, options=TINY, budget=BUDGET)


def test_a_sum_that_misses_ezkls_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = attribution._spans
    monkeypatch.setattr(attribution, "_spans", lambda graph, ends: spans(graph, ends)[1:])
    with pytest.raises(ZkError, match="must add up to ezkl's"):
        attribute_cost(folder / "Perceptron.onnx", folder / "missed", options=TINY, budget=BUDGET)


@pytest.mark.parametrize("name", MODELS)
def test_prefixes_compute_what_the_model_computes(folder: Path, name: str, tmp_path: Path) -> None:
    """Every prefix is a valid model whose outputs are the model's own tensors, of the shapes that we know."""
    model = load_model(folder / f"{name}.onnx")
    graph = model_graph(model)
    feeds = dict(zip(graph.inputs, (value.numpy() for value in MODELS[name][1]), strict=True))
    wanted = observed(model, feeds, tmp_path)
    assert cut_points(graph)
    for cut in cut_points(graph):
        part = prefix_model(model, cut.live)
        onnx.checker.check_model(part, full_check=True)
        onnx.save(part, str(tmp_path / "part.onnx"))
        values = run_onnx(tmp_path / "part.onnx", tuple(feeds[slot.name] for slot in part.graph.input))
        for tensor, value in zip(cut.live, values, strict=True):
            np.testing.assert_allclose(value, wanted[tensor], atol=1e-6)
            assert graph.shape(tensor) == value.shape


def observed(model: onnx.ModelProto, feeds: Tensors, folder: Path) -> Tensors:
    """Every moving tensor of a model."""
    graph = model_graph(model)
    names = sorted(graph.dynamic - set(graph.inputs))
    onnx.save(prefix_model(model, names), str(folder / "all.onnx"))
    values = run_onnx(folder / "all.onnx", tuple(feeds[name] for name in graph.inputs))
    return dict(zip(names, values, strict=True))


def test_a_graph_with_dead_and_constant_nodes() -> None:
    slots = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Tanh", ["r"], ["dead"]),
        helper.make_node("Mul", ["w", "w"], ["constant"]),
        helper.make_node("Identity", ["w"], ["alias"]),
        helper.make_node("Mul", ["r", "alias"], ["m"]),
        helper.make_node("Add", ["m", "constant"], ["y"]),
    ]
    weight = numpy_helper.from_array(np.full((1, 1), 0.5, np.float32), "w")
    body = helper.make_graph(nodes, "g", slots[:1], slots[1:], [weight])
    model = onnx.shape_inference.infer_shapes(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)]))
    graph = model_graph(model)
    assert graph.dynamic == {"x", "r", "m", "y"}
    assert graph.scalar("alias") == 0.5
    assert [(cut.position, cut.live) for cut in cut_points(graph)] == [(4, ("r",)), (5, ("m",))]
    part = prefix_model(model, ("r",))
    assert ([node.op_type for node in part.graph.node], len(part.graph.initializer)) == (["Relu"], 0)


def test_json_holds_all(folder: Path) -> None:
    found = attributed(folder / "Perceptron.onnx")
    data = json.loads(json.dumps(found.to_json()))
    assert data["rows"] == found.rows
    assert [math.prod(node["output_shape"]) for node in data["nodes"][:2]] == [6, 7]
    assert data["cost"]["logrows"] == found.cost.logrows
