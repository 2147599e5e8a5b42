"""A checked circuit's outputs on many inputs, without proofs: exactly the integers that proofs would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zk.checked.circuit import CheckedCircuit
from zk.checked.errors import CheckedError
from zk.checked.evaluate import quantise, run_program


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
    """Runs a checked circuit on batches, one input at a time."""

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
        for row in zip(*(tensor.cpu().unbind() for tensor in inputs), strict=True):
            run = run_program(program, quantise(program, row), self._circuit.foreign.values, within_tables=False)
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
