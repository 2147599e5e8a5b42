"""Content digests of frozen specs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def json_digest(value: Any) -> str:
    """Return the sha256 hex digest of the canonical JSON form of ``value`` (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 hex digest of the names and bytes of ``tensors``, in the order of their names."""
    sha = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        sha.update(name.encode())
        sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def settled_form(record: DataclassInstance, later: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a dataclass by name, without those of ``later`` that are at their defaults.

    ``later`` names fields that came after digests were first taken: what was made before them keeps its digest. A
    dataclass that is a field, or in a tuple that is one, may have a ``LATER_FIELDS`` of its own.
    """
    form = asdict(record)
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name in later and value == field.default:
            del form[field.name]
        elif own := getattr(value, "LATER_FIELDS", ()):
            form[field.name] = settled_form(value, own)
        elif isinstance(value, tuple) and any(hasattr(item, "LATER_FIELDS") for item in value):
            form[field.name] = tuple(settled_form(item, item.LATER_FIELDS) for item in value)
    return form
