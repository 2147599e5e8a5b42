"""The height of a checked circuit: one for all parts, because commitments to equal columns differ between heights."""

from __future__ import annotations

from zk.checked.circuit import CheckedCircuit
from zk.checked.errors import CheckedError
from zk.circuit_cost import usable_rows
from zk.srs import MAX_SRS_LOGROWS


def least_logrows(circuit: CheckedCircuit) -> int:
    """Least height at which every committed column and the public values fit a column each."""
    longest = 1
    for part in circuit.parts:
        public = sum(value.size for value in (*part.part.public_inputs, *part.part.outputs)) + len(part.part.claims) + 1
        longest = max(longest, public, part.layout.asked_size, *(column.size for column in part.part.columns))
    for logrows in range(6, MAX_SRS_LOGROWS + 1):
        if usable_rows(logrows) >= longest:
            return logrows
    raise CheckedError(f"columns may have at most 2**{MAX_SRS_LOGROWS} elements; one has {longest}; cut the network")


def chosen_logrows(circuit: CheckedCircuit) -> int:
    """The height of the options.

    Raises:
        CheckedError: it is below the least.
    """
    least, asked = least_logrows(circuit), circuit.program.options.logrows
    if asked < least:
        raise CheckedError(f"logrows must be at least {least} for these columns; got {asked}")
    return asked
