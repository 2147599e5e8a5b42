"""A checked circuit's outputs on many inputs, without proofs: exactly the integers that proofs would show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zk.checked.circuit import CheckedCircuit
from zk.checked.errors import CheckedError
from zk.checked.evaluate import Run, quantise, run_programs

TOGETHER_BYTES = 512 * 1024**2
"""Values of the inputs that wait for EZKL together."""
TOGETHER = 256
"""At most so many, since a call of EZKL must end within its budget."""


@dataclass(frozen=True)
class CheckedSimulation:
    """Results of N inputs.

    Attributes:
        outputs: one tensor [N, elements] of real numbers for each output.
        in_range: bool [N], whether every table holds what it is asked for; outside, no proof exists.
        reach: float64 [N], the greatest magnitude, as a real number, that a table is asked for.
    """

    outputs: tuple[Tensor, ...]
    in_range: Tensor
    reach: Tensor


class CheckedSimulator:
    """Runs a checked circuit on batches; inputs go to EZKL together where it computes a node."""

    def __init__(self, circuit: CheckedCircuit) -> None:
        self._circuit = circuit

    def run(self, inputs: Sequence[Tensor]) -> CheckedSimulation:
        """Run N inputs.

        Args:
            inputs: one tensor [N, ...] for each input of the network, of any floating type.

        Raises:
            CheckedError: another number of inputs, or of their elements.
        """
        program, half = self._circuit.program, self._circuit.program.options.half_range
        if len({len(tensor) for tensor in inputs}) != 1 or len(inputs) != len(program.inputs):
            raise CheckedError(f"inputs must be {len(program.inputs)} tensors of one length; got {len(inputs)}")
        found: list[tuple[Tensor, ...]] = []
        fits: list[bool] = []
        greatest: list[int] = []
        rows = [quantise(program, row) for row in zip(*(tensor.cpu().unbind() for tensor in inputs), strict=True)]
        for run in self._runs(rows):
            found.append(
                tuple(
                    tensor.double().flatten() / 2.0**value.bits
                    for tensor, value in zip(run.outputs, program.outputs, strict=True)
                )
            )
            low, high = run.looked_up
            fits.append(-half <= low and high < half)
            greatest.append(max(-low, high))
        outputs = tuple(torch.stack(column) for column in zip(*found, strict=True))
        reach = torch.tensor(greatest, dtype=torch.float64) / 2.0**program.options.activation_bits
        return CheckedSimulation(outputs, torch.tensor(fits), reach)

    def _runs(self, rows: Sequence[tuple[Tensor, ...]]) -> Iterator[Run]:
        """Runs of all rows, as many at a time as their values may take memory."""
        program = self._circuit.program
        row_bytes = 16 * sum(step.output.size for step in program.steps)  # values, and remainders beside quotients
        together = max(1, min(TOGETHER, TOGETHER_BYTES // row_bytes)) if program.foreign else 1
        for start in range(0, len(rows), together):
            chunk = rows[start : start + together]
            yield from run_programs(program, chunk, self._circuit.foreign.values, within_tables=False)
