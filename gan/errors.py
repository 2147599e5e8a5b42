"""The error tree of the gan package."""

from __future__ import annotations


class GanError(Exception):
    """Base of every error that the gan package raises on purpose."""


class SpecError(GanError, ValueError):
    """An architecture specification that cannot be built."""


class DataError(GanError, ValueError):
    """Input data, or a request about it, that cannot be used."""


class TrainingError(GanError, RuntimeError):
    """A training run that cannot go on."""


class CheckpointError(GanError):
    """A checkpoint that cannot be read or does not belong to this run."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint cannot be read: cut off, overwritten, or something else altogether."""


class UnwrittenCheckpointError(CheckpointError):
    """A checkpoint cannot be written: a full disk, a missing right."""
