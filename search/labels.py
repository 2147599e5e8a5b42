"""Names and values short enough for a table of runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

_CHOICES = ("experiment", "search_space", "training", "sampler", "circuit", "objectives", "halving")
_TIER = re.compile(r"tier(\d+)/")


def parameters_of(prefix: str, value: Any) -> dict[str, Any]:
    """Return the fields of the dataclass ``value`` as flat parameters, ``prefix.field``.

    What is None is left out, and of a nested dataclass whatever has its default: most of it is off most of the time. A
    sequence of whole numbers is joined as in ``24-8-4``, any other as in ``0.0, 0.9``; an empty one is ``none``.
    """
    return dict(_parameters(prefix, value, all_fields=True))


def _parameters(prefix: str, value: Any, *, all_fields: bool) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        name, found = f"{prefix}.{field.name}", getattr(value, field.name)
        if found is None or not all_fields and found == _default(field):
            continue
        if is_dataclass(found):
            yield from _parameters(name, found, all_fields=False)
        else:
            yield name, _short(found)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _short(value: Any) -> Any:
    if not isinstance(value, (tuple, list)):
        return value
    separator = "-" if all(isinstance(item, int) for item in value) else ", "
    return separator.join(map(str, value)) or "none"


def config_tags(choices: Mapping[str, str | None]) -> dict[str, str]:
    """Return what a study was configured from, as tags, and the ``tier`` of an experiment that has one.

    ``choices`` are Hydra's: the file chosen in each group, ``tier3/exp_016`` for one in a folder.
    """
    tags = {group: choice for group in _CHOICES if (choice := choices.get(group)) not in (None, "null")}
    found = _TIER.match(tags.get("experiment") or "")
    return {name: str(choice) for name, choice in tags.items()} | ({} if found is None else {"tier": found[1]})
