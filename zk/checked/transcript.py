"""The challenge of a checked proof: field elements that nobody can know before the claims are committed to.

Section 4 of ``docs/design/commit-and-challenge.md``. Every part is hashed with its length before it, so that no two
different lists of parts have one seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from zk.field import MODULUS

TAG = b"zkgan-search/commit-and-challenge/1"
ELEMENT_DRAW_BYTES = 64
"""Bytes reduced modulo the field's 254 bits: a bias below 2**-256."""


@dataclass(frozen=True)
class Statement:
    """Everything that the challenge depends on.

    Attributes:
        verification_key: bytes of the vk.
        settings: canonical bytes of the settings.
        model_digest: SHA-256 of the model.
        claim: commitment to the claimed tensors, 64 bytes.
        given: commitment to the network's input, 64 bytes.
        public: public values as canonical 32-byte elements, one after the other.
        products: number of products.
    """

    verification_key: bytes
    settings: bytes
    model_digest: bytes
    claim: bytes
    given: bytes
    public: bytes
    products: int

    @property
    def seed(self) -> bytes:
        """SHA-256 over all parts."""
        parts = (self.verification_key, self.settings, self.model_digest, self.claim, self.given, self.public)
        hasher = hashlib.sha256(TAG + _word(self.products))
        for part in parts:
            hasher.update(_word(len(part)) + part)
        return hasher.digest()


def draw_elements(seed: bytes, product: int, count: int) -> tuple[int, ...]:
    """Draw ``count`` elements of the field for one product; each depends on seed, product and its own number."""
    return tuple(
        int.from_bytes(hashlib.shake_256(seed + _word(product) + _word(index)).digest(ELEMENT_DRAW_BYTES), "big")
        % MODULUS
        for index in range(count)
    )


def join_elements(values: Sequence[int]) -> bytes:
    """Canonical bytes of field elements: 32 each, big-endian, each below the modulus."""
    return b"".join((value % MODULUS).to_bytes(32, "big") for value in values)


def _word(number: int) -> bytes:
    return number.to_bytes(8, "big")
