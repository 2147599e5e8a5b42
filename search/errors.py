"""The errors of the search package."""


class SearchError(Exception):
    """Base of every error that ``search`` raises on purpose."""


class ConfigError(SearchError, ValueError):
    """A configuration value cannot be used; the message says what must hold, what was found and what to do."""


class RecordError(SearchError, RuntimeError):
    """A recorded trial lacks what was asked of it, or contradicts itself or what is here."""


class StudyError(SearchError, RuntimeError):
    """A study cannot be continued as asked."""
