"""What the verifier asks for of a product, and the value that must be zero.

A full convolution is a product of polynomials, with the result's and the input's elements as coefficients and the
kernel's in reverse (ONNX does not flip it). If the equation holds for all coefficients, it holds at every point; if
not, then at a random point only by a chance of degree over field size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zk.checked.product import Integers, Product
from zk.checked.transcript import draw_elements
from zk.field import MODULUS


@dataclass(frozen=True)
class Asked:
    """The verifier's vectors for one product.

    Attributes:
        rows: r, one element for each output channel.
        powers: alpha**y * beta**x for each position of the full result, row by row.
        channels: v, one element for each input channel: the weights at (alpha, beta), combined with r.
        offset: d, the bias at all positions, combined.
    """

    rows: tuple[int, ...]
    powers: tuple[int, ...]
    channels: tuple[int, ...]
    offset: int


def ask(product: Product, seed: bytes, index: int) -> Asked:
    """Compute what the verifier asks for of product number ``index``, from the seed and the weights."""
    *rows, alpha, beta = draw_elements(seed, index, product.outputs + 2)
    height, width = product.full_positions
    down, across = product.weight.shape[2:]
    kernel_powers = [
        _power(alpha, down - 1 - dy) * _power(beta, across - 1 - dx) % MODULUS for dy, dx in np.ndindex(down, across)
    ]
    combined = np.array(rows, object) @ product.weight.reshape(product.outputs, -1).astype(object)
    channels = (combined.reshape(product.inputs, -1) @ np.array(kernel_powers, object)) % MODULUS
    powers = tuple(_power(alpha, y) * _power(beta, x) % MODULUS for y, x in np.ndindex(height, width))
    bias = sum(r * int(b) for r, b in zip(rows, product.bias, strict=True))
    return Asked(tuple(rows), powers, tuple(int(v) for v in channels), bias * sum(powers) % MODULUS)


def check_value(product: Product, asked: Asked, result: Integers | Sequence[int], values: Integers) -> int:
    """Compute ``sum r T s - sum v a s - d`` modulo the field: 0 for the true result, for another by chance only.

    Args:
        product: what was claimed.
        asked: the verifier's vectors.
        result: claimed full result, [m, H + K - 1, W + K' - 1], any integers.
        values: the product's input, [C, H, W].
    """
    height, width = product.full_positions
    powers = np.array(asked.powers, object).reshape(height, width)
    claimed = np.asarray(result).astype(object).reshape(product.outputs, -1) @ powers.ravel()
    inner = powers[: product.positions[0], : product.positions[1]].ravel()
    seen = np.asarray(values).astype(object).reshape(product.inputs, -1) @ inner
    left = int(np.array(asked.rows, object) @ claimed)
    return (left - int(np.array(asked.channels, object) @ seen) - asked.offset) % MODULUS


def _power(base: int, exponent: int) -> int:
    return pow(base, exponent, MODULUS)
