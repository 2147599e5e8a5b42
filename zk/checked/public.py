"""The public tensors of a checked circuit, in its order: checks, public inputs, outputs."""

from __future__ import annotations

from zk.bundle_manifest import PublicTensor
from zk.checked.emit import CHECKS
from zk.checked.parts import Part


def part_public(part: Part) -> tuple[PublicTensor, ...]:
    """Describe what one part gives out."""
    checks = PublicTensor(CHECKS, "check", (1, len(part.claims) + 1), 0, part.index)
    inputs = [PublicTensor(value.name, "input", value.shape, value.bits, part.index) for value in part.public_inputs]
    given, program = {value.name for value in part.outputs}, part.program
    outputs = [
        PublicTensor(name, "output", value.shape, value.bits, part.index)
        for value, name in zip(program.outputs, program.output_names, strict=True)
        if value.name in given
    ]
    return (checks, *inputs, *outputs)
