"""Contracts under a stricter eye than a chain's: what leaves a call, a view or a duty is checked when it is run.

A chain could check all of this too, but each transfer would pay for it (docs/contract-floor.md, What it costs), and
what is found is a defect of ours, for which no chain may halt. So the tests' chains check it:

* what a call or a view answers is of the type that its annotation says, within its bounds and rules, without
  float and bytes;
* what is emitted is within the bounds and rules of the event's declaration;
* a refusal has a code of `vm.error_codes`, and details that a receipt can hold;
* a value that was refused as LIMIT_EXCEEDED was too large, and not of a wrong type;
* a duty answers a bool, and True only after a step that wrote something;
* what a call of the registry's contracts tells, and the codes with which it and a view refuse, are on its page of
  the reference (docs/contracts/outcomes.json): so whatever a test comes upon is documented, and shown by a story;
* no room, and no list, dict or set of a contract's module, is changed by an operation;
* the parts of every key that is read or written are what was declared (`require_key`).
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

import msgspec

from tests.support.held import Held
from vm.agenda import Duty
from vm.arguments import Rule
from vm.contract_api import Context
from vm.error_codes import CODES
from vm.errors import Refused
from vm.events import type_of
from vm.primitives.codec import UNENCODABLE, CodecError, check_value, encode
from vm.runtime import BoundMethod, Runtime
from vm.tables.table import fault_of_key

Listener = Callable[..., Any]

_BOUND: Final = re.compile(r"[<>]=")
"""In a reason of msgspec: a value of the right type that is too large, too small, or too long."""


def require_key(key: str) -> None:
    """Make sure that a key of the state is as its declaration makes it."""
    fault = fault_of_key(key)
    assert fault is None, fault


def fault_of_value(value: Any, annotation: Any) -> str | None:
    """Return what is wrong with a value of which an annotation is given, None where nothing is."""
    try:
        data = encode(value)
        check_value(msgspec.msgpack.decode(data))
        typed = msgspec.msgpack.decode(data, type=annotation)
    except (CodecError, *UNENCODABLE) as error:
        return str(error)
    if _holds_bytes(msgspec.msgpack.decode(data)):
        return "bytes have no form in JSON"
    return _fault_of_rules(typed, annotation, "", {})


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_bytes(item) for item in value.values())
    return isinstance(value, bytes) or (isinstance(value, list) and any(_holds_bytes(item) for item in value))


def _fault_of_rules(value: Any, hint: Any, where: str, known: Mapping[Any, Any]) -> str | None:
    """Return which rule a value breaks; its type and bounds are as annotated.

    Args:
        known: what the type variables of a generic struct stand for.
    """
    if isinstance(hint, TypeVar):
        return _fault_of_rules(value, known.get(hint, Any), where, known)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rules = [rule for rule in hint.__metadata__ if isinstance(rule, Rule)]
        try:
            for rule in rules:
                rule.check(value, where)
        except Refused as refusal:
            return f"{refusal.message}, not {value!r}"
        return _fault_of_rules(value, hint.__origin__, where, known)
    if origin in (Union, types.UnionType):
        return _fault_in_union(value, inner, where, known)
    if origin is dict:
        pairs = [
            (item, each) for name, text in value.items() for item, each in ((name, inner[0]), (text, inner[1]))
        ]
        return _first(_fault_of_rules(item, each, where, known) for item, each in pairs)
    if isinstance(value, list | tuple) and not isinstance(value, msgspec.Struct):
        hints = inner[:1] * len(value) if origin is list or Ellipsis in inner else inner
        numbered = enumerate(zip(value, hints, strict=False))
        return _first(_fault_of_rules(item, each, f"{where}[{n}]", known) for n, (item, each) in numbered)
    if isinstance(value, msgspec.Struct):
        known = dict(zip(getattr(origin, "__parameters__", ()), inner, strict=False))
        hints_of = _hints_of(type(value))
        names = value.__struct_fields__
        return _first(_fault_of_rules(getattr(value, n), hints_of[n], f"{where}.{n}", known) for n in names)
    return None


@cache
def _hints_of(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _fault_in_union(value: Any, members: tuple[Any, ...], where: str, known: Mapping[Any, Any]) -> str | None:
    if value is None or value is msgspec.UNSET:
        return None
    faults = [_fault_of_rules(value, member, where, known) for member in members if _is_of(value, member)]
    return None if None in faults else _first(iter(faults))


def _is_of(value: Any, member: Any) -> bool:
    """Tell whether a member of a union may be what a value is of; scalars are told apart by their type."""
    kind = member.__origin__ if get_origin(member) is Annotated else member
    return type(value) is kind if kind in (bool, int, str, type(None)) else True


def _first(faults: Iterator[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def _fault_of_refusal(refusal: Refused) -> str | None:
    if refusal.code not in CODES:
        return f"{refusal.code} is no code of vm/error_codes.py"
    cause = refusal.__cause__
    is_unfit = isinstance(cause, UNENCODABLE) and not isinstance(cause, OverflowError | UnicodeEncodeError)
    if is_unfit and _BOUND.search(str(cause)) is None:
        return f"{refusal.message}: it is of a wrong type: {cause}"
    fault = fault_of_value(refusal.details, dict[str, Any])
    return None if fault is None else f"the details of {refusal}: {fault}"


_OUTCOMES: Final = Path(__file__).parents[2] / "docs" / "contracts" / "outcomes.json"


@cache
def listed_outcomes() -> Mapping[str, frozenset[str]]:
    """Return what each call and view may come to: codes of refusals, and names of events."""
    found = json.loads(_OUTCOMES.read_text(encoding="utf-8"))
    return {name: frozenset([*outcome["errors"], *outcome["events"]]) for name, outcome in found.items()}


class Unwatched:
    """No eye: for runs of a million calls, of which others like them are watched.

    Attributes:
        refused, postponing: as of Strict; nothing comes of them.
    """

    def __init__(self) -> None:
        self.refused = ""
        self.postponing: set[str] = set()


class Strict:
    """The eye on one runtime: its calls, views and duties are wrapped, once however many chains it runs.

    Attributes:
        refused: what was last refused, with the reason that no receipt tells.
        postponing: paths of schedules of which whatever falls due is refused.
        listed: what calls and views may come to; None where that is only being found out.
        found: what they came to meanwhile.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.refused = ""
        self.postponing: set[str] = set()
        self.listed: Mapping[str, frozenset[str]] | None = listed_outcomes()
        self.found: dict[str, set[str]] = {}
        self._held = Held(runtime)
        for name, method in [*runtime.calls.items(), *runtime.views.items()]:
            method.bound = self._method(name, method)
        for path, duty in runtime.duties.by_path.items():
            runtime.duties.by_path[path] = Duty(duty.schedule, self._duty(path, duty))

    def _method(self, name: str, method: BoundMethod) -> Listener:
        bound = method.bound

        def checked(ctx: Context, *values: Any) -> Any:
            result = self._watched(name, ctx, bound, *values)
            fault = fault_of_value(result, method.result)
            assert fault is None, f"{name} answers {result!r}, which is no {method.result}: {fault}"
            return result

        return checked

    def _duty(self, path: str, duty: Duty) -> Listener:
        def checked(ctx: Context, due: int, *key: Any) -> bool:
            if path in self.postponing:
                raise Refused("NOT_ELIGIBLE", "the test puts it off")
            before = ctx._overlay.mark()
            more = self._watched(path, ctx, duty.handler, due, *key)
            assert type(more) is bool, f"the duty of {path} answers {more!r}, not whether more remains"
            has_written = ctx._overlay.mark() > before
            assert has_written or not more, f"the duty of {path} answers True and wrote nothing: it never ends"
            return more

        return checked

    def _watched(self, name: str, ctx: Context, function: Listener, *values: Any) -> Any:
        told = len(ctx.events)
        self._held.refresh()
        try:
            result = function(ctx, *values)
        except Refused as refusal:
            self.refused = f"{refusal} ({refusal.__cause__})"
            fault = _fault_of_refusal(refusal)
            assert fault is None, f"{name}: {fault}"
            self._require_listed(name, refusal.code)
            raise
        finally:
            changed = self._held.changed()
            assert not changed, f"{name} changed {', '.join(changed)}: state belongs into tables"
        for event in ctx.events[told:]:
            fault = fault_of_value(event.data, type_of(event.data).record)
            assert fault is None, f"{name} told {event.data!r}: {fault}"
            self._require_listed(name, event.type)
        return result

    def _require_listed(self, name: str, outcome: str) -> None:
        """Make sure that the reference knows of an outcome; any work may be OUT_OF_BUDGET, as the index says."""
        if self.listed is None:
            self.found.setdefault(name, set()).add(outcome)
        elif name in self.listed and outcome != "OUT_OF_BUDGET":
            assert outcome in self.listed[name], f"{name} comes to {outcome}: show it in tests/reference/stories"


_STRICT: Final[WeakKeyDictionary[Runtime, Strict]] = WeakKeyDictionary()


def strict(runtime: Runtime) -> Strict:
    """Return the eye on a runtime; the first call opens it."""
    if runtime not in _STRICT:
        _STRICT[runtime] = Strict(runtime)
    return _STRICT[runtime]
