"""The error tree of the ``zk`` package.

Every error says what must hold, what was found and what to do. Failures of ezkl, ONNX and the operating system are
mapped once, where they enter, and chained.
"""

from __future__ import annotations


class ZkError(Exception):
    """Base of every error raised by ``zk``."""


class OptionError(ZkError, ValueError):
    """An option or budget is outside its legal range."""


class ExportError(ZkError):
    """A module could not be exported to ONNX, or the exported graph does not compute what the module computes."""


class BackendError(ZkError):
    """ezkl refused a call; the message is ezkl's own."""


class ArtifactError(ZkError):
    """A file (settings, proof, key, SRS) is missing, truncated, or not of the kind it should be."""


class VerificationError(ZkError):
    """Proof material that is well-formed, yet breaks a rule that our verifier adds to ezkl's."""


class LoweringError(ZkError):
    """A graph cannot be rewritten, or a rewritten graph does not compute what the original computes."""
