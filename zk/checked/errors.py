"""Errors of the checked form."""

from __future__ import annotations

from zk.errors import ZkError


class CheckedError(ZkError):
    """A network that has no checked form at these scales, or values that do not fit it."""
