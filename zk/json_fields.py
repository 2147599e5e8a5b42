"""Values of JSON beside the fields of a frozen record that they are for."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints


def check_fields(record: type, data: Mapping[str, Any]) -> None:
    """Refuse values of other kinds than the annotations of ``record``, a dataclass, name.

    Whole numbers pass for real ones, and real ones without a fraction for whole ones: JSON does not tell them apart.
    Annotations are classes, unions of them, or generic ones, whose contents are not looked at.

    Raises:
        KeyError: a name is no field.
        TypeError: a value is of another kind.
    """
    hints = get_type_hints(record)
    for name, value in data.items():
        hint = hints[name]
        found = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds: tuple[type, ...] = tuple(get_origin(kind) or kind for kind in found)
        fits = isinstance(value, kinds)
        if isinstance(value, bool):
            fits = bool in kinds
        elif isinstance(value, int):
            fits = fits or float in kinds
        elif isinstance(value, float) and value.is_integer():
            fits = fits or int in kinds
        if not fits:
            raise TypeError(f"{name} must be {' or '.join(kind.__name__ for kind in kinds)}; got {value!r:.60}")
