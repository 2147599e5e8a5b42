"""The experiments are the published ones, and their layers have the published shapes."""

import math

import pytest
import torch

from zk.benchmark.experiments import COMPOSITE, GRIDS, published_grid
from zk.benchmark.layers import COMPOSITES, build_layer, draw_inputs, published_layers, small_layers
from zk.benchmark.published import SCALES, published_experiments, published_figures
from zk.errors import OptionError

OUTPUTS = {
    "ReLU": (1, 64, 64),
    "MaxPool2d_k2": (1, 32, 32, 32),
    "AvgPool2d_k2": (1, 32, 32, 32),
    "Conv2d_k3_s1": (1, 64, 64, 64),
    "Conv2d_k3_s2": (1, 64, 32, 32),
    "DepthwiseConv2d": (1, 32, 64, 64),
    "BatchNorm2d": (1, 32, 64, 64),
    "LayerNorm": (1, 32, 64, 64),
    "Dense": (1, 128),
    "Conv2d_Scaling_Small": (1, 32, 32, 32),
    "Conv2d_Scaling_Large": (1, 128, 128, 128),
    "Dense_Scaling_Small": (1, 64),
    "Dense_Scaling_Large": (1, 512),
}


def test_the_published_benchmark_has_forty_experiments_and_twenty_six_results() -> None:
    assert len(published_experiments()) * len(SCALES) == 40
    assert len(published_figures()) == 26
    proved = {found.name for found in published_experiments() if found.proved}
    assert {(name, scale) for name in proved for scale in SCALES} == set(published_figures())


def test_published_figures_are_read_in_bytes_and_seconds() -> None:
    found = published_figures()["BatchNorm2d", 10]
    assert (found.rows, found.prove_seconds) == (2097152, 136.849)
    assert found.pk_bytes == round(17309697.8 * 1024)


def test_every_experiment_has_a_network() -> None:
    grid = published_grid()
    assert list(grid) == [found.name for found in published_experiments()]
    assert {name for name, found in grid.items() if found.kind == COMPOSITE} == set(COMPOSITES)


@pytest.mark.parametrize("name", OUTPUTS)
def test_layers_have_the_published_shapes(name: str) -> None:
    layer = published_layers()[name]
    x = draw_inputs(layer.input_shape, 1, 0)[0]
    assert tuple(build_layer(layer, 0)(x).shape) == OUTPUTS[name]
    assert layer.input_elements == math.prod(layer.input_shape)


def test_a_seed_makes_a_layer_and_leaves_torch_alone() -> None:
    layer = published_layers()["Dense"]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (build_layer(layer, seed).weight for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_normalising_layers_are_not_the_identity() -> None:
    for name in ("BatchNorm2d", "LayerNorm"):
        layer = published_layers()[name]
        x = draw_inputs(layer.input_shape, 1, 0)[0]
        assert (build_layer(layer, 0)(x) - x).abs().mean() > 0.05


def test_studies_have_distinct_names_of_their_own() -> None:
    assert all(name == found.name for grid in GRIDS.values() for name, found in grid().items())
    assert len(small_layers()) >= 6


def test_inputs_are_counted() -> None:
    assert draw_inputs((1, 3), 4, 0).shape == (4, 1, 3)
    with pytest.raises(OptionError, match="positive"):
        draw_inputs((1, 3), 0, 0)
