"""The errors of the search package."""


class SearchError(Exception):
    """Base of every error that ``search`` raises on purpose."""


class ConfigError(SearchError, ValueError):
    """A configuration value cannot be used; the message says what must hold, what was found and what to do."""


class RecordError(SearchError, RuntimeError):
    """A recorded trial lacks what was asked of it, or contradicts itself or what is here."""


class StudyError(SearchError, RuntimeError):
    """A study cannot be continued as asked."""


class WorkerError(SearchError, RuntimeError):
    """A worker process met an error that cannot be passed on as it was; the message has its traceback."""


class StorageUnreachable(SearchError, RuntimeError):
    """A database or server stayed out of reach for as long as a study waits; what was finished is kept."""


class SegmentError(SearchError, RuntimeError):
    """The evaluation of trial ``number`` met ``error``, which is no outcome of its candidate."""

    def __init__(self, number: int, error: Exception) -> None:
        super().__init__(number, error)
        self.number, self.error = number, error


class LostWorkerError(WorkerError):
    """A worker died, or the machine that it ran on; what it did may be tried again."""


class StarvedWorkerError(LostWorkerError):
    """A worker was killed because its machine had no memory left."""


class ReleaseError(SearchError, RuntimeError):
    """A model that comes with the project is not what its facts say, or cannot do what was asked."""
