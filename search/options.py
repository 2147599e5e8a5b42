"""The ``key=value`` options of a command line, beside words that stand for themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from search.errors import ConfigError

_TRUTHS = {"true": True, "false": False}


_LONGEST_COUNT = 18
"""Digits of a number that fits into 64 bits."""


@dataclass(frozen=True)
class Options:
    """A parsed command line.

    Attributes:
        words: arguments without ``=``, in order.
        values: what was given for each option, in order; options that were not given are absent.
    """

    words: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str | None:
        """Return the value of option ``name``; None if it was not given."""
        return self.values[name][0] if name in self.values else None

    def many(self, name: str) -> tuple[str, ...]:
        """Return all values of option ``name``, in order."""
        return self.values.get(name, ())

    def listed(self, name: str) -> tuple[str, ...] | None:
        """Return the parts of a comma-separated option, without empty ones; None if it was not given.

        Raises:
            ConfigError: nothing is listed.
        """
        if (text := self.one(name)) is None:
            return None
        parts = tuple(part.strip() for part in text.split(",") if part.strip())
        if not parts:
            raise ConfigError(f"{name} must list at least one name, as in {name}=a,b; got {text!r}")
        return parts

    def flag(self, name: str) -> bool:
        """Return whether option ``name`` is ``true``; False if it was not given.

        Raises:
            ConfigError: it is neither ``true`` nor ``false``.
        """
        text = self.one(name)
        if text is None:
            return False
        if text.lower() not in _TRUTHS:
            raise ConfigError(f"{name} must be true or false; got {text!r}")
        return _TRUTHS[text.lower()]

    def count(self, name: str) -> int | None:
        """Return option ``name`` as a whole number of at least 1; None if it was not given.

        Raises:
            ConfigError: it is none.
        """
        text = self.one(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_COUNT) or int(text) < 1:
            raise ConfigError(f"{name} must be a whole number of at least 1; got {text[:40]!r}")
        return int(text)


def parse_options(
    arguments: Sequence[str], *, single: Collection[str], repeated: Collection[str] = (), prefixes: Collection[str] = ()
) -> Options:
    """Split ``arguments`` at their first ``=``.

    Args:
        arguments: of the command line, without the command.
        single: options that may be given once.
        repeated: options that may be given several times.
        prefixes: of options whose names end as the user likes (``storage.`` for ``storage.NAME=URL``), once each.

    Raises:
        ConfigError: an option is unknown, is given twice, or has no value.
    """
    words, values = list[str](), dict[str, tuple[str, ...]]()
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals and not argument.startswith("-"):
            words.append(argument)
            continue
        free = any(name.startswith(prefix) and name != prefix for prefix in prefixes)
        if not (equals and (free or name in single or name in repeated)):
            known = [f"{option}=" for option in (*single, *repeated, *(f"{prefix}NAME" for prefix in prefixes))]
            raise ConfigError(f"unknown option {argument!r}; known: {', '.join(known)} (--help explains them)")
        if not value:
            raise ConfigError(f"{name} must have a value after =; got {argument!r}")
        if name in values and name not in repeated:
            raise ConfigError(f"{name} may be given once; got {values[name][0]!r} and {value!r}")
        values[name] = (*values.get(name, ()), value)
    return Options(tuple(words), values)
