"""Circuits that lack something, for a prover who brings keys of his own, or for a verifier who is taken in by one."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import onnx

import zk.checked.circuit
from zk.checked.attacks.patching import replaced
from zk.checked.emit import Emitter, emit_model
from zk.checked.layout import Layout, Span
from zk.checked.parts import Part
from zk.checked.program import Claim, Step

Weakening = Callable[[], contextlib.AbstractContextManager[None]]


def _emitting(change: Callable[[Part, Layout], tuple[Part, Layout]]) -> Weakening:
    @contextlib.contextmanager
    def weakened() -> Iterator[None]:
        def emit(part: Part, layout: Layout) -> onnx.ModelProto:
            return emit_model(*change(part, layout))

        with replaced(zk.checked.circuit, "emit_model", emit):
            yield

    return weakened


def _without_remainders(part: Part, layout: Layout) -> tuple[Part, Layout]:
    return part, dataclasses.replace(layout, remainders=Span(layout.remainders.column, 0, 0))


def _without_quotients(part: Part, layout: Layout) -> tuple[Part, Layout]:
    def believed(step: Step) -> Step:
        return dataclasses.replace(step, in_range="table") if isinstance(step, Claim) else step

    return dataclasses.replace(part, steps=tuple(map(believed, part.steps))), layout


def _without_inputs(part: Part, layout: Layout) -> tuple[Part, Layout]:
    return dataclasses.replace(part, ranged=()), layout


no_remainder_lookups = _emitting(_without_remainders)
"""Remainders that nothing looks up."""

no_quotient_lookups = _emitting(_without_quotients)
"""Quotients that nothing looks up but the network's own tables."""

no_input_lookups = _emitting(_without_inputs)
"""Values of columns that others wrote, the private input among them, that nothing looks up."""


@contextlib.contextmanager
def silent_checks() -> Iterator[None]:
    """Every check times zero."""
    honest: Any = vars(Emitter)["_check"]

    def check(self: Emitter, claim: Claim) -> str:
        return self.fresh("MatMul", [honest(self, claim), self.asked(Layout.ZERO, (1, 1))])

    with replaced(Emitter, "_check", check):
        yield


@contextlib.contextmanager
def one_silent_check() -> Iterator[None]:
    """The first layer's check times zero."""
    honest: Any = vars(Emitter)["_check"]

    def check(self: Emitter, claim: Claim) -> str:
        found: str = honest(self, claim)
        if claim.index:
            return found
        return self.fresh("MatMul", [found, self.asked(Layout.ZERO, (1, 1))])

    with replaced(Emitter, "_check", check):
        yield
