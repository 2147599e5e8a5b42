"""Everything that is kept on disk, in two versions each, so that writing one over the other can be broken off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from atomic_files import write_text
from evaluation.classifier.picture import write_confusion_png
from evaluation.files import save_tensors_atomically
from gan.data.cache import cached_splits
from gan.data.types import Split
from gan.generators import build_generator
from gan.training.checkpoint import save_checkpoint
from search.circuit import export_generator
from search.pictures import save_image_grid
from search.plot_pictures import save_curve_picture
from search.tables import export_rows
from search.trial_rows import write_csv
from search.weights import save_generator
from tests.faults.disk import full_after
from tests.tiny_spec import TINY_SPEC
from zk.bundle_files import write_members
from zk.chain import write_chain
from zk.cost import shipped_cost_model
from zk.cost_model import save_cost_model
from zk.lower import lower_file
from zk.srs import publish_once
from zk.stages import write_json
from zk.types import Budget, CircuitOptions

SHARES = (0.0, 0.001, 0.3, 0.6, 0.9, 0.999)
"""Where a write is broken off, as shares of the largest file."""


@dataclass(frozen=True)
class Case:
    """One kind of artifact; ``write`` puts version 0 or 1 of it into a folder that may have the other."""

    name: str
    write: Callable[[Path, int], object]


def _network(path: Path, weights: list[float], ends: tuple[str, str] = ("x", "y")) -> Path:
    slots = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ends]
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], weights)
    graph = helper.make_graph(
        [helper.make_node("Mul", [ends[0], "w"], [ends[1]])], "one", slots[:1], slots[1:], [values]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def _splits(version: int) -> tuple[Split, Split]:
    split = Split(torch.full((2, 3, 8, 8), version, dtype=torch.uint8), torch.tensor([0, 1]))
    return split, split


def _cached(folder: Path, version: int) -> object:
    for path in folder.glob("*.npz"):  # as if it were of another version of the data
        found = np.load(path)["train_images"][0, 0, 0, 0]
        if found != version:
            path.unlink()
    return cached_splits(str(folder), name="data", key={}, build=lambda: _splits(version))


def _bundle(folder: Path, version: int, name: str) -> object:
    if (folder / name).exists():
        return None  # bundles are never replaced
    return write_members({"manifest.json": bytes([version]) * 3000}, folder / name, lambda path: None)


def _string(folder: Path, version: int) -> None:
    with publish_once(folder / "srs") as temporary:
        temporary.write_bytes(bytes([version]) * 5000)


def _chain(folder: Path, version: int) -> object:
    first = _network(folder.parent / "first.onnx", [float(version), 2.0])
    second = _network(folder.parent / "second.onnx", [3.0, 2.0], ("y", "z"))
    return write_chain(first, second, folder / "chain.onnx")


def _lowered(folder: Path, version: int) -> object:
    source = _network(folder.parent / "source.onnx", [float(version), 2.0])
    options, budget = CircuitOptions(), Budget(1 << 30, 60.0)
    return lower_file(source, folder / "lowered.onnx", options=options, budget=budget, measured=False)


def cases() -> list[Case]:
    """Every artifact."""
    rows = [[{"trial": trial, "accuracy": 0.1 * version} for trial in range(60)] for version in range(2)]
    image = [torch.full((4, 3, 8, 8), version - 0.5) for version in range(2)]
    generator = [build_generator(TINY_SPEC, seed=seed) for seed in range(2)]
    model = shipped_cost_model()
    models = [model, replace(model, circuits=model.circuits + 1)]
    return [
        Case("text", lambda folder, v: write_text(folder / "a.json", f"{v}" * 4000)),
        Case("json", lambda folder, v: write_json(folder / "settings.json", [v] * 2000)),
        Case(
            "checkpoint",
            lambda folder, v: save_checkpoint(folder / "c.pt", {"run": str(v)}, {"w": torch.full((99,), v)}),
        ),
        Case("generator", lambda folder, v: save_generator(folder, TINY_SPEC, generator[v])),
        Case("decoded images", _cached),
        Case("classifier", lambda folder, v: save_tensors_atomically(folder / "c.pt", {"w": torch.full((999,), v)})),
        Case("confusion", lambda folder, v: write_confusion_png(folder / "c.png", [[1 + v, 2], [3, 4]], ["a", "b"])),
        Case("network", lambda folder, v: export_generator(generator[v], TINY_SPEC, folder / "network.onnx")),
        Case("lowered network", _lowered),
        Case("chain", _chain),
        Case("samples", lambda folder, v: save_image_grid(image[v], folder / "samples.png")),
        Case("curve", lambda folder, v: save_curve_picture("loss", [1.0, 2.0 + v], folder / "curve.png")),
        Case("csv", lambda folder, v: write_csv(rows[v], folder / "trials.csv")),
        Case("table", lambda folder, v: export_rows(rows[v], folder / "t.json", columns=["trial"], printed=["trial"])),
        Case("cost model", lambda folder, v: save_cost_model(models[v], folder / "model.json")),
        Case("bundle", lambda folder, v: _bundle(folder, v, "bundle")),
        Case("bundle zip", lambda folder, v: _bundle(folder, v, "bundle.zip")),
        Case("reference string", _string),
    ]


@dataclass(frozen=True)
class Broken:
    """One write that was broken off: where, and the files that are neither the old nor the new one."""

    case: str
    share: float
    refused: bool
    corrupt: tuple[str, ...]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path; that a file was replaced shows its earlier version, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def break_off(case: Case, folder: Path) -> Iterator[Broken]:
    """Write version 1 over version 0, and where there was nothing, on disks that are full at every share."""
    case.write(folder / "alone" / "new", 1)
    new = contents(folder / "alone" / "new")
    largest = max(map(len, new.values()))
    for share in SHARES:
        for fresh in (False, True):
            place = folder / f"{share}-{fresh}" / "new"
            place.mkdir(parents=True)
            if not fresh:
                case.write(place, 0)
            old, refused = contents(place), False
            with full_after(int(share * largest)):
                try:
                    case.write(place, 1)
                except Exception as error:
                    refused = bool(str(error))  # an error that says nothing does not count
            found = contents(place)
            known = {**{name: {content} for name, content in new.items()}}
            for name, content in old.items():
                known.setdefault(name, set()).add(content)
            if case.name == "checkpoint":  # the one before is kept beside it
                known.setdefault("c.earlier.pt", set()).update(old.values())
            corrupt = tuple(name for name, content in found.items() if content not in known.get(name, set()))
            lost = tuple(name for name in old if name not in found and case.name != "decoded images")
            yield Broken(case.name, share, refused, corrupt + lost)
