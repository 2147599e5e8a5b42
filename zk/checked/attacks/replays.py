"""Honest proofs in bundles that say something else."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from zk.bundle_manifest import PublicTensor
from zk.ceremony import CEREMONY_SHA256
from zk.checked.attacks.claims import NUDGE, false_result
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import OTHER_SAMPLE, Attack, Lab
from zk.checked.attacks.prover import public_values
from zk.checked.attacks.scenes import COARSE, WHOLE
from zk.checked.public import part_public
from zk.checked.transcript import Statement, join_elements
from zk.checked.verify import POINT_BYTES
from zk.field import MODULUS
from zk.srs import SrsKind, file_sha256
from zk.types import Wiring

BASE_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Of the field that coordinates of bn254 are in."""

CHECKS, CLASS, IMAGE = 0, 1, 2


def changed_public(forgery: Forgery, tensor: int, index: int, value: int) -> Forgery:
    """A copy whose first part gives out another value."""
    values = [list(found) for found in forgery.parts[0].public_values]
    values[tensor][index] = value
    return forgery.with_part(public_values=tuple(map(tuple, values)))


def _pixel(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    return changed_public(honest, IMAGE, 0, honest.parts[0].public_values[IMAGE][0] + 1000)


def _class(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    checks, label, image = honest.parts[0].public_values
    return honest.with_part(public_values=(checks, label[1:] + label[:1], image))


def _hidden_class(lab: Lab) -> Forgery:
    """The proof's own class is another than the one that it gives out."""
    cheater = lab.cheater(WHOLE)
    label = cheater.honest.values["class"]
    claimed = cheater.honest.with_values({"class": label[1:] + label[:1]})
    public = join_elements(public_values(cheater.system.circuit.parts[0], claimed))

    def challenge(known: Statement) -> bytes:
        return dataclasses.replace(known, public=public).seed

    def shown(public: list[list[int]]) -> None:
        public[CLASS] = claimed.values["class"]

    return lab.bundle(cheater, cheater.honest, challenge=challenge, shown=shown)


def _other_image(lab: Lab) -> Forgery:
    """The proof of one latent with the image of another."""
    return lab.honest(WHOLE).with_part(public_values=lab.honest(WHOLE, OTHER_SAMPLE).parts[0].public_values)


def _alias(tensor: int, lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    return changed_public(honest, tensor, 0, honest.parts[0].public_values[tensor][0] + MODULUS)


def _more_values(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    values = honest.parts[0].public_values
    return honest.with_part(public_values=(*values[:IMAGE], (*values[IMAGE], 0)))


def _swapped_points(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    proof = honest.parts[0].proof
    claims, given = proof[:POINT_BYTES], proof[POINT_BYTES : 2 * POINT_BYTES]
    return honest.with_part(proof=given + claims + proof[2 * POINT_BYTES :])


def _swapped_and_asked(lab: Lab) -> Forgery:
    """The challenge is that of the exchanged commitments, too."""
    cheater = lab.cheater(WHOLE)
    part = cheater.prove(
        cheater.honest,
        challenge=lambda known: dataclasses.replace(known, commitments=known.commitments[::-1]).seed,
    )
    claims, given = part.proof[:POINT_BYTES], part.proof[POINT_BYTES : 2 * POINT_BYTES]
    swapped = given + claims + part.proof[2 * POINT_BYTES :]
    return Forgery(cheater.system, (dataclasses.replace(part, proof=swapped),))


def _beyond_base_field(lab: Lab) -> Forgery:
    """A commitment's coordinate plus the modulus of the curve's own field: other bytes, another challenge."""
    cheater = lab.cheater(WHOLE)

    def raised(point: bytes) -> bytes:
        return (int.from_bytes(point[:32], "big") + BASE_MODULUS).to_bytes(32, "big") + point[32:]

    def challenge(known: Statement) -> bytes:
        first, *others = known.commitments
        return dataclasses.replace(known, commitments=(raised(first), *others)).seed

    part = cheater.prove(cheater.honest, challenge=challenge)
    return Forgery(cheater.system, (dataclasses.replace(part, proof=raised(part.proof)),))


def _short(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    return honest.with_part(proof=honest.parts[0].proof[:POINT_BYTES])


def _garbage(lab: Lab) -> Forgery:
    """A false image under the right commitments and challenge; the rest of the proof is another's."""
    cheater = lab.cheater(WHOLE)
    witness = false_result(cheater, 0, NUDGE)
    draft = cheater.draft(witness)
    opening = bytes.fromhex("".join([*draft.commitments, *cheater.system.keys[0].commit([draft.asked])]))
    honest = lab.honest(WHOLE).parts[0]
    public = ((0,) * len(honest.public_values[CHECKS]), honest.public_values[CLASS], tuple(_image(witness.outputs)))
    part = dataclasses.replace(honest, proof=opening + honest.proof[len(opening) :], public_values=public)
    return Forgery(cheater.system, (part,))


def _image(outputs: dict[str, list[int]]) -> list[int]:
    (image,) = outputs.values()
    return image


def _model_digest(lab: Lab) -> Forgery:
    """The bundle of one network under the name of another."""
    return lab.honest(WHOLE).with_manifest(model_sha256=file_sha256(lab.network(WHOLE, seed=1)))


def _other_model(changes: dict[str, Any], lab: Lab) -> Forgery:
    """The verifier holds another network than the one that was proved; the bundle names the verifier's."""
    path = lab.network(WHOLE, **changes)
    return dataclasses.replace(lab.honest(WHOLE), model=path).with_manifest(model_sha256=file_sha256(path))


def _roles(lab: Lab) -> Forgery:
    """False quotient; the bundle calls the checks an output."""
    cheater = lab.cheater(WHOLE)
    forgery = lab.bundle(cheater, false_result(cheater))
    tensors = _tensors(forgery)
    return forgery.with_manifest(public=(dataclasses.replace(tensors[CHECKS], role="output"), *tensors[1:]))


def _output_as_input(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    tensors = _tensors(honest)
    return honest.with_manifest(public=(*tensors[:IMAGE], dataclasses.replace(tensors[IMAGE], role="input")))


def _other_scale(lab: Lab) -> Forgery:
    """Every pixel reads as half of what it is."""
    honest = lab.honest(WHOLE)
    tensors = _tensors(honest)
    image = dataclasses.replace(tensors[IMAGE], scale_bits=tensors[IMAGE].scale_bits + 1)
    return honest.with_manifest(public=(*tensors[:IMAGE], image))


def _tensors(forgery: Forgery) -> tuple[PublicTensor, ...]:
    return part_public(forgery.system.circuit.parts[0].part)


def _stale(lab: Lab) -> Forgery:
    """The manifest, and with it the name, of one bundle; the members of another."""
    return dataclasses.replace(lab.honest(WHOLE, OTHER_SAMPLE), stale=lab.honest(WHOLE).parts)


def _options(lab: Lab) -> Forgery:
    honest = lab.honest(WHOLE)
    return honest.with_manifest(checked_options=lab.system(COARSE).circuit.program.options.to_json())


def _ceremony(lab: Lab) -> Forgery:
    """A test-only reference string under the digest of the ceremony's, so that no note warns of it."""
    honest = lab.honest(WHOLE)
    logrows = honest.system.circuit.program.options.logrows
    return honest.with_manifest(srs_sha256=CEREMONY_SHA256[logrows], srs_kind=SrsKind.CEREMONY)


ATTACKS = (
    Attack("changed pixel", "honest proof, another image", "challenge", _pixel),
    Attack("changed class", "honest proof, another class", "challenge", _class),
    Attack("class proved as another", "the proof is made for another class than its input's", "ezkl", _hidden_class),
    Attack("image of another latent", "honest proof with the public values of another", "challenge", _other_image),
    Attack("pixel plus p", "a public value beyond the field", "zero_checks", partial(_alias, IMAGE)),
    Attack("check plus p", "a check of p for one of 0", "zero_checks", partial(_alias, CHECKS)),
    Attack("one value more", "an image with an additional element", "public_tensors", _more_values),
    Attack("swapped commitments", "claims and input change places in the proof", "challenge", _swapped_points),
    Attack(
        "swapped commitments, asked for",
        "the same, under the challenge of the swapped order",
        "ezkl",
        _swapped_and_asked,
    ),
    Attack(
        "point beyond its field", "a coordinate plus the curve's modulus, and its challenge", "ezkl", _beyond_base_field
    ),
    Attack("proof cut short", "a proof of one commitment", "boundaries", _short),
    Attack("proof of something else", "false image, right commitments, the rest of another proof", "ezkl", _garbage),
    Attack("another model's name", "honest bundle; its manifest names another network", "model", _model_digest),
    Attack(
        "another model", "the verifier's network has other weights", "challenge", partial(_other_model, {"seed": 1})
    ),
    Attack(
        "reordered layers",
        "the verifier's network has two layers exchanged",
        "challenge",
        partial(_other_model, {"swapped": True}),
    ),
    Attack("checks called outputs", "false quotient; the manifest lists no check", "public_tensors", _roles),
    Attack("output called input", "the manifest lists the image as an input", "public_tensors", _output_as_input),
    Attack("another scale", "the manifest halves every pixel", "public_tensors", _other_scale),
    Attack("manifest of another bundle", "digests of one bundle, members of another", "digests", _stale),
    Attack("other options", "the manifest gives coarser options than were proved", "settings", _options),
    Attack(
        "wrong height",
        "the manifest gives another logrows",
        "settings",
        lambda lab: lab.honest(WHOLE).with_manifest(logrows=10),
    ),
    Attack("called a ceremony's", "a test-only SRS under the ceremony's digest", "srs", _ceremony),
    Attack(
        "record of failure",
        "the prover recorded that the proof does not verify",
        "record",
        lambda lab: lab.honest(WHOLE).with_manifest(verified=False),
    ),
    Attack(
        "record of open wiring",
        "the prover recorded an unlinked circuit",
        "wiring",
        lambda lab: lab.honest(WHOLE).with_manifest(wiring=Wiring.UNLINKED),
    ),
)
