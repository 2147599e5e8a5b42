"""The simulator's one error."""

from __future__ import annotations

from zk.errors import ZkError


class SimulationError(ZkError):
    """The circuit has a part that the simulator does not compute exactly, or an input does not fit the circuit."""
