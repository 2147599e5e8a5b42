"""Circuit figures kept by what decides them, so that no generator spec is compiled twice."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

from atomic_files import write_text
from gan.digest import json_digest
from gan.spec import GeneratorSpec
from json_files import read_json
from search.circuit import CircuitFigures, measure_spec
from search.circuit_forms import CircuitForm
from zk.cost import shipped_cost_model
from zk.cost_model import CostModel, cost_model_digest
from zk.types import Budget

_ROOT = Path(__file__).resolve().parents[1]
_DECIDING = ("zk", "gan/generators")
_FIGURES = "figures.json"


def cached_measurement(
    spec: GeneratorSpec,
    folder: Path,
    *,
    options: CircuitForm,
    budget: Budget,
    model: CostModel | None = None,
    kept: Path | None,
) -> CircuitFigures:
    """Return what :func:`search.circuit.measure_spec` does, from the folder ``kept`` where it is known there.

    Figures depend on the spec, the form of the circuit, the cost model, EZKL and the source files of the circuits and
    the generators; ``circuit_seconds`` is of the first measurement. What did not compile is measured again, since the
    budget may be to blame. A file that cannot be read is made again.
    """
    if kept is None:
        return measure_spec(spec, folder, options=options, budget=budget, model=model)
    path = kept / f"{_key(spec, options, model)}.json"
    if (metrics := _read(path)) is not None:
        write_text(folder / _FIGURES, json.dumps({"compiled": True, "reason": "", "metrics": metrics}))
        return CircuitFigures(metrics, True, "")
    figures = measure_spec(spec, folder, options=options, budget=budget, model=model)
    if figures.compiled:
        write_text(path, json.dumps(figures.metrics, sort_keys=True))
    return figures


def _key(spec: GeneratorSpec, options: CircuitForm, model: CostModel | None) -> str:
    parts = {
        "spec": spec.digest,
        "options": options.digest,
        "cost_model": cost_model_digest(model or shipped_cost_model()),
        "ezkl": version("ezkl"),
        "sources": _sources_digest(),
    }
    return json_digest(parts)


@cache
def _sources_digest() -> str:
    """Digest of the source files that decide a circuit; they do not change while a process runs."""
    paths = [_ROOT / "search" / "circuit.py", *(path for part in _DECIDING for path in (_ROOT / part).rglob("*.py"))]
    files = {str(path.relative_to(_ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return json_digest(files)


def _read(path: Path) -> dict[str, float] | None:
    try:
        found = read_json(path)
        return {str(name): float(value) for name, value in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return None
