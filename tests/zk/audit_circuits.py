"""Tiny circuits of known soundness for the wiring audit, and keys with cut cycles.

The truth about a circuit does not come from the auditor. An uncut circuit without Freivalds columns is taken as sound:
it is ezkl's ordinary layout. With Freivalds columns the result that the rest reads is tied to no checked cell
(``benchmarks/audit_table.py`` shows it by walking raw cycles). A cut key has lost a copy by construction. Committed
parameters, matrix products with private ones, and square roots are unlinked in ezkl 23.0.5 itself: the committed column
is in no cycle; a private weight that two dot products read is two unrelated cells; the square root reads back a value
that it has never tied to the one it wrote.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tiny_networks import TINY, TinyGenerator
from torch import nn

from zk import backend
from zk.audit_field import root_of_unity, times_constant, to_integers, to_words
from zk.audit_key import open_proving_key
from zk.export import export_onnx
from zk.field import DELTA, MODULUS, MONTGOMERY_RADIX

WITH = {"disable_freivalds": False}
CHECKED_IO = {"ignore_range_check_inputs_outputs": False}
PRIVATE_PARAMS = {"param_visibility": "private", **CHECKED_IO}
NO_REBASE = {"scale_rebase_multiplier": 10}


class Function(nn.Module):
    """A function of the inputs and a few fixed weights."""

    def __init__(self, function: Callable[..., torch.Tensor], *weights: torch.Tensor) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(weights)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs, *self.weights)


@dataclass(frozen=True)
class Circuit:
    """A module, its input shapes, and how ezkl lays it out."""

    module: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any] = field(default_factory=dict)
    logrows: int = 9
    sound: bool = True
    private_values: int | None = None

    def export(self, folder: Path) -> tuple[Path, dict[str, Any]]:
        """Write the ONNX file; gives it and the circuit's options."""
        torch.manual_seed(0)
        names = tuple(f"x{i}" for i in range(len(self.shapes)))
        inputs = tuple(torch.randn(*shape) for shape in self.shapes)
        export_onnx(self.module(), inputs, folder / "m.onnx", names, ("y",))
        return folder / "m.onnx", dataclasses.replace(TINY, logrows=self.logrows, **self.options).to_json()


def matmul(*weights: tuple[int, ...], then: Callable[..., torch.Tensor] | None = None) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        def product(x: torch.Tensor, *factors: torch.Tensor) -> torch.Tensor:
            for factor in factors:
                x = torch.matmul(factor, x)
            return x if then is None else then(x)

        return Function(product, *(torch.randn(*shape) / 2 for shape in weights))

    return build


def conv_then_matmul() -> nn.Module:
    convolution = nn.Conv2d(1, 1, 3, padding=1)
    weights = (convolution.weight.detach(), torch.randn(2, 4) / 2)
    return Function(lambda x, kernel, w: torch.matmul(w, F.conv2d(x[None, None], kernel, padding=1)[0, 0]), *weights)


def residual() -> nn.Module:
    return Function(lambda x: F.relu(x * x) + x * x)


MATMUL = Circuit(matmul((2, 3)), ((3, 2),), NO_REBASE)
PLAIN: dict[str, Circuit] = {
    "matmul": MATMUL,
    "matmul deep": Circuit(matmul((2, 3), (2, 2)), ((3, 2),)),
    "matmul after conv": Circuit(conv_then_matmul, ((4, 4),)),
    "matmul relu": Circuit(matmul((2, 3), then=F.relu), ((3, 2),)),
    "matmul rebase": Circuit(matmul((2, 3), then=lambda y: y * y), ((3, 2),)),
    "matmul committed input": Circuit(matmul((2, 3)), ((3, 2),), {"input_visibility": "polycommit", **CHECKED_IO}),
    "batched matmul": Circuit(lambda: Function(torch.bmm), ((2, 2, 3), (2, 3, 2))),
}
"""Circuits that hold an einsum with two free axes: the same model is sound without Freivalds and unsound with it."""

PRIVATE = Circuit(matmul((2, 3)), ((3, 2),), PRIVATE_PARAMS, sound=False, private_values=6)
OTHERS: dict[str, Circuit] = {
    "conv": Circuit(lambda: nn.Conv2d(1, 2, 3, padding=1), ((1, 1, 3, 3),), WITH),
    "elementwise": Circuit(lambda: Function(lambda a, b: a + b - a * b), ((1, 3), (1, 3)), NO_REBASE, 8),
    "generator": Circuit(TinyGenerator, ((1, 4), (1, 2)), WITH, 10),
    "linear private params": Circuit(lambda: nn.Linear(3, 2), ((1, 3),), PRIVATE_PARAMS, private_values=8),
    "matmul private params": PRIVATE,
    "matmul private params, Freivalds": dataclasses.replace(PRIVATE, options={**PRIVATE_PARAMS, **WITH}),
    "residual relu": Circuit(residual, ((1, 3),)),
    "committed params": Circuit(
        lambda: nn.Linear(3, 2), ((1, 3),), {"param_visibility": "polycommit", **CHECKED_IO}, sound=False
    ),
    "square root": Circuit(lambda: Function(lambda x: torch.sqrt(x * x + 1)), ((1, 2),), sound=False),
}

CIRCUITS: dict[str, Circuit] = {
    **PLAIN,
    **{
        f"{name}, Freivalds": dataclasses.replace(circuit, options={**circuit.options, **WITH}, sound=False)
        for name, circuit in PLAIN.items()
    },
    **OTHERS,
}


def build(folder: Path, circuit: Circuit) -> tuple[Path, Path, Path]:
    """Build the keys of a circuit; gives (pk, settings, vk)."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx, options = circuit.export(folder)
    settings, compiled, srs = folder / "settings.json", folder / "c", folder / "srs"
    backend.gen_settings(onnx=str(onnx), settings=str(settings), options=options, logrows=circuit.logrows)
    backend.compile_circuit(onnx=str(onnx), compiled=str(compiled), settings=str(settings))
    backend.gen_srs(srs=str(srs), logrows=circuit.logrows)
    backend.setup(compiled=str(compiled), vk=str(folder / "vk"), pk=str(folder / "pk"), srs=str(srs))
    return folder / "pk", settings, folder / "vk"


def cut(successor: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Cut a cycle in two: the cells in ``part``, and the rest of their cycle, each in the old order."""
    result, inside = successor.copy(), set(part.tolist())
    for cell in _cycle(successor, int(part[0])):
        target = int(successor[cell])
        while (target in inside) != (cell in inside):
            target = int(successor[target])
        result[cell] = target
    return result


def _cycle(successor: np.ndarray, start: int) -> list[int]:
    cells, cell = [start], int(successor[start])
    while cell != start:
        cells.append(cell)
        cell = int(successor[cell])
    return cells


def write_permutation(source: Path, target: Path, successor: np.ndarray, *, coefficients: bool = True) -> None:
    """Copy a proving key with another permutation: its values and, unless told not to, its coefficients."""
    shutil.copy(source, target)
    key = open_proving_key(source)
    rows = 1 << key.logrows
    content = bytearray(source.read_bytes())
    omega = root_of_unity(key.logrows)
    powers = to_words([MONTGOMERY_RADIX * pow(omega, row, MODULUS) for row in range(rows)])
    names = np.concatenate([times_constant(powers, pow(DELTA, column, MODULUS)) for column in range(key.columns)])
    values = names[successor].reshape(key.columns, rows, 4)
    for index in (3, 4) if coefficients else (3,):
        part = key.lists[index]
        for column in range(key.columns):
            words = values[column] if index == 3 else to_words(interpolate(to_integers(values[column]), omega))
            start = part.end - (part.count - column) * (4 + 32 * part.length) + 4
            content[start : start + 32 * part.length] = words.astype("<u8").tobytes()
    target.write_bytes(content)


def interpolate(values: list[int], omega: int) -> list[int]:
    """Coefficients of the polynomial with these values on the powers of ``omega``: the inverse transform."""

    def transform(terms: list[int], root: int) -> list[int]:
        if len(terms) == 1:
            return terms
        square = root * root % MODULUS
        even, odd = transform(terms[::2], square), transform(terms[1::2], square)
        half, power, first, second = len(even), 1, [], []
        for i in range(half):
            term = odd[i] * power % MODULUS
            first.append((even[i] + term) % MODULUS)
            second.append((even[i] - term) % MODULUS)
            power = power * root % MODULUS
        return first + second

    scale = pow(len(values), -1, MODULUS)
    return [term * scale % MODULUS for term in transform(values, pow(omega, -1, MODULUS))]
