"""Traits: their types, and which values they take.

A trait's name is ASCII, so that all languages sort names alike, and a rule can name it. There is no unset trait:
what was never set has its default, and `false`, `0` and `""` are values like others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from vm.contract_api import MAX_INT, Integer, Meta, Name, Refused, Rule, refuse, text

MAX_TRAITS: Final = 32
"""What a page shows of a token; ERC-721 collections in use have below twenty."""

MAX_VALUES: Final = 32
"""Of one trait with a list of values: as many as a ladder, a month or a set of seasons has."""

MAX_NAME: Final = 32
MAX_TEXT: Final = 128
"""Bytes of a text value, as of a name (SPEC section 1)."""

MAX_VALUE: Final = 64
"""Bytes of one of a list of values."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}\Z")


def _trait_name(value: Any, field: str) -> Any:
    if type(value) is not str or _NAME.match(value) is None:
        refuse(field, "a trait's name: an ASCII letter and up to 31 letters, digits, _ or -")
    return value


TraitName = Annotated[
    str,
    Rule(_trait_name, {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,31}$"}, max_bytes=MAX_NAME),
    Meta(max_length=MAX_NAME),
]
TraitText = Annotated[str, text(0, MAX_TEXT), Meta(max_length=MAX_TEXT)]
TraitValue = bool | Integer | TraitText
ValueText = Annotated[str, text(0, MAX_VALUE), Meta(max_length=MAX_VALUE)]
Values = Annotated[tuple[ValueText, ...], Meta(max_length=MAX_VALUES)]
TraitType = Literal["bool", "int", "string", "enum"]
Value = bool | int | str


class TraitSpec(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a trait may be.

    Attributes:
        values: of an enum, and of a string that is one of a list.
        min, max: of an int.
        label: what people read in place of the name.
    """

    type: TraitType
    default: TraitValue
    values: Values | None = None
    min: Integer | None = None
    max: Integer | None = None
    label: Name | None = None


class Trait(TraitSpec, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The same, and its name."""

    name: TraitName


Traits = Annotated[tuple[Trait, ...], Meta(max_length=MAX_TRAITS)]
"""By name."""

TraitPairs = Annotated[tuple[tuple[TraitName, TraitValue], ...], Meta(max_length=MAX_TRAITS)]
"""A token's values, by name."""

_KINDS: Final[Mapping[str, type]] = {"bool": bool, "int": int, "string": str, "enum": str}


def kind_of(trait: TraitSpec) -> type:
    """Return the Python type of a trait's values."""
    return _KINDS[trait.type]


def problem_with(trait: TraitSpec, value: object) -> str | None:
    """Say what a trait expects where it does not take a value; None where it does."""
    if type(value) is not kind_of(trait):
        return {"bool": "true or false", "int": "an integer"}.get(trait.type, "a string")
    if isinstance(value, str):
        return _problem_with_text(trait, value)
    low, high = (-MAX_INT if trait.min is None else trait.min), (MAX_INT if trait.max is None else trait.max)
    if trait.type == "int" and not low <= value <= high:  # type: ignore[operator]
        return f"an integer from {low} to {high}"
    return None


def _problem_with_text(trait: TraitSpec, value: str) -> str | None:
    if trait.values is not None:
        return None if value in trait.values else "one of " + ", ".join(trait.values)
    try:
        _TEXT.check(value, "")
    except Refused:
        return f"a readable text of at most {MAX_TEXT} bytes"
    return None


_TEXT: Final = text(0, MAX_TEXT)


def checked_traits(specs: Mapping[str, TraitSpec]) -> tuple[Trait, ...]:
    """Return a collection's traits by name.

    Raises:
        Refused: INVALID_ARGS, one of them makes no sense.
    """
    return tuple([_checked(name, specs[name]) for name in sorted(specs)])


def _checked(name: str, spec: TraitSpec) -> Trait:
    field = f"traits.{name}"
    if spec.type == "enum" and not spec.values:
        refuse(f"{field}.values", "the values of the enum")
    if spec.values is not None:
        if spec.type not in ("enum", "string"):
            refuse(f"{field}.values", "nothing, as only an enum or a string has values")
        if len(set(spec.values)) != len(spec.values):
            refuse(f"{field}.values", "each value once")
    for bound, value in (("min", spec.min), ("max", spec.max)):
        if value is not None and spec.type != "int":
            refuse(f"{field}.{bound}", "nothing, as only an int has bounds")
    if spec.min is not None and spec.max is not None and spec.max < spec.min:
        refuse(f"{field}.max", "at least min")
    problem = problem_with(spec, spec.default)
    if problem is not None:
        refuse(f"{field}.default", problem)
    return Trait(name=name, **msgspec.structs.asdict(spec))


def widened(old: tuple[Trait, ...], specs: Mapping[str, TraitSpec]) -> tuple[Trait, ...]:
    """Return a collection's traits with some added, and some that take more values than before.

    Raises:
        Refused: INVALID_ARGS, a trait makes no sense; NOT_ELIGIBLE, a trait would take less than tokens may have,
            or be of another type; LIMIT_EXCEEDED, there would be too many.
    """
    traits = {trait.name: trait for trait in old}
    for trait in checked_traits(specs):
        former = traits.get(trait.name)
        if former is not None and not _takes_all_of(trait, former):
            raise Refused("NOT_ELIGIBLE", "a trait keeps its type, and what it takes", trait=trait.name)
        traits[trait.name] = trait
    if len(traits) > MAX_TRAITS:
        raise Refused("LIMIT_EXCEEDED", f"a collection has at most {MAX_TRAITS} traits", limit=MAX_TRAITS)
    return tuple([traits[name] for name in sorted(traits)])


def _takes_all_of(new: Trait, old: Trait) -> bool:
    if new.type != old.type:
        return False
    if new.values is not None and (old.values is None or not set(old.values) <= set(new.values)):
        return False
    low_ok = new.min is None or (old.min is not None and new.min <= old.min)
    high_ok = new.max is None or (old.max is not None and new.max >= old.max)
    return low_ok and high_ok


def values_of(traits: tuple[Trait, ...], given: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """Return a token's values by name: those given, and the defaults of the others.

    Raises:
        Refused: INVALID_ARGS, a value is given that its trait does not take, or for what is no trait.
    """
    known = {trait.name for trait in traits}
    for name in given:
        if name not in known:
            refuse(f"traits.{name}", "a trait of the collection")
    return tuple([(trait.name, _value_of(trait, given)) for trait in traits])


def _value_of(trait: Trait, given: Mapping[str, Value]) -> Value:
    if trait.name not in given:
        return trait.default
    problem = problem_with(trait, given[trait.name])
    if problem is not None:
        refuse(f"traits.{trait.name}", problem)
    return given[trait.name]
