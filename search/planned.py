"""The circuit of a trained generator: planned on its own weights, and scored on the images that it really proves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from atomic_files import write_text
from evaluation import RealReference, TrainedClassifier
from evaluation.evaluate import score_images
from evaluation.inference import predict
from evaluation.sampling import balanced_labels, quantize
from evaluation.types import Sampler
from gan.generators import Generator
from gan.sampling import latents_for, one_hot_rows
from gan.spec import GeneratorSpec
from search.circuit import NETWORK_NAME, circuit_inputs, export_generator
from search.circuit_forms import CircuitForm, CircuitPlan, Simulator, make_plan, plan_table
from search.headline import HEADLINE_SCORES
from search.objective import sampler_for
from zk.cost_model import CostModel
from zk.fidelity import fidelity_report, label_agreement
from zk.plan import PlanGoal
from zk.types import Budget

PLAN_FOLDER = "plan"
_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class CircuitPlanning:
    """How a trained generator's circuit is chosen.

    Attributes:
        goal: memory and fidelity to keep.
        options: what the plan starts from.
        budget: limits of each call of EZKL while planning.
        samples: images that ranges and fidelity are measured on.
        cost_model: predicts proving time and memory; None is the one shipped with :mod:`zk.cost`.
        seed: of their latents; another one than the scores', whose images so stay unseen by the plan.
        bits: scale of the activations, where training has rounded them to it; 0 leaves it to the plan.
    """

    goal: PlanGoal
    options: CircuitForm
    budget: Budget
    samples: int = 32
    seed: int = 1
    cost_model: CostModel | None = None
    bits: int = field(default=0, repr=False)

    def __str__(self) -> str:
        """What two plans of one generator must share to be the same."""
        return f"{self!r}{f' {self.bits} bits' if self.bits else ''}"


def plan_generator(spec: GeneratorSpec, generator: Generator, folder: Path, planning: CircuitPlanning) -> CircuitPlan:
    """Plan the circuit of ``generator`` in ``folder`` and leave the table of candidates there as ``plan.txt``."""
    exported = export_generator(generator, spec, folder / NETWORK_NAME)
    plan = make_plan(
        exported.path,
        planning_samples(spec, planning),
        folder,
        goal=planning.goal,
        form=planning.options,
        budget=planning.budget,
        model=planning.cost_model,
        bits=planning.bits,
    )
    write_text(folder / "plan.txt", plan_table(plan) + "\n")
    return plan


def planning_samples(spec: GeneratorSpec, planning: CircuitPlanning) -> list[Tensor]:
    """Return the inputs that a plan measures ranges and fidelity on: [samples, ...] for each input of the circuit."""
    drawn = [
        circuit_inputs(spec, seed=planning.seed, index=index, label=index % spec.num_classes)
        for index in range(planning.samples)
    ]
    return [torch.cat(column) for column in zip(*drawn, strict=True)]


class CircuitSampler:
    """``(labels [n], sample_indices [n]) -> images [n, C, H, W]``: what the circuit outputs, by the simulator.

    Rounding may carry a value a step beyond [-1, 1]; it is clipped, as a viewer of the image would. ``refused`` counts
    the samples for which no proof exists, because an integer leaves a table or its digits.
    """

    def __init__(self, circuit: Simulator, spec: GeneratorSpec, *, seed: int) -> None:
        self._circuit = circuit
        self._spec = spec
        self._seed = seed
        self.refused = 0

    def __call__(self, labels: Tensor, sample_indices: Tensor) -> Tensor:
        """Compute image i from the latent of ``sample_indices[i]`` and the class ``labels[i]``."""
        latent = latents_for(sample_indices, latent_dim=self._spec.latent_dim, seed=self._seed)
        found = self._circuit.run([latent, one_hot_rows(labels, self._spec.num_classes)])
        self.refused += int((~found.in_range).sum())
        size = self._spec.image_size
        images = found.outputs[0].reshape(len(labels), self._spec.image_channels, size, size)
        return images.clamp(-1, 1).float()


def circuit_scores(
    spec: GeneratorSpec,
    generator: Generator,
    circuit: Simulator,
    *,
    reference: RealReference,
    classifier: TrainedClassifier,
    judge: TrainedClassifier,
    seed: int,
) -> dict[str, float]:
    """Score the circuit's images as the float generator's were scored: same number, seed and networks.

    Returns:
        The scores of :data:`search.headline.HEADLINE_SCORES`, the distance from the float images (PSNR in dB, absolute
        errors on [-1, 1]), the share of images that the classifier labels alike, and the share that the circuit would
        refuse, each with the prefix ``circuit_``.
    """
    labels = balanced_labels(reference.samples, spec.num_classes)
    sampler = CircuitSampler(circuit, spec, seed=seed)
    exact, rounded = (_draw(draw, labels) for draw in (sampler_for(spec, generator, seed=seed), sampler))
    scores = score_images(
        quantize(rounded),
        labels,
        reference=reference,
        classifier=classifier,
        judge=judge,
        seed=seed,
        arithmetic="circuit",
    )
    distance = fidelity_report(exact.double(), rounded.double())
    seen = [predict(classifier.module, quantize(images)).labels for images in (exact, rounded)]
    metrics = {name: float(getattr(scores, name)) for name in HEADLINE_SCORES}
    metrics |= {
        "mean_abs_error": distance.mean_abs_error,
        "max_abs_error": distance.max_abs_error,
        "psnr_db": distance.psnr_db,
        "label_agreement": label_agreement(seen[0], seen[1]),
        "refused_share": sampler.refused / reference.samples,
        "samples": float(reference.samples),
    }
    return {f"circuit_{name}": value for name, value in metrics.items()}


def _draw(sampler: Sampler, labels: Tensor) -> Tensor:
    indices = torch.arange(len(labels))
    pairs = zip(torch.split(labels, _BATCH), torch.split(indices, _BATCH), strict=True)
    return torch.cat([sampler(*pair) for pair in pairs])
