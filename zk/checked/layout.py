"""Where each tensor of a part lies in its committed columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zk.checked.parts import Part, remainder_of
from zk.checked.program import Claim

ASKED = "asked"


@dataclass(frozen=True)
class Span:
    """Elements ``start .. start + size - 1`` of a committed column."""

    column: str
    start: int
    size: int

    @property
    def stop(self) -> int:
        """First element behind."""
        return self.start + self.size


@dataclass(frozen=True)
class ClaimSpans:
    """Where one claim lies.

    Attributes:
        result: quotient, or the product itself.
        remainder: None where the claim is not divided.
        rows: the random vector r.
        weighted_rows: r times the divisor, for the quotient; None where it is not divided.
        columns: the random vector s; None where the claim has one column.
        transposed: the transposed map of r s, for the input; r times a power of two where the circuit computes it, from
            another matrix or from bound weights.
        offset: the bias's share, or r times a power of two for a bound bias; None without a bias: a cell that nothing
            reads would be open to the audit.
    """

    result: Span
    remainder: Span | None
    rows: Span
    weighted_rows: Span | None
    columns: Span | None
    transposed: Span
    offset: Span | None


@dataclass(frozen=True)
class Layout:
    """The committed columns of a part.

    Attributes:
        claims: one entry for each claim, in order.
        values: where each committed value lies, by name.
        remainders: all remainders together.
        asked_size: elements that the verifier asks for.
        one: a 1 among them, which offsets are multiplied with; None where none is.
    """

    claims: tuple[ClaimSpans, ...]
    values: dict[str, Span]
    remainders: Span
    asked_size: int
    one: Span | None

    ZERO: ClassVar[Span] = Span(ASKED, 0, 1)


def lay_out(part: Part) -> Layout:
    """Place every tensor of a part."""
    values: dict[str, Span] = {}
    for column in part.columns:
        start = 0
        for value in column.values:
            values[value.name] = Span(column.name, start, value.size)
            start += value.size
    plain = any(not claim.bound and claim.map is not None and claim.map.bias.any() for claim in part.claims)
    one = Span(ASKED, 1, 1) if plain else None
    position, asked = 1 + plain, []
    for claim in part.claims:
        spans, position = _claim_spans(claim, values, position)
        asked.append(spans)
    rests = [spans.remainder for spans in asked if spans.remainder is not None]
    start = rests[0].start if rests else 0
    remainders = Span(part.claimed.name, start, sum(span.size for span in rests))
    return Layout(tuple(asked), values, remainders, position, one)


def _claim_spans(claim: Claim, values: dict[str, Span], position: int) -> tuple[ClaimSpans, int]:
    rows, columns = claim.factors
    sizes = [rows, rows if claim.divided else 0, columns if columns > 1 else 0]
    biased = claim.map is not None and bool(claim.map.bias.any())
    inside = claim.map is None or claim.bound
    sizes += [rows if inside else claim.inputs[0].size, biased * (rows if inside else 1)]
    spans = []
    for size in sizes:
        spans.append(Span(ASKED, position, size))
        position += size
    first, weighted, across, transposed, offset = spans
    found = ClaimSpans(
        result=values[claim.output.name],
        remainder=values[remainder_of(claim).name] if claim.divided else None,
        rows=first,
        weighted_rows=weighted if claim.divided else None,
        columns=across if columns > 1 else None,
        transposed=transposed,
        offset=offset if biased else None,
    )
    return found, position
