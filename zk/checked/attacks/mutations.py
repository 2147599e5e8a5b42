"""Verifiers from which one thing is taken away, and what they then accept."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import zk.bundle
import zk.checked.asked
import zk.checked.circuit
import zk.checked.kinds
import zk.checked.rebuild
import zk.checked.transcript
import zk.checked.verify
from zk.bundle_format import SETTINGS, VK
from zk.checked.attacks.lab import ACCEPTED, ERROR
from zk.checked.attacks.patching import AnyInteger, Anything, replaced
from zk.checked.attacks.weaker import (
    no_input_lookups,
    no_quotient_lookups,
    no_remainder_lookups,
    one_silent_check,
)
from zk.checked.options import CheckedOptions
from zk.checked.transcript import Statement, draw_elements
from zk.checked.verify import CheckedExamination

Patch = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Mutation:
    """One thing less.

    Attributes:
        name: unique; what is missing.
        patch: takes it away.
        exploit: name of the attack that it was there for.
        outcome: of that attack then; "accepted" unless another check stands behind.
        proofs: provers must know, too: their challenge changes.
        keys: and so do their circuits.
        behind: why nothing false is accepted, where that is so: then it is a second line, and not counted.
    """

    name: str
    patch: Patch
    exploit: str
    outcome: str = ACCEPTED
    proofs: bool = False
    keys: bool = False
    behind: str = ""

    @property
    def counted(self) -> bool:
        """Whether its absence alone lets something false pass."""
        return not self.behind


def _method(name: str) -> Patch:
    return lambda: replaced(CheckedExamination, name, lambda self: "not checked")


def _attribute(owner: Any, name: str, value: Any) -> Patch:
    return lambda: replaced(owner, name, value)


def _around(name: str, change: Callable[[CheckedExamination], None]) -> Patch:
    """A check for whose time ``change`` alters the examination."""
    honest = vars(CheckedExamination)[name]

    def check(self: CheckedExamination) -> str:
        kept = dict(vars(self))
        change(self)
        try:
            found: str = honest(self)
        finally:
            for attribute in ("bundle", "pairs"):
                vars(self).pop(attribute, None)
            vars(self)["bundle"] = kept["bundle"]
        return found

    return _attribute(CheckedExamination, name, check)


def _first_pair(examination: CheckedExamination) -> None:
    pairs = examination.pairs()[:1]
    vars(examination)["pairs"] = lambda: pairs


def _first_part(examination: CheckedExamination) -> None:
    examination.bundle = dataclasses.replace(examination.bundle, parts=examination.bundle.parts[:1])


def _any_count(examination: CheckedExamination) -> None:
    manifest = examination.bundle.manifest
    changed = dataclasses.replace(manifest, parts=AnyInteger(manifest.parts))
    examination.bundle = dataclasses.replace(examination.bundle, manifest=changed)


def _unpinned(name: str) -> Patch:
    honest = vars(CheckedExamination)["pinned"]

    def pinned(self: CheckedExamination, member: str) -> str:
        found: str = "not checked" if member == name else honest(self, member)
        return found

    return _attribute(CheckedExamination, "pinned", pinned)


@contextlib.contextmanager
def _checks_unseen() -> Iterator[None]:
    honest: Any = vars(CheckedExamination)["_tensors"]

    def tensors(self: CheckedExamination) -> list[Any]:
        return [(tensor, values) for tensor, values in honest(self) if tensor.role != "check"]

    with replaced(CheckedExamination, "_tensors", tensors):
        yield


@contextlib.contextmanager
def _any_key() -> Iterator[None]:
    honest: Any = vars(zk.checked.verify)["rebuild_part"]

    def rebuild(circuit: Any, part: Any, *others: Any) -> str:
        found: str = honest(circuit, dataclasses.replace(part, vk=Anything()), *others)
        return found

    with replaced(zk.checked.verify, "rebuild_part", rebuild):
        yield


def _seed(blank: Callable[[Statement], Statement]) -> Patch:
    """A seed of statements in which something is left blank."""
    honest: Any = vars(Statement)["seed"]
    return _attribute(Statement, "seed", property(lambda self: honest.fget(blank(self))))


def _blank_commitment(index: int) -> Patch:
    def blank(statement: Statement) -> Statement:
        points = tuple(b"" if place == index else point for place, point in enumerate(statement.commitments))
        return dataclasses.replace(statement, commitments=points)

    return _seed(blank)


def _blank(**values: Any) -> Patch:
    return _seed(lambda statement: dataclasses.replace(statement, **values))


def _equal_elements(seed: bytes, claim: int, count: int) -> tuple[int, ...]:
    return draw_elements(seed, claim, 1) * count


def _claimless_elements(seed: bytes, claim: int, count: int) -> tuple[int, ...]:
    return draw_elements(seed, 0, count)


def _seedless_elements(seed: bytes, claim: int, count: int) -> tuple[int, ...]:
    return draw_elements(b"", claim, count)


def _elements(draw: Callable[[bytes, int, int], tuple[int, ...]]) -> Patch:
    return _attribute(zk.checked.asked, "draw_elements", draw)


_VERIFIER = (
    Mutation(
        "digests of members", _attribute(zk.bundle, "MemberRecord", lambda *_: Anything()), "manifest of another bundle"
    ),
    Mutation(
        "model: its digest", _attribute(zk.checked.verify, "file_sha256", lambda _: Anything()), "another model's name"
    ),
    Mutation("settings: comparison", _attribute(zk.checked.verify, "changed_settings", lambda *_: []), "longer tables"),
    Mutation(
        "settings: height",
        _attribute(zk.checked.verify, "chosen_logrows", lambda circuit: AnyInteger(circuit.program.options.logrows)),
        "wrong height",
    ),
    Mutation("public_tensors", _method("public_tensors"), "another scale"),
    Mutation("zero_checks and the bound of checks", _checks_unseen, "false quotient"),
    Mutation("public_ranges: bound", _attribute(zk.checked.verify, "PUBLIC_BITS", 300), "public input of the field"),
    Mutation("boundaries", _method("boundaries"), "second part replayed"),
    Mutation("srs", _method("srs"), "called a ceremony's"),
    Mutation(
        "challenge: comparison", _attribute(CheckedExamination, "_commit", lambda *_: Anything()), "all-zero challenge"
    ),
    Mutation("challenge: of parts but the first", _around("challenge", _first_pair), "zero challenge, second part"),
    Mutation("record", _method("record"), "record of failure"),
    Mutation("pinned key", _unpinned(VK), "silent checks, key pinned"),
    Mutation("pinned settings", _unpinned(SETTINGS), "coarser circuit"),
    Mutation("pinned model", _unpinned("model"), "pinned model"),
    Mutation("rebuild: key", _any_key, "silent checks"),
    Mutation("rebuild: of parts but the first", _around("rebuild", _first_pair), "silent checks, second part"),
    Mutation(
        "rebuild: audit",
        _attribute(zk.checked.rebuild, "Wiring", SimpleNamespace(LINKED=Anything())),
        "unlinked circuit",
    ),
    Mutation("ezkl", _method("ezkl"), "checks recorded as zero"),
    Mutation("ezkl: of parts but the first", _around("ezkl", _first_part), "false proof, second part"),
    Mutation(
        "bounds of the compiler",
        _attribute(zk.checked.circuit, "check_bounds", lambda _: None),
        "value round the field",
    ),
)

_CIRCUIT = (
    Mutation("lookups of remainders", no_remainder_lookups, "remainder out of range", keys=True),
    Mutation("lookups of quotients", no_quotient_lookups, "quotient of the field", keys=True),
    Mutation(
        "lookups of quotients that no table keeps",
        _attribute(zk.checked.kinds, "kept", lambda *_: True),
        "table that nothing reads",
        keys=True,
    ),
    Mutation("lookups of private inputs", no_input_lookups, "latent of the field", keys=True),
    Mutation(
        "a divisor as long as the tables",
        _attribute(CheckedOptions, "divisor", property(lambda self: 1 << (self.logrows - 1))),
        "second remainder",
        keys=True,
    ),
    Mutation("one claim's check", one_silent_check, "false quotient", keys=True),
)

_CHALLENGE = (
    Mutation("seed: claims", _blank_commitment(0), "remainders after the challenge", proofs=True),
    Mutation("seed: input", _blank_commitment(1), "latent after the challenge", proofs=True),
    Mutation("seed: boundary", _blank_commitment(2), "boundary after the challenge", proofs=True),
    Mutation("seed: program", _blank(program=b""), "weights after the challenge", proofs=True),
    Mutation("elements: seed", _elements(_seedless_elements), "challenge before the tensors", proofs=True),
    Mutation("elements: their number", _elements(_equal_elements), "exchanged elements", proofs=True),
    Mutation(
        "elements: length", _attribute(zk.checked.transcript, "ELEMENT_DRAW_BYTES", 1), "ground challenge", proofs=True
    ),
)

_SECOND_LINES = (
    Mutation(
        "seed: key",
        _blank(verification_key=b""),
        "challenge of another key",
        proofs=True,
        behind="the key is compared with the rebuilt or pinned one",
    ),
    Mutation(
        "seed: settings",
        _blank(settings=b""),
        "challenge of another settings",
        proofs=True,
        behind="the settings are compared with drafted ones",
    ),
    Mutation(
        "seed: part",
        _blank(part=0),
        "challenge of another part",
        proofs=True,
        behind="parts have other keys and commitments, and claims are numbered through",
    ),
    Mutation(
        "seed: public values",
        _blank(public=b""),
        "challenge of another public values",
        proofs=True,
        behind="they are functions of what is committed",
    ),
    Mutation(
        "elements: claim",
        _elements(_claimless_elements),
        "challenge of another layer",
        proofs=True,
        behind="every check is compared with zero for itself",
    ),
    Mutation(
        "model: number of parts",
        _around("model", _any_count),
        "last part alone",
        ERROR,
        behind="no other check takes fewer parts than the circuit has",
    ),
    Mutation(
        "zero_checks alone",
        _method("zero_checks"),
        "false quotient",
        "public_ranges",
        behind="a check that is not zero is no small integer either",
    ),
    Mutation("wiring", _method("wiring"), "record of open wiring", "record", behind="a record that counts says linked"),
    Mutation(
        "vk: size", _method("vk"), "key of another size", "challenge", behind="the key is in the seed, and rebuilt"
    ),
    Mutation(
        "public_ranges: least magnitude",
        _attribute(zk.checked.verify, "MODULUS", 1 << 400),
        "pixel plus p",
        "public_ranges",
        behind="what is not of least magnitude is out of bounds",
    ),
)

MUTATIONS = (*_VERIFIER, *_CIRCUIT, *_CHALLENGE, *_SECOND_LINES)
