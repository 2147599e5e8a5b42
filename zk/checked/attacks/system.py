"""A network with keys: what an honest prover and every cheating one start from."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zk import backend
from zk.checked.attacks.scenes import BUDGET, Scene, scene_options, write_network
from zk.checked.circuit import CheckedCircuit, PartCircuit, build_checked
from zk.checked.foreign import circuit_options
from zk.checked.options import CheckedOptions
from zk.checked.rows import with_rows
from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.field import felt_to_int, int_to_felt
from zk.stages import write_json
from zk.types import Budget, Outcome

PATIENCE = Budget(4 << 30, 6.0)
"""Twenty times what a proof takes: EZKL waits forever for a value that its table does not hold."""


class ProverStuck(Exception):
    """EZKL makes no proof of these values; the message says how it ended."""


@dataclass(frozen=True)
class Keys:
    """Files of one circuit.

    Attributes:
        folder: holds checked.onnx, settings.json, circuit.ezkl, vk.key and pk.key.
        settings: EZKL's.
        vk: bytes of the verification key.
        srs: reference string.
    """

    folder: Path
    settings: Mapping[str, Any]
    vk: bytes
    srs: Path

    def path(self, name: str) -> str:
        """Path of a file."""
        return str(self.folder / name)

    def commit(self, columns: Sequence[Sequence[int]]) -> list[str]:
        """Commitments to columns, in hex."""
        write_json(self.folder / "columns.json", [_felts(column) for column in columns])
        files = {name: self.path(file) for name, file in (("vk", "vk.key"), ("settings", "settings.json"))}
        return backend.commit(columns=self.path("columns.json"), srs=str(self.srs), **files)

    def outputs(self, columns: Sequence[Sequence[int]]) -> list[list[int]]:
        """What the circuit gives out for these columns, the asked one included."""
        write_json(self.folder / "input.json", {"input_data": [_felts(column) for column in columns]})
        files = {"data": self.path("input.json"), "compiled": self.path("circuit.ezkl"), "vk": self.path("vk.key")}
        backend.gen_witness(witness=self.path("witness.json"), srs=str(self.srs), **files)
        found = json.loads((self.folder / "witness.json").read_text())["outputs"]
        return [[felt_to_int(felt) for felt in tensor] for tensor in found]

    def prove(
        self,
        columns: Sequence[Sequence[int]],
        shown: Callable[[list[list[int]]], None] | None = None,
        budget: Budget | None = None,
    ) -> tuple[bytes, list[list[int]]]:
        """Prove columns, true or not.

        Args:
            columns: the asked one included.
            shown: changes the public values before they are proved.
            budget: prove in a child process within these limits; needed where a lookup may fail.

        Returns:
            The proof, and the public values.

        Raises:
            ProverStuck: the child ended without a proof.
        """
        found = self.outputs(columns)
        if shown is not None:
            shown(found)
            witness = json.loads((self.folder / "witness.json").read_text())
            witness["outputs"] = [_felts(tensor) for tensor in found]
            write_json(self.folder / "witness.json", witness)
        files = {"witness": "witness.json", "compiled": "circuit.ezkl", "pk": "pk.key", "proof": "proof.json"}
        kwargs = {name: self.path(file) for name, file in files.items()} | {"srs": str(self.srs)}
        if budget is None:
            backend.prove(**kwargs)
        else:
            run = run_in_child("prove", "zk.backend:prove", kwargs, budget=budget, log_path=self.folder / "prove.log")
            if run.result.outcome is not Outcome.OK:
                raise ProverStuck(str(run.result.outcome))
        return bytes(json.loads((self.folder / "proof.json").read_text())["proof"]), found


@dataclass(frozen=True)
class System:
    """A network, its checked circuit, and keys for every part."""

    onnx_path: Path
    circuit: CheckedCircuit
    keys: tuple[Keys, ...]

    @property
    def srs(self) -> Path:
        """The reference string."""
        return self.keys[0].srs


def build_system(scene: Scene, folder: Path, srs: Path, *, onnx_path: Path | None = None) -> System:
    """Export a scene's network, if none is given, and make the keys of all its parts.

    Args:
        scene: network and layout.
        folder: to make.
        srs: reference string, or a folder of such.
        onnx_path: another network.
    """
    folder.mkdir(parents=True)
    onnx_path = onnx_path or write_network(scene, folder / "network.onnx")
    options = scene_options(scene, onnx_path, folder)
    circuit = build_checked(onnx_path, options, folder, budget=BUDGET)
    srs = reference_string(srs, options.logrows) if srs.is_dir() or not srs.exists() else srs
    keys = [
        make_keys(part, options, folder / f"part-{part.part.index}-{secrets.token_hex(4)}", srs)
        for part in circuit.parts
    ]
    return System(onnx_path, circuit, tuple(keys))


def reference_string(folder: Path, logrows: int) -> Path:
    """A test-only reference string."""
    path = folder / f"test-only-k{logrows}.srs"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        backend.gen_srs(srs=str(path), logrows=logrows)
    return path


def make_keys(
    part: PartCircuit, options: CheckedOptions, folder: Path, srs: Path, settings: Mapping[str, Any] | None = None
) -> Keys:
    """Compile a circuit and set it up, with given settings or drafted ones."""
    folder.mkdir(parents=True)
    file = {name: str(folder / name) for name in ("checked.onnx", "settings.json", "circuit.ezkl", "vk.key", "pk.key")}
    Path(file["checked.onnx"]).write_bytes(part.model)
    if settings is None:
        drafted, onnx = circuit_options(options), file["checked.onnx"]
        backend.gen_settings(
            onnx=onnx, settings=file["settings.json"], options=drafted.to_json(), logrows=options.logrows
        )
        settings = with_rows(load_settings(folder / "settings.json"), part.rows)
    write_json(folder / "settings.json", settings)
    backend.compile_circuit(onnx=file["checked.onnx"], compiled=file["circuit.ezkl"], settings=file["settings.json"])
    backend.setup(compiled=file["circuit.ezkl"], vk=file["vk.key"], pk=file["pk.key"], srs=str(srs))
    return Keys(folder, settings, (folder / "vk.key").read_bytes(), srs)


def _felts(values: Sequence[int]) -> list[str]:
    return [int_to_felt(value) for value in values]
