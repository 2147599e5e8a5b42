"""The forms of a model that a plan compares: which rewrites it had, and at which multipliers ezkl lays it out.

Two habits of ezkl decide most of the cost. A product raises the scale, and dividing back costs over 20 rows an element:
networks whose activations are sums and absolute values never need it and can let the scale grow (a great
``scale_rebase_multiplier``). A looked-up activation needs a table as long as the range of its integers, so there the
division pays: after every product, or deferred (:mod:`zk.deferral`) until just before the table.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from zk.deferral import defer_rebases
from zk.errors import LoweringError
from zk.lower import load_model
from zk.lowering import ABSOLUTE_RULES, RULES, lower
from zk.types import CircuitOptions

LOWERED, ABSOLUTE, DEFERRED = "lowered", "absolute", "deferred"

NEVER_REBASE = 10
"""Greatest multiplier that options allow: scales up to ten times the base are left to grow."""

PLAIN_MULTIPLIERS = (1, 2)
ABSOLUTE_MULTIPLIERS = (2, NEVER_REBASE)
"""The rules of :data:`zk.lowering.ABSOLUTE_RULES` raise the scale: not worth a try where each step is undone."""

GROWN_DIGITS = (1 << 14, 3)
"""Base and number of digits for a scale that grows: 42 bits, four products at 7 bits each with room for the values."""

UNTRAINED_REACH = 16
"""Greatest value that a looked-up activation of an untrained model is taken to meet: a guess, until a plan measures."""

LOOKED_UP = frozenset(("Tanh", "Sigmoid", "HardSwish", "Erf", "Exp", "Sqrt", "Sin", "Cos", "Softmax", "Pow", "Log"))
"""Operators that ezkl computes by a table as long as the range of their input's integers."""


@dataclass(frozen=True)
class Layout:
    """A form of a model and options to lay it out with; ``name`` is fit for a folder."""

    name: str
    onnx_path: Path
    options: CircuitOptions


def planned_layouts(
    onnx_path: Path, workdir: Path, base: CircuitOptions, scales: list[tuple[int, int]]
) -> list[Layout]:
    """Every form at every rebase policy and every pair of input and parameter scale, in bits.

    Raises:
        LoweringError: the model cannot be read or rewritten.
    """
    forms = write_forms(onnx_path, workdir)
    grown = forms.get(ABSOLUTE, forms[LOWERED])
    layouts = []
    for input_bits, param_bits in scales:
        scaled = dataclasses.replace(base, input_scale_bits=input_bits, param_scale_bits=param_bits)
        for form, path in forms.items():
            for multiplier in _multipliers(form, forms):
                layouts.append(Layout(form, path, dataclasses.replace(scaled, scale_rebase_multiplier=multiplier)))
        policies = (None, 2) if _looks_up(grown) else (3,)
        for name, path in _write_deferred(grown, workdir, param_bits, policies):
            whole = dataclasses.replace(scaled, param_scale_bits=0, scale_rebase_multiplier=1)
            layouts.append(Layout(name, path, whole))
    return layouts


def untrained_layouts(onnx_path: Path, workdir: Path, base: CircuitOptions) -> list[Layout]:
    """Layouts that can be compared before there are trained weights, whose integers' reach nobody knows yet.

    The lowered model with ``base``, and one whose integers grow, with digits for any network of this kind
    (:data:`GROWN_DIGITS`): to the end where nothing is looked up, else until just before the tables. Tables are as
    long as values up to :data:`UNTRAINED_REACH` need. A plan on the trained weights measures, and chooses among more.

    Raises:
        LoweringError: the model cannot be read or rewritten.
    """
    forms = write_forms(onnx_path, workdir)
    grown = forms.get(ABSOLUTE, forms[LOWERED])
    base_of_digits, legs = GROWN_DIGITS
    base = dataclasses.replace(base, lookup_range=_untrained_table(base))
    options = dataclasses.replace(base, decomp_base=base_of_digits, decomp_legs=legs)
    deferred = _write_deferred(grown, workdir, base.param_scale_bits, (None,)) if _looks_up(grown) else []
    if deferred:
        name, path = deferred[0]
        options = dataclasses.replace(options, param_scale_bits=0, scale_rebase_multiplier=1)
        options = dataclasses.replace(options, lookup_range=_untrained_table(options))
    else:
        name, path = "grown", grown
        options = dataclasses.replace(options, scale_rebase_multiplier=NEVER_REBASE)
    return [Layout("direct", forms[LOWERED], base), Layout(name, path, options)]


def _untrained_table(options: CircuitOptions) -> tuple[int, int]:
    reach = UNTRAINED_REACH << (options.input_scale_bits * options.scale_rebase_multiplier)
    return (-reach, reach)


def write_forms(onnx_path: Path, workdir: Path) -> dict[str, Path]:
    """The model with the rewrites that always pay, and with those that pay where the scale may grow, if there are any.

    What a rewrite saves is not measured here: whole layouts are compared.
    """
    model = load_model(onnx_path)
    workdir.mkdir(parents=True, exist_ok=True)
    plain = lower(model, [rule for rule in RULES if rule not in ABSOLUTE_RULES]).model
    more = lower(plain, RULES)
    models = {LOWERED: plain} | ({ABSOLUTE: more.model} if more.steps else {})
    paths = {form: workdir / f"{form}.onnx" for form in models}
    for form, found in models.items():
        onnx.save(found, str(paths[form]))
    return paths


def _multipliers(form: str, forms: dict[str, Path]) -> tuple[int, ...]:
    if form == ABSOLUTE:
        return ABSOLUTE_MULTIPLIERS
    return PLAIN_MULTIPLIERS if ABSOLUTE in forms else (*PLAIN_MULTIPLIERS, NEVER_REBASE)


def _looks_up(path: Path) -> bool:
    return any(node.op_type in LOOKED_UP for node in load_model(path).graph.node)


def _write_deferred(path: Path, workdir: Path, bits: int, policies: Sequence[int | None]) -> list[tuple[str, Path]]:
    """Forms that also divide after so many products in a row (None: only before tables), each different one once."""
    model = load_model(path)
    found: dict[bytes, tuple[str, Path]] = {}
    for every in policies:
        name = DEFERRED if every is None else f"{DEFERRED}-{every}"
        target = workdir / f"{name}-{bits}.onnx"
        with contextlib.suppress(LoweringError):  # not a form of this model
            deferred = defer_rebases(model, bits=bits, every=every)
            if deferred.SerializeToString() not in found:
                onnx.save(deferred, str(target))
                found[deferred.SerializeToString()] = (name, target)
    return list(found.values())
