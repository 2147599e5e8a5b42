"""Values that no table holds: remainders, quotients and inputs out of range, and fractions of the field."""

from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

import zk.checked.circuit
from zk.checked.attacks.claims import FIRST, LAST, NUDGE
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import Attack, Lab
from zk.checked.attacks.lattice import small_solution
from zk.checked.attacks.linear import solve_modulo
from zk.checked.attacks.patching import replaced
from zk.checked.attacks.prover import Cheater, Witness, as_tensor
from zk.checked.attacks.scenes import FACTORS, GROUP, LATENT, OPEN, PRODUCT, UPSCALED, WHOLE, Scene, add_unread_table
from zk.checked.attacks.system import Keys, make_keys
from zk.checked.attacks.weaker import Weakening, no_input_lookups, no_quotient_lookups, no_remainder_lookups
from zk.checked.bounds import PUBLIC_BITS
from zk.checked.circuit import circuit_of
from zk.checked.maps import LinearMap
from zk.field import MODULUS
from zk.simulation.guard import table_range


def own_keys(lab: Lab, scene: Scene, weakening: Weakening, index: int = 0) -> Keys:
    """Keys of a weaker circuit, under the settings of the honest one."""
    system = lab.system(scene)
    options = system.circuit.program.options
    with weakening():
        weaker = circuit_of(system.circuit.program, system.circuit.foreign, options.cuts).parts[index]
    return make_keys(weaker, options, lab.place("keys"), system.srs, system.keys[index].settings)


def shifted(cheater: Cheater, *, fitting: bool = False) -> Witness:
    """Quotients one lower and remainders a divisor higher.

    Args:
        cheater: whose honest run is changed.
        fitting: only where the table's column still holds the remainder; at least in one place.
    """
    result, rest = cheater.names(UPSCALED)
    options = cheater.system.circuit.program.options
    rests = cheater.honest.values[rest]
    last = table_range(cheater.system.keys[0].settings["run_args"])[1]
    most = max(last - options.divisor, min(rests)) if fitting else max(rests)
    moves = [int(value <= most) for value in rests]
    lower = [value - move for value, move in zip(cheater.honest.values[result], moves, strict=True)]
    higher = [value + options.divisor * move for value, move in zip(rests, moves, strict=True)]
    return cheater.follow({UPSCALED: lower}).with_values({rest: higher})


def halved(cheater: Cheater) -> Witness:
    """Quotients moved by one half of the field, where the last layer's weights make integers of the halves again."""
    result, rest = cheater.names(UPSCALED)
    divisor, last = cheater.system.circuit.program.options.divisor, cheater.claim(LAST).map
    assert last is not None
    columns = [_linear(last, unit) for unit in _units(last.input_shape)]
    odd = solve_modulo(list(zip(*columns, strict=True)), [0] * len(columns[0]), 2, free=1)
    quotients, rests = cheater.honest.values[result], cheater.honest.values[rest]
    order = _source_order(cheater)
    moves = [0] * len(quotients)
    for place, moved in enumerate(odd):
        moves[order[place]] = moved if rests[order[place]] < 0 else -moved
    half = pow(2, -1, MODULUS)
    image = [
        value - sum(column[k] * moves[order[place]] for place, column in enumerate(columns)) // 2
        for k, value in enumerate(cheater.honest.values[cheater.names(LAST)[0]])
    ]
    return cheater.honest.with_values(
        {
            result: [(value - move * half) % MODULUS for value, move in zip(quotients, moves, strict=True)],
            rest: [value + move * divisor // 2 for value, move in zip(rests, moves, strict=True)],
            cheater.names(LAST)[0]: image,
        }
    )


def solved_input(cheater: Cheater, unknown: Sequence[int]) -> Witness:
    """Field elements in the place of inputs, for which the first layer gives what it should not.

    Args:
        cheater: whose honest run is changed.
        unknown: which elements of latent and class are solved for.
    """
    first = cheater.claim(FIRST).map
    assert first is not None
    result, rest = cheater.names(FIRST)
    wanted = list(cheater.honest.values[result])
    wanted[0] += NUDGE
    divisor = cheater.system.circuit.program.options.divisor
    columns = [_linear(first, unit) for unit in _units(first.input_shape)]
    values = [*cheater.honest.values["latent"], *cheater.honest.values["class"]]
    fixed = [0 if index in unknown else value for index, value in enumerate(values)]
    bias = first.forward(as_tensor(fixed, first.input_shape)).flatten().tolist()
    target = [divisor * value - known for value, known in zip(wanted, bias, strict=True)]
    matrix = [[columns[index][k] for index in unknown] for k in range(len(target))]
    for index, value in zip(unknown, solve_modulo(matrix, target, MODULUS), strict=True):
        values[index] = value
    changed = cheater.follow({FIRST: wanted})
    return changed.with_values({"latent": values[:LATENT], "class": values[LATENT:], rest: [0] * len(wanted)})


def _linear(found: LinearMap, values: Tensor) -> list[int]:
    return dataclasses.replace(found, bias=found.bias * 0).forward(values).flatten().tolist()


def _units(shape: Sequence[int]) -> list[Tensor]:
    size = math.prod(shape)
    return [as_tensor([int(index == place) for index in range(size)], shape) for place in range(size)]


def _source_order(cheater: Cheater) -> list[int]:
    """For each element that the last layer reads, its place in the result of the one before."""
    shape = cheater.claim(UPSCALED).output.shape
    size = len(cheater.honest.values[cheater.names(UPSCALED)[0]])
    return [int(place) for place in F.pixel_shuffle(as_tensor(range(size), shape).double(), 2).flatten()]


def _remainder(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, shifted(cheater), budget=lab.patience)


def _second_remainder(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, shifted(cheater, fitting=True), budget=lab.patience)


def _quotient(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, halved(cheater), budget=lab.patience)


def _private_input(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, solved_input(cheater, range(LATENT)), budget=lab.patience)


def _own_remainder(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, shifted(cheater), keys=own_keys(lab, WHOLE, no_remainder_lookups), budget=lab.patience)


def _own_quotient(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, halved(cheater), keys=own_keys(lab, WHOLE, no_quotient_lookups), budget=lab.patience)


def _own_private_input(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(
        cheater, solved_input(cheater, range(LATENT)), keys=own_keys(lab, WHOLE, no_input_lookups), budget=lab.patience
    )


def _longer_tables(lab: Lab) -> Forgery:
    """Settings of two table columns, and keys that follow from them."""
    cheater = lab.cheater(WHOLE)
    system, honest = cheater.system, cheater.system.keys[0].settings
    low, high = honest["run_args"]["lookup_range"]
    arguments = {**honest["run_args"], "lookup_range": [low, 2 * high]}
    settings = {**honest, "run_args": arguments}
    options = system.circuit.program.options
    keys = make_keys(system.circuit.parts[0], options, lab.place("keys"), system.srs, settings)
    return lab.bundle(cheater, shifted(cheater), keys=keys, budget=lab.patience)


def _public_input(lab: Lab) -> Forgery:
    cheater = lab.cheater(OPEN)
    return lab.bundle(cheater, solved_input(cheater, range(LATENT)))


def _unread_table(lab: Lab) -> Forgery:
    """EZKL's parser drops the table, and with it the only lookup of a quotient."""
    path = add_unread_table(lab.system(WHOLE).onnx_path, lab.place("unread.onnx"))
    cheater = lab.newcomer(WHOLE, onnx_path=path)
    return lab.bundle(cheater, halved(cheater), budget=lab.patience)


def _round_the_field(lab: Lab) -> Forgery:
    """An image of sums of products that are multiples of p and a little more."""
    with replaced(zk.checked.circuit, "check_bounds", lambda program: None):
        cheater = lab.cheater(PRODUCT)
    factors = [[secrets.randbelow(1 << PUBLIC_BITS) for _ in range(GROUP)] for _ in range(FACTORS - 1)]
    last = small_solution([math.prod(group) for group in zip(*factors, strict=True)], NUDGE)
    latent = [value for group in factors for value in group] + last
    zeros = [as_tensor([0] * value.size, value.shape) for value in cheater.system.circuit.program.inputs]
    empty = cheater.follow({}, zeros)
    ((name, (image,)),) = empty.outputs.items()
    changed = empty.with_values({"latent": latent + [0] * (LATENT - len(latent))})
    return lab.bundle(cheater, dataclasses.replace(changed, outputs={name: [image + NUDGE]}))


ATTACKS = (
    Attack(
        "remainder out of range",
        "every quotient one lower, every remainder a divisor higher",
        "prover",
        _remainder,
        slow=True,
    ),
    Attack(
        "second remainder",
        "the same where the table's column has room, else for the least remainder",
        "prover",
        _second_remainder,
        slow=True,
    ),
    Attack(
        "quotient of the field",
        "quotients moved by 1/2 mod p, remainders by half a divisor",
        "prover",
        _quotient,
        slow=True,
    ),
    Attack(
        "latent of the field", "a latent mod p that solves for any first layer", "prover", _private_input, slow=True
    ),
    Attack(
        "remainder, own circuit",
        "remainder out of range; key of a circuit without its lookup",
        "rebuild",
        _own_remainder,
    ),
    Attack(
        "quotient, own circuit", "quotient of the field; key of a circuit without its lookup", "rebuild", _own_quotient
    ),
    Attack(
        "latent, own circuit", "latent of the field; key of a circuit without its lookup", "rebuild", _own_private_input
    ),
    Attack(
        "longer tables",
        "remainder out of range; settings and key with tables of twice the length",
        "settings",
        _longer_tables,
    ),
    Attack(
        "public input of the field",
        "public inputs mod p that solve for any first layer",
        "public_ranges",
        _public_input,
    ),
    Attack(
        "table that nothing reads",
        "quotient of the field where only such a table asks for it",
        "prover",
        _unread_table,
        slow=True,
    ),
    Attack("value round the field", "a network whose output can reach p", "model", _round_the_field),
)
