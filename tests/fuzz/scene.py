"""A proof of a tiny generator and all that belongs to it, for readers to begin with."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from tests.zk.tiny_networks import TINY
from zk.bundle_write import write_bundle
from zk.export import export_onnx
from zk.pipeline import prove_sample
from zk.srs import srs_path
from zk.types import Budget

BUDGET = Budget(2 << 30, 120.0)
DIGEST = "0" * 64


class Scene:
    """Good files: a proof of a tiny generator and all that belongs to it, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = False

    def file(self, name: str) -> bytes:
        """Content of one file of the proof's folder, ``model.onnx``, ``srs``, ``bundle.zip`` or a bundle's member."""
        if not self._made:
            self._make()
        return (self.folder / name).read_bytes()

    def _make(self) -> None:
        self._made = True
        if (self.folder / "bundle.zip").exists():
            return
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.Tanh())
        sample = (torch.randn(1, 4),)
        model = self.folder / "model.onnx"
        self.folder.mkdir(parents=True, exist_ok=True)
        export_onnx(module, sample, model, ("latent",), ("image",))
        run = prove_sample(
            model,
            sample,
            self.folder,
            options=TINY,
            budget=BUDGET,
            srs_dir=self.folder / "strings",
            threads=1,
            keep_proving_key=True,
        )
        assert run.counts_as_proved, run.stages
        srs = srs_path(self.folder / "strings", run.logrows or 0)
        shutil.copyfile(srs, self.folder / "srs")
        write_bundle(run, self.folder, self.folder / "bundle", onnx_path=model, srs_path=srs, config=None)
        write_bundle(run, self.folder, self.folder / "bundle.zip", onnx_path=model, srs_path=srs, config=None)


def put(data: bytes, folder: Path, name: str = "input") -> Path:
    """Write an input to a file."""
    path = folder / name
    path.write_bytes(data)
    return path
