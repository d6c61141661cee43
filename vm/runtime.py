"""The contracts that a chain runs, and how their calls, views and duties are found and bound.

A contract may be several objects, its *rooms*, all of one name. A marked method is found in whatever class of an
object it stands; none of two rooms may have the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, get_type_hints

from vm.agenda import Duties, Duty
from vm.arguments import Binder
from vm.contract_api import Context, Contract
from vm.errors import Refused
from vm.metering import OPERATION

T = TypeVar("T")


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
        self.binder = Binder(function, skip=2)
        self.result: Any = get_type_hints(function, include_extras=True).get("return", Any)
        self.units = OPERATION + self.binder.units

    def invoke(self, ctx: Context, args: Mapping[str, Any]) -> Any:
        """Check the arguments and execute.

        Raises:
            Refused: INVALID_ARGS, or what the contract refuses.
        """
        ctx.charge(self.units)
        return self.bound(ctx, *self.binder.values(args, ctx.charge))


class Runtime:
    """The contracts by name, in a fixed order, and the tables of their calls and views."""

    def __init__(self, contracts: Sequence[Contract], authority: Authority) -> None:
        self.contracts = tuple(contracts)
        self.authority = authority
        self.calls: dict[str, BoundMethod] = {}
        self.views: dict[str, BoundMethod] = {}
        duties: dict[str, Duty] = {}
        for contract in self.contracts:
            self._register(contract, duties)
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
                _add(duties, schedule.keys.path, Duty(schedule, getattr(contract, attribute)))

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


def _add(table: dict[str, T], name: str, entry: T) -> None:
    if name in table:
        raise TypeError(f"{name} is declared twice")
    table[name] = entry
