"""What integer weights save in a circuit: one convolution with float, binary, ternary and scaled ternary weights.

    python benchmarks/weight_forms.py [--out docs/results/weight-forms.json]

EZKL multiplies integers, so weights of scale ``2**7`` leave products at the square of the scale, and these are divided
again ("rebased") element by element. Weights that are -1, 0 or 1 have scale 1: their products stay at the input's
scale, and nothing is divided, unless each output channel keeps a scale of its own. In checked form weights are no rows
at all. Rows come from EZKL's settings; seconds are predictions of the cost model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from atomic_files import write_text
from search.circuit import checked_metrics, cost_metrics
from search.tiers.arithmetic import weight_forms_section
from zk.checked.options import CheckedOptions
from zk.circuit_cost import CircuitCost
from zk.export import export_onnx
from zk.pipeline import measure_circuit
from zk.types import Budget, CircuitOptions

BUDGET = Budget(memory_bytes=8 * 2**30, wall_seconds=300)
CHANNELS, SIDE = 16, 16
SCALE_BITS = 7


class Layer(nn.Module):
    """A 3x3 convolution, perhaps with a factor for each output channel, then ReLU."""

    def __init__(self, weight: Tensor, scale: Tensor | None) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.convolution.weight.data = weight
        self.scale = None if scale is None else nn.Parameter(scale.reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, scale, activate."""
        found: Tensor = self.convolution(x)
        return torch.relu(found if self.scale is None else found * self.scale)


def layers() -> dict[str, tuple[Layer, int]]:
    """Layers and the scale in bits of their weights, by name."""
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=rng) * 0.1
    signs = torch.sign(weight) * (weight.abs() > 0.07)
    scale = torch.rand(CHANNELS, generator=rng) + 0.5
    return {
        "float weights": (Layer(weight, None), SCALE_BITS),
        "binary weights, the scales folded into what follows": (Layer(torch.sign(weight), None), 0),
        "ternary weights, the scales folded into what follows": (Layer(signs, None), 0),
        "ternary weights, a scale for each channel": (Layer(signs, scale), SCALE_BITS),
    }


def main() -> None:
    """Lay every layer out in both forms, write the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/weight-forms.json"))
    given = parser.parse_args()
    sample = torch.randn(1, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    rows = []
    for name, (layer, bits) in layers().items():
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            network = export_onnx(layer.eval(), (sample,), work / "layer.onnx", ("x",), ("y",)).path
            options = CircuitOptions(input_scale_bits=SCALE_BITS, param_scale_bits=bits)
            direct = measure_circuit(network, work / "direct", options=options, budget=BUDGET)
            assert isinstance(direct.cost, CircuitCost), direct.stages
            checked = checked_metrics(network, work / "checked", CheckedOptions(private_inputs=("x",)), BUDGET)
            found = {"direct": cost_metrics(direct.cost), "checked": checked}
            figures = ((form, figure) for form in found for figure in ("rows", "predicted_prove_seconds"))
            rows.append(
                {
                    "layer": f"a 3x3 convolution of {CHANNELS} channels at {SIDE}x{SIDE}, then ReLU",
                    "weights": name,
                    **{f"{form}_{figure}": found[form][figure] for form, figure in figures},
                }
            )
    write_text(given.out, json.dumps(rows, indent=1) + "\n")
    print("\n".join(weight_forms_section(rows)))


if __name__ == "__main__":
    main()
