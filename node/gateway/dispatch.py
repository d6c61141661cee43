"""JSON-RPC 2.0: from a request body to a response body (jsonrpc.org/specification).

A body is one request or a batch. All entries are checked first; then those that submit or wait are answered,
all entries of one method together, and then the reads, which so see what the same batch has committed.
Responses stand in the order of the requests; notifications have none.

Invariants:
    1. For any body the answer is a valid JSON-RPC response, an array of them, or nothing where every entry
       was a notification.
    2. An exception in one entry is that entry's INTERNAL error; its details go to the log only.
    3. The answer has at most `max_response_bytes`, give or take the errors that say so.
    4. In one turn of the event loop all reads of all clients together take SLICE_SECONDS, and the last of them as
       long again. One that is not done by then is begun anew, to be answered in slices of later turns
       (`reading`, `node.runtime.pauses`). Where a read had no pause point for much
       longer, reads rest for as long: consensus needs many turns for a block, and would have to wait for such a
       read at each. Clients share that time equally (`read_turns`). With a thread that reads (`reading`) the loop
       turns in any case: there a read is done at once, and a batch's as many as a slice has room for.
    5. A body is taken apart in slices as well, but for its JSON: that is parsed at once, and bounded (MAX_VALUES).
    6. What is known without reading (the outcome of a submission or a wait, an error found while checking) does
       not wait for a turn to read; a request that renders many of them lets the loop turn each SLICE_SECONDS.
    7. A request that is refused since its client's reads wait already is answered after REFUSAL_SECONDS: to
       refuse costs less than to read, but a body is parsed for it, and a client that asks again at once would
       have the loop parse bodies only.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec
import orjson

from node.chain.errors import QueryError
from node.gateway.errors import UNAUTHORISED, RpcFault
from node.gateway.limits import COUNT_ANSWER
from node.gateway.method_table import Arguments, Method
from node.gateway.presentation import dumps
from node.gateway.query_faults import query_fault
from node.gateway.read_turns import SLICE_SECONDS, ReadTurns, Turn
from node.gateway.reading import AnsweredElsewhere, Reading, ReadingHere
from node.runtime.config import RpcLimits
from node.runtime.errors import NotReady, kept
from node.runtime.pauses import TookLong

_log = logging.getLogger(__name__)

T = TypeVar("T")

_NULL_ID: Final = b"null"
_MAX_ID_BYTES: Final = 1_024
"""Our bound: an id is echoed, so it must not let a small request ask for a large answer."""


MAX_VALUES: Final = 100_000
"""Values in a request body. The parser holds the event loop until it is done, and 8 MiB of small objects take it
0.8 s; so many take 30 ms at worst, ordinary ones 2 ms. A thousand calls in a batch may have a hundred each."""

EXACT: Final = 2.0**53
"""From here on a float is an integer, and may be one whose last digits are lost: beyond 64 bits the parser gives
floats. An id must come back with the digits that it had, so that it is refused."""

REFUSAL_SECONDS: Final = 0.5
"""A connection is refused twice a second: 256 of a client then cost what they take to parse, some hundredths."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what its API key allows.

    Attributes:
        client: who shares the node's time and a part of the pool, as `limits.client_of` names it.
    """

    client: str = ""
    reads: bool = True
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """A response body, None for no content, and what the transport should know about it.

    Attributes:
        calls: entries in the request, at least 1.
        unauthorised: every answer is −32006.
    """

    body: bytes | None
    calls: int = 1
    unauthorised: bool = False


@dataclass(slots=True)
class _Entry:
    """One request of a batch on its way: `id_json` is None for a notification.

    `outcome` is a result, one that is rendered already, or an RpcFault; `is_read` tells that a read's is known.
    """

    id_json: bytes | None
    method: Method | None = None
    arguments: Arguments = field(default_factory=dict)
    outcome: Any = None
    is_read: bool = False

    def forget(self) -> None:
        """Let go of what has been rendered: a batch goes on, and may wait long. Faults are looked at in the end."""
        self.arguments = {}
        if not isinstance(self.outcome, RpcFault):
            self.outcome = None


class _Rendered(msgspec.Struct, gc=False):
    """The result of a read, as JSON."""

    json: bytes


Admit = Callable[[int], RpcFault | None]
"""Asked with the number of calls before any is answered; a fault refuses them all (rate limits)."""


def fault_body(fault: RpcFault, id_json: bytes = _NULL_ID) -> bytes:
    """Return the response that tells of a fault."""
    return b'{"jsonrpc":"2.0","id":' + id_json + b',"error":' + dumps(fault.as_object()) + b"}"


class Dispatcher:
    """Answers request bodies from a method table.

    Args:
        reading: the thread that reads; None: reads are done on the event loop.
        elsewhere: methods that this process does not answer.
    """

    def __init__(
        self,
        table: Mapping[str, Method],
        limits: RpcLimits,
        now: Callable[[], float],
        reading: Reading | None = None,
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        self._table = table
        self._limits = limits
        self._now = now
        self._reading = reading
        self._elsewhere = elsewhere
        self._interrupts: tuple[type[Exception], ...] = (
            () if reading is None else (AnsweredElsewhere, *reading.interrupts)
        )
        self._turns = ReadTurns(now, beside=reading is not None)
        self._here = ReadingHere(now, self._turns.is_over)
        # Those that submit or wait come in the table's order: a batch submits before it waits.
        self._batched = [method for method in table.values() if method.answer_all is not None]

    async def handle(self, body: bytes | bytearray, caller: Caller, admit: Admit = lambda calls: None) -> Reply:
        """Answer one request body.

        Raises:
            AnsweredElsewhere: it is admitted, and something in it is to be answered by another process.
        """
        if _is_dense(body):
            refused = admit(1)
            message = f"more than {MAX_VALUES:,} values; send the calls in several requests"
            return Reply(fault_body(refused or RpcFault("BATCH_TOO_LONG", message, limit=MAX_VALUES)))
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            refused = admit(1)
            return Reply(fault_body(refused or RpcFault("PARSE_ERROR", f"not JSON: {error.msg}")))
        del body
        requests = document if isinstance(document, list) else [document]
        fault = self._batch_fault(requests) or admit(len(requests))
        if fault is not None:
            return Reply(fault_body(fault), max(1, len(requests)))
        if self._elsewhere and any(map(self._is_elsewhere, requests)):
            raise AnsweredElsewhere
        entries = await self._prepared(requests, caller)
        is_batch = isinstance(document, list)
        del document, requests  # Hundreds of requests may wait, which need only what they were understood to be.
        parts = await self._answer(entries, caller)
        unauthorised = bool(parts) and all(
            _is_unauthorised(entry) for entry in entries if entry.id_json is not None
        )
        if not parts:
            return Reply(None, len(entries))
        return Reply(_listed(parts) if is_batch else parts[0], len(entries), unauthorised)

    async def read(self, client: str, answer: Callable[[], T]) -> T:
        """Answer a read that is no JSON-RPC request, in the turn of its client.

        Raises:
            RpcFault: RATE_LIMITED, too many of the client's reads wait; or what the answer raises.
        """
        turn = Turn(self._turns, client)
        try:
            if await turn.take():
                try:
                    found = await self._found(answer, turn)
                except QueryError as error:
                    raise query_fault(error) from None
                await turn.end_if_over()
                return found
        finally:
            turn.end()
        await asyncio.sleep(REFUSAL_SECONDS)
        raise turn.refused or RpcFault("NOT_READY", "the node cannot answer now")

    async def _found(self, answer: Callable[[], T], turn: Turn) -> T:
        if self._reading is not None:
            return await self._reading.do(answer)
        try:
            return self._here.at_once(answer)
        except TookLong:
            return await self._here.in_slices(answer, turn)

    def _is_elsewhere(self, request: Any) -> bool:
        name = request.get("method") if type(request) is dict else None
        return type(name) is str and name in self._elsewhere

    def _batch_fault(self, requests: Sequence[Any]) -> RpcFault | None:
        if not requests:
            return RpcFault("INVALID_REQUEST", "an empty batch")
        limit = self._limits.max_batch
        if len(requests) > limit:
            return RpcFault("BATCH_TOO_LONG", f"{len(requests)} entries; at most {limit}", limit=limit)
        return None

    # -- checking ----------------------------------------------------------------------------------

    async def _prepared(self, requests: Sequence[Any], caller: Caller) -> list[_Entry]:
        """Check all requests; the loop turns each SLICE_SECONDS."""
        entries = []
        slice_end = self._now() + SLICE_SECONDS
        for request in requests:
            if self._now() >= slice_end:
                await asyncio.sleep(0)
                slice_end = self._now() + SLICE_SECONDS
            entries.append(self._prepare(request, caller))
        return entries

    def _prepare(self, request: Any, caller: Caller) -> _Entry:
        """Check one request; a wrong one becomes an entry whose outcome is known."""
        if type(request) is not dict:
            return _Entry(_NULL_ID, outcome=RpcFault("INVALID_REQUEST", "a request is an object"))
        id_json = _id_json(request["id"]) if "id" in request else None
        problem = _request_problem(request)
        if problem is None and "id" in request and id_json is None:
            problem = f"id is null, a number of 64 bits, or a string of at most {_MAX_ID_BYTES} bytes as JSON"
        if problem is not None:
            return _Entry(id_json or _NULL_ID, outcome=RpcFault("INVALID_REQUEST", problem))
        entry = _Entry(id_json)
        try:
            self._bind(entry, request, caller)
        except RpcFault as fault:
            entry.method, entry.outcome = None, kept(fault)
        except Exception:
            entry.method, entry.outcome = None, internal_fault(request["method"])
        return entry

    def _bind(self, entry: _Entry, request: dict[str, Any], caller: Caller) -> None:
        name = request["method"]
        method = self._table.get(name)
        if method is None:
            raise RpcFault("METHOD_NOT_FOUND", "no such method; rpc.discover lists all", method=name[:100])
        if not (caller.writes if method.writes else caller.reads):
            raise RpcFault("UNAUTHORISED", f"{name} needs `Authorization: Bearer <key>` with a valid key")
        entry.method = method
        entry.arguments = method.arguments(request.get("params"))

    # -- answering ---------------------------------------------------------------------------------

    async def _answer(self, entries: Sequence[_Entry], caller: Caller) -> list[bytes]:
        """Answer all entries and return the responses of those that want one."""
        waiting = False
        for entry in entries:
            if entry.method is not None and entry.method.answer_all is not None:
                waiting = True
                break
        if waiting:
            for method in self._batched:
                mine = [entry for entry in entries if entry.method is method]
                if mine:
                    await _answer_together(method, mine, caller.client)
        return await self._answer_reads(entries, caller)

    async def _answer_reads(self, entries: Sequence[_Entry], caller: Caller) -> list[bytes]:
        parts: list[bytes] = []
        left = self._limits.max_response_bytes
        turn = Turn(self._turns, caller.client)
        slice_end = self._now() + SLICE_SECONDS
        try:
            for place, entry in enumerate(entries):
                if entry.id_json is None:
                    continue  # a read whose answer is not wanted is not worth doing
                if left > 0 and _reads(entry):
                    await self._answer_read(entries, place, turn)
                elif turn.held:
                    await turn.end_if_over()
                elif self._now() >= slice_end:
                    await asyncio.sleep(0)
                    slice_end = self._now() + SLICE_SECONDS
                part = self._rendered(entry, left) if left > 0 else self._too_large(entry.id_json)
                left -= len(part) + 1
                COUNT_ANSWER.get()(len(part) + 1)
                parts.append(part)
                entry.forget()
            await turn.end_if_over()
        finally:
            turn.end()
        if turn.refused is not None:
            await asyncio.sleep(REFUSAL_SECONDS)
        return parts

    async def _answer_read(self, entries: Sequence[_Entry], place: int, turn: Turn) -> None:
        """Answer a read; that there was no turn for it becomes its outcome."""
        entry = entries[place]
        method = entry.method
        if entry.is_read or method is None or method.answer is None:
            return  # Where a thread reads, an earlier read of the batch may have taken it along.
        if not await turn.take():
            entry.method, entry.outcome = None, turn.refused
            return
        if self._reading is not None:
            await self._reading.do(lambda: self._read_some(entries, place))
            return
        read = _rendering(method.answer, entry.arguments)
        try:
            entry.outcome = self._here.at_once(read)
        except TookLong:
            entry.outcome = await self._outcome_of_long(read, method.name, turn)
        except Exception as error:
            entry.outcome = fault_of(error, method.name)

    def _read_some(self, entries: Sequence[_Entry], place: int) -> None:
        """Answer reads of a batch in the thread, for a slice: to hand them to it one by one would cost more.

        The next call begins anew what was interrupted.
        """
        slice_end = self._now() + SLICE_SECONDS
        for number in range(place, len(entries)):
            entry = entries[number]
            method = entry.method
            if entry.id_json is None or entry.is_read or method is None or method.answer is None:
                continue
            try:
                entry.outcome = _rendering(method.answer, entry.arguments)()
            except self._interrupts:
                raise
            except Exception as error:
                entry.outcome = fault_of(error, method.name)
            entry.is_read = True
            if self._now() >= slice_end:
                return

    async def _outcome_of_long(self, read: Callable[[], T], method: str, turn: Turn) -> T | RpcFault:
        try:
            return await self._here.in_slices(read, turn)
        except Exception as error:
            return fault_of(error, method)

    def _rendered(self, entry: _Entry, left: int) -> bytes:
        id_json = entry.id_json or _NULL_ID
        try:
            if isinstance(entry.outcome, RpcFault):
                return fault_body(entry.outcome, id_json)
            result = entry.outcome
            json = result.json if isinstance(result, _Rendered) else dumps(result)
            part = b"".join((b'{"jsonrpc":"2.0","id":', id_json, b',"result":', json, b"}"))
        except Exception as error:
            entry.outcome = fault_of(error, "" if entry.method is None else entry.method.name)
            return fault_body(entry.outcome, id_json)
        return part if len(part) <= left else self._too_large(id_json)

    def _too_large(self, id_json: bytes) -> bytes:
        limit = self._limits.max_response_bytes
        return fault_body(
            RpcFault("RESPONSE_TOO_LARGE", f"more than {limit} bytes; ask for less", limit=limit), id_json
        )


def _listed(parts: Sequence[bytes]) -> bytes:
    """Return responses as a JSON array; each byte is copied once, as there may be 32 MiB of them."""
    pieces = [b"["]
    for part in parts:
        pieces += (part, b",")
    pieces[-1] = b"]"
    return b"".join(pieces)


def _is_dense(body: bytes | bytearray) -> bool:
    """Tell whether a body has more values than MAX_VALUES, by what stands before each: cheap, and never too few."""
    if len(body) <= MAX_VALUES:
        return False
    return body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES


def _rendering(answer: Callable[[Arguments], Any], arguments: Arguments) -> Callable[[], _Rendered]:
    return lambda: _Rendered(dumps(answer(arguments)))


def _reads(entry: _Entry) -> bool:
    return entry.method is not None and entry.method.answer is not None


async def _answer_together(method: Method, entries: Sequence[_Entry], client: str) -> None:
    """Answer all entries of one method that submits or waits; notifications too."""
    answer_all = method.answer_all
    if answer_all is None:
        return
    try:
        outcomes = await answer_all([entry.arguments for entry in entries], client)
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.outcome = outcome
    except Exception as error:
        fault = fault_of(error, method.name)
        for entry in entries:
            entry.outcome = fault


def fault_of(error: Exception, method: str) -> RpcFault:
    """Return what a client may know about an exception; what he may not goes to the log."""
    if isinstance(error, RpcFault):
        return kept(error)
    if isinstance(error, QueryError):
        return query_fault(error)
    if isinstance(error, NotReady):
        return RpcFault("NOT_READY", str(error) or "the node is not ready")
    return internal_fault(method)


def internal_fault(method: str) -> RpcFault:
    """Log the exception being handled and return the fault that names the log entry."""
    error_id = secrets.token_hex(8)
    _log.exception("internal error %s while answering %.100s", error_id, method)
    return RpcFault("INTERNAL", "an internal error; the node's log has the details", error_id=error_id)


def _is_unauthorised(entry: _Entry) -> bool:
    return isinstance(entry.outcome, RpcFault) and entry.outcome.code == UNAUTHORISED


def _request_problem(request: dict[str, Any]) -> str | None:
    if request.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    if type(request.get("method")) is not str:
        return "method must be a string"
    if "params" in request and type(request["params"]) not in (dict, list):
        return "params must be an object or an array; leave params out where there are none"
    return None


def _id_json(value: Any) -> bytes | None:
    """Return an id as it is echoed; None where it is not one that JSON-RPC allows."""
    kind = type(value)
    if kind is int or value is None:
        return orjson.dumps(value)
    if kind is str or (kind is float and abs(value) < EXACT):
        text = orjson.dumps(value)
        return text if len(text) <= _MAX_ID_BYTES else None
    return None
