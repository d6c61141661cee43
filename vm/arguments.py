"""Argument types of contract calls, and the checkers compiled from a signature's annotations.

Refusals are part of the receipt, hence consensus: the checks and their words are ours, not a
library's, whose messages would change with its version. Every refusal is INVALID_ARGS with
`details.field`, a dotted path.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import msgspec

from vm.errors import Refused
from vm.primitives.address import is_address
from vm.primitives.units import MAX_INT, is_lower_hex, is_slug

MAX_LIST_ITEMS = 1_000

Checker = Callable[[Any, str], Any]
"""Takes the value and its field path; returns the value to pass on, or raises Refused."""


def refuse(field: str, expected: str) -> NoReturn:
    """Raise INVALID_ARGS for one field."""
    raise Refused("INVALID_ARGS", f"{field}: expected {expected}", field=field)


class Rule:
    """A named constraint for use inside Annotated: how to check, and its JSON schema."""

    __slots__ = ("check", "schema")

    def __init__(self, check: Checker, schema: Mapping[str, Any]) -> None:
        self.check = check
        self.schema = dict(schema)


def _slug(value: Any, field: str) -> Any:
    if type(value) is not str or not is_slug(value):
        refuse(field, "a slug ([a-z0-9][a-z0-9-]{1,31})")
    return value


def _address(value: Any, field: str) -> Any:
    if type(value) is not str or not is_address(value):
        refuse(field, "an account address (ent1…)")
    return value


def integer(low: int, high: int = MAX_INT) -> Rule:
    """Return a rule for integers within low … high, both included."""
    words = f"an integer from {low} to {high}"

    def check(value: Any, field: str) -> Any:
        if type(value) is not int or not low <= value <= high:
            refuse(field, words)
        return value

    return Rule(check, {"type": "integer", "minimum": low, "maximum": high})


def text(low: int, high: int) -> Rule:
    """Return a rule for strings of low … high UTF-8 bytes."""
    words = f"a string of {low} to {high} bytes"

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or not low <= len(value.encode()) <= high:
            refuse(field, words)
        return value

    return Rule(check, {"type": "string", "minLength": low, "maxLength": high})


def hex_bytes(length: int) -> Rule:
    """Return a rule for lower-case hex of exactly `length` bytes."""
    words = f"{length} bytes in lower-case hex"

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or len(value) != 2 * length or not is_lower_hex(value):
            refuse(field, words)
        return value

    return Rule(check, {"type": "string", "pattern": f"^[0-9a-f]{{{2 * length}}}$"})


Slug = Annotated[str, Rule(_slug, {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{1,31}$"})]
Address = Annotated[str, Rule(_address, {"type": "string", "pattern": "^ent1[a-z0-9]{38}$"})]
Amount = Annotated[int, integer(1)]
"""A positive number of a program's smallest unit."""
Count = Annotated[int, integer(0)]
TimeMs = Annotated[int, integer(0)]
BasisPoints = Annotated[int, integer(0, 10_000)]
Ref = Annotated[str, text(1, 128)]
"""An outside reference, such as an order number."""
Name = Annotated[str, text(1, 128)]
Hash = Annotated[str, hex_bytes(32)]
PublicKey = Annotated[str, hex_bytes(32)]


def compile_checker(annotation: Any) -> Checker:
    """Return the checker for one annotation.

    Raises:
        TypeError: the annotation has no place in a contract's signature (a programmer's error).
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        rules = [rule for rule in annotation.__metadata__ if isinstance(rule, Rule)]
        if len(rules) != 1:
            raise TypeError(f"{annotation} needs exactly one Rule")
        return rules[0].check
    if origin is Literal:
        return _choice_checker(get_args(annotation))
    if origin is list or origin is tuple:
        return _list_checker(get_args(annotation)[0])
    if annotation is bool:
        return _bool_checker
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _record_checker(annotation)
    raise TypeError(f"{annotation} is not an argument type")


def _choice_checker(choices: tuple[Any, ...]) -> Checker:
    words = "one of " + ", ".join(str(choice) for choice in choices)

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or value not in choices:
            refuse(field, words)
        return value

    return check


def _bool_checker(value: Any, field: str) -> Any:
    if type(value) is not bool:
        refuse(field, "true or false")
    return value


def _list_checker(item: Any) -> Checker:
    check_item = compile_checker(item)

    def check(value: Any, field: str) -> Any:
        if type(value) is not list or len(value) > MAX_LIST_ITEMS:
            refuse(field, f"a list of at most {MAX_LIST_ITEMS} items")
        return tuple([check_item(element, f"{field}[{i}]") for i, element in enumerate(value)])

    return check


def _record_checker(record: type[msgspec.Struct]) -> Checker:
    hints = get_type_hints(record, include_extras=True)
    fields = {
        info.name: (compile_checker(_without_none(hints[info.name])), info.required)
        for info in msgspec.structs.fields(record)
    }

    def check(value: Any, field: str) -> Any:
        if type(value) is not dict:
            refuse(field, "an object")
        return record(**bind(fields, value, f"{field}."))

    return check


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member not in (type(None), msgspec.UnsetType)]
        if len(members) != 1:
            raise TypeError(f"{annotation}: a union may only add None")
        return members[0]
    return annotation


Fields = Mapping[str, tuple[Checker, bool]]
"""Argument name → (checker, required)."""


def bind(fields: Fields, args: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Check a map of arguments against the fields; return what to pass on.

    Raises:
        Refused: INVALID_ARGS, for the first unknown argument in the caller's (bytewise) order, then for
            the first field in the signature's order that is missing or wrong.
    """
    for name in args:
        if name not in fields:
            refuse(prefix + name, "no such argument")
    bound = {}
    for name, (check, required) in fields.items():
        if name in args:
            bound[name] = check(args[name], prefix + name)
        elif required:
            refuse(prefix + name, "a value")
    return bound


def signature_fields(function: Callable[..., Any], skip: int) -> dict[str, tuple[Checker, bool]]:
    """Compile the checkers of a function's parameters, leaving out the first `skip` (self, ctx).

    A trailing underscore is dropped from a parameter's public name: `from_` is `from`.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    fields = {}
    for parameter in parameters:
        checker = compile_checker(_without_none(hints[parameter.name]))
        fields[parameter.name.removesuffix("_")] = (checker, parameter.default is parameter.empty)
    return fields
