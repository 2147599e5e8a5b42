"""What else could be proved: a diffusion model's step, an autoencoder's decoder, a classifier, beside a generator.

    python benchmarks/alternatives.py [--out docs/results/alternatives.json]

Each network is counted by the published rule and in multiply-accumulates, laid out in checked form on untrained weights
(rows do not depend on them), and its proof predicted by the cost model. A diffusion model's image takes as many proofs
as it has steps. Nothing is proved or trained here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from atomic_files import write_text
from evaluation.classifier import ClassifierSpec, build_classifier
from evaluation.classifier.folding import fold_batchnorm as fold_classifier
from gan.denoiser import Denoiser, DenoiserSpec, time_code
from gan.generators import build_generator, fold_batchnorm
from gan.generators.layers import Stage
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from search.circuit import checked_metrics, circuit_inputs
from search.tiers.alternatives import UNCONDITIONAL, alternatives_section
from search.tiers.deciders import Results
from zk.benchmark.report.text import number
from zk.checked.options import CheckedOptions
from zk.counting import multiply_accumulates, published_operations
from zk.export import export_onnx
from zk.types import Budget

BUDGET = Budget(memory_bytes=8 * 2**30, wall_seconds=600)
DECODER = GeneratorSpec(
    family="conv", latent_dim=100, conditioning="embedding", embed_dim=50, widths=(192, 96, 48, 24), kernel=4,
    upsampling="transposed", activation="relu", bias=False, mechanisms=Mechanisms(full_size_head=True),
)  # fmt: skip


@dataclass(frozen=True)
class Alternative:
    """One network.

    Attributes:
        name: what it is.
        kind: ``generator``, ``denoiser``, ``classifier`` or :data:`search.tiers.alternatives.UNCONDITIONAL`.
        module: in evaluation mode, with its normalisations.
        lean: the same function as a circuit gets it.
        inputs: one sample of each input.
        names: of the inputs.
        private: those that stay secret.
    """

    name: str
    kind: str
    module: nn.Module
    lean: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    private: tuple[str, ...]


class Unconditional(nn.Module):
    """The stages of a generator behind a Linear layer that is given no class."""

    def __init__(self, spec: GeneratorSpec, *, lean: bool) -> None:
        super().__init__()
        built = build_generator(spec).eval()
        generator = fold_batchnorm(built) if lean else built
        entry = generator.stages[0]
        assert isinstance(entry, Stage)
        assert isinstance(entry.operator, nn.Linear)
        entry.operator = nn.Linear(spec.latent_dim, entry.operator.out_features, bias=entry.operator.bias is not None)
        self.stages = generator.stages

    def forward(self, latent: Tensor) -> Tensor:
        """Generate one image per row."""
        x = latent
        for stage in self.stages:
            x = stage(x, latent)  # no normalisation here is conditional
        return x


def alternatives() -> list[Alternative]:
    """Every network of the comparison."""
    generator = build_generator(DECODER).eval()
    found = [
        Alternative(
            "generator, or an autoencoder's decoder (exp_006)", "generator", generator, fold_batchnorm(generator),
            circuit_inputs(DECODER), ("latent", "one_hot"), ("latent",),
        ),
        Alternative(
            "the same generator without a class", UNCONDITIONAL, Unconditional(DECODER, lean=False).eval(),
            Unconditional(DECODER, lean=True).eval(), (torch.zeros(1, DECODER.latent_dim),), ("latent",), ("latent",),
        ),
    ]  # fmt: skip
    for widths in ((16, 32, 32), (32, 64, 64), (64, 128, 128)):
        spec = DenoiserSpec(widths=widths)
        denoiser = Denoiser(spec).eval()
        inputs = (torch.zeros(1, 3, 32, 32), time_code(torch.tensor([500]), spec.time_dim), torch.eye(10)[:1])
        name = f"one step of a denoiser, {'-'.join(map(str, widths))} channels"
        found.append(
            Alternative(name, "denoiser", denoiser, denoiser, inputs, ("images", "time", "one_hot"), ("images",))
        )
    classifier, image = build_classifier(ClassifierSpec()).eval(), torch.zeros(1, 3, 32, 32)
    lean = fold_classifier(classifier)
    found.append(Alternative("the ZK classifier", "classifier", classifier, lean, (image,), ("image",), ("image",)))
    return found


def measure(which: Alternative, folder: Path) -> dict[str, float | str]:
    """Count and lay out one network."""
    exported = export_onnx(which.lean, which.inputs, folder / "network.onnx", which.names, ("out",))
    options = CheckedOptions(private_inputs=which.private)
    return {
        "name": which.name,
        "kind": which.kind,
        "ops_rule": published_operations(which.module),
        "macs": multiply_accumulates(which.module, which.inputs),
        "parameters": sum(parameter.numel() for parameter in which.module.parameters()),
        **checked_metrics(exported.path, folder / "checked", options, BUDGET),
    }


def main() -> None:
    """Measure every network, write the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/alternatives.json"))
    given = parser.parse_args()
    rows = []
    for which in alternatives():
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(which, Path(folder)))
        print(f"{rows[-1]['name']}: {number(float(rows[-1]['rows']))} rows", flush=True)
    write_text(given.out, json.dumps(rows, indent=1) + "\n")
    print("\n".join(alternatives_section(rows, Results([]))))


if __name__ == "__main__":
    main()
