"""Measure proofs of small generators and fit the constants of ``zk.cost``.

    python benchmarks/zk_cost.py FOLDER [measure|fit]

``measure`` proves one sample of each generator below in child processes and writes ``FOLDER/runs.json``; it takes some
ten minutes on two slow cores and 2 GB. ``fit`` reads that file and prints the constants: non-negative least squares of
relative error over the runs whose tables are not split, then raised until none is under-predicted for memory.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import nnls
from torch import nn

from zk.cost import CircuitCost
from zk.export import export_onnx
from zk.pipeline import prove_sample
from zk.types import Budget, CircuitOptions

LATENT, CLASSES = 18, 10
# channels after the linear layer, widths, side of the image, activation, decomposition base, logrows (None: chosen)
RUNS: dict[str, tuple[int, tuple[int, ...], int, str, int, int | None]] = {
    "linear-10": (1, (), 4, "none", 64, 10),
    "linear-13": (8, (), 4, "relu", 128, 13),
    "conv8-12": (4, (), 8, "relu", 1024, 12),
    "conv8-13": (4, (), 8, "hardswish", 1024, 13),
    "conv8-15": (4, (), 8, "relu", 16384, 15),
    "conv16-14": (8, (4,), 16, "hardswish", 1024, 14),
    "conv16-15": (8, (4,), 16, "hardswish", 16384, 15),
    "conv16-16": (8, (4,), 16, "relu", 16384, 16),
    "conv16-17": (16, (8,), 16, "hardswish", 16384, 17),
}


class SmallGenerator(nn.Module):
    """Linear layer, then 3x3 convolutions with pixel shuffle and an activation, then tanh."""

    def __init__(self, channels: int, widths: tuple[int, ...], side: int, activation: str) -> None:
        super().__init__()
        self.first = nn.Linear(LATENT + CLASSES, channels * 16)
        self.channels = channels
        self.activation = {"relu": F.relu, "hardswish": F.hardswish, "none": nn.Identity()}[activation]
        steps = (side // 4).bit_length() - 1
        outs = [*widths, *([3] * (steps - len(widths)))]
        ins = [channels, *outs[:-1]] if steps else []
        self.convs = nn.ModuleList(nn.Conv2d(i, 4 * o, 3, padding=1) for i, o in zip(ins, outs, strict=True))

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        """Give an image in [-1, 1]."""
        x = self.first(torch.cat([latent, one_hot], 1)).view(1, self.channels, 4, 4)
        for conv in self.convs:
            x = F.pixel_shuffle(conv(self.activation(x)), 2)
        return x if isinstance(self.activation, nn.Identity) else torch.tanh(x)


def measure(folder: Path) -> None:
    """Prove every run and append it to ``runs.json``."""
    done: dict[str, object] = {}
    for name, (channels, widths, side, activation, base, logrows) in RUNS.items():
        torch.manual_seed(0)
        module = SmallGenerator(channels, widths, side, activation)
        inputs = (torch.randn(1, LATENT), F.one_hot(torch.tensor([3]), CLASSES).float())
        work = folder / name
        export_onnx(module, inputs, work / "model.onnx", ("latent", "one_hot"), ("image",))
        options = CircuitOptions(decomp_base=base, logrows=logrows, lookup_range=(-256, 256))
        budget = Budget(4 << 30, 300.0)
        onnx, srs = work / "model.onnx", folder / "srs"
        run = prove_sample(onnx, inputs, work, options=options, budget=budget, srs_dir=srs)
        assert run.cost is not None
        stages = {s.stage: (str(s.outcome), s.work_seconds, s.peak_rss_bytes, s.message) for s in run.stages}
        sizes = {"pk_bytes": run.pk_bytes, "vk_bytes": run.vk_bytes, "proof_bytes": run.proof_bytes}
        error = run.fidelity.mean_abs_error if run.fidelity else None
        done[name] = {
            "cost": dataclasses.asdict(run.cost),
            "stages": stages,
            **sizes,
            "proved": run.counts_as_proved,
            "error": error,
        }
        print(name, json.dumps(done[name]), flush=True)
        (folder / "runs.json").write_text(json.dumps(done, indent=1))


def fit(folder: Path) -> None:
    """Print the constants that fit ``runs.json`` and how far each run is from them."""
    runs = json.loads((folder / "runs.json").read_text())
    for stage, column, label in (
        ("prove", 2, "PROVE_BYTES"),
        ("setup", 2, "SETUP_BYTES"),
        ("prove", 1, "PROVE_SECONDS"),
    ):
        used = {
            name: run
            for name, run in runs.items()
            if run["stages"].get(stage, ["", 0])[0] == "ok" and run["cost"].get("table_columns", 1) == 1
        }
        costs = [CircuitCost(**run["cost"]) for run in used.values()]
        heights = np.array([2.0**cost.logrows for cost in costs])
        features = np.stack(
            [
                np.ones(len(costs)),
                heights,
                heights * [cost.columns for cost in costs],
                heights * [cost.lookup_arguments for cost in costs],
            ],
            axis=1,
        )
        truth = np.array([run["stages"][stage][column] for run in used.values()])
        scale = features.max(axis=0)
        weights = nnls(features / scale / truth[:, None], np.ones(len(costs)))[0] / scale
        if column == 2:
            weights = weights * max(1.0, float((truth / (features @ weights)).max()))
        print(label, "=", tuple(float(f"{w:.4g}") for w in weights))
        for name, ratio in zip(used, features @ weights / truth, strict=True):
            print(f"  {name:12s} predicted/measured {ratio:.2f}")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    {"measure": measure, "fit": fit}[sys.argv[2] if len(sys.argv) > 2 else "measure"](where)
