"""What the verifier asks for: the random vectors of every claim, and the network's transposed products of them."""

from __future__ import annotations

import numpy as np

from zk.checked.layout import ClaimSpans, Layout
from zk.checked.maps import Objects
from zk.checked.parts import Part
from zk.checked.program import Claim, Program
from zk.checked.transcript import draw_elements
from zk.field import MODULUS


def asked_tensor(part: Part, layout: Layout, seed: bytes) -> list[int]:
    """Compute what the verifier asks of a part, from the seed and the network's weights.

    Returns:
        Field elements 0 .. p-1, as many as ``layout.asked_size``.
    """
    asked = [0] * layout.asked_size
    if layout.one is not None:
        asked[layout.one.start] = 1
    for claim, spans in zip(part.claims, layout.claims, strict=True):
        _ask(part.program, claim, spans, seed, asked)
    return asked


def _ask(program: Program, claim: Claim, spans: ClaimSpans, seed: bytes, asked: list[int]) -> None:
    """Fill in one claim's vectors.

    EZKL multiplies the side of less declared scale up before it subtracts. The claims' side is declared at 0, so what
    meets the input's side gets the same power of two.
    """
    rows, columns = claim.factors
    drawn = draw_elements(seed, claim.index, rows + columns)
    r = list(drawn[:rows])
    s = list(drawn[rows:]) if columns > 1 else [1]
    declared = sum(value.declared for value in claim.inputs)
    asked[spans.rows.start : spans.rows.stop] = r
    if spans.weighted_rows is not None:
        weight = program.options.divisor
        asked[spans.weighted_rows.start : spans.weighted_rows.stop] = [value * weight % MODULUS for value in r]
    if spans.columns is not None:
        asked[spans.columns.start : spans.columns.stop] = s
    if claim.map is None or claim.bound:
        held = program.options.activation_bits if claim.bound else 0  # constants are declared at this scale
        weighted = claim.lift << (declared + held)
        asked[spans.transposed.start : spans.transposed.stop] = [value * weighted % MODULUS for value in r]
        if spans.offset is not None:
            weighted = claim.lift << held
            asked[spans.offset.start : spans.offset.stop] = [value * weighted % MODULUS for value in r]
        return
    tensor = _outer(r, s).reshape(claim.map.output_shape)
    transposed = claim.map.transpose(tensor).ravel() * (claim.lift << declared) % MODULUS
    asked[spans.transposed.start : spans.transposed.stop] = transposed.tolist()
    if spans.offset is not None:
        asked[spans.offset.start] = claim.map.bias_value(tensor) * claim.lift % MODULUS


def _outer(r: list[int], s: list[int]) -> Objects:
    return np.asarray(np.outer(np.array(r, object), np.array(s, object)) % MODULUS, object)
