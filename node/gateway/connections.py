"""The gateway's connections: how many, whose, and which is closed to make room for another.

A connection is idle, that is, waits for its client, until a request with its body is here, and again once the node
has the answer. A client that connects when the total is reached gets in: among the connections that have been idle
longest, one of the client that holds most is closed. Where all are busy, one of a client that holds more than its
share of the total is given up; its request may be repeated.

Invariants:
    1. At most `total` connections are admitted at once, and at most `per_client` of one client that is no trusted
       proxy.
    2. Admitting, and every change between idle and busy, costs a constant amount of work, however many there are.
    3. A client with fewer than SHARE connections never loses one that is busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

LOOKED_AT: Final = 64
"""So many of those that have been idle (or busy) longest are compared: an attacker's stand out among them."""

GONE_GRACE_S: Final = 2.0
"""So long the node goes on with the request of a client that has hung up: what it sent is submitted, but the node
does not wait ten minutes for a receipt that no one takes."""

SHARE: Final = 64
"""A client with at most a 64th of all connections keeps those that are busy; what one client may have at most
(max_connections_per_client) is a 16th by default."""


def _nothing() -> None:
    """There is no connection to be closed yet."""


class Slot:
    """One admitted connection; its owner calls `leave` in the end."""

    __slots__ = ("client", "close")

    def __init__(self, client: str) -> None:
        self.client: str | None = client
        """Whose connection it is; None once it does not count any more."""

        self.close: Callable[[], None] = _nothing
        """Closes the connection at once."""


class ConnectionTable:
    """Open connections, by client, idle and busy."""

    def __init__(self, total: int, per_client: int) -> None:
        self.limit = total
        self._per_client = per_client
        self._count: dict[str, int] = {}
        self._admitted = 0
        # Ordered by when the state began, which dicts keep.
        self._idle: dict[Slot, None] = {}
        self._busy: dict[Slot, None] = {}
        self.closed_for_others = 0

    @property
    def total(self) -> int:
        """All admitted connections."""
        return self._admitted

    @property
    def busy(self) -> int:
        """Those whose client waits for the node."""
        return len(self._busy)

    def admit(self, client: str, *, is_many: bool = False) -> Slot | None:
        """Count a new connection, for which another may be closed; None where the client has its fill.

        Args:
            is_many: a trusted proxy, which may have as many as there are.
        """
        count = self._count.get(client, 0)
        if (count >= self._per_client and not is_many) or (
            self._admitted >= self.limit and not self._make_room(count)
        ):
            return None
        self._count[client] = self._count.get(client, 0) + 1
        self._admitted += 1
        return Slot(client)

    def opened(self, slot: Slot, close: Callable[[], None]) -> None:
        """Note how an admitted connection is closed; it is idle from now on."""
        slot.close = close
        if slot.client is not None:
            self._idle[slot] = None

    def begin(self, slot: Slot) -> None:
        """A whole request is here: the connection is busy."""
        if self._idle.pop(slot, self) is None:
            self._busy[slot] = None

    def end(self, slot: Slot) -> None:
        """The request is answered: the connection is idle."""
        if self._busy.pop(slot, self) is None:
            self._idle[slot] = None

    def leave(self, slot: Slot) -> None:
        """Forget a connection; once it is forgotten, nothing more happens to its slot."""
        if slot.client is None:
            return
        self._idle.pop(slot, None)
        self._busy.pop(slot, None)
        count = self._count[slot.client] - 1
        if count:
            self._count[slot.client] = count
        else:
            del self._count[slot.client]
        slot.client = None
        self._admitted -= 1

    def _make_room(self, newcomers: int) -> bool:
        """Close a connection for a client that has `newcomers`; tell whether one was found."""
        victim = self._of_whom_holds_most(self._idle)
        if victim is None:
            victim = self._of_whom_holds_most(self._busy)
            if victim is None or self._held_by(victim) <= max(newcomers + 1, self.limit // SHARE):
                return False
        self.leave(victim)
        self.closed_for_others += 1
        victim.close()
        return True

    def _held_by(self, slot: Slot) -> int:
        return 0 if slot.client is None else self._count[slot.client]

    def _of_whom_holds_most(self, slots: Iterable[Slot]) -> Slot | None:
        """Return the first of the clients' slots whose client holds most, None where there is no slot."""
        return max(islice(slots, LOOKED_AT), key=self._held_by, default=None)


class GatewayConnection(RequestHandler):
    """One HTTP connection that was admitted to a table."""

    __slots__ = ("_is_busy", "_on_bad_request", "_table", "slot")

    def __init__(
        self,
        manager: web.Server,
        table: ConnectionTable,
        slot: Slot,
        on_bad_request: Callable[[], web.Response],
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._table = table
        self._is_busy = False
        self._on_bad_request = on_bad_request
        self.slot = slot

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be idle."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._table.opened(self.slot, transport.abort)

    def begin(self) -> None:
        """A whole request is here."""
        self._is_busy = True
        self._table.begin(self.slot)

    def end(self) -> None:
        """The node has its answer."""
        self._is_busy = False
        self._table.end(self.slot)

    def close_if_idle(self) -> None:
        """Close the connection where no request is in progress; aiohttp's shutdown would wait for the next one."""
        if not self._request_in_progress:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection, and soon what its client waited for."""
        task = self._task_handler
        self._table.leave(self.slot)
        super().connection_lost(exc)
        if self._is_busy and task is not None:
            self._loop.call_later(GONE_GRACE_S, task.cancel)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that aiohttp could not parse, without its traceback in the log for each."""
        if status == 400:
            return self._on_bad_request()
        return super().handle_error(request, status, exc, message)
