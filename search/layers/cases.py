"""From the name of an experiment to the network and the inputs that are proved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from evaluation.composites import (
    CompositeKind,
    CompositeRecipe,
    CompositeSpec,
    TrainedComposite,
    cifar10_recipe,
    digits_recipe,
    load_or_train_composite,
)
from evaluation.sampling import dequantize
from gan.data import ImageDataset
from search.circuit import circuit_inputs
from search.errors import ConfigError
from search.layers.ladder import GENERATOR, LADDER, OneInput
from zk.benchmark.case import Case, Trained
from zk.benchmark.experiments import COMPOSITE, Experiment
from zk.benchmark.layers import build_layer, draw_inputs

KINDS: dict[str, CompositeKind] = {
    "CNN_ReLU": "relu",
    "CNN_Poly": "poly",
    "CNN_Mixed": "mixed",
    "CNN_Strided": "strided",
}

SMALL_DATASET = 10_000
"""Training images below which the digits' recipe is used."""


@dataclass(frozen=True)
class CaseSettings:
    """What networks and inputs are made from.

    Attributes:
        seed: of weights, inputs and training.
        inputs: how many inputs a layer's ranges are taken from.
        composite_inputs: how many a composite's are.
        scored_images: test images that a circuit's accuracy is taken on; all, where there are fewer.
        recipe: trains the composites; None takes the one for the dataset's size.
        cache_folder: keeps them.
        device: trains them.
    """

    seed: int
    inputs: int
    composite_inputs: int
    scored_images: int
    recipe: CompositeRecipe | None
    cache_folder: str
    device: str


class CaseBuilder:
    """Makes cases; composites are trained at their first use and kept.

    Args:
        settings: what from.
        dataset: loads the images; called only if a composite is asked for.
        say: takes a line of progress.
    """

    def __init__(
        self, settings: CaseSettings, dataset: Callable[[], ImageDataset], say: Callable[[str], None] = print
    ) -> None:
        self._settings = settings
        self._say = say
        self._dataset = functools.cache(dataset)
        self._composites: dict[str, TrainedComposite] = {}

    def case(self, experiment: Experiment, scale_bits: int) -> Case:
        """Make the case of an experiment at a scale."""
        if experiment.kind == COMPOSITE:
            return self._composite_case(experiment, scale_bits)
        settings = self._settings
        if experiment.kind == GENERATOR:
            spec = LADDER[experiment.network]
            vectors = [torch.cat(circuit_inputs(spec, seed=settings.seed, index=i), 1) for i in range(settings.inputs)]
            generator = OneInput(spec, settings.seed).eval()
            return Case(experiment.name, experiment.category, scale_bits, generator, torch.stack(vectors))
        assert experiment.layer is not None
        inputs = draw_inputs(experiment.layer.input_shape, settings.inputs, settings.seed)
        module = build_layer(experiment.layer, settings.seed)
        return Case(experiment.name, experiment.category, scale_bits, module, inputs)

    def _composite_case(self, experiment: Experiment, scale_bits: int) -> Case:
        trained = self.composite(experiment.network)
        test = self._dataset().test
        settings, batch = self._settings, experiment.batch
        order = torch.randperm(len(test), generator=torch.Generator().manual_seed(settings.seed))
        count = max(1, settings.composite_inputs // batch)
        wanted = count * batch
        if len(order) < wanted:
            raise ConfigError(
                f"the dataset must have {wanted} test images; it has {len(order)}; lower benchmark.composite_inputs"
            )
        inputs = dequantize(test.images[order[:wanted]]).reshape(count, batch, *test.images.shape[1:])
        known = None
        if batch == 1:
            scored = order[: settings.scored_images]
            known = Trained(trained.accuracy, dequantize(test.images[scored]), test.labels[scored])
        return Case(experiment.name, experiment.category, scale_bits, trained.module, inputs, known)

    def composite(self, network: str) -> TrainedComposite:
        """Train a composite, or take it from the cache."""
        if network not in self._composites:
            settings, dataset = self._settings, self._dataset()
            self._composites[network] = load_or_train_composite(
                spec=CompositeSpec(KINDS[network], dataset.image_size, dataset.num_classes),
                recipe=settings.recipe or default_recipe(KINDS[network], dataset),
                dataset=dataset,
                seed=settings.seed,
                device=settings.device,
                cache_dir=settings.cache_folder,
            )
            found = self._composites[network]
            self._say(
                f"{network}: {found.accuracy:.1%} of {found.test_images:,} real test images of {dataset.name}, trained "
                f"in {found.train_seconds:.0f} s"
            )
        return self._composites[network]


def default_recipe(kind: CompositeKind, dataset: ImageDataset) -> CompositeRecipe:
    """Choose the recipe for a dataset's size."""
    return cifar10_recipe(kind) if len(dataset.train) >= SMALL_DATASET else digits_recipe()


def categories(experiments: Mapping[str, Experiment]) -> dict[str, str]:
    """Category of each experiment, by name."""
    return {name: found.category for name, found in experiments.items()}
