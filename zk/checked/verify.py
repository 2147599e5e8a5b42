"""The verifier of a checked bundle: section 7 of ``docs/design/commit-and-challenge.md``, one method a step.

It takes from the prover the commitments and proofs, the public values, and keys that it pins or builds anew. The
circuit, the challenge and every vector asked for follow from the model.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from zk.bundle import Bundle, BundlePart
from zk.bundle_format import SETTINGS, VK
from zk.bundle_manifest import PublicTensor
from zk.bundle_record import check_pinned, check_proof, check_record, check_srs, check_wiring
from zk.bundle_settings import changed_settings, check_vk
from zk.bundle_verdict import BundleVerification, Check, Request, all_passed, run_check
from zk.ceremony import srs_kind
from zk.checked.asked import asked_tensor
from zk.checked.bounds import PUBLIC_BITS
from zk.checked.circuit import CheckedCircuit, PartCircuit, build_checked
from zk.checked.foreign import circuit_options
from zk.checked.height import chosen_logrows
from zk.checked.layout import ASKED
from zk.checked.options import CheckedOptions
from zk.checked.public import part_public
from zk.checked.rebuild import rebuild_part
from zk.checked.rows import with_rows
from zk.checked.statement import part_statement
from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.errors import VerificationError
from zk.field import MODULUS, int_to_felt
from zk.srs import SrsKind, file_sha256
from zk.verify import PublicValues

POINT_BYTES = 64
_PINS = ((VK, "pinned_vk"), (SETTINGS, "pinned_settings"), ("model", "pinned_model"))


class CheckedExamination:
    """What the checks share. Each check is a method that raises or says what it found."""

    def __init__(self, bundle: Bundle, request: Request, folder: Path) -> None:
        self.bundle = bundle
        self.request = request
        self.folder = folder
        self.values: PublicValues | None = None
        self._circuit: CheckedCircuit | None = None

    @property
    def circuit(self) -> CheckedCircuit:
        """The circuit that the model and the options give; made by the check "model"."""
        assert self._circuit is not None
        return self._circuit

    def pairs(self) -> list[tuple[PartCircuit, BundlePart]]:
        """Each circuit with what the bundle holds for it."""
        return list(zip(self.circuit.parts, self.bundle.parts, strict=True))

    def model(self) -> str:
        """Compile the model with the recorded options."""
        manifest, path = self.bundle.manifest, self.request.model_path
        if path is None:
            raise VerificationError(
                "a checked proof needs the model: the verifier's vectors are computed from its weights; give it"
            )
        if file_sha256(path) != manifest.model_sha256:
            raise VerificationError(f"the model must have the recorded SHA-256 {manifest.model_sha256}; it has another")
        options = CheckedOptions.from_json(manifest.checked_options)
        self._circuit = build_checked(path, options, self.folder, budget=self.request.budget)
        if len(self.circuit.parts) != manifest.parts:
            raise VerificationError(
                f"the options give {len(self.circuit.parts)} parts; the bundle has {manifest.parts}"
            )
        claims, foreign = len(self.circuit.program.claims), self.circuit.program.foreign
        left = f"; left to EZKL: {', '.join(foreign)}" if foreign else ""
        return f"{claims} checked products in {manifest.parts} circuits{left}"

    def settings(self) -> str:
        """The settings must be those that EZKL drafts for the circuit."""
        logrows = chosen_logrows(self.circuit)
        if self.bundle.manifest.logrows != logrows:
            raise VerificationError(f"logrows must be {logrows}; the manifest says {self.bundle.manifest.logrows}")
        for circuit, part in self.pairs():
            changed = changed_settings(self._drafted(circuit, logrows), part.settings)
            if changed:
                raise VerificationError(
                    f"settings of part {circuit.part.index} must be those that the model gives; these differ: "
                    f"{', '.join(changed)}"
                )
        return f"as drafted from the model, logrows {logrows}"

    def vk(self) -> str:
        """Each key must have the size of one for its settings."""
        return "; ".join(check_vk(part.vk, part.settings) for part in self.bundle.parts)

    def public_tensors(self) -> str:
        """The public tensors must be those of the circuit, in its order."""
        wanted = [tensor for circuit in self.circuit.parts for tensor in part_public(circuit.part)]
        if list(self.bundle.manifest.public) != wanted:
            raise VerificationError(
                f"the manifest must list the circuit's {len(wanted)} public tensors; it lists others"
            )
        for circuit, part in self.pairs():
            sizes = [tensor.size for tensor in part_public(circuit.part)]
            if [len(values) for values in part.public_values] != sizes:
                raise VerificationError(f"part {circuit.part.index} must give out {sizes} values; found others")
        return f"{sum(tensor.size for tensor in wanted)} values"

    def zero_checks(self) -> str:
        """Every check must be zero."""
        found = [value for tensor, values in self._tensors() if tensor.role == "check" for value in values]
        if any(found):
            wrong = [index for index, value in enumerate(found) if value]
            raise VerificationError(f"all checks must be zero; {len(wrong)} of {len(found)} are not, first {wrong[0]}")
        return f"{len(found)} checks, all zero"

    def public_ranges(self) -> str:
        """Public inputs and outputs must be integers of bounded magnitude, so that they are not modulo anything."""
        bound = 1 << PUBLIC_BITS
        for tensor, values in self._tensors():
            if any(not -bound < value < bound for value in values):
                raise VerificationError(f"values of {tensor.name} must be below 2**{PUBLIC_BITS} in magnitude")
        real: dict[str, list[tuple[float, ...]]] = {"input": [], "output": [], "check": []}
        for tensor, values in self._tensors():
            real[tensor.role].append(tuple(value / 2.0**tensor.scale_bits for value in values))
        self.values = PublicValues(tuple(real["input"]), tuple(real["output"]))
        return f"each below 2**{PUBLIC_BITS} in magnitude"

    def boundaries(self) -> str:
        """A column that several parts hold must have one commitment."""
        seen: dict[str, tuple[int, bytes]] = {}
        shared = 0
        for circuit, part in self.pairs():
            for column, point in zip(circuit.part.columns[1:], self._points(circuit, part)[1:-1], strict=True):
                index, known = seen.setdefault(column.name, (circuit.part.index, point))
                shared += index != circuit.part.index
                if known != point:
                    raise VerificationError(
                        f"parts {index} and {circuit.part.index} must commit to one {column.name}; they differ"
                    )
        return f"{shared} columns shared by parts, with equal commitments"

    def challenge(self) -> str:
        """What was asked must be what the verifier asks, as its own commitment shows."""
        for circuit, part in self.pairs():
            *points, claimed = self._points(circuit, part)
            asked = asked_tensor(circuit.part, circuit.layout, self._seed(circuit, part, points))
            if self._commit(part, asked) != claimed:
                raise VerificationError(
                    f"part {circuit.part.index} must answer the verifier's challenge; its proof commits to another"
                )
        return "computed anew from commitments, key, settings, model and public values"

    def wiring(self) -> str:
        """The recorded verdict."""
        return check_wiring(self.bundle.manifest)

    def record(self) -> str:
        """The prover's own record."""
        return check_record(self.bundle.manifest)

    def srs(self) -> str:
        """The reference string."""
        return check_srs(self.bundle.manifest, self.request.srs_path)

    def pinned(self, name: str) -> str:
        """A digest that the verifier knows."""
        return check_pinned(self.bundle.manifest, name, self.request.pins[name])

    def rebuild(self) -> str:
        """Keys and wiring, made anew."""
        found = [
            rebuild_part(circuit, part, self.request.srs_path, self.folder / f"part-{index}", self.request.budget)
            for index, (circuit, part) in enumerate(self.pairs())
        ]
        return "; ".join(found)

    def ezkl(self) -> str:
        """EZKL must accept every part's proof."""
        start = time.perf_counter()
        for part in self.bundle.parts:
            check_proof(part, self.request.srs_path, self.request.budget, ranges=False)
        return f"ezkl.verify accepts {len(self.bundle.parts)} proofs, in {time.perf_counter() - start:.2f} s"

    # parts of checks

    def _tensors(self) -> list[tuple[PublicTensor, tuple[int, ...]]]:
        """Public tensors with their values; integers beyond half the field are refused, they would alias others."""
        values = [tensor for part in self.bundle.parts for tensor in part.public_values]
        if any(abs(value) > MODULUS // 2 for tensor in values for value in tensor):
            raise VerificationError("public values must be field elements of least magnitude; one is larger")
        return list(zip(self.bundle.manifest.public, values, strict=True))

    def _points(self, circuit: PartCircuit, part: BundlePart) -> list[bytes]:
        """Commitments that open a proof, in the order of the circuit's inputs; the last is to what was asked."""
        count = len(circuit.part.columns) + 1
        if len(part.proof) < count * POINT_BYTES:
            raise VerificationError(f"a proof must open with {count} commitments; it has {len(part.proof)} bytes")
        return [part.proof[start : start + POINT_BYTES] for start in range(0, count * POINT_BYTES, POINT_BYTES)]

    def _seed(self, circuit: PartCircuit, part: BundlePart, points: list[bytes]) -> bytes:
        public = [
            value
            for tensor, values in zip(part_public(circuit.part), part.public_values, strict=True)
            if tensor.role != "check"
            for value in values
        ]
        hexes = [point.hex() for point in points]
        return part_statement(self.circuit, circuit, part.vk, part.settings, hexes, public).seed

    def _drafted(self, circuit: PartCircuit, logrows: int) -> dict[str, Any]:
        folder = self.folder / f"draft-{circuit.part.index}"
        folder.mkdir(parents=True, exist_ok=True)
        onnx, settings = folder / "checked.onnx", folder / SETTINGS
        onnx.write_bytes(circuit.model)
        options = circuit_options(self.circuit.program.options)
        kwargs = {"onnx": str(onnx), "settings": str(settings), "options": options.to_json(), "logrows": logrows}
        self._child("settings", "zk.backend:gen_settings", kwargs)
        return with_rows(load_settings(settings), circuit.rows)

    def _commit(self, part: BundlePart, column: list[int]) -> bytes:
        files = {name: self.folder / name for name in ("columns.json", SETTINGS, VK)}
        files["columns.json"].write_text(json.dumps([[int_to_felt(value) for value in column]]))
        files[SETTINGS].write_text(json.dumps(dict(part.settings)))
        files[VK].write_bytes(part.vk)
        kwargs = {"columns": str(files["columns.json"]), "vk": str(files[VK]), "settings": str(files[SETTINGS])}
        (found,) = self._child(ASKED, "zk.backend:commit", {**kwargs, "srs": str(self.request.srs_path)})
        return bytes.fromhex(found)

    def _child(self, stage: str, target: str, kwargs: dict[str, Any]) -> Any:
        run = run_in_child(stage, target, kwargs, budget=self.request.budget, log_path=self.folder / f"{stage}.log")
        if not run.result.ok:
            raise VerificationError(f"{stage} must run; {run.result.outcome}: {run.result.message}")
        return run.value


STRUCTURE = ("model", "settings", "vk", "public_tensors")
"""Checks that later ones compute with: these run only if all before passed."""

CONTENT = ("zero_checks", "public_ranges", "boundaries", "srs", "challenge")
RECORD = ("wiring", "record")


def verify_checked(bundle: Bundle, read: list[Check], request: Request) -> BundleVerification:
    """Check a bundle of checked circuits that was read without error.

    Args:
        bundle: untrusted.
        read: the checks that reading made.
        request: what the verifier brings; without the model the proof is rejected.
    """
    checks = list(read)
    with tempfile.TemporaryDirectory(prefix="zk-checked-") as name:
        examination = CheckedExamination(bundle, request, Path(name))
        for check in (*STRUCTURE, *CONTENT):
            checks.append(run_check(check, getattr(examination, check), all_passed(checks)))
        checks += [run_check(check, getattr(examination, check)) for check in RECORD]
        for member, label in _PINS:
            if request.pins[member] is not None:
                pinned: Callable[[], str] = partial(examination.pinned, member)
                checks.append(run_check(label, pinned))
        if request.rebuild:
            checks.append(run_check("rebuild", examination.rebuild, all_passed(checks)))
        checks.append(run_check("ezkl", examination.ezkl, all_passed(checks)))
        return BundleVerification(tuple(checks), _notes(bundle, request), bundle, examination.values)


def _notes(bundle: Bundle, request: Request) -> tuple[str, ...]:
    notes = []
    if not request.rebuild:
        if request.pins[VK] is None:
            notes.append(
                "The verification key comes from the bundle's sender: pin it or have it built anew; else a circuit of "
                "the sender's choice may have been proved."
            )
        notes.append("That the wiring is linked is the prover's claim; a rebuild audits it.")
    if srs_kind(bundle.manifest.srs_sha256) is SrsKind.TEST_ONLY:
        notes.append("The SRS is test-only: whoever drew it can forge proofs. Only its owner may rely on them.")
    return tuple(notes)
