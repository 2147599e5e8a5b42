"""A model of what proving takes: non-negative sums of a circuit's columns, with an interval from its own errors.

The terms are those that halo2 spends its time and memory on. A polynomial of a column takes a Fourier transform and a
commitment at ``rows`` elements, its coset one at ``rows * extension``; keys are held in memory whole; the dry layout
that assigns the cells takes time by the row. A term enters only where it improved held-out predictions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from atomic_files import write_text
from json_files import read_json
from zk.circuit_cost import CircuitCost
from zk.columns import ELEMENT_BYTES, Columns, circuit_columns, proving_key_bytes
from zk.errors import ArtifactError, OptionError
from zk.machine import Machine

STAGES = ("setup", "witness", "prove", "verify")
SECONDS, BYTES = "seconds", "bytes"
LEAST_SPREAD = {SECONDS: 1.15, BYTES: 1.05}
"""Factor of an interval even where all calibration circuits are met more closely: timings of one machine differ by as
much from hour to hour."""

_WORST_ERROR = 1e3
"""Error factor that stands for a prediction of zero, so that intervals stay finite."""

_MAPPED_BYTES = 1 << 25
"""Allocations from this size on go back to the system when freed (glibc's greatest threshold for mmap)."""

TERMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("setup", SECONDS): ("once", "columns", "rows", "permutation", "extended"),
    ("prove", SECONDS): ("once", "columns", "rows", "polynomials", "extended"),
    ("witness", SECONDS): ("once", "rows", "public", "bitmaps"),
    ("verify", SECONDS): ("once", "columns", "height", "bitmaps", "public"),
    ("setup", BYTES): ("once", "height_extended", "proving_key", "kept", "advice", "lookups"),
    ("prove", BYTES): ("once", "height_extended", "proving_key", "advice", "lookups", "lookups_extended"),
    ("witness", BYTES): ("once", "cells", "public", "bitmaps"),
    ("verify", BYTES): ("once", "height", "bitmaps", "public"),
}
"""Terms of each stage's seconds and peak resident bytes; :func:`term_values` says what they are."""


def term_values(cost: CircuitCost, columns: Columns) -> dict[str, float]:
    """Value of every term: numbers of elements, columns or bytes."""
    rows, extended = columns.rows, columns.rows * columns.extension
    held = columns.fixed + columns.permutation
    polynomials = held + columns.advice + 3 * columns.lookups + columns.grand_products
    mapped = ELEMENT_BYTES * extended >= _MAPPED_BYTES
    return {
        "once": 1.0,
        "columns": held,
        "rows": cost.rows,
        "cells": cost.total_assignments,
        "public": cost.public_values,
        "height": rows,
        "height_extended": extended,
        "bitmaps": columns.selectors * rows / 8,
        "permutation": rows * columns.permutation,
        "advice": rows * columns.advice,
        "lookups": rows * columns.lookups,
        "lookups_extended": extended * columns.lookups,
        "polynomials": rows * polynomials,
        "extended": extended * polynomials,
        "proving_key": proving_key_bytes(columns),
        "kept": 0.0 if mapped else extended * held,
    }


@dataclass(frozen=True)
class Estimate:
    """A prediction with its interval; ``low <= middle <= high``."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class LinearFit:
    """One fitted quantity.

    Attributes:
        coefficients: of the terms in :data:`TERMS`, none negative.
        spread: the interval is the middle divided and multiplied by this factor.
    """

    coefficients: tuple[float, ...]
    spread: float


@dataclass(frozen=True)
class StageSample:
    """What one stage of one circuit took: wall-clock seconds of the work, and peak resident bytes."""

    seconds: float
    bytes: float


@dataclass(frozen=True)
class CostSample:
    """A circuit and what its stages took, by name."""

    name: str
    cost: CircuitCost
    stages: Mapping[str, StageSample]


@dataclass(frozen=True)
class CostModel:
    """Fits by stage and quantity ("setup seconds"), the machine they hold for, and how many circuits it took."""

    machine: Machine
    fits: Mapping[str, LinearFit]
    circuits: int

    def estimate(self, stage: str, quantity: str, cost: CircuitCost) -> Estimate:
        """Predict ``quantity`` ("seconds" or "bytes") of ``stage`` for a circuit."""
        fit = self.fits[f"{stage} {quantity}"]
        values = term_values(cost, circuit_columns(cost))
        terms = TERMS[stage, quantity]
        middle = sum(weight * values[term] for weight, term in zip(fit.coefficients, terms, strict=True))
        return Estimate(middle / fit.spread, middle, middle * fit.spread)


def fit_cost_model(samples: Sequence[CostSample], machine: Machine) -> CostModel:
    """Fit every quantity by least squares of the relative error, and its interval by leaving out one circuit each time.

    The spread is the greatest error factor of a left-out circuit; of ten circuits or more, the worst tenth is not
    counted, so that an interval covers about nine circuits of ten like these.

    Raises:
        OptionError: fewer than two circuits measured a stage, or a measurement is not a positive number.
    """
    fits = {}
    for (stage, quantity), terms in TERMS.items():
        used = [sample for sample in samples if stage in sample.stages]
        truth = np.array([getattr(sample.stages[stage], quantity) for sample in used], np.float64)
        if len(used) < 2 or not (np.isfinite(truth) & (truth > 0)).all():
            raise OptionError(
                f"{quantity} of {stage} need positive measurements of two circuits or more; got {truth.tolist()}; "
                "measure more circuits, or again"
            )
        table = [term_values(sample.cost, circuit_columns(sample.cost)) for sample in used]
        matrix = np.array([[values[term] for term in terms] for values in table]) / truth[:, None]
        left_out = [
            float(matrix[index] @ _solve(np.delete(matrix, index, axis=0))) for index in range(len(used))
        ]  # predicted over measured
        errors = [max(ratio, 1 / ratio) if ratio > 0 else _WORST_ERROR for ratio in left_out]
        spread = max(LEAST_SPREAD[quantity], *_without_extremes(errors))
        fits[f"{stage} {quantity}"] = LinearFit(tuple(map(float, _solve(matrix))), spread)
    return CostModel(machine, fits, len(samples))


def _without_extremes(errors: Sequence[float]) -> list[float]:
    """All but the greatest tenth: a circuit at the edge of the range is extrapolated to when it is left out."""
    return sorted(errors)[: len(errors) - len(errors) // 10]


def _solve(matrix: np.ndarray) -> np.ndarray:
    """Coefficients, none negative, that bring every row's sum closest to one."""
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    weights: np.ndarray = nnls(matrix / scale, np.ones(len(matrix)))[0] / scale
    return weights


def cost_model_digest(model: CostModel) -> str:
    """Sixteen hex digits that tell cost models apart."""
    return hashlib.sha256(json.dumps(_to_json(model), sort_keys=True).encode()).hexdigest()[:16]


def _to_json(model: CostModel) -> dict[str, Any]:
    return {
        "machine": asdict(model.machine),
        "circuits": model.circuits,
        "fits": {name: asdict(fit) for name, fit in model.fits.items()},
    }


def save_cost_model(model: CostModel, path: Path) -> None:
    """Write a model as JSON."""
    write_text(path, json.dumps(_to_json(model), indent=1) + "\n")


def load_cost_model(path: Path) -> CostModel:
    """Read a model.

    Raises:
        ArtifactError: missing, not JSON, or not of the terms that this version predicts from.
    """
    try:
        return _from_json(read_json(path))
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ArtifactError(
            f"{path} must be a cost model of this version ({error}); run python -m zk.cost calibrate again"
        ) from error


def _from_json(data: dict[str, Any]) -> CostModel:
    fits = {}
    for (stage, quantity), terms in TERMS.items():
        name = f"{stage} {quantity}"
        found = data["fits"][name]
        weights, spread = tuple(map(float, found["coefficients"])), float(found["spread"])
        if len(weights) != len(terms) or not all(0 <= weight < math.inf for weight in (*weights, spread - 1)):
            raise ValueError(f"{name} needs {len(terms)} coefficients of at least 0 and a spread of at least 1")
        fits[name] = LinearFit(weights, spread)
    machine, circuits = Machine(**data["machine"]), int(data["circuits"])
    if circuits < 1 or not isinstance(machine.cores, int) or machine.cores < 1:
        raise ValueError(f"circuits and cores must be at least 1; found {circuits} and {machine.cores!r}")
    return CostModel(machine, fits, circuits)
