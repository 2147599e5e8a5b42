"""Every experiment by name: the published ones, and those of the studies beside them."""

from __future__ import annotations

from dataclasses import dataclass

from zk.benchmark.layers import COMPOSITES, Layer, conv, dense, published_layers, small_layers
from zk.benchmark.published import published_experiments

LAYER, COMPOSITE = "layer", "composite"

DENSE_SIZES = ((64, 32), (128, 64), (256, 128), (512, 256), (1024, 512), (2048, 1024), (4096, 2048))
CONV_SIZES = (
    (8, 8, 8),
    (8, 16, 16),
    (16, 16, 16),
    (16, 32, 16),
    (16, 32, 32),
    (32, 32, 32),
    (32, 64, 32),
    (32, 64, 64),
)
BATCHES = (
    ("CNN_Strided", 1),
    ("CNN_Strided", 2),
    ("CNN_Strided", 4),
    ("CNN_Strided", 8),
    ("CNN_ReLU", 1),
    ("CNN_ReLU", 2),
)


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        name: unique among all studies.
        category: "core", "scaling", "composite", "precision" or "future".
        kind: :data:`LAYER` or :data:`COMPOSITE`.
        layer: the layer; None for a composite.
        network: name of the composite; empty for a layer.
        batch: images of one proof.
    """

    name: str
    category: str
    kind: str
    layer: Layer | None = None
    network: str = ""
    batch: int = 1


def published_grid() -> dict[str, Experiment]:
    """The 20 published experiments, in the published order."""
    layers = published_layers()
    return {
        found.name: Experiment(found.name, found.category, COMPOSITE, network=found.name)
        if found.name in COMPOSITES
        else Experiment(found.name, found.category, LAYER, layers[found.name])
        for found in published_experiments()
    }


def scaling_grid() -> dict[str, Experiment]:
    """Linear layers and convolutions from small to large."""
    layers = [dense(*size) for size in DENSE_SIZES] + [conv(*size) for size in CONV_SIZES]
    return {layer.name: Experiment(layer.name, "scaling", LAYER, layer) for layer in layers}


def precision_grid() -> dict[str, Experiment]:
    """Layers small enough to be proved at every scale in both columns."""
    return {layer.name: Experiment(layer.name, "precision", LAYER, layer) for layer in small_layers()}


def future_grid() -> dict[str, Experiment]:
    """Batches of images in one proof."""
    found = {}
    for network, batch in BATCHES:
        name = f"{network}_batch{batch}"
        found[name] = Experiment(name, "future", COMPOSITE, network=network, batch=batch)
    return found


GRIDS = {
    "layers": published_grid,
    "scaling": scaling_grid,
    "precision": precision_grid,
    "future": future_grid,
}
