"""Shapes: what an annotation accepts, how it is checked, what checking costs, and its JSON schema.

    bool, Literal["a", "b"]
    Annotated[int, Meta(ge=…, le=…)]              an integer
    Annotated[T, Rule(…)]                         what the rule says; Meta beside it is for storing
    tuple[A, B]                                   a list of exactly so many items
    Annotated[tuple[A, ...], Meta(max_length=…)]  a list; also list[A]: it reaches the contract as a tuple
    Annotated[dict[K, V], Meta(max_length=…)]     an object with free names
    a msgspec.Struct                              an object; required, optional and default fields
    A | B                                         structs told apart by their tag, scalars by their type; one
    struct without a tag, or several with one, may stand beside scalars

What has no bound cannot be declared. A list or an object is charged for its elements before the first of them
is looked at.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vm.arguments.rules import Rule, integer, refuse
from vm.metering import ELEMENT

Charge = Callable[[int], None]
"""Pays work units; raises Refused OUT_OF_BUDGET."""

ShapeCheck = Callable[[Any, str, Charge], Any]

_SCALAR_SCHEMAS: Final = {bool: "boolean", int: "integer", str: "string"}
_KINDS: Final = {**_SCALAR_SCHEMAS, dict: "object"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What an annotation accepts.

    Attributes:
        check: (value, field path, charge) → the value to pass on; raises Refused INVALID_ARGS.
        schema: JSON schema.
        units: what checking costs; of a list or an object, what one without elements costs.
        rule: the rule of a single value, None for composed shapes.
        kind: for unions: bool, int or str of a scalar, dict of structs.
    """

    check: ShapeCheck
    schema: Mapping[str, Any]
    units: int = 1
    rule: Rule | None = None
    kind: type | None = None


def shape_of(annotation: Any) -> Shape:
    """Return the shape of an annotation.

    Raises:
        TypeError: the annotation has no place in a signature: nothing bounds it, or it is not known.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return _annotated(annotation)
    if origin is Literal:
        return _choice(get_args(annotation))
    if annotation is bool:
        return _BOOL
    if origin is tuple and Ellipsis not in get_args(annotation):
        return _fixed_tuple([shape_of(item) for item in get_args(annotation)])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _record(annotation)
    if origin in (Union, types.UnionType):
        return _union(get_args(annotation))
    raise TypeError(f"{annotation} is not an argument type, or nothing bounds it")


def optional_of(annotation: Any) -> Any:
    """Return what an annotation accepts besides None and UNSET."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    members = tuple([member for member in get_args(annotation) if member not in (type(None), msgspec.UnsetType)])
    return members[0] if len(members) == 1 else Union[members]  # noqa: UP007 (members are values here)


def _of_rule(rule: Rule, kind: type | None) -> Shape:
    check = rule.check
    return Shape(lambda value, field, charge: check(value, field), rule.schema, rule.units, rule, kind)


def _annotated(annotation: Any) -> Shape:
    base, metadata = annotation.__origin__, annotation.__metadata__
    rules = [item for item in metadata if isinstance(item, Rule)]
    if len(rules) == 1:
        return _of_rule(rules[0], base if base in _SCALAR_SCHEMAS else None)
    limit = next((item for item in metadata if isinstance(item, Meta)), None)
    if limit is None or rules:
        raise TypeError(f"{annotation} needs one Rule, or a Meta with bounds")
    if base is int and limit.ge is not None and limit.le is not None:
        return _of_rule(integer(int(limit.ge), int(limit.le)), int)
    if limit.max_length is None:
        raise TypeError(f"{annotation}: nothing bounds it")
    origin, items = get_origin(base), get_args(base)
    if origin is dict:
        return _map(shape_of(items[0]), shape_of(items[1]), limit.max_length)
    if origin is list or (origin is tuple and len(items) == 2 and items[1] is Ellipsis):
        return _list(shape_of(items[0]), limit.min_length or 0, limit.max_length)
    raise TypeError(f"{annotation} is not an argument type")


def _choice(choices: tuple[Any, ...]) -> Shape:
    words = "one of " + ", ".join(str(choice) for choice in choices)

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or value not in choices:
            refuse(field, words)
        return value

    return _of_rule(Rule(check, {"type": "string", "enum": list(choices)}), str)


def _check_bool(value: Any, field: str) -> Any:
    if type(value) is not bool:
        refuse(field, "true or false")
    return value


_BOOL: Final = _of_rule(Rule(_check_bool, {"type": "boolean"}), bool)


def _list(item: Shape, least: int, most: int) -> Shape:
    check_item, units = item.check, ELEMENT + item.units
    words = f"a list of at most {most} items" if not least else f"a list of {least} to {most} items"

    def check(value: Any, field: str, charge: Charge) -> Any:
        if type(value) is not list or not least <= len(value) <= most:
            refuse(field, words)
        charge(len(value) * units)
        return tuple([check_item(element, f"{field}[{i}]", charge) for i, element in enumerate(value)])

    schema = {"type": "array", "maxItems": most, "items": dict(item.schema)}
    return Shape(check, {**schema, "minItems": least} if least else schema)


def _fixed_tuple(items: list[Shape]) -> Shape:
    words = f"a list of exactly {len(items)} items"

    def check(value: Any, field: str, charge: Charge) -> Any:
        if type(value) is not list or len(value) != len(items):
            refuse(field, words)
        return tuple(
            [
                item.check(element, f"{field}[{i}]", charge)
                for i, (item, element) in enumerate(zip(items, value, strict=True))
            ]
        )

    schema = {
        "type": "array",
        "prefixItems": [dict(item.schema) for item in items],
        "minItems": len(items),
        "maxItems": len(items),
    }
    return Shape(check, schema, sum(ELEMENT + item.units for item in items))


def _map(name: Shape, item: Shape, most: int) -> Shape:
    units = ELEMENT + name.units + item.units
    words = f"an object with at most {most} members"

    def check(value: Any, field: str, charge: Charge) -> Any:
        if type(value) is not dict or len(value) > most:
            refuse(field, words)
        charge(len(value) * units)
        # Bytewise order of names, as canonical bytes have it: a view's JSON may come in any.
        return {
            name.check(key, f"{field}.{key[:64]}", charge): item.check(value[key], f"{field}.{key[:64]}", charge)
            for key in sorted(value)
        }

    schema = {
        "type": "object",
        "propertyNames": dict(name.schema),
        "additionalProperties": dict(item.schema),
        "maxProperties": most,
    }
    return Shape(check, schema)


@dataclass(frozen=True, slots=True)
class Member:
    """A field of an object: its shape, whether it must be there, and the Python name under which it is passed."""

    shape: Shape
    required: bool
    parameter: str


def bind_members(
    members: Mapping[str, Member], args: Mapping[str, Any], prefix: str, charge: Charge
) -> dict[str, Any]:
    """Check an object's members; return what to pass on, by parameter name.

    Raises:
        Refused: INVALID_ARGS, for the first unknown member in the caller's (bytewise) order, then for
            the first of `members` that is missing or wrong.
    """
    if not args.keys() <= members.keys():
        unknown = next(name for name in args if name not in members)
        refuse(prefix + unknown[:64], "no such argument")
    bound = {}
    for name, member in members.items():
        if name in args:
            bound[member.parameter] = member.shape.check(args[name], prefix + name, charge)
        elif member.required:
            refuse(prefix + name, "a value")
    return bound


def _record(record: type[msgspec.Struct]) -> Shape:
    hints = get_type_hints(record, include_extras=True)
    members = {
        info.encode_name: Member(shape_of(optional_of(hints[info.name])), info.required, info.name)
        for info in msgspec.structs.fields(record)
    }

    def check(value: Any, field: str, charge: Charge) -> Any:
        if type(value) is not dict:
            refuse(field, "an object")
        return record(**bind_members(members, value, f"{field}.", charge))

    properties = {name: dict(member.shape.schema) for name, member in members.items()}
    required = [name for name, member in members.items() if member.required]
    config = record.__struct_config__
    if config.tag_field is not None:
        properties[config.tag_field] = {"const": config.tag}
        required.insert(0, config.tag_field)
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    units = ELEMENT + sum(member.shape.units for member in members.values())
    return Shape(check, {**schema, "required": required} if required else schema, units)


def _union(members: tuple[Any, ...]) -> Shape:
    records = [member for member in members if isinstance(member, type) and issubclass(member, msgspec.Struct)]
    if len(records) == len(members):
        return _tagged_union(members)
    shapes = [shape_of(member) for member in members if member not in records]
    if records:
        one = _record(records[0]) if len(records) == 1 else _tagged_union(tuple(records))
        shapes.append(replace(one, kind=dict))
    return _union_by_kind(shapes)


def _tagged_union(records: tuple[type[msgspec.Struct], ...]) -> Shape:
    tag_fields = {record.__struct_config__.tag_field for record in records}
    if len(tag_fields) != 1 or None in tag_fields:
        raise TypeError(f"{records}: a union of structs needs one tag field")
    (tag_field,) = tag_fields
    shapes = {record.__struct_config__.tag: _record(record) for record in records}
    words = "one of " + ", ".join(str(tag) for tag in shapes)

    def check(value: Any, field: str, charge: Charge) -> Any:
        if type(value) is not dict:
            refuse(field, "an object")
        tag = value.get(tag_field)
        if type(tag) is not str or tag not in shapes:
            refuse(f"{field}.{tag_field}", words)
        rest = {name: item for name, item in value.items() if name != tag_field}
        return shapes[tag].check(rest, field, charge)

    schema = {"oneOf": [dict(shape.schema) for shape in shapes.values()]}
    return Shape(check, schema, max(shape.units for shape in shapes.values()))


def _union_by_kind(shapes: list[Shape]) -> Shape:
    by_kind = {shape.kind: shape for shape in shapes if shape.kind is not None}
    if len(by_kind) != len(shapes):
        raise TypeError("a union holds tagged structs, or scalars of different types")
    words = "one of " + ", ".join(_KINDS[kind] for kind in by_kind)

    def check(value: Any, field: str, charge: Charge) -> Any:
        shape = by_kind.get(type(value))
        if shape is None:
            refuse(field, words)
        return shape.check(value, field, charge)

    return Shape(check, {"oneOf": [dict(shape.schema) for shape in shapes]}, max(shape.units for shape in shapes))
