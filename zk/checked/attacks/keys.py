"""Keys and settings of the prover's choice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from zk import backend
from zk.bundle_format import SETTINGS
from zk.checked.attacks.claims import false_result
from zk.checked.attacks.forgery import Forgery, member_digest, part_members
from zk.checked.attacks.lab import Attack, Lab
from zk.checked.attacks.ranges import own_keys
from zk.checked.attacks.scenes import BOUND, COARSE, CUT, ROOT, WHOLE
from zk.checked.attacks.weaker import silent_checks
from zk.srs import file_sha256

Settings = dict[str, Any]


def _silent(lab: Lab) -> Forgery:
    """Any image at all, with a key of a circuit whose checks are zero."""
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, false_result(cheater), keys=own_keys(lab, WHOLE, silent_checks))


def _silent_pinned(lab: Lab) -> Forgery:
    """The same, for a verifier who makes no keys but knows the honest one's digest."""
    return dataclasses.replace(
        _silent(lab), rebuild=False, pins={"expected_vk_digest": member_digest(lab.system(WHOLE).keys[0].vk)}
    )


def _other_size(lab: Lab) -> Forgery:
    return lab.honest(WHOLE).with_part(vk=lab.system(CUT).keys[1].vk + bytes(13))


def _other_key(lab: Lab) -> Forgery:
    return lab.honest(WHOLE).with_part(vk=lab.system(COARSE).keys[0].vk)


def _longer_key(lab: Lab) -> Forgery:
    """Bytes behind the key, which EZKL ignores, as many as a selector has; the proof is made for them."""
    cheater = lab.cheater(WHOLE)
    keys = cheater.system.keys[0]
    longer = dataclasses.replace(keys, vk=keys.vk + bytes((1 << keys.settings["run_args"]["logrows"]) // 8))
    return lab.bundle(cheater, cheater.honest, keys=longer)


def _edited(change: Callable[[Settings], None], lab: Lab) -> Forgery:
    """An honest proof with other settings, and their challenge."""
    cheater = lab.cheater(WHOLE)
    keys = cheater.system.keys[0]
    settings = json.loads(json.dumps(dict(keys.settings)))
    change(settings)
    return lab.bundle(cheater, cheater.honest, keys=dataclasses.replace(keys, settings=settings))


def _argument(**values: Any) -> Callable[[Settings], None]:
    return lambda settings: settings["run_args"].update(values)


def _coarse_pinned(lab: Lab) -> Forgery:
    """An honest bundle at coarser scales, for a verifier who knows the digest of finer settings."""
    fine = member_digest(part_members(lab.honest(WHOLE).parts)[SETTINGS])
    return dataclasses.replace(lab.honest(COARSE), pins={"expected_settings_digest": fine})


def _model_pinned(lab: Lab) -> Forgery:
    """Bundle and model file are another network's; the verifier knows the digest of its own."""
    other = lab.newcomer(WHOLE, onnx_path=lab.network(WHOLE, seed=1))
    pins = {"expected_model_digest": file_sha256(lab.system(WHOLE).onnx_path)}
    return Forgery(other.system, other.prove_all(), pins=pins)


def _other_srs(lab: Lab) -> Forgery:
    """A reference string of the prover's own, whose secret it may know."""
    system, path = lab.system(WHOLE), lab.place("own.srs")
    backend.gen_srs(srs=str(path), logrows=system.circuit.program.options.logrows)
    own = lab.newcomer(WHOLE, onnx_path=system.onnx_path, srs=path)
    return Forgery(system, own.prove_all()).with_manifest(srs_sha256=file_sha256(path))


def _bound_weights(lab: Lab) -> Forgery:
    """The run of another network where the key holds the weights: the challenge does not depend on them."""
    system = lab.system(BOUND)
    other = lab.newcomer(BOUND, onnx_path=lab.network(BOUND, seed=1))
    keys = other.system.keys[0]
    digest = system.circuit.digest
    part = other.prove(other.honest, challenge=lambda known: dataclasses.replace(known, program=digest).seed)
    return Forgery(system, (dataclasses.replace(part, vk=keys.vk),))


def _unlinked(lab: Lab) -> Forgery:
    """A network that EZKL's own layout leaves open; the manifest says that it is linked."""
    return lab.honest(ROOT)


ATTACKS = (
    Attack("silent checks", "any image; key of a circuit that multiplies its checks with zero", "rebuild", _silent),
    Attack("silent checks, key pinned", "the same against a pinned key", "pinned_vk", _silent_pinned),
    Attack(
        "other bound weights", "image of another network, its weights in the key", "rebuild", _bound_weights, slow=True
    ),
    Attack("key of another size", "honest proof, key of another circuit", "vk", _other_size),
    Attack("key of another circuit", "honest proof, key of a circuit of equal size", "challenge", _other_key),
    Attack("longer key", "a selector's worth of zeros behind the key", "rebuild", _longer_key),
    Attack(
        "other table range",
        "honest proof, its settings name another range of the tables",
        "settings",
        partial(_edited, _argument(lookup_range=[-252, 100])),
    ),
    Attack(
        "fewer rows",
        "honest proof, its settings name fewer rows",
        "settings",
        partial(_edited, lambda found: found.update(num_rows=10)),
    ),
    Attack(
        "hidden outputs",
        "honest proof, its settings call the outputs private",
        "settings",
        partial(_edited, _argument(output_visibility="Private")),
    ),
    Attack(
        "uncommitted inputs",
        "honest proof, its settings call the inputs private",
        "settings",
        partial(_edited, _argument(input_visibility="Private")),
    ),
    Attack(
        "Freivalds columns",
        "honest proof, its settings allow columns that nothing ties to the rest",
        "settings",
        partial(_edited, _argument(disable_freivalds=False)),
    ),
    Attack(
        "other height",
        "honest proof, its settings name another height",
        "settings",
        partial(_edited, _argument(logrows=10)),
    ),
    Attack(
        "a number for a flag",
        "honest proof, its settings say 1 for true",
        "settings",
        partial(_edited, _argument(disable_freivalds=1)),
    ),
    Attack("coarser circuit", "honest at coarser scales; settings pinned", "pinned_settings", _coarse_pinned),
    Attack("pinned model", "bundle and model are another network's; model pinned", "pinned_model", _model_pinned),
    Attack("own reference string", "everything under an SRS that the prover drew", "srs", _other_srs),
    Attack(
        "unlinked circuit", "a square root, which EZKL leaves open, recorded as linked", "rebuild", _unlinked, slow=True
    ),
)
