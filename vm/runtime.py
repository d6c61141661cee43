"""The contracts that a chain runs, and how their calls, views and duties are found and bound.

A contract may be several objects, its *rooms*, all of one name. A marked method is found in whatever class of an
object it stands; none of two rooms may have the same one.

What a contract declares and the chain could only miss when it is needed is missed here, when the Runtime is made:
a TypeError names the method, the argument, the schedule or the hook.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Protocol, TypeVar, get_args, get_origin, get_type_hints

from vm.agenda import Duties, Duty
from vm.arguments import Binder
from vm.contract_api import Context, Contract, Hook
from vm.errors import Refused
from vm.metering import OPERATION
from vm.tables.schedule import SCHEDULES, Schedule

T = TypeVar("T")

_CONTRACT_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")


class Authority(Protocol):
    """Who may act for an account; answered by the identity contract."""

    def may_act(self, ctx: Context, account: str, signers: tuple[str, ...]) -> bool:
        """Tell whether keys with these addresses may act for `account`."""
        ...

    def brands_of(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Return the brands, not suspended, at which the account holds roles; sorted."""
        ...

    def brands_of_sender(self, ctx: Context, account: str, signers: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return `brands_of` where keys with these addresses `may_act` for the account, else None; in one look."""
        ...


class BoundMethod:
    """A call or view, ready to be invoked with untrusted arguments.

    Attributes:
        function: as written in the class; `bound` is the method of the contract.
        binder: checks the arguments.
        result: the type of what it answers, as annotated.
        units: what the operation costs before anything is checked.
    """

    __slots__ = ("binder", "bound", "contract", "function", "name", "result", "units")

    def __init__(self, contract: Contract, name: str, function: Callable[..., Any]) -> None:
        self.contract = contract
        self.name = name
        self.function = function
        self.bound: Callable[..., Any] = getattr(contract, function.__name__)
        self.binder, self.result = _declared(function, f"{contract.name}.{name}")
        self.units = OPERATION + self.binder.units

    def invoke(self, ctx: Context, args: Mapping[str, Any]) -> Any:
        """Check the arguments and execute.

        Raises:
            Refused: INVALID_ARGS, or what the contract refuses.
        """
        ctx.charge(self.units)
        return self.bound(ctx, *self.binder.values(args, ctx.charge))


@lru_cache(maxsize=1_024)
def _declared(function: Callable[..., Any], where: str) -> tuple[Binder, Any]:
    """Return what checks a method's arguments, and the type of its answer; nothing in them is a contract's own.

    Reading 200 signatures takes 70 ms, and a process that makes many chains makes as many runtimes.
    """
    binder = Binder(function, skip=2, where=where)
    hints = get_type_hints(function, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{where} has no annotation of what it answers")
    return binder, hints["return"]


class Runtime:
    """The contracts by name, in a fixed order, and the tables of their calls and views."""

    def __init__(self, contracts: Sequence[Contract], authority: Authority) -> None:
        self.contracts = tuple(contracts)
        self.authority = authority
        self.calls: dict[str, BoundMethod] = {}
        self.views: dict[str, BoundMethod] = {}
        duties: dict[str, Duty] = {}
        for contract in self.contracts:
            _check_room(contract)
            self._register(contract, duties)
        self._check_schedules(duties)
        self.duties = Duties(duties)

    def _register(self, contract: Contract, duties: dict[str, Duty]) -> None:
        for attribute, function in _methods(type(contract)).items():
            kind = getattr(function, "__entente_kind__", None)
            schedule = getattr(function, "__entente_due__", None)
            method = attribute.removesuffix("_")
            if kind == "call":
                _add(self.calls, f"{contract.name}.{method}", BoundMethod(contract, method, function))
            elif kind == "view":
                method = method.removesuffix("_view")
                _add(self.views, f"{contract.name}_{method}", BoundMethod(contract, method, function))
            if schedule is not None:
                _check_duty(f"{contract.name}.{method}", schedule, function)
                _add(duties, schedule.keys.path, Duty(schedule, getattr(contract, attribute)))

    def _check_schedules(self, duties: Mapping[str, Duty]) -> None:
        names = {contract.name for contract in self.contracts}
        for path in SCHEDULES:
            if path.partition("/")[0] in names and path not in duties:
                raise TypeError(f"no method is marked @due for the schedule {path}: nothing would happen then")

    def invoke_call(self, ctx: Context, name: str, args: Mapping[str, Any]) -> Any:
        """Execute `module.method`.

        Raises:
            Refused: UNKNOWN_CALL, INVALID_ARGS, or what the contract refuses.
        """
        method = self.calls.get(name)
        if method is None:
            ctx.charge(OPERATION)
            raise Refused("UNKNOWN_CALL", "no contract has this call", call=name[:65])
        return method.invoke(ctx, args)

    def invoke_view(self, ctx: Context, name: str, args: Mapping[str, Any]) -> Any:
        """Answer `module_view`.

        Raises:
            KeyError: there is no such view.
            Refused: INVALID_ARGS, NOT_FOUND, ….
        """
        return self.views[name].invoke(ctx, args)


def _methods(class_: type) -> dict[str, Any]:
    """Return what a class and those it is made of define, each name as the class itself has it."""
    return {name: value for base in reversed(class_.__mro__) for name, value in vars(base).items()}


def _check_room(contract: Contract) -> None:
    name = getattr(contract, "name", None)
    if type(name) is not str or _CONTRACT_NAME.fullmatch(name) is None:
        raise TypeError(f'{type(contract).__qualname__} needs the name of its contract: name = "…"')
    for hook in _hooks_of(contract):
        if not hook.is_wired:
            raise TypeError(
                f"the hook {hook.name} is not wired; contracts_py/registry.py says who is told, be it none"
            )


def _hooks_of(contract: Contract) -> Iterator[Hook[Any]]:
    """Yield the hooks that a room was handed, one by one or together in a dataclass."""
    for value in vars(contract).values():
        held = [getattr(value, field.name) for field in fields(value)] if is_dataclass(value) else [value]
        yield from (one for one in held if isinstance(one, Hook))


def _check_duty(where: str, schedule: Schedule, function: Callable[..., Any]) -> None:
    """Make sure that a method can be run for what is due: (self, ctx, at, parts of the key…) -> bool."""
    hints = get_type_hints(function, include_extras=True)
    names = list(inspect.signature(function).parameters)[2:]
    wanted: list[tuple[str, type]] = [("at", int), *((name, part.kind) for name, part in schedule.keys.parts)]
    words = ", ".join(f"{name}: {kind.__name__}" for name, kind in wanted)
    if len(names) != len(wanted):
        raise TypeError(f"{where} takes (ctx, {words}) for {schedule.keys.pattern}, not ({', '.join(names)})")
    for name, (_, kind) in zip(names, wanted, strict=True):
        hint = hints.get(name)
        if (get_args(hint)[0] if get_origin(hint) is Annotated else hint) is not kind:
            raise TypeError(
                f"{where}: the argument {name} is {kind.__name__}, as {schedule.keys.pattern} takes ({words})"
            )
    if hints.get("return") is not bool:
        raise TypeError(f"{where} answers bool: whether more remains to be done")


def _add(table: dict[str, T], name: str, entry: T) -> None:
    if name in table:
        raise TypeError(f"{name} is declared twice")
    table[name] = entry
