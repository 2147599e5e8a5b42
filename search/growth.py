"""How long a configuration becomes once its interpolations are resolved, found without resolving them.

Each of thirty values that names the one before it twice makes a billion copies of the first. OmegaConf's grammar has
more ways to say so than can be followed here: quotes, escapes, names that are made. What cannot be told is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from search.errors import ConfigError

LONGEST = 1_000_000
"""Characters of a resolved configuration, names included. The shipped ones have some ten thousand."""
RESOLVERS = ("hydra", "now", "oc.select")
"""All that an interpolation may call. Others read environment variables, or make values that cannot be foreseen."""
_LONGEST_TEXT = 10_000  # of a value with interpolations, since each is looked for from the start
_OTHER = 32
"""Characters that a value counts which is no text, and what a resolver makes besides what it looks up."""
_PADDED = 256  # as many characters as Python's strftime makes of one at most, as of %99Y
_LATER = 4096  # of a path that Hydra only knows when it runs
_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_RESOLVED = "\0"
_NAME = re.compile(r"[\w.\[\]-]+")
_BLANKS = " \t"  # what OmegaConf takes for blank, and no more: others may be part of a name
_CALL = re.compile(
    r"[ \t]*(?P<resolver>[^: \t]*)[ \t]*:[ \t]*(?P<quote>['\"]?)(?P<name>[^'\",\\]*)(?P=quote)[ \t]*(?:,[^'\"\\]*)?"
)


def check_growth(config: dict[str, Any]) -> None:
    """Refuse a configuration of more than :data:`LONGEST` characters.

    Args:
        config: its containers and values as plain ones, unresolved.

    Raises:
        ConfigError: it is longer; an interpolation is not plainly written, calls what is not in :data:`RESOLVERS`,
            has a name that is itself interpolated, or leads to itself or through another interpolation.
    """
    try:
        length = _Lengths(config).of(())
    except RecursionError as error:
        raise ConfigError("a configuration must not be nested, or refer to itself, so deeply") from error
    if length > LONGEST:
        raise ConfigError(f"a configuration must have at most {LONGEST:,} characters once resolved; it has {length:,}")


def check_interpolations(text: str) -> None:
    """Refuse a value that no configuration may have, whatever its names lead to.

    Raises:
        ConfigError: an interpolation in it is not plainly written, calls what is not in :data:`RESOLVERS`, or has a
            name that is itself interpolated.
    """
    for _ in _looked_up(text):
        pass


class _Lengths:
    """Lengths of the nodes of one configuration, each found once."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._known: dict[tuple[str, ...], int] = {}
        self._open: set[tuple[str, ...]] = set()

    def of(self, path: tuple[str, ...]) -> int:
        """Return the resolved length of what stands at ``path``."""
        return self._of(path, _at(self._config, path))

    def _of(self, path: tuple[str, ...], value: Any) -> int:
        if path in self._open:
            raise ConfigError(f"a value must not refer to itself; {'.'.join(path) or 'the whole configuration'} does")
        if path not in self._known:
            self._open.add(path)
            self._known[path] = self._length(path, value)
            self._open.remove(path)
        return self._known[path]

    def _length(self, path: tuple[str, ...], value: Any) -> int:
        if isinstance(value, dict):
            if len({str(name) for name in value}) < len(value):  # 1 and "1" would share one place here
                raise ConfigError(f"names must differ as text; two of {'.'.join(path) or 'the configuration'} do not")
            return sum(len(str(name)) + self._of((*path, str(name)), part) for name, part in value.items())
        if isinstance(value, list):
            return sum(self._of((*path, str(place)), part) for place, part in enumerate(value))
        if not isinstance(value, str):
            return _OTHER
        return len(value) + sum(made + self._named(name, path) for name, made in _looked_up(value))

    def _named(self, name: str | None, path: tuple[str, ...]) -> int:
        if name is None:
            return 0
        target = _absolute(name, path)
        value = _at(self._config, target)
        if value == "???" and target[:1] == ("hydra",):
            return _LATER
        return 0 if value is _ABSENT else self._of(target, value)


_ABSENT = object()


def _looked_up(text: str) -> Iterator[tuple[str | None, int]]:
    """Yield, for each interpolation in ``text``, the name that it looks up and the characters that it makes besides."""
    if "${" not in text:
        return
    if len(text) > _LONGEST_TEXT:
        raise ConfigError(
            f"a value with interpolations must have at most {_LONGEST_TEXT:,} characters; one has {len(text):,}"
        )
    rest = text.replace(_RESOLVED, "?")
    while found := _INNERMOST.search(rest):  # what stands inside another comes first, and marks its place
        token = found.group(1)
        yield _called(token) if ":" in token else (_written(token.strip(_BLANKS)), 0)
        rest = rest[: found.start()] + _RESOLVED + rest[found.end() :]
    if "${" in rest:
        raise _not_plain(text)


def _called(token: str) -> tuple[str | None, int]:
    """Return the name that the call of a resolver looks up, and what it makes besides."""
    call = _CALL.fullmatch(token)
    if call is None:
        raise _not_plain(f"${{{token}}}")
    resolver, name = call["resolver"], call["name"] if call["quote"] else call["name"].strip(_BLANKS)
    if resolver not in RESOLVERS:
        raise ConfigError(
            f"an interpolation must name a value, or call one of {', '.join(RESOLVERS)}; got {resolver[:100]!r}; write "
            "the value itself"
        )
    if resolver == "now":
        if _RESOLVED in token:
            raise _not_plain(f"${{{token}}}")
        return None, _PADDED * len(token)
    return _written(name if resolver == "oc.select" else f"hydra.{name}"), _OTHER


def _written(name: str) -> str:
    if _RESOLVED in name:
        raise ConfigError("the name in an interpolation must be written out; it must not hold another one")
    if _NAME.fullmatch(name) is None:
        raise _not_plain(f"${{{name}}}")
    return name


def _not_plain(text: str) -> ConfigError:
    shown = text.replace(_RESOLVED, "${...}")[:200]
    return ConfigError(f"an interpolation must be plainly written, ${{NAME}} or ${{RESOLVER:NAME}}; got {shown!r}")


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
        elif isinstance(config, list):
            place = _place(part)
            config = config[place] if place is not None and 0 <= place < len(config) else _ABSENT
        elif isinstance(config, str) and "${" in config:
            raise ConfigError(f"an interpolation must not lead through another one; got {'.'.join(path)[:200]}")
        else:
            return _ABSENT
    return config


def _place(text: str) -> int | None:
    """Return the place in a list that OmegaConf takes ``text`` for, as ``1_0`` for 10."""
    try:
        return int(text)
    except ValueError:
        return None
