"""What methods and contracts declare, as JSON schemas: types of answers, calls, events."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from vm.arguments import Field
from vm.events import EVENTS
from vm.runtime import BoundMethod, Runtime

_REFERENCE: Final = "#/components/schemas/{name}"
HEX: Final = "^([0-9a-f]{2})*$"


class Declared:
    """The declarations of a runtime's contracts, and of further types that are answered.

    Attributes:
        schemas: JSON schemas of all types that have a name.
    """

    def __init__(self, runtime: Runtime, answered: Iterable[Any] = ()) -> None:
        self._runtime = runtime
        methods = [*runtime.views.values(), *runtime.calls.values()]
        types = [method.result for method in methods] + [kind.record for kind in EVENTS.values()]
        self._forms, self.schemas = schemas_of([*types, *answered])

    def schema(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a declared type; an empty one of a type that is not."""
        return dict(self._forms.get(repr(type_), {}))

    def calls(self) -> list[dict[str, Any]]:
        """Return each call that a transaction's operations may name: arguments, what it answers, what it does."""
        return [
            {
                "name": name,
                "description": text_of(method),
                "params": parameters(method.binder.fields),
                "result": {"description": words_of(method.result), "schema": self.schema(method.result)},
            }
            for name, method in self._runtime.calls.items()
        ]

    def events(self) -> list[dict[str, Any]]:
        """Return each kind of event, with the fields by which it is found for accounts and brands."""
        return [
            {
                "name": kind.name,
                "description": words_of(kind.record),
                "schema": self.schema(kind.record),
                **{
                    f"{named}s": [field for of, _, field in kind.concerned if of == named]
                    for named in ("account", "brand")
                },
            }
            for kind in EVENTS.values()
        ]


def schemas_of(types: Iterable[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return each type's schema by its `repr`, and those of the types with a name that these refer to, by name.

    Equal types give equal bytes in every process: no name holds where an object lies in memory.
    """
    known = list({repr(type_): type_ for type_ in types}.values())
    generics = [part for type_ in known for part in _generics_with_rules(type_)]
    forms, named = msgspec.json.schema_components([*known, *generics], ref_template=_REFERENCE)
    titles = {_referred(form): _title(type_) for type_, form in zip(generics, forms[len(known) :], strict=True)}
    names = _free_names(titles, set(named) - set(titles))
    for name, title in titles.items():
        named[name]["title"] = title
    schemas = {names.get(name, name): _as_written(schema, names) for name, schema in named.items()}
    return {repr(type_): _as_written(form, names) for type_, form in zip(known, forms, strict=False)}, schemas


def _generics_with_rules(type_: Any) -> Iterator[Any]:
    """Yield the generic types in a type that are of annotated ones, which msgspec names by the `repr` of those."""
    parts = get_args(type_)
    origin = get_origin(type_)
    is_struct = isinstance(origin, type) and issubclass(origin, msgspec.Struct)
    if is_struct and any(get_origin(part) is Annotated for part in parts):
        yield type_
    for part in parts:
        yield from _generics_with_rules(part)


def _title(type_: Any) -> str:
    """Return the name of a type without its annotations, such as Page[str]."""
    origin, parts = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return _title(parts[0])
    name: str = getattr(origin or type_, "__name__", "value")
    return f"{name}[{', '.join(_title(part) for part in parts)}]" if parts else name


def _referred(form: Mapping[str, Any]) -> str:
    name: str = form["$ref"].rpartition("/")[2]
    return name


def _free_names(titles: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """Return a name for each title that no other schema has: Page_str_, Page_str_2."""
    names: dict[str, str] = {}
    for old, title in titles.items():
        base = re.sub(r"\W+", "_", title)
        number, name = 1, base
        while name in taken:
            number += 1
            name = f"{base}{number}"
        taken.add(name)
        names[old] = name
    return names


def _as_written(form: Any, names: Mapping[str, str]) -> Any:
    """Return a schema of what the gateway writes: bytes are hex there, and objects may get further members.

    Args:
        names: of the schemas that get another name.
    """
    if isinstance(form, list):
        return [_as_written(part, names) for part in form]
    if not isinstance(form, dict):
        return form
    if "$ref" in form:
        name = _referred(form)
        return {**form, "$ref": _REFERENCE.format(name=names.get(name, name))}
    if form.get("contentEncoding") == "base64":
        lengths = ("contentEncoding", "minLength", "maxLength")
        return {**{name: part for name, part in form.items() if name not in lengths}, "pattern": HEX}
    kept = {name: part for name, part in form.items() if (name, part) != ("additionalProperties", False)}
    return {name: _as_written(part, names) for name, part in kept.items()}


def words_of(type_: Any) -> str:
    """Return what a declared type says of itself, in one line."""
    words = inspect.getdoc(type_) if isinstance(type_, type) or hasattr(type_, "__origin__") else None
    return " ".join((words or "a value").split())


def text_of(method: BoundMethod) -> str:
    """Return what a call or view says of itself."""
    return inspect.getdoc(method.function) or ""


def parameters(fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    """Return parameters as OpenRPC content descriptors, in positional order."""
    return [
        {"name": name, "required": field.required, "schema": dict(field.shape.schema)}
        for name, field in fields.items()
    ]
