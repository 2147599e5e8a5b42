"""What the challenge of a part binds, put together the same way by prover and verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zk.checked.circuit import CheckedCircuit, PartCircuit
from zk.checked.transcript import Statement, canonical_settings, join_elements


def part_statement(
    circuit: CheckedCircuit,
    part: PartCircuit,
    vk: bytes,
    settings: Mapping[str, Any],
    commitments: Sequence[str],
    public: Sequence[int],
) -> Statement:
    """Give the statement of a part.

    Args:
        circuit: the whole.
        part: one of its parts.
        vk: verification key.
        settings: EZKL's, as the bundle holds them.
        commitments: of the columns, the asked one left out, in hex.
        public: public inputs and outputs; the checks are zero and not among them.
    """
    return Statement(
        verification_key=vk,
        settings=canonical_settings(settings),
        program=circuit.digest,
        part=part.part.index,
        commitments=tuple(bytes.fromhex(points) for points in commitments),
        public=join_elements(public),
    )
