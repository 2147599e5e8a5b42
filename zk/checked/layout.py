"""Where each tensor lies in the three committed columns."""

from __future__ import annotations

from dataclasses import dataclass

from zk.checked.program import Claim, Program


@dataclass(frozen=True)
class Span:
    """Elements ``start .. start + size - 1`` of a committed tensor."""

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
        result: quotient, or the product itself, in the column of claims.
        remainder: in the column of claims; None where the claim is not divided.
        rows: the random vector r, in the column asked for.
        weighted_rows: r times 2**table_bits, for the quotient; None where it is not divided.
        columns: the random vector s; None where the claim has one column.
        transposed: the transposed map of r s, for the input; for a product of two computed matrices r times the lift.
        offset: the bias's share.
    """

    result: Span
    remainder: Span | None
    rows: Span
    weighted_rows: Span | None
    columns: Span | None
    transposed: Span
    offset: Span


@dataclass(frozen=True)
class Layout:
    """The three committed tensors.

    Attributes:
        claims: one entry for each claim.
        inputs: where each input of the network lies in the given column.
        remainders: all remainders together, in the column of claims.
        claim_size: elements claimed, without salt.
        given_size: elements given, without salt.
        asked_size: elements asked for. The first is 1, the second 0.
    """

    claims: tuple[ClaimSpans, ...]
    inputs: tuple[Span, ...]
    remainders: Span
    claim_size: int
    given_size: int
    asked_size: int

    ONE = 0
    ZERO = 1


def lay_out(program: Program) -> Layout:
    """Place every tensor: results of all claims, then all remainders; inputs in order; what is asked for, claim by claim."""
    claims = program.claims
    results = _spans([claim.output.size for claim in claims], 0)
    end = results[-1].stop if results else 0
    divided = [claim for claim in claims if claim.divided]
    remainders = dict(zip([claim.index for claim in divided], _spans([c.output.size for c in divided], end), strict=True))
    rest = sum(claim.output.size for claim in divided)
    position, asked = 2, []
    for claim in claims:
        found, position = _asked_spans(claim, results[claim.index], remainders.get(claim.index), position)
        asked.append(found)
    inputs = _spans([value.size for value in program.inputs], 0)
    return Layout(
        claims=tuple(asked),
        inputs=tuple(inputs),
        remainders=Span(end, rest),
        claim_size=end + rest,
        given_size=sum(span.size for span in inputs),
        asked_size=position,
    )


def _asked_spans(claim: Claim, result: Span, remainder: Span | None, position: int) -> tuple[ClaimSpans, int]:
    rows, columns = claim.factors
    sizes = [rows, rows if claim.divided else 0, columns if columns > 1 else 0]
    sizes.append(claim.inputs[0].size if claim.map is not None else rows)
    spans = _spans([*sizes, 1], position)
    first, weighted, across, transposed, offset = spans
    found = ClaimSpans(
        result,
        remainder,
        first,
        weighted if claim.divided else None,
        across if columns > 1 else None,
        transposed,
        offset,
    )
    return found, offset.stop


def _spans(sizes: list[int], start: int) -> list[Span]:
    found = []
    for size in sizes:
        found.append(Span(start, size))
        start += size
    return found
