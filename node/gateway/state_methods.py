"""state_get, state_proof, state_view, and every contract view as <module>_<view>."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from contracts_py.registry import once_family_of
from node.gateway.backend import Backend
from node.gateway.chain_methods import certified
from node.gateway.declared import words_of
from node.gateway.errors import invalid_param, not_found, view_fault
from node.gateway.limits import past_reads
from node.gateway.method_table import Arguments, Method, rpc
from node.gateway.parameters import Height, JsonObject, StateKey, ViewName
from node.gateway.presentation import state_value_json
from node.gateway.results import OncePath, ProvedState, TreePath, ViewedState
from vm.contract_api import Context
from vm.errors import Refused
from vm.state_view import BlockOverlay, StateReader

T = TypeVar("T")


class StateMethods:
    """Answers from the state, bare or through the contracts' views."""

    def __init__(self, backend: Backend) -> None:
        self._queries = backend.queries
        self._states = backend.queries.states
        self._runtime = backend.runtime

    @rpc("state_get", "the value; bytes in it as hex")
    def get(self, key: StateKey, height: Height | None = None) -> Any:
        """The value of a state key after a height (default: the head); −32001 NOT_FOUND where there is none."""
        at = self._queries.height if height is None else height
        value = self._states.value(key, at)
        if value is not None:
            return state_value_json(value)
        record = self._states.once_record(key, at)
        if record is None:
            raise not_found("the state holds no such key", key=key, height=at)
        return state_value_json(record.record)

    @rpc("state_proof", "{key, height, value, value_bytes, proof, header, certificate, validators, headers}")
    def proof(self, key: StateKey, height: Height | None = None) -> ProvedState:
        """The value of a key, or its absence, with everything that proves it to a holder of the genesis document.

        `value` and `value_bytes` (canonical bytes in hex) are null for an absent key. `proof` leads to
        `certificate.state_root`; `certificate` seals `header`, by members of `validators`, whose hash is
        `header.validators_hash`. `headers` leads from the genesis set to it: one {header, certificate, validators}
        for each change of the set, sealed by the one before, `validators` being the set that it announces.
        There is no proof for height 0: genesis is proved by computing it.

        Of a once-record (a reference of an issue, …) `once` is {family, index, size, path, log}: the RFC 6962
        path from the leaf, canonical [key, record], to the root of a log of `size` records, whose size and
        peaks are the state value `log` (canonical bytes in hex) at `once/<family>`; `proof` is that value's.
        That there is no such record cannot be proved, and answers −32001 NOT_FOUND.
        """
        at = self._queries.height if height is None else height
        if at == 0:
            raise not_found("no height is certified yet" if height is None else "height 0 has no certificate")
        if once_family_of(key) is not None:
            return self._once_proof(key, at)
        proved = self._states.proof(key, at)
        value = proved.value
        return ProvedState(
            key=key,
            height=at,
            value=None if value is None else state_value_json(value),
            value_bytes=value,
            proof=msgspec.convert(proved.proof.to_json(), TreePath),
            **certified(self._queries, at),
        )

    def _once_proof(self, key: str, at: int) -> ProvedState:
        found = self._states.once_record(key, at)
        if found is None:
            raise not_found("there is no such record, which no proof can show", key=key, height=at)
        log = self._states.proof(found.log_key, at)
        return ProvedState(
            key=key,
            height=at,
            value=state_value_json(found.record),
            value_bytes=found.record,
            once=OncePath(**found.proof.to_json(), log=(log.value or b"").hex()),
            proof=msgspec.convert(log.proof.to_json(), TreePath),
            **certified(self._queries, at),
        )

    def view_methods(self) -> dict[str, Method]:
        """Return a method for every view of every contract."""
        methods = {}
        for name, view in self._runtime.views.items():
            methods[name] = Method(
                name,
                view.function,
                view.binder,
                words_of(view.result),
                answer=partial(self._view, name),
                checks_itself=True,
                result_type=view.result,
            )
        return methods

    @rpc("state_view", "{height, time, result}")
    def view(self, view: ViewName, args: JsonObject | None = None, height: Height | None = None) -> ViewedState:
        """What a contract's view answers on the state after a height (default: the head), and which height that is.

        `view` is <module>_<view>, `args` are its arguments. So all pages of a list can be had as of one height. Of
        a past height a call may search values for 0.2 s (OUT_OF_BUDGET beyond: ask for a smaller page).
        """
        if view not in self._runtime.views:
            raise invalid_param("view", "no contract has this view; rpc.discover lists all")
        at = self._queries.height if height is None else height
        reader = self._states.at(at, past_reads())
        result = self._answer(view, args or {}, at, reader)
        return ViewedState(at, self._queries.time_of(at), result)

    def _view(self, name: str, args: Arguments) -> Any:
        height = self._queries.height
        return self._answer(name, args, height, self._states.at(height, past_reads()))

    def _answer(self, name: str, args: Arguments, height: int, reader: StateReader) -> Any:
        try:
            return self._runtime.invoke_view(self._context(height, reader), name, args)
        except Refused as refusal:
            raise view_fault(refusal) from None

    def ask(self, question: Callable[[Context], T]) -> T:
        """Answer a question about the state of the head that is no view; metered and refused as views are.

        Raises:
            RpcFault: what the contracts refuse.
        """
        try:
            height = self._queries.height
            return question(self._context(height, self._states.at(height, past_reads())))
        except Refused as refusal:
            raise view_fault(refusal) from None

    def _context(self, height: int, reader: StateReader) -> Context:
        queries, cost = self._queries, self._queries.params().max_tx_cost
        chain, time = queries.genesis.chain, queries.time_of(height)
        return Context(BlockOverlay(reader), chain, height, time, cost, read_only=True)
