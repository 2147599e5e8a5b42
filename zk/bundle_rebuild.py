"""Rebuild a bundle's circuit from the model, for a verifier who has it: then key and settings need no trust.

Compile and setup of ezkl 23.0.5 are deterministic: equal model, settings and SRS gave equal keys, byte for byte.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from zk.bundle import Bundle
from zk.bundle_settings import changed_settings, options_from_settings
from zk.bundle_write import public_tensors
from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.errors import VerificationError
from zk.srs import file_sha256
from zk.stages import write_json
from zk.types import Budget, Wiring


def rebuild_circuit(bundle: Bundle, model_path: Path, srs_path: Path, *, budget: Budget) -> str:
    """Compare names with the model; draft settings from it, compare; set up, compare the key; audit the wiring.

    The bundle's settings must have passed :func:`zk.bundle_settings.check_settings`.

    Returns:
        What was found, for the report.

    Raises:
        VerificationError: a stage failed or something differs.
        ArtifactError: the model cannot be read.

    """
    if file_sha256(model_path) != bundle.manifest.model_sha256:
        raise VerificationError(
            f"the given model must have the recorded SHA-256 {bundle.manifest.model_sha256}; {model_path.name} has "
            "another; give the model that was proved"
        )
    _check_names(bundle, model_path)
    with tempfile.TemporaryDirectory(prefix="zk-rebuild-") as name:
        folder = Path(name)
        file = {part: str(folder / part) for part in ("settings.json", "circuit.ezkl", "vk.key", "pk.key")}

        def stage(part: str, target: str, **kwargs: Any) -> Any:
            run = run_in_child(part, target, kwargs, budget=budget, log_path=folder / f"{part}.log")
            if not run.result.ok:
                raise VerificationError(f"the circuit must be built anew; {part}: {run.result.message}")
            return run.value

        options = options_from_settings(bundle.settings)
        draft = {"onnx": str(model_path), "settings": file["settings.json"], "logrows": options.logrows}
        stage("settings", "zk.backend:gen_settings", options=options.to_json(), **draft)
        changed = changed_settings(load_settings(Path(file["settings.json"])), bundle.settings)
        if changed:
            raise VerificationError(f"settings must be those that the model gives; these differ: {', '.join(changed)}")
        # the order of the tables changes from draft to draft, and the key with it: compile with the bundle's order
        write_json(Path(file["settings.json"]), dict(bundle.settings))
        compiled = {"compiled": file["circuit.ezkl"]}
        stage("compile", "zk.backend:compile_circuit", onnx=str(model_path), settings=file["settings.json"], **compiled)
        keys = {"vk": file["vk.key"], "pk": file["pk.key"]}
        stage("setup", "zk.backend:setup", srs=str(srs_path), **keys, **compiled)
        if Path(file["vk.key"]).read_bytes() != bundle.vk:
            raise VerificationError("the key must be the one that the model and the settings give; it is another")
        report = stage("audit", "zk.audit:audit_to_json", settings=file["settings.json"], **keys)
    if report["verdict"] != Wiring.LINKED:
        raise VerificationError(f"the wiring must be linked; the audit says {report['verdict']}: {report['reason']}")
    return f"settings and key follow from the model; wiring linked: {report['reason']}"


def _check_names(bundle: Bundle, model_path: Path) -> None:
    """Compare what public tensors are called with the model: key and settings know places only, and not names."""
    from zk.graph_inputs import graph_inputs  # here, because only this needs onnx

    names = tuple(name for name, _ in graph_inputs(model_path))
    wanted = [tensor.name for tensor in public_tensors(bundle.settings, names)]
    found = [tensor.name for tensor in bundle.manifest.public]
    if found != wanted:
        raise VerificationError(
            f"public tensors must be called, in this order, {', '.join(wanted)}; the bundle has {', '.join(found)}"
        )
