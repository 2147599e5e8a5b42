"""The challenge of a checked proof: field elements that nobody can know before the claims are committed to.

Section 4 of ``docs/design/commit-and-challenge.md``. Every part is hashed with its length before it, so that no two
different lists of parts have one seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zk.field import MODULUS

TAG = b"zkgan-search/commit-and-challenge/2"
ELEMENT_DRAW_BYTES = 64
"""Bytes reduced modulo the field's 254 bits: a bias below 2**-256."""


@dataclass(frozen=True)
class Statement:
    """Everything that the challenge of one part depends on.

    Attributes:
        verification_key: bytes of the vk.
        settings: canonical bytes of the settings (:func:`canonical_settings`).
        program: SHA-256 of the whole program, which names its weights.
        part: index of the part among all.
        commitments: one for each committed column, the asked one left out, in the circuit's order: 64 bytes a point.
        public: public inputs and outputs of the part as canonical elements, one after the other.
    """

    verification_key: bytes
    settings: bytes
    program: bytes
    part: int
    commitments: tuple[bytes, ...]
    public: bytes

    @property
    def seed(self) -> bytes:
        """SHA-256 over all of it."""
        hasher = hashlib.sha256(TAG + _word(self.part) + _word(len(self.commitments)))
        for item in (self.verification_key, self.settings, self.program, *self.commitments, self.public):
            hasher.update(_word(len(item)) + item)
        return hasher.digest()


def draw_elements(seed: bytes, claim: int, count: int) -> tuple[int, ...]:
    """Draw ``count`` elements of the field for one claim; each depends on seed, claim and its own number."""
    return tuple(
        int.from_bytes(hashlib.shake_256(seed + _word(claim) + _word(index)).digest(ELEMENT_DRAW_BYTES), "big")
        % MODULUS
        for index in range(count)
    )


def join_elements(values: Sequence[int]) -> bytes:
    """Canonical bytes of field elements: 32 each, big-endian, each below the modulus."""
    return b"".join((value % MODULUS).to_bytes(32, "big") for value in values)


def canonical_settings(settings: Mapping[str, Any]) -> bytes:
    """Settings as JSON with sorted keys, without the time at which they were written."""
    kept = {name: value for name, value in settings.items() if name != "timestamp"}
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def _word(number: int) -> bytes:
    return number.to_bytes(8, "big")
