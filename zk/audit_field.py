"""Arrays of bn254 scalars: exact products by constants and inner products in numpy.

An element is four little-endian 64-bit words, an array of m elements is ``uint64 [m, 4]``. Every element is canonical
(less than the modulus). Products run on 24-bit limbs in float64: a sum of eleven products of two limbs stays below
2**52, so it is exact. Python integers do the same work fifty times slower, which a key of 2**20 rows cannot afford.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zk.field import MODULUS, ROOT_OF_UNITY, TWO_ADICITY

Words = NDArray[np.uint64]

_BITS, _LIMBS = 24, 11
_MASK = (1 << _BITS) - 1
_CHUNK = 1 << 15


def _integer_limbs(value: int) -> list[int]:
    return [value >> (_BITS * i) & _MASK for i in range(_LIMBS)]


_MODULUS_LIMBS = np.array(_integer_limbs(MODULUS), np.int64)[:, None]


def to_words(values: list[int]) -> Words:
    """Encode integers, modulo the field, as ``uint64 [m, 4]``."""
    content = b"".join((value % MODULUS).to_bytes(32, "little") for value in values)
    return np.frombuffer(content, "<u8").reshape(-1, 4).astype(np.uint64)


def to_integers(words: Words) -> list[int]:
    """Decode ``uint64 [m, 4]`` to Python integers."""
    content = np.ascontiguousarray(words, "<u8").tobytes()
    return [int.from_bytes(content[i : i + 32], "little") for i in range(0, len(content), 32)]


def root_of_unity(logrows: int) -> int:
    """Generator of the subgroup of order ``2**logrows`` that halo2 uses."""
    return pow(ROOT_OF_UNITY, 1 << (TWO_ADICITY - logrows), MODULUS)


def _split(words: Words) -> NDArray[np.float64]:
    """24-bit limbs, least first; float64 [11, m]."""
    limbs = np.empty((_LIMBS, len(words)), np.float64)
    for i in range(_LIMBS):
        word, shift = divmod(_BITS * i, 64)
        limb = words[:, word] >> np.uint64(shift)
        if shift > 64 - _BITS and word < 3:
            limb = limb | words[:, word + 1] << np.uint64(64 - shift)
        limbs[i] = limb & np.uint64(_MASK)
    return limbs


def _join(limbs: NDArray[np.int64]) -> Words:
    words = np.zeros((limbs.shape[1], 4), np.uint64)
    for i in range(_LIMBS):
        word, shift = divmod(_BITS * i, 64)
        limb = limbs[i].astype(np.uint64)
        words[:, word] |= limb << np.uint64(shift)
        if shift > 64 - _BITS and word < 3:
            words[:, word + 1] |= limb >> np.uint64(64 - shift)
    return words


def _carry(limbs: NDArray[np.int64]) -> None:
    for i in range(_LIMBS - 1):
        limbs[i + 1] += limbs[i] >> _BITS
        limbs[i] &= _MASK


def times_constant(words: Words, constant: int) -> Words:
    """Multiply every element by one constant modulo the field; ``uint64 [m, 4]`` to ``uint64 [m, 4]``."""
    table = np.array([_integer_limbs((constant << (_BITS * i)) % MODULUS) for i in range(_LIMBS)], np.float64).T
    scale = np.array([2.0 ** (_BITS * i - 254) for i in range(_LIMBS)]) * (2.0**254 / MODULUS)
    result = np.empty((len(words), 4), np.uint64)
    for start in range(0, len(words), _CHUNK):
        product = table @ _split(words[start : start + _CHUNK])
        # Rounded down with room for rounding errors, the quotient is right or one too small.
        quotient = np.floor(scale @ product - 1e-3).astype(np.int64)
        limbs = product.astype(np.int64) - quotient * _MODULUS_LIMBS
        _carry(limbs)
        reduced = limbs - _MODULUS_LIMBS
        _carry(reduced)
        result[start : start + _CHUNK] = _join(np.where(reduced[-1] >= 0, reduced, limbs))
    return result


def geometric(first: int, ratio: int, logcount: int) -> Words:
    """Give ``first * ratio**j`` for j in 0..2**logcount-1; ``uint64 [2**logcount, 4]``."""
    terms = np.empty((1 << logcount, 4), np.uint64)
    terms[:1] = to_words([first])
    for step in range(logcount):
        done = 1 << step
        terms[done : 2 * done] = times_constant(terms[:done], pow(ratio, done, MODULUS))
    return terms


def inner_product(left: Words, right: Words) -> int:
    """Sum of products modulo the field of two ``uint64 [m, 4]``; ``right`` may be a strided view of a file."""
    total = 0
    for start in range(0, len(left), _CHUNK):
        halves = [
            np.ascontiguousarray(side[start : start + _CHUNK]).view(np.uint16).astype(np.float64)
            for side in (left, right)
        ]
        for i, row in enumerate((halves[0].T @ halves[1]).astype(np.int64).tolist()):
            total += sum(entry << 16 * (i + j) for j, entry in enumerate(row))
    return total % MODULUS


def evaluation_weights(logrows: int, point: int) -> Words:
    """Weights w with ``f(point) = sum_r w[r] f(omega**r)`` for polynomials of degree below 2**logrows.

    The barycentric form: ``w[r] = (point**n - 1) / n * omega**r / (point - omega**r)`` with n = 2**logrows.

    Args:
        logrows: log2 of the number of values.
        point: outside the subgroup of order 2**logrows.

    Raises:
        ValueError: the point is in the subgroup.

    """
    count, omega = 1 << logrows, root_of_unity(logrows)
    outer = (pow(point, count, MODULUS) - 1) * pow(count, -1, MODULUS) % MODULUS
    if outer == 0:
        raise ValueError("the point must lie outside the subgroup of evaluation; got one inside")
    weights, root = np.empty((count, 4), np.uint64), 1
    block = min(count, 1 << 12)
    for start in range(0, count, block):
        roots, prefixes, running = [], [], 1
        for _ in range(block):
            roots.append(root)
            prefixes.append(running)
            running = running * (point - root) % MODULUS
            root = root * omega % MODULUS
        inverse = pow(running, -1, MODULUS) * outer % MODULUS  # one inversion for the whole block
        parts = [0] * block
        for i in range(block - 1, -1, -1):
            parts[i] = inverse * prefixes[i] % MODULUS * roots[i] % MODULUS
            inverse = inverse * (point - roots[i]) % MODULUS
        weights[start : start + block] = to_words(parts)
    return weights
