"""Names of studies: they become folders, rows of databases and labels of runs."""

from __future__ import annotations

import re

from search.errors import ConfigError

_NAME = re.compile(r"\w[\w .,=+-]{0,99}")


def checked_name(name: object, key: str) -> str:
    """Return ``name`` if it can name a study; ``key`` is the setting that it was given by.

    Raises:
        ConfigError: it could lead out of its folder, or is too long for one.
    """
    text = "" if name is None or isinstance(name, bool) else str(name)
    if _NAME.fullmatch(text) is None or len(text.encode()) > 200:
        raise ConfigError(
            f"{key} must begin with a letter, digit or underscore and go on with these, spaces or .,=+- (at most 100 "
            f"characters, 200 bytes); got {str(name)[:120]!r}"
        )
    return text
