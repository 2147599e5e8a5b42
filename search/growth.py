"""How long a configuration becomes once its interpolations are resolved, found without resolving them.

Each of thirty values that names the one before it twice makes a billion copies of the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from search.errors import ConfigError

LONGEST = 1_000_000
"""Characters of a resolved configuration, names included. The shipped ones have some ten thousand."""
_OTHER = 32
"""Characters that a value counts which is no text, and what a resolver makes besides what it looks up."""
_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_RESOLVED = "\0"


def check_growth(config: dict[str, Any]) -> None:
    """Refuse a configuration of more than :data:`LONGEST` characters.

    Args:
        config: its containers and values as plain ones, unresolved.

    Raises:
        ConfigError: it is longer, or the name in an interpolation is itself interpolated.
    """
    try:
        length = _Lengths(config).of(())
    except RecursionError as error:
        raise ConfigError("a configuration must not be nested, or refer to itself, so deeply") from error
    if length > LONGEST:
        raise ConfigError(f"a configuration must have at most {LONGEST:,} characters once resolved; it has {length:,}")


class _Lengths:
    """Lengths of the nodes of one configuration, each found once."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._known: dict[tuple[str, ...], int] = {}

    def of(self, path: tuple[str, ...]) -> int:
        """Return the resolved length of what stands at ``path``; a value that refers to itself counts once."""
        return self._of(path, _at(self._config, path))

    def _of(self, path: tuple[str, ...], value: Any) -> int:
        if path not in self._known:
            self._known[path] = 0
            self._known[path] = self._length(path, value)
        return self._known[path]

    def _length(self, path: tuple[str, ...], value: Any) -> int:
        if isinstance(value, dict):
            return sum(len(str(name)) + self._of((*path, str(name)), part) for name, part in value.items())
        if isinstance(value, list):
            return sum(self._of((*path, str(place)), part) for place, part in enumerate(value))
        if not isinstance(value, str):
            return _OTHER
        return len(value) + sum(self._made(token, path) for token in _tokens(value))

    def _made(self, token: str, path: tuple[str, ...]) -> int:
        """Return the length of what the interpolation ``${token}`` at ``path`` stands for."""
        resolver, colon, arguments = token.partition(":")
        if not colon:
            return self._named(token, path)
        if resolver == "hydra":
            arguments = f"hydra.{arguments}"
        return _OTHER + sum(self._named(name.strip(), path) for name in arguments.split(",") if _RESOLVED not in name)

    def _named(self, name: str, path: tuple[str, ...]) -> int:
        if _RESOLVED in name:
            raise ConfigError("the name in an interpolation must be written out; it must not hold another one")
        target = _absolute(name, path)
        value = _at(self._config, target)
        return 0 if value is _ABSENT else self._of(target, value)


_ABSENT = object()


def _tokens(text: str) -> Iterator[str]:
    """Yield what stands in each ``${...}``, inner ones first and marked where they stood."""
    while found := _INNERMOST.search(text):
        yield found.group(1)
        text = text[: found.start()] + _RESOLVED + text[found.end() :]


def _absolute(name: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path that ``name`` means at ``path``: one dot in front is the container, each more one above."""
    plain = name.lstrip(".")
    dots = len(name) - len(plain)
    base = path[: max(0, len(path) - dots)] if dots else ()
    return (*base, *(part for part in re.split(r"[.\[\]]+", plain) if part))


def _at(config: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if isinstance(config, dict):
            config = next((value for name, value in config.items() if str(name) == part), _ABSENT)
        elif isinstance(config, list) and part.isdecimal() and int(part) < len(config):
            config = config[int(part)]
        else:
            return _ABSENT
    return config
