"""Zero-knowledge circuits: export, cost, proving in budgeted child processes, and the wiring audit.

Importing this package loads neither torch nor ezkl; import the modules for what they give.
"""

from zk.errors import ArtifactError, BackendError, ExportError, OptionError, VerificationError, ZkError
from zk.types import Budget, CircuitOptions, Outcome, StageResult, Wiring

__all__ = [
    "ArtifactError",
    "BackendError",
    "Budget",
    "CircuitOptions",
    "ExportError",
    "OptionError",
    "Outcome",
    "StageResult",
    "VerificationError",
    "Wiring",
    "ZkError",
]
