"""What the contracts declare, as JSON schemas: types that views and calls answer, calls, events."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from vm.arguments import Field
from vm.events import EVENTS
from vm.runtime import BoundMethod, Runtime

_REFERENCE: Final = "#/components/schemas/{name}"


class Declared:
    """The declarations of a runtime's contracts.

    Attributes:
        schemas: JSON schemas of all types that have a name.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        methods = [*runtime.views.values(), *runtime.calls.values()]
        types = [method.result for method in methods] + [kind.record for kind in EVENTS.values()]
        known = list({repr(type_): type_ for type_ in types}.values())
        forms, self.schemas = msgspec.json.schema_components(known, ref_template=_REFERENCE)
        self._forms = {repr(type_): form for type_, form in zip(known, forms, strict=True)}

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
