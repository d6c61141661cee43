"""Argument types of contract calls, and the checkers compiled from a signature's annotations.

Refusals are part of the receipt, hence consensus: the checks and their words are ours, not a
library's, whose messages would change with its version. Every refusal is INVALID_ARGS with
`details.field`, a dotted path.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Union, get_args, get_origin, get_type_hints

import msgspec

from vm.errors import Refused
from vm.primitives.address import is_address
from vm.primitives.keys import is_acceptable_key
from vm.primitives.units import MAX_INT, is_lower_hex, is_slug

MAX_LIST_ITEMS = 1_000
"""Of a list that says nothing else."""


class MaxItems(NamedTuple):
    """Bounds a list, inside Annotated: a longer one is refused before its items cost any work."""

    most: int


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
        # A lone surrogate cannot come out of canonical bytes, but out of a view's JSON.
        if type(value) is not str or not low <= len(value.encode(errors="replace")) <= high or not _is_utf8(value):
            refuse(field, words)
        return value

    return Rule(check, {"type": "string", "minLength": low, "maxLength": high})


def _is_utf8(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def hex_bytes(length: int) -> Rule:
    """Return a rule for lower-case hex of exactly `length` bytes."""
    words = f"{length} bytes in lower-case hex"

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or len(value) != 2 * length or not is_lower_hex(value):
            refuse(field, words)
        return value

    return Rule(check, {"type": "string", "pattern": f"^[0-9a-f]{{{2 * length}}}$"})


_check_key_bytes = hex_bytes(32).check


def _public_key(value: Any, field: str) -> Any:
    _check_key_bytes(value, field)
    if not is_acceptable_key(bytes.fromhex(value)):
        refuse(field, "a public key in canonical form that is not of small order")
    return value


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
PublicKey = Annotated[str, Rule(_public_key, {"type": "string", "pattern": "^[0-9a-f]{64}$"})]
"""No small-order and no non-canonical key: anyone could sign for the one, and verifiers disagree about both."""
Signature = Annotated[str, hex_bytes(64)]


def compile_checker(annotation: Any) -> Checker:
    """Return the checker for one annotation.

    Raises:
        TypeError: the annotation has no place in a contract's signature (a programmer's error).
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        for bound in annotation.__metadata__:
            if isinstance(bound, MaxItems):
                return _list_checker(get_args(annotation.__origin__)[0], bound.most)
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
    if origin in (Union, types.UnionType):
        return _variant_checker(get_args(annotation))
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


def _list_checker(item: Any, most: int = MAX_LIST_ITEMS) -> Checker:
    check_item = compile_checker(item)

    def check(value: Any, field: str) -> Any:
        if type(value) is not list or len(value) > most:
            refuse(field, f"a list of at most {most} items")
        return tuple([check_item(element, f"{field}[{i}]") for i, element in enumerate(value)])

    return check


def _record_checker(record: type[msgspec.Struct]) -> Checker:
    hints = get_type_hints(record, include_extras=True)
    fields = {
        info.encode_name: Field(compile_checker(_without_none(hints[info.name])), info.required, info.name)
        for info in msgspec.structs.fields(record)
    }

    def check(value: Any, field: str) -> Any:
        if type(value) is not dict:
            refuse(field, "an object")
        return record(**bind(fields, value, f"{field}."))

    return check


def _variant_checker(records: tuple[type[msgspec.Struct], ...]) -> Checker:
    """Return the checker for one of several structs, told apart by their common tag field."""
    if not all(isinstance(record, type) and issubclass(record, msgspec.Struct) for record in records):
        raise TypeError(f"{records}: a union may hold tagged structs, or add None")
    tag_fields = {record.__struct_config__.tag_field for record in records}
    if len(tag_fields) != 1 or None in tag_fields:
        raise TypeError(f"{records}: a union of structs needs one tag field")
    (tag_field,) = tag_fields
    checkers = {record.__struct_config__.tag: _record_checker(record) for record in records}
    words = "one of " + ", ".join(str(tag) for tag in checkers)

    def check(value: Any, field: str) -> Any:
        if type(value) is not dict:
            refuse(field, "an object")
        tag = value.get(tag_field)
        if type(tag) is not str or tag not in checkers:
            refuse(f"{field}.{tag_field}", words)
        return checkers[tag]({name: item for name, item in value.items() if name != tag_field}, field)

    return check


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    members = tuple([member for member in get_args(annotation) if member not in (type(None), msgspec.UnsetType)])
    return members[0] if len(members) == 1 else Union[members]  # noqa: UP007 (members are values here)


class Field(NamedTuple):
    """One argument: how it is checked, whether it must be there, and the Python name it is passed under."""

    check: Checker
    required: bool
    parameter: str


Fields = Mapping[str, Field]
"""Public argument name → field, in the signature's order."""


def bind(fields: Fields, args: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Check a map of arguments against the fields; return what to pass on, by parameter name.

    Raises:
        Refused: INVALID_ARGS, for the first unknown argument in the caller's (bytewise) order, then for
            the first field in the signature's order that is missing or wrong.
    """
    if not args.keys() <= fields.keys():
        unknown = next(name for name in args if name not in fields)
        refuse(prefix + unknown[:64], "no such argument")
    bound = {}
    for name, (check, required, parameter) in fields.items():
        if name in args:
            bound[parameter] = check(args[name], prefix + name)
        elif required:
            refuse(prefix + name, "a value")
    return bound


def signature_fields(function: Callable[..., Any], skip: int) -> dict[str, Field]:
    """Compile the checkers of a function's parameters, leaving out the first `skip` (self, ctx).

    A trailing underscore is dropped from a parameter's public name: `from_` is `from`.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    fields = {}
    for parameter in parameters:
        checker = compile_checker(_without_none(hints[parameter.name]))
        required = parameter.default is parameter.empty
        fields[parameter.name.removesuffix("_")] = Field(checker, required, parameter.name)
    return fields
