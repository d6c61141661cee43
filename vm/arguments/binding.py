"""One checker per function, made from its signature once: arguments by name in, positional values out.

Binding is on the way of every operation, so the checker is generated as Python source: a loop over fields with
a call for each costs 2 to 4 µs, the generated function a fourth of it. Only names and bounds from our own
signatures get into the source.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

from vm.arguments.rules import ADDRESS, SLUG, refuse
from vm.arguments.shapes import Charge, Member, Shape, optional_of, shape_of
from vm.errors import Refused
from vm.primitives.address import is_address
from vm.primitives.units import is_slug

Field = Member
"""One argument, as `Binder.fields` lists it."""

_MISSING: Final = object()


def _no_charge(units: int) -> None:
    del units


class Binder:
    """Checks the arguments of one function.

    Attributes:
        fields: public argument name → field, in the signature's order. A trailing underscore is dropped from a
            parameter's public name: `from_` is `from`.
        units: what checking costs at most, lists and objects aside, which charge for what is in them.
        values: (arguments, charge) → the values of all parameters in order, defaults filled in. Raises Refused
            INVALID_ARGS, for the first unknown argument in the caller's (bytewise) order, then for the first
            parameter that is missing or wrong.
    """

    __slots__ = ("fields", "units", "values")

    def __init__(self, function: Callable[..., Any], skip: int, where: str = "") -> None:
        """Compile the checker of a function's parameters, leaving out the first `skip` (self, ctx).

        Args:
            where: what clients call the function, for errors.

        Raises:
            TypeError: a parameter has no annotation, or one that is no argument type; the error names it.
        """
        where = where or function.__name__
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[skip:]
        self.fields: dict[str, Field] = {}
        defaults = {}
        for parameter in parameters:
            name = parameter.name.removesuffix("_")
            shape = _shape_of(parameter.name, hints, f"{where}.{name}")
            required = parameter.default is parameter.empty
            self.fields[name] = Field(shape, required, parameter.name)
            if not required:
                defaults[name] = parameter.default
        self.units = sum(field.shape.units for field in self.fields.values())
        self.values: Callable[[Mapping[str, Any], Charge], tuple[Any, ...]] = _compiled(self.fields, defaults)

    def bind(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return all values by parameter name, unmetered: for the gateway's own methods.

        Raises:
            Refused: INVALID_ARGS.
        """
        values = self.values(args, _no_charge)
        return {field.parameter: value for field, value in zip(self.fields.values(), values, strict=True)}


def _shape_of(parameter: str, hints: Mapping[str, Any], where: str) -> Shape:
    if parameter not in hints:
        raise TypeError(f"{where}: the argument has no annotation")
    try:
        return shape_of(optional_of(hints[parameter]))
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None


def _compiled(
    fields: Mapping[str, Field], defaults: Mapping[str, Any]
) -> Callable[[Mapping[str, Any], Charge], Any]:
    names: dict[str, Any] = {
        "MISSING": _MISSING,
        "Refused": Refused,
        "refuse": refuse,
        "is_slug": is_slug,
        "is_address": is_address,
        "unknown": lambda args: _refuse_unknown(fields, args),
    }
    lines = ["def values(args, charge):", "    get = args.get", "    left = len(args)", "    try:", "        pass"]
    for place, (name, field) in enumerate(fields.items()):
        names[f"check{place}"] = field.shape.check
        names[f"default{place}"] = defaults.get(name)
        absent = f"refuse({name!r}, 'a value')" if field.required else f"v{place} = default{place}"
        lines += [
            f"        v{place} = get({name!r}, MISSING)",
            f"        if v{place} is MISSING:",
            f"            {absent}",
            "        else:",
            "            left -= 1",
            *(f"            {line}" for line in _check_lines(place, name, field.shape)),
        ]
    everything = "".join(f"v{place}, " for place in range(len(fields)))
    lines += [
        "    except Refused:",
        "        unknown(args)",
        "        raise",
        "    if left:",
        "        unknown(args)",
        f"    return ({everything})",
    ]
    exec("\n".join(lines), names)
    compiled: Callable[[Mapping[str, Any], Charge], Any] = names["values"]
    return compiled


def _check_lines(place: int, name: str, shape: Shape) -> list[str]:
    value = f"v{place}"
    if shape.rule is SLUG:
        condition = f"type({value}) is not str or not is_slug({value})"
    elif shape.rule is ADDRESS:
        condition = f"type({value}) is not str or not is_address({value})"
    elif shape.kind is int and shape.rule is not None and "minimum" in shape.schema:
        low, high = int(shape.schema["minimum"]), int(shape.schema["maximum"])
        condition = f"type({value}) is not int or not {low} <= {value} <= {high}"
    else:
        return [f"{value} = check{place}({value}, {name!r}, charge)"]
    # The rule itself words the refusal, so that it is worded once.
    return [f"if {condition}:", f"    check{place}({value}, {name!r}, charge)"]


def _refuse_unknown(fields: Mapping[str, Field], args: Mapping[str, Any]) -> None:
    for name in args:
        if name not in fields:
            refuse(name[:64], "no such argument")
