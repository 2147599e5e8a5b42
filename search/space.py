"""The search space: which specs and recipes a study may propose. The only file that calls ``trial.suggest_*``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gan.errors import SpecError
from gan.mechanisms import Mechanisms
from gan.spec import FAMILIES, GeneratorSpec
from gan.training import TrainingRecipe
from search.errors import ConfigError

Value = str | int | float | bool
MECHANISM, RECIPE = "mechanisms.", "recipe."


class Suggester(Protocol):
    """The part of ``optuna.Trial`` that a space draws from."""

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        """Draw one of ``choices``."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Draw an integer from ``low`` to ``high``, both included."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number from ``low`` to ``high``."""


class First:
    """Draws the first choice, or the least number, of every dimension."""

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        """Give the first."""
        return choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Give the least."""
        return low

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Give the least."""
        return low


class _Only(First):
    """Draws likewise, and notes whether anything was to be chosen."""

    def __init__(self) -> None:
        self.chosen = False

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        self.chosen |= len(choices) > 1
        return super().suggest_categorical(name, choices)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.chosen |= low != high
        return low

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.chosen |= low != high
        return low


@dataclass(frozen=True)
class Dimension:
    """One searched quantity: a list of ``choices``, or a range from ``low`` to ``high`` (both included).

    A range is of integers when both ends are integers; ``step`` is for integers, ``log`` draws evenly in the logarithm.
    """

    choices: tuple[Value, ...] = ()
    low: float | int | None = None
    high: float | int | None = None
    step: int = 1
    log: bool = False

    @classmethod
    def from_config(cls, name: str, value: Any) -> Dimension:
        """Read ``{choices: [...]}``, ``{low: a, high: b, step: s, log: l}``, or one fixed value.

        Raises:
            ConfigError: unknown keys, no choices, or an empty range.
        """
        if not isinstance(value, Mapping):
            return cls(choices=(value,))
        if unknown := set(value) - {"choices", "low", "high", "step", "log"}:
            raise ConfigError(f"search dimension {name} takes choices, or low, high, step, log; got {sorted(unknown)}")
        made = cls(**{**value, "choices": tuple(value.get("choices", ()))})
        bounded = made.low is not None and made.high is not None
        if bool(made.choices) == bounded:
            raise ConfigError(f"search dimension {name} needs either choices or both low and high; got {dict(value)}")
        if made.low is not None and made.high is not None and made.low > made.high:
            raise ConfigError(f"search dimension {name} needs low <= high; got {made.low} and {made.high}")
        return made

    def suggest(self, trial: Suggester, name: str) -> Any:
        """Draw a value under ``name``."""
        if self.low is None or self.high is None:
            return trial.suggest_categorical(name, list(self.choices))
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)
        return trial.suggest_float(name, float(self.low), float(self.high), log=self.log)

    @property
    def largest(self) -> Any:
        """The largest value that can be drawn; for numeric dimensions."""
        return max(self.choices) if self.high is None else self.high


@dataclass(frozen=True)
class SearchSpace:
    """Dimensions per family, dimensions shared by all families, and dimensions of the training recipe.

    Names are fields of :class:`gan.spec.GeneratorSpec`, except that ``stages`` and ``width_0``, ``width_1``, ... make
    up ``widths``, and that ``mechanisms.NAME`` is a field of :class:`gan.mechanisms.Mechanisms`. A family's own
    dimension replaces the shared one of that name. ``embed_dim`` is drawn only for ``conditioning=embedding``.
    """

    families: tuple[tuple[str, tuple[tuple[str, Dimension], ...]], ...]
    shared: tuple[tuple[str, Dimension], ...] = ()
    recipe: tuple[tuple[str, Dimension], ...] = ()

    def suggest_spec(self, trial: Suggester, *, num_classes: int, image_size: int) -> GeneratorSpec:
        """Draw a spec.

        Raises:
            gan.errors.SpecError: the drawn combination is illegal; its message says why.
        """
        families = dict(self.families)
        family = trial.suggest_categorical("family", list(families))
        own = dict(families[family])
        named = {name: (name, dimension) for name, dimension in self.shared if name not in own}
        named |= {name: (f"{family}.{name}", dimension) for name, dimension in own.items()}
        drawn: dict[str, Any] = {"num_classes": num_classes, "image_size": image_size}
        embed_dim = named.pop("embed_dim", None)
        stages = named.pop("stages")
        widths = {name: named.pop(name) for name in list(named) if name.startswith("width_")}
        for name, (parameter, dimension) in named.items():
            place = drawn.setdefault("mechanisms", {}) if name.startswith(MECHANISM) else drawn
            place[name.removeprefix(MECHANISM)] = dimension.suggest(trial, parameter)
        if drawn.get("conditioning") == "embedding" and embed_dim is not None:
            drawn["embed_dim"] = embed_dim[1].suggest(trial, embed_dim[0])
        count = stages[1].suggest(trial, stages[0])
        drawn["widths"] = tuple(
            dimension.suggest(trial, parameter) for parameter, dimension in (widths[f"width_{i}"] for i in range(count))
        )
        return GeneratorSpec.from_mapping({"family": family, **drawn})

    def only_spec(self, *, num_classes: int, image_size: int) -> GeneratorSpec | None:
        """Return the spec that every trial draws; None where there are several.

        Raises:
            gan.errors.SpecError: there is one, and it is illegal.
        """
        draws = _Only()
        try:
            spec = self.suggest_spec(draws, num_classes=num_classes, image_size=image_size)
        except SpecError:
            if draws.chosen:
                return None
            raise
        return None if draws.chosen else spec

    def parameters_of(self, spec: GeneratorSpec, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with which this space draws ``spec``, and those fields of ``recipe`` that it searches.

        Fields that ``recipe`` does not know stay open, for the sampler to draw.

        Raises:
            ConfigError: it cannot; the message names every value that is outside.
        """
        if spec.family not in dict(self.families):
            raise ConfigError(
                f"it is not in this search space: family {spec.family} is not one of {', '.join(dict(self.families))}"
            )
        wanted = _Wanted(spec, recipe)
        try:
            drawn = self.suggest_spec(wanted, num_classes=spec.num_classes, image_size=spec.image_size)
            for name, dimension in self.recipe:
                dimension.suggest(wanted, f"{RECIPE}{name}")
        except SpecError as error:
            raise ConfigError(str(error)) from error
        if not wanted.outside and drawn != spec:
            theirs, mine = dataclasses.asdict(spec), dataclasses.asdict(drawn)
            wanted.outside += [
                f"{name} {theirs[name]} is {mine[name]} here" for name in mine if mine[name] != theirs[name]
            ]
        if wanted.outside:
            raise ConfigError(f"it is not in this search space: {'; '.join(wanted.outside)}")
        return wanted.parameters

    def suggest_recipe(self, trial: Suggester, base: TrainingRecipe) -> TrainingRecipe:
        """Return ``base`` with the searched fields drawn."""
        drawn = {name: dimension.suggest(trial, f"{RECIPE}{name}") for name, dimension in self.recipe}
        return dataclasses.replace(base, **drawn)


class _Wanted:
    """Draws what a given spec has, and notes what a dimension does not offer."""

    def __init__(self, spec: GeneratorSpec, recipe: Mapping[str, Any]) -> None:
        self._spec, self._recipe = spec, recipe
        self.parameters: dict[str, Any] = {}
        self.outside: list[str] = []

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        return self._taken(name, choices[0], lambda value: value in choices, f"one of {list(choices)}")

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        def offered(value: Any) -> bool:
            return isinstance(value, int) and low <= value <= high and (value - low) % step == 0

        return int(self._taken(name, low, offered, f"from {low} to {high} in steps of {step}"))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self._taken(name, low, lambda value: low <= value <= high, f"from {low} to {high}"))

    def _taken(self, name: str, instead: Any, offered: Callable[[Any], bool], what: str) -> Any:
        value = self._value(name)
        if value is None and name.startswith(RECIPE):
            return instead
        if value is None or not offered(value):
            self.outside.append(f"{name} {value} is not {what}")
            return instead
        self.parameters[name] = value
        return value

    def _value(self, parameter: str) -> Any:
        spec = self._spec
        if parameter.startswith(RECIPE):
            return self._recipe.get(parameter.removeprefix(RECIPE))
        name = parameter.removeprefix(f"{spec.family}.")
        if name == "stages":
            return len(spec.widths)
        if name.startswith("width_"):
            place = int(name.removeprefix("width_"))
            return spec.widths[place] if place < len(spec.widths) else None
        if name.startswith(MECHANISM):
            return getattr(spec.mechanisms, name.removeprefix(MECHANISM))
        return getattr(spec, name)


def build_search_space(
    families: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> SearchSpace:
    """Build a search space from nested mappings, as written in ``conf/search_space/*.yaml``.

    Args:
        families: by family of generators, fields of its spec: a value, or a mapping with ``choices``, or with ``low``,
            ``high`` and optionally ``step`` or ``log``.
        shared: fields of all families, likewise.
        recipe: fields of the training recipe that are searched, too, likewise.

    Raises:
        ConfigError: an unknown family or field, a missing ``stages`` or ``width_i``, or a malformed dimension.
    """
    unknown = sorted(set(families) - set(FAMILIES))
    if unknown or not families:
        raise ConfigError(f"search space families must be of {', '.join(FAMILIES)}; got {unknown or 'none'}")
    common = _dimensions(shared or {})
    for family, own in families.items():
        _check_family(family, {**dict(common), **dict(_dimensions(own))})
    _check_recipe(recipe or {})
    return SearchSpace(
        families=tuple((family, _dimensions(own)) for family, own in families.items()),
        shared=common,
        recipe=_dimensions(recipe or {}),
    )


def build_fixed_space(spec: Mapping[str, Any], recipe: Mapping[str, Any] | None = None) -> SearchSpace:
    """Build the space of one generator.

    Args:
        spec: fields of :class:`gan.spec.GeneratorSpec`, ``widths`` and ``mechanisms`` in full.
        recipe: dimensions of the training recipe, as in :func:`build_search_space`.

    Raises:
        ConfigError: a field that specs do not have, or no widths or family.
    """
    fields = dict(spec)
    family, widths, mechanisms = fields.pop("family", None), fields.pop("widths", None), fields.pop("mechanisms", {})
    if not isinstance(family, str) or not widths:
        raise ConfigError(f"a fixed generator needs a family and widths; got {sorted(spec)}")
    fields |= {"stages": len(widths), **{f"width_{place}": width for place, width in enumerate(widths)}}
    fields |= {f"{MECHANISM}{name}": value for name, value in mechanisms.items()}
    return build_search_space({family: fields}, recipe=recipe)


def _dimensions(values: Mapping[str, Any]) -> tuple[tuple[str, Dimension], ...]:
    return tuple((name, Dimension.from_config(name, value)) for name, value in values.items())


def _check_family(family: str, dimensions: Mapping[str, Dimension]) -> None:
    known = {field.name for field in dataclasses.fields(GeneratorSpec)} - {"widths", "family", "mechanisms"}
    known |= {f"{MECHANISM}{field.name}" for field in dataclasses.fields(Mechanisms)}
    widths = {name for name in dimensions if name.startswith("width_")}
    if unknown := set(dimensions) - known - widths - {"stages"}:
        raise ConfigError(f"search space of {family} must name fields of GeneratorSpec; got {sorted(unknown)}")
    if "stages" not in dimensions:
        raise ConfigError(f"search space of {family} needs stages, the number of widths; got {sorted(dimensions)}")
    most = int(dimensions["stages"].largest)
    if missing := {f"width_{index}" for index in range(most)} - widths:
        raise ConfigError(f"search space of {family} has up to {most} stages and needs {sorted(missing)} as well")


def _check_recipe(recipe: Mapping[str, Any]) -> None:
    known = {field.name for field in dataclasses.fields(TrainingRecipe)}
    if unknown := set(recipe) - known:
        raise ConfigError(f"searched recipe fields must be of TrainingRecipe; got {sorted(unknown)}")
