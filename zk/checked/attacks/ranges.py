"""Values that no table holds: remainders, quotients and inputs out of range, and fractions of the field."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from torch import Tensor

from zk.checked.attacks.claims import FIRST, LAST, NUDGE
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.lab import Attack, Lab
from zk.checked.attacks.linear import solve_modulo
from zk.checked.attacks.prover import Cheater, Witness, as_tensor
from zk.checked.attacks.scenes import LATENT, OPEN, UPSCALED, WHOLE, Scene
from zk.checked.attacks.system import PATIENCE, Keys, make_keys
from zk.checked.attacks.weaker import Weakening, no_input_lookups, no_quotient_lookups, no_remainder_lookups
from zk.checked.circuit import circuit_of
from zk.checked.maps import LinearMap
from zk.field import MODULUS


def own_keys(lab: Lab, scene: Scene, weakening: Weakening, index: int = 0) -> Keys:
    """Keys of a weaker circuit, under the settings of the honest one."""
    system = lab.system(scene)
    options = system.circuit.program.options
    with weakening():
        weaker = circuit_of(system.circuit.program, system.circuit.foreign, options.cuts).parts[index]
    return make_keys(weaker, options, lab.place("keys"), system.srs, system.keys[index].settings)


def shifted(cheater: Cheater) -> Witness:
    """Quotients one lower and remainders a divisor higher, wherever a table of twice the length would hold them."""
    result, rest = cheater.names(UPSCALED)
    divisor = cheater.system.circuit.program.options.divisor
    lower = [value - 1 for value in cheater.honest.values[result]]
    return cheater.follow({UPSCALED: lower}).with_values(
        {rest: [value + divisor for value in cheater.honest.values[rest]]}
    )


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
    size = as_tensor([0], (1,)).new_zeros(tuple(shape)).numel()
    return [as_tensor([int(index == place) for index in range(size)], shape) for place in range(size)]


def _source_order(cheater: Cheater) -> list[int]:
    """For each element that the last layer reads, its place in the result of the one before."""
    import torch.nn.functional as F

    shape = cheater.claim(UPSCALED).output.shape
    size = len(cheater.honest.values[cheater.names(UPSCALED)[0]])
    return [int(place) for place in F.pixel_shuffle(as_tensor(range(size), shape).double(), 2).flatten()]


def _remainder(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, shifted(cheater), budget=lab.patience)


def _remainder_by_one(lab: Lab) -> Forgery:
    """The least of the values that no table holds: the first remainder at the end of its range, one further."""
    cheater = lab.cheater(WHOLE)
    result, rest = cheater.names(UPSCALED)
    half = cheater.system.circuit.program.options.half_range
    items = list(cheater.honest.values[rest])
    items[0] = half
    return lab.bundle(cheater, cheater.honest.with_values({rest: items}), budget=lab.patience)


def _quotient(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, halved(cheater), budget=lab.patience)


def _private_input(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, solved_input(cheater, range(LATENT)), budget=lab.patience)


def _own_remainder(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, shifted(cheater), keys=own_keys(lab, WHOLE, no_remainder_lookups))


def _own_quotient(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(cheater, halved(cheater), keys=own_keys(lab, WHOLE, no_quotient_lookups))


def _own_private_input(lab: Lab) -> Forgery:
    cheater = lab.cheater(WHOLE)
    return lab.bundle(
        cheater, solved_input(cheater, range(LATENT)), keys=own_keys(lab, WHOLE, no_input_lookups)
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
    return lab.bundle(cheater, shifted(cheater), keys=keys)


def _public_input(lab: Lab) -> Forgery:
    cheater = lab.cheater(OPEN)
    return lab.bundle(cheater, solved_input(cheater, range(LATENT)))


ATTACKS = (
    Attack("remainder out of range", "every quotient one lower, every remainder a divisor higher", "prover", _remainder),
    Attack("remainder at the end of the table", "one remainder just above its range", "prover", _remainder_by_one),
    Attack("quotient of the field", "quotients moved by 1/2 mod p, remainders by half a divisor", "prover", _quotient),
    Attack("latent of the field", "a latent mod p that solves for any first layer", "prover", _private_input),
    Attack("remainder, own circuit", "remainder out of range; key of a circuit without its lookup", "rebuild", _own_remainder),
    Attack("quotient, own circuit", "quotient of the field; key of a circuit without its lookup", "rebuild", _own_quotient),
    Attack("latent, own circuit", "latent of the field; key of a circuit without its lookup", "rebuild", _own_private_input),
    Attack("longer tables", "remainder out of range; settings and key with tables of twice the length", "settings", _longer_tables),
    Attack("public input of the field", "public inputs mod p that solve for any first layer", "public_ranges", _public_input),
)
