"""The method table: names, parameters, access, and what answers; the one source of `rpc.discover` and docs.

A method of the gateway is an ordinary Python method marked `@rpc`; its parameters are its signature, checked by
`vm.arguments` and given by name or by position. A contract view is a method as well. Two kinds answer:

* reads are synchronous: `answer(args)`; what takes long has pause points (`node.runtime.pauses`);
* methods that submit or wait are asynchronous and answer all their calls of one batch together:
  `answer_all([args, …], client)`, so that a batch of 100 transactions costs one submission and one wait.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, get_type_hints

from node.gateway.errors import invalid_param, params_fault
from vm.arguments import Binder, Field
from vm.errors import Refused

Arguments = dict[str, Any]
Answer = Callable[[Arguments], Any]
AnswerAll = Callable[[Sequence[Arguments], str], Awaitable[Sequence[Any]]]
"""Given all calls and who asks: one result, or one RpcFault, for each call."""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Method:
    """One JSON-RPC method.

    Attributes:
        name: as called.
        function: carries the annotations and the docstring that documents the method.
        binder: checks the arguments.
        result: what it answers, in words.
        result_type: the type of it; `Any` where it has none.
        writes: whether it needs a key for writes.
        answer: answers one call (reads).
        answer_all: answers all calls of one batch (submissions and waits).
        checks_itself: a contract view, whose arguments the runtime checks.
    """

    name: str
    function: Callable[..., Any]
    binder: Binder
    result: str
    writes: bool = False
    answer: Answer | None = None
    answer_all: AnswerAll | None = None
    checks_itself: bool = False
    result_type: Any = Any

    @property
    def fields(self) -> Mapping[str, Field]:
        """Parameter name → how it is checked, in positional order."""
        return self.binder.fields

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
            return self.binder.bind(named)
        except Refused as refusal:
            raise params_fault(refusal) from None

    def _by_position(self, values: Sequence[Any]) -> dict[str, Any]:
        fields = self.fields
        if len(values) > len(fields):
            raise invalid_param(f"[{len(fields)}]", f"{self.name} takes at most {len(fields)} parameters")
        named = dict(zip(fields, values, strict=False))
        if None in values:
            # A null stands for an optional parameter that is left out before one that is given.
            return {name: value for name, value in named.items() if value is not None or fields[name].required}
        return named


def rpc(name: str, result: str, answers: Any = None) -> Callable[[Function], Function]:
    """Mark a method as answering the read `name`.

    Args:
        result: what it answers, in words.
        answers: the type of it; None takes the return annotation.
    """

    def mark(function: Function) -> Function:
        function.__entente_rpc__ = (name, result, answers)  # type: ignore[attr-defined]
        return function

    return mark


def methods_of(*groups: object) -> dict[str, Method]:
    """Return the marked methods of these objects, in the order in which they are defined."""
    table: dict[str, Method] = {}
    for group in groups:
        for method in described_methods(type(group)):
            bound = getattr(group, method.function.__name__)
            table[method.name] = replace(method, answer=partial(_call, bound))
    return table


def described_methods(group: type) -> list[Method]:
    """Return the marked methods of a class, with nothing to answer them."""
    marked = [function for function in vars(group).values() if hasattr(function, "__entente_rpc__")]
    methods = []
    for function in marked:
        name, result, answers = function.__entente_rpc__
        if answers is None:
            answers = get_type_hints(function, include_extras=True)["return"]
        methods.append(Method(name, function, Binder(function, skip=1), result, result_type=answers))
    return methods


def _call(bound: Callable[..., Any], args: Arguments) -> Any:
    return bound(**args)


def described(
    name: str, function: Callable[..., Any], result: str, answers: Any = Any, *, writes: bool = False
) -> Method:
    """Return a method whose parameters are those of a plain function, with nothing to answer it."""
    return Method(name, function, Binder(function, skip=0), result, writes=writes, result_type=answers)
