"""Building a part's key anew from the model, for a verifier who trusts no key, and auditing its wiring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zk.bundle import BundlePart
from zk.bundle_format import SETTINGS, VK
from zk.checked.circuit import PartCircuit
from zk.child import run_in_child
from zk.errors import VerificationError
from zk.stages import write_json
from zk.types import Budget, Wiring


def rebuild_part(circuit: PartCircuit, part: BundlePart, srs_path: Path, folder: Path, budget: Budget) -> str:
    """Compile and set up the circuit with the bundle's settings, which were compared before; compare the key; audit.

    Raises:
        VerificationError: a stage failed, the key differs, or a cell is not linked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = {name: str(folder / name) for name in ("checked.onnx", "circuit.ezkl", "pk.key", SETTINGS, VK)}
    Path(file["checked.onnx"]).write_bytes(circuit.model)
    write_json(Path(file[SETTINGS]), dict(part.settings))

    def stage(name: str, target: str, **kwargs: Any) -> Any:
        run = run_in_child(name, target, kwargs, budget=budget, log_path=folder / f"{name}.log")
        if not run.result.ok:
            raise VerificationError(f"part {circuit.part.index} must be built anew; {name}: {run.result.message}")
        return run.value

    compiled = file["circuit.ezkl"]
    stage(
        "compile", "zk.backend:compile_circuit", onnx=file["checked.onnx"], compiled=compiled, settings=file[SETTINGS]
    )
    keys = {"vk": file[VK], "pk": file["pk.key"]}
    stage("setup", "zk.backend:setup", compiled=compiled, srs=str(srs_path), **keys)
    if Path(file[VK]).read_bytes() != part.vk:
        raise VerificationError(
            f"the key of part {circuit.part.index} must be the one that the model gives; it differs"
        )
    report = stage("audit", "zk.audit:audit_to_json", settings=file[SETTINGS], salt=circuit.salt, **keys)
    Path(file["pk.key"]).unlink()
    if report["verdict"] != Wiring.LINKED:
        raise VerificationError(f"the wiring must be linked; the audit says {report['verdict']}: {report['reason']}")
    return f"part {circuit.part.index}: key as built from the model, wiring linked"
