"""Seconds and bytes that proving a circuit will take, from its settings alone.

:func:`predict_cost` answers with a middle value and an interval for each stage, by a :class:`~zk.cost_model.CostModel`:
the one measured on this machine by ``python -m zk.cost calibrate`` if there is one, else the one shipped with the
package, which holds the machine that it was measured on. Sizes of keys and proofs follow from the columns
(:mod:`zk.columns`) and need no measurement.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zk.circuit_cost import CircuitCost, block_count, circuit_cost, public_value_count, table_rows, usable_rows
from zk.columns import circuit_columns, proof_bytes, proving_key_bytes, verification_key_bytes
from zk.cost_model import BYTES, SECONDS, STAGES, CostModel, Estimate, load_cost_model

SHIPPED = Path(__file__).with_name("cost_model.json")
"""The default model; ``machine`` in it says what it was measured on."""

MAX_BLOCKS = 8
"""Most blocks that :func:`choose_logrows` takes freely: each adds a commitment and evaluations to the proof, some
2 to 4 KB."""


@dataclass(frozen=True)
class CostPrediction:
    """What the stages of a proof will take.

    Attributes:
        seconds: wall clock by stage: setup, witness, prove, verify.
        peak_bytes: peak resident memory by stage.
        pk_bytes: size of the proving key.
        vk_bytes: size of the verification key.
        proof_bytes: size of the proof itself.
    """

    seconds: Mapping[str, Estimate]
    peak_bytes: Mapping[str, Estimate]
    pk_bytes: int
    vk_bytes: int
    proof_bytes: int

    @property
    def admission_bytes(self) -> int:
        """Memory to have free before any stage starts: the greatest upper end of all stages."""
        return int(max(estimate.high for estimate in self.peak_bytes.values()))

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain JSON values."""
        stages = {
            f"{stage}_{quantity}": [estimate.low, estimate.middle, estimate.high]
            for quantity, found in ((SECONDS, self.seconds), ("peak_bytes", self.peak_bytes))
            for stage, estimate in found.items()
        }
        sizes = {"pk_bytes": self.pk_bytes, "vk_bytes": self.vk_bytes, "proof_bytes": self.proof_bytes}
        return {**stages, **sizes, "admission_bytes": self.admission_bytes}


@functools.cache
def shipped_cost_model() -> CostModel:
    """The default model, read once."""
    return load_cost_model(SHIPPED)


def calibrated_path(machine_digest: str) -> Path:
    """Where the model measured on a machine is kept: ``zkgan-search`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "zkgan-search" / f"cost-model-{machine_digest}.json"


def machine_cost_model(machine_digest: str) -> CostModel:
    """The model measured on this machine if there is one that this version can read, else the shipped one.

    Raises:
        ArtifactError: there is one, and it cannot be read; it is never passed over in silence.
    """
    path = calibrated_path(machine_digest)
    return load_cost_model(path) if os.path.lexists(path) else shipped_cost_model()


def predict_cost(cost: CircuitCost, model: CostModel | None = None) -> CostPrediction:
    """Predict every stage of a circuit's proof; ``model`` None takes the shipped one."""
    chosen = model or shipped_cost_model()
    columns = circuit_columns(cost)
    return CostPrediction(
        seconds={stage: chosen.estimate(stage, SECONDS, cost) for stage in STAGES},
        peak_bytes={stage: chosen.estimate(stage, BYTES, cost) for stage in STAGES},
        pk_bytes=proving_key_bytes(columns),
        vk_bytes=verification_key_bytes(columns),
        proof_bytes=proof_bytes(columns),
    )


def predict_peak_bytes(cost: CircuitCost, model: CostModel | None = None) -> int:
    """Memory to have free for the most demanding stage, in bytes: the upper end of its interval."""
    return predict_cost(cost, model).admission_bytes


def predict_prove_seconds(cost: CircuitCost, model: CostModel | None = None) -> float:
    """Wall-clock seconds of the prove stage: the middle of its interval."""
    return predict_cost(cost, model).seconds["prove"].middle


def choose_logrows(
    settings: dict[str, Any], *, min_logrows: int, max_logrows: int, model: CostModel | None = None
) -> int:
    """Height with the least predicted memory; ties go to the greater.

    Public values fill one column, so a height below their number is never taken, unless ``max_logrows`` asks for it. A
    table longer than a column is split, which costs more than the height saves; such heights, and those of more than
    :data:`MAX_BLOCKS` blocks, are considered only when ``max_logrows`` leaves no other.
    """
    heights = _sensible_heights(settings, min_logrows, max_logrows)
    predicted = {height: predict_cost(circuit_cost(settings, height), model) for height in heights}
    peaks = {
        height: max(found.peak_bytes["setup"].middle, found.peak_bytes["prove"].middle)
        for height, found in predicted.items()
    }
    return min(heights, key=lambda height: (peaks[height], -height))


def fastest_logrows(
    settings: dict[str, Any], *, min_logrows: int, max_logrows: int, memory_bytes: int, model: CostModel | None = None
) -> int:
    """Height with the least predicted proving time that needs at most ``memory_bytes``; ties go to the greater.

    The heights are those of :func:`choose_logrows`, whose choice is taken where none of them needs so little.
    """
    heights = _sensible_heights(settings, min_logrows, max_logrows)
    predicted = {height: predict_cost(circuit_cost(settings, height), model) for height in heights}
    fitting = [height for height in heights if predicted[height].admission_bytes <= memory_bytes]
    if not fitting:
        return choose_logrows(settings, min_logrows=min_logrows, max_logrows=max_logrows, model=model)
    return min(fitting, key=lambda height: (predicted[height].seconds["prove"].middle, -height))


def _sensible_heights(settings: dict[str, Any], min_logrows: int, max_logrows: int) -> list[int]:
    public = public_value_count(settings)
    heights = [h for h in range(min_logrows, max_logrows + 1) if usable_rows(h) >= public] or [max_logrows]
    roomy = [height for height in heights if usable_rows(height) >= table_rows(settings)] or [max_logrows]
    return [height for height in roomy if block_count(int(settings["num_rows"]), height) <= MAX_BLOCKS] or [roomy[-1]]


if __name__ == "__main__":
    from zk.cost_cli import main

    raise SystemExit(main())
