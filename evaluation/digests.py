"""Content digests: SHA-256 over canonical JSON and over source files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def json_digest(value: object) -> str:
    """SHA-256 (64 hex digits) over the canonical JSON of ``value`` (sorted keys, no white space).

    Raises:
        TypeError: ``value`` holds something that JSON cannot express.
        ValueError: ``value`` holds a NaN or an infinity.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def source_digest(paths: Iterable[Path]) -> str:
    """SHA-256 (64 hex digits) over the names and the bytes of source files, independent of their order."""
    contents = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return json_digest(contents)
