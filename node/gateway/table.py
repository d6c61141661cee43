"""The method table: names, parameters, access, and what answers; the one source of `rpc.discover` and docs.

A method of the gateway is an ordinary Python method marked `@rpc`; its parameters are its signature, checked by
`vm.arguments` and given by name or by position. A contract view is a method as well. Two kinds answer:

* reads are synchronous point reads: `answer(args)`;
* methods that submit or wait are asynchronous and answer all their calls of one batch together:
  `answer_all([args, …])`, so that a batch of 100 transactions costs one submission and one wait.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from node.gateway.errors import RpcFault, invalid_param, params_fault
from vm.arguments import Fields, bind, signature_fields
from vm.errors import Refused

Arguments = dict[str, Any]
Answer = Callable[[Arguments], Any]
AnswerAll = Callable[[Sequence[Arguments]], Awaitable[Sequence[Any]]]
"""One result, or one RpcFault, for each call."""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Method:
    """One JSON-RPC method.

    Attributes:
        name: as called.
        function: carries the annotations and the docstring that documents the method.
        skip: how many leading parameters of `function` are not the caller's.
        fields: parameter name → checker, in positional order.
        result: what it answers, in words.
        writes: whether it needs a key for writes.
        answer: answers one call (reads).
        answer_all: answers all calls of one batch (submissions and waits).
        checks_itself: a contract view, whose arguments the runtime checks.
    """

    name: str
    function: Callable[..., Any]
    skip: int
    fields: Fields
    result: str
    writes: bool = False
    answer: Answer | None = None
    answer_all: AnswerAll | None = None
    checks_itself: bool = False

    @property
    def summary(self) -> str:
        """The first sentence of the documentation."""
        text = inspect.getdoc(self.function) or ""
        return " ".join(text.partition("\n\n")[0].split())

    @property
    def description(self) -> str:
        """The rest of the documentation."""
        text = inspect.getdoc(self.function) or ""
        return " ".join(text.partition("\n\n")[2].split())

    def arguments(self, params: Any) -> Arguments:
        """Return the arguments in `params` (an object, an array, or None), checked and by parameter name.

        Raises:
            RpcFault: INVALID_PARAMS, naming the parameter.
        """
        if type(params) is dict:
            named: Mapping[str, Any] = params
        elif params is None:
            named = {}
        else:
            named = self._by_position(params)
        if self.checks_itself:
            return dict(named)
        try:
            return bind(self.fields, named)
        except Refused as refusal:
            raise params_fault(refusal) from None

    def _by_position(self, values: Sequence[Any]) -> dict[str, Any]:
        names = list(self.fields)
        if len(values) > len(names):
            raise invalid_param(f"[{len(names)}]", f"{self.name} takes at most {len(names)} parameters")
        # A null stands for an optional parameter that is left out before one that is given.
        return {
            name: value
            for name, value in zip(names, values, strict=False)
            if value is not None or self.fields[name][1]
        }


def rpc(name: str, result: str, *, writes: bool = False) -> Callable[[Function], Function]:
    """Mark a method as answering the JSON-RPC method `name`; `result` says in words what it answers."""

    def mark(function: Function) -> Function:
        function.__entente_rpc__ = (name, result, writes)  # type: ignore[attr-defined]
        return function

    return mark


def methods_of(*groups: object) -> dict[str, Method]:
    """Return the marked methods of these objects, in the order in which they are defined."""
    table: dict[str, Method] = {}
    for group in groups:
        for attribute, function in vars(type(group)).items():
            marked = getattr(function, "__entente_rpc__", None)
            if marked is not None:
                method = _bound(group, attribute, function, *marked)
                table[method.name] = method
    return table


def _bound(
    group: object, attribute: str, function: Callable[..., Any], name: str, result: str, writes: bool
) -> Method:
    bound = getattr(group, attribute)
    fields = signature_fields(function, skip=1)

    def answer(args: Arguments) -> Any:
        return bound(**args)

    return Method(name, function, 1, fields, result, writes=writes, answer=answer)


def signature_method(name: str, function: Callable[..., Any], result: str, answer: Answer) -> Method:
    """Return a read whose parameters are those of a plain function."""
    return Method(name, function, 0, signature_fields(function, skip=0), result, answer=answer)


def batched(
    name: str, function: Callable[..., Any], result: str, answer_all: AnswerAll, *, writes: bool = False
) -> Method:
    """Return a method that answers all its calls of a batch together; `function` only describes its parameters."""
    fields = signature_fields(function, skip=0)
    return Method(name, function, 0, fields, result, writes=writes, answer_all=answer_all)


__all__ = [
    "Answer",
    "AnswerAll",
    "Arguments",
    "Method",
    "RpcFault",
    "batched",
    "methods_of",
    "rpc",
    "signature_method",
]
