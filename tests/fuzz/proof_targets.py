"""Readers of networks, circuits, keys, proofs and bundles."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.scene import BUDGET, Scene, put
from zk.audit_key import open_proving_key
from zk.bundle_check import verify_bundle
from zk.bundle_format import DESCRIBED, MANIFEST
from zk.circuit_cost import circuit_cost, load_settings
from zk.graph_inputs import graph_inputs
from zk.lower import load_model
from zk.lowering import RULES, lower
from zk.prove import load_sample
from zk.simulation.compiled import read_graph
from zk.verify import load_proof, public_integers


def read_network(data: bytes, folder: Path) -> object:
    path = put(data, folder)
    graph_inputs(path)
    return lower(load_model(path), RULES)


def members(scene: Scene) -> list[bytes]:
    scene.file("srs")
    names = (*DESCRIBED, MANIFEST)
    return [bytes([index]) + scene.file(f"bundle/{name}") for index, name in enumerate(names)]


def member_reader(scene: Scene) -> Callable[[bytes, Path], object]:
    """Read a bundle in which one member is the input and the manifest has its digest."""

    def read(data: bytes, folder: Path) -> object:
        names = (*DESCRIBED, MANIFEST)
        name = names[(data[0] if data else 0) % len(names)]
        target = folder / "bundle"
        target.mkdir()
        for other in names:
            (target / other).write_bytes(data[1:] if other == name else scene.file(f"bundle/{other}"))
        if name != MANIFEST:
            manifest = json.loads(scene.file(f"bundle/{MANIFEST}"))
            manifest["members"][name] = {"bytes": len(data) - 1, "sha256": hashlib.sha256(data[1:]).hexdigest()}
            (target / MANIFEST).write_text(json.dumps(manifest))
        found = verify_bundle(target, folder / "no-srs", budget=BUDGET)
        assert not found.accepted
        return found

    return read


def key_reader(scene: Scene) -> Callable[[bytes, Path], object]:
    """Read the proving key of 2 MB after the changes that the input asks for: places, and bytes to put there."""

    def read(data: bytes, folder: Path) -> object:
        key = bytearray(scene.file("pk.key"))
        for at in range(0, len(data) - 4, 5):
            place = int.from_bytes(data[at : at + 4], "little")
            if place >> 31:  # cut off from here
                del key[place & 0x3FFFFF :]
            elif len(key):
                key[place % len(key)] = data[at + 4]
        return open_proving_key(put(bytes(key), folder))

    return read


def read_settings(data: bytes, folder: Path) -> object:
    return circuit_cost(load_settings(put(data, folder)))


def read_proof(data: bytes, folder: Path) -> object:
    return public_integers(load_proof(put(data, folder)))


def read_compiled(data: bytes, _folder: Path) -> object:
    return read_graph(data, input_scale_bits=5, param_scale_bits=5)


def samples(_scene: Scene) -> list[bytes]:
    return [json.dumps({"input_data": [[0.5, 1, -2, 0]]}).encode()]


def arrays(_scene: Scene) -> list[bytes]:
    target = io.BytesIO()
    np.savez(target, latent=np.zeros((1, 4), np.float32))
    return [target.getvalue()]


def sample_reader(scene: Scene, suffix: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> object:
        return load_sample(put(data, folder, f"input{suffix}"), scene.folder / "model.onnx")

    return read
