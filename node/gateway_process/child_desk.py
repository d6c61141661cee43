"""The desk of a gateway that runs as a process of its own: it reads here, and hands the rest on to the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import orjson
from aiohttp import web

from genesis.document import Genesis
from node.chain.queries import ChainQueries
from node.gateway.badges import BadgePages
from node.gateway.desk import build_table
from node.gateway.dispatch import Admit, Caller, Dispatcher, Reply
from node.gateway.errors import HttpRefusal, RpcFault
from node.gateway.method_table import methods_of
from node.gateway.node_methods import NodeMethods
from node.gateway.reading import AnsweredElsewhere
from node.gateway.state_methods import StateMethods
from node.gateway.transaction_methods import TransactionMethods
from node.gateway_process.node_link import NodeLink
from node.gateway_process.read_thread import ReadThread
from node.pool.admission import Admission
from node.runtime.clock import make_clock
from node.runtime.config import NodeConfig
from node.runtime.errors import NotReady, TransactionRefused
from vm.runtime import Runtime

NEED_THE_TREE: Final = frozenset({"state_proof"})
"""Methods that would come back from the thread that reads in any case (node/store/replica.py)."""


class ReadingBackend:
    """The node as far as records tell of it; a `node.gateway.backend.Backend` that hands the rest on."""

    def __init__(self, genesis: Genesis, runtime: Runtime, config: NodeConfig, reads: ReadThread) -> None:
        self.queries = ChainQueries(genesis, reads.replica)
        self.runtime = runtime
        self.clock = make_clock(config.clock)

    async def submit(self, raws: Sequence[bytes], client: str = "") -> list[Admission | TransactionRefused]:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    async def wait_committed(self, tx_ids: Sequence[bytes], timeout_ms: int) -> list[bool]:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    def is_pending(self, tx_id: bytes) -> bool:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    def pending_transaction(self, tx_id: bytes) -> bytes | None:
        """Raise AnsweredElsewhere: what is not final may be pending."""
        _elsewhere()

    def node_info(self) -> dict[str, Any]:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    def node_health(self) -> dict[str, Any]:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    def node_peers(self) -> list[dict[str, Any]]:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    def node_consensus(self) -> dict[str, Any]:
        """Raise AnsweredElsewhere."""
        _elsewhere()

    def metrics(self) -> bytes:
        """Raise AnsweredElsewhere."""
        _elsewhere()


def _elsewhere() -> NoReturn:
    raise AnsweredElsewhere


class ChildDesk:
    """Answers reads from a replica, in a thread; a `node.gateway.desk.Desk`."""

    def __init__(
        self,
        backend: ReadingBackend,
        reads: ReadThread,
        link: NodeLink,
        config: NodeConfig,
        now: Callable[[], float],
    ) -> None:
        self._link = link
        state = StateMethods(backend)
        table = build_table(backend, TransactionMethods(backend), state)
        of_node = {name for name, method in table.items() if method.answer_all is not None}
        elsewhere = NEED_THE_TREE.union(of_node, methods_of(NodeMethods(backend)))
        self._dispatcher = Dispatcher(table, config.rpc, now, reads, elsewhere)
        self._badges = BadgePages(state)

    async def handle(self, body: bytes | bytearray, caller: Caller, admit: Admit) -> Reply:
        """Answer a JSON-RPC body here, or have the node answer it, whole.

        Raises:
            HttpRefusal: the node refuses it as a whole, or has gone.
        """
        try:
            return await self._dispatcher.handle(body, caller, admit)
        except AnsweredElsewhere:
            pass
        status, reply = await self._link.call(bytes(body), caller)
        if status == 200:
            return reply
        raise HttpRefusal(status, _fault_in(reply.body))

    async def badge(self, request: web.BaseRequest, client: str) -> web.Response:
        """Answer with a badge's picture or metadata.

        Raises:
            RpcFault: there is none, or it cannot be read now.
        """
        try:
            return await self._dispatcher.read(client, lambda: self._badges.page(request))
        except AnsweredElsewhere:
            raise RpcFault("NOT_READY", "the node is busy; ask again") from None

    async def health(self) -> dict[str, Any]:
        """Return the node's {live, ready, reasons}; that it does not answer is not live."""
        try:
            health: dict[str, Any] = orjson.loads(await self._link.page("health"))
        except NotReady as error:
            return {"live": False, "ready": False, "reasons": [str(error)]}
        return health

    async def metrics(self) -> bytes:
        """Return the node's metrics.

        Raises:
            HttpRefusal: the node does not answer.
        """
        try:
            return await self._link.page("metrics")
        except NotReady as error:
            raise HttpRefusal(503, RpcFault("NOT_READY", str(error))) from None

    def close(self) -> None:
        """Do nothing: the node itself answers those that wait."""


def _fault_in(body: bytes | None) -> RpcFault:
    """Return the fault that a refusal of the node holds."""
    told = orjson.loads(body or b"{}")["error"]
    data = dict(told["data"])
    return RpcFault(data.pop("reason"), told["message"], **data)
