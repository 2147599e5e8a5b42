"""The circuit of a generator spec: exported, lowered, counted and compiled before any training."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from atomic_files import write_text
from gan.generators import Generator, build_generator, fold_batchnorm
from gan.sampling import latents_for, one_hot_rows
from gan.spec import GeneratorSpec
from search.circuit_forms import CircuitForm
from zk.checked.layouts import draft_layouts
from zk.checked.options import CheckedOptions
from zk.circuit_cost import CircuitCost, load_settings
from zk.cost import predict_cost, predict_prove_seconds
from zk.cost_model import CostModel
from zk.counting import multiply_accumulates, published_operations
from zk.errors import ZkError
from zk.export import OnnxExport, export_onnx
from zk.pipeline import CircuitMeasurement, measure_circuit
from zk.plan_forms import untrained_layouts
from zk.simulate import read_circuit
from zk.types import Budget

NETWORK_NAME = "network.onnx"
INPUT_NAMES = ("latent", "one_hot")
OUTPUT_NAMES = ("image",)
SETTINGS_NAME, COMPILED_NAME = "settings.json", "circuit.ezkl"
PIXEL_TOLERANCE = 1e-3
"""Greatest difference of a pixel in [-1, 1] between torch and onnxruntime: an eighth of a grey level. A wide network of
float32 may be 1e-4 off by the order of its sums; what is really another function is off by far more."""

CIRCUIT_METRICS = frozenset(
    ("published_operations", "macs", "parameters", "einsum_operations", "einsum_instances", "rows", "assignments",
     "lookup_tables", "logrows", "predicted_peak_bytes", "predicted_setup_seconds", "predicted_prove_seconds",
     "predicted_pk_bytes", "predicted_proof_bytes", "circuit_seconds")
)  # fmt: skip


@dataclass(frozen=True)
class CircuitFigures:
    """What is known of a candidate's circuit before training.

    Attributes:
        metrics: figures by name, those of :class:`search.constraints.CircuitLimits` among them.
        compiled: whether EZKL compiled it, to a circuit that the simulator reproduces.
        reason: why not, empty when it did.
    """

    metrics: dict[str, float]
    compiled: bool
    reason: str


def circuit_inputs(spec: GeneratorSpec, *, seed: int = 0, index: int = 0, label: int = 0) -> tuple[torch.Tensor, ...]:
    """Return the circuit's inputs for one sample: latent [1, Z] of (``seed``, ``index``) and one-hot row [1, K]."""
    latent = latents_for(torch.tensor([index]), latent_dim=spec.latent_dim, seed=seed)
    return latent, one_hot_rows(torch.tensor([label]), spec.num_classes)


def export_generator(generator: Generator, spec: GeneratorSpec, path: Path) -> OnnxExport:
    """Export ``generator`` with its normalisations folded away; inputs are the latent and the class's one-hot row."""
    folded = fold_batchnorm(generator).cpu()
    return export_onnx(folded, circuit_inputs(spec), path, INPUT_NAMES, OUTPUT_NAMES, tolerance=PIXEL_TOLERANCE)


def measure_spec(
    spec: GeneratorSpec, folder: Path, *, options: CircuitForm, budget: Budget, model: CostModel | None = None
) -> CircuitFigures:
    """Count and compile the circuit of an untrained generator of ``spec``; its rows do not depend on the weights.

    The network is lowered first (:mod:`zk.lowering`); of the layouts that need no trained weights to be judged, the
    figures are those of the one predicted to be proved fastest. Whatever stops it (an operator that EZKL refuses, the
    budget) is a figure, not an error. ``model`` predicts time and memory; None is the shipped one.
    """
    generator = build_generator(spec)
    metrics = {
        "published_operations": float(published_operations(generator)),
        "macs": float(multiply_accumulates(generator.eval(), circuit_inputs(spec))),
        "parameters": float(sum(parameter.numel() for parameter in generator.parameters())),
    }
    try:
        exported = export_generator(generator, spec, folder / NETWORK_NAME)
        if isinstance(options, CheckedOptions):
            return _measure_checked(metrics, exported.path, folder, options, budget, model)
        drafts = {
            layout.name: measure_circuit(layout.onnx_path, folder / layout.name, options=layout.options, budget=budget)
            for layout in untrained_layouts(exported.path, folder, options)
        }
    except ZkError as error:
        return CircuitFigures(metrics, False, str(error))
    reasons = {name: _failure(draft, folder / name) for name, draft in drafts.items()}
    name = min(drafts, key=lambda layout: (reasons[layout] != "", _seconds(drafts[layout], model)))
    measured, reason = drafts[name], reasons[name]
    if measured.cost is not None:
        metrics |= cost_metrics(measured.cost, model)
    metrics["circuit_seconds"] = sum(stage.wall_seconds for draft in drafts.values() for stage in draft.stages)
    figures = CircuitFigures(metrics, reason == "", reason)
    write_text(
        folder / "figures.json", json.dumps({"compiled": figures.compiled, "reason": reason, "metrics": metrics})
    )
    return figures


def checked_metrics(
    network: Path, folder: Path, options: CheckedOptions, budget: Budget, model: CostModel | None = None
) -> dict[str, float]:
    """Figures of a network's checked form; of several parts, sums, and the greatest need of memory.

    Raises:
        ZkError: it has no checked form, or EZKL refuses it.
    """
    parts = [cost_metrics(cost, model) for cost in draft_layouts(network, folder, options, budget=budget, model=model)]
    greatest = ("logrows", "lookup_tables", "predicted_peak_bytes", "predicted_pk_bytes")
    columns = {name: [part[name] for part in parts] for name in parts[0]}
    return {name: max(column) if name in greatest else sum(column) for name, column in columns.items()}


def _measure_checked(
    metrics: dict[str, float],
    network: Path,
    folder: Path,
    options: CheckedOptions,
    budget: Budget,
    model: CostModel | None,
) -> CircuitFigures:
    started = time.monotonic()
    metrics |= checked_metrics(network, folder, options, budget, model)
    metrics["circuit_seconds"] = time.monotonic() - started
    write_text(folder / "figures.json", json.dumps({"compiled": True, "reason": "", "metrics": metrics}))
    return CircuitFigures(metrics, True, "")


def _failure(draft: CircuitMeasurement, folder: Path) -> str:
    """Say why the layout in ``folder`` did not compile, or cannot be simulated; empty if it did and can.

    What cannot be simulated, or what EZKL computes wrongly, could be neither planned nor scored after its training.
    """
    failed = [stage for stage in draft.stages if not stage.ok]
    if failed:
        return "; ".join(f"{stage.stage} {stage.outcome}: {stage.message}" for stage in failed)
    try:
        read_circuit(folder / COMPILED_NAME, load_settings(folder / SETTINGS_NAME))
    except ZkError as error:
        return str(error)
    return ""


def _seconds(draft: CircuitMeasurement, model: CostModel | None) -> float:
    return predict_prove_seconds(draft.cost, model) if draft.cost is not None else float("inf")


def cost_metrics(cost: CircuitCost, model: CostModel | None = None) -> dict[str, float]:
    """Return the figures of ``cost`` and the predictions from it, by the names used in records and limits."""
    predicted = predict_cost(cost, model)
    return {
        "einsum_operations": float(cost.einsum_distinct),
        "einsum_instances": float(cost.einsum_instances),
        "rows": float(cost.rows),
        "assignments": float(cost.total_assignments),
        "lookup_tables": float(cost.static_lookups),
        "logrows": float(cost.logrows),
        "predicted_peak_bytes": float(predicted.admission_bytes),
        "predicted_setup_seconds": predicted.seconds["setup"].middle,
        "predicted_prove_seconds": predicted.seconds["prove"].middle,
        "predicted_pk_bytes": float(predicted.pk_bytes),
        "predicted_proof_bytes": float(predicted.proof_bytes),
    }
