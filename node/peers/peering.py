"""The node's side of the network: peers' frames go to consensus, admission and sync; their questions are answered.

Implements the seams that others name: `network.peers.Handlers`, `ConsensusPort`, `Fetcher`. Validators are
known to consensus by index and to the network by key; the translation is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

from consensus.errors import PeerError as ConsensusPeerError
from consensus.errors import UnknownHeight
from consensus.types import Candidate, decode_candidate, header_digest
from consensus.verification import Verifier, candidate_is_whole
from network.answers import Answers
from network.block_sync import collect_blocks
from network.errors import MalformedFrame, RequestError
from network.gossiper import Gossiper
from network.kinds import Kind
from network.messages import (
    Blocks,
    CandidateReply,
    GetBlocks,
    GetCandidate,
    GetTransactions,
    Reply,
    Status,
    Transactions,
    TransactionsReply,
    decode,
)
from network.peer import Peer
from network.peers import PeerManager
from network.scoring import Offence
from node.chain.ledger import Ledger
from node.pool.admission import AdmissionQueue, SendingPeer
from node.runtime.errors import NotReady
from node.sync.block_sync_driver import SyncDriver
from node.sync.snapshot_server import SNAPSHOT_REQUESTS, SnapshotServer
from node.validator.block_processor import BlockProcessor
from node.validator.consensus_driver import ConsensusDriver
from vm.primitives.codec import CodecError, encode
from vm.transaction import Transaction

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.3
STATUS_PAUSE_SECONDS: Final = 0.1
"""A node that catches up makes hundreds of blocks a second; to peers, 100 STATUS a second are a flood."""

STATUS_AGAIN_SECONDS: Final = 1.0
"""A peer that asks for decided heights is told where we are at most so often."""

MAX_REPLY_BYTES: Final = 6 * 1024 * 1024


class Peering:
    """Connects one node's parts with its peers. `attach` completes it before the network starts."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger = ledger
        self._verifier = verifier
        self._answers = Answers()
        self.last_seen: dict[bytes, tuple[int, int]] = {}
        self._status_told: dict[bytes, float] = {}
        self._status_due: asyncio.TimerHandle | None = None
        self._height_told = 0

    def attach(
        self,
        manager: PeerManager,
        processor: BlockProcessor,
        driver: ConsensusDriver,
        sync: SyncDriver,
        admission: AdmissionQueue,
        snapshots: SnapshotServer,
    ) -> None:
        """Give the parts that need this object in their own construction."""
        self._manager = manager
        self._processor = processor
        self._driver = driver
        self._sync = sync
        self._admission = admission
        self._snapshots = snapshots
        self._gossiper = Gossiper(manager)

    @property
    def manager(self) -> PeerManager:
        """The connections."""
        return self._manager

    def close(self) -> None:
        """Gossip nothing more, and tell nothing."""
        if self._status_due is not None:
            self._status_due.cancel()
        self._gossiper.close()

    # -- network.peers.Handlers --------------------------------------------------------------------

    def peer_connected(self, peer: Peer) -> None:
        """Tell the newcomer what is pending, and learn where it stands."""
        self._gossiper.peer_connected(peer)
        self._sync.peer_at(peer.key, peer.height)
        self._driver.peer_said(peer.key, peer.height)
        self.tell_head()
        self.offer_again(self._processor.pending())

    def offer_again(self, transactions: Sequence[Transaction]) -> None:
        """Tell peers of pending transactions that they are not known to have."""
        self._gossiper.offer_again([(tx.hash, tx.raw) for tx in transactions])

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        """Forget what the peer claimed."""
        _log.info("peer %s is gone: %s", peer.key.hex()[:16], reason)
        self._gossiper.peer_disconnected(peer)
        self._sync.peer_gone(peer.key)

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        """Dispatch one frame.

        Raises:
            network.errors.PeerError: the peer is to be scored for it.
        """
        if kind is Kind.CONSENSUS:
            self._consensus_frame(peer, payload)
        elif kind is Kind.STATUS:
            self._note_seen(peer.key, peer.height, peer.round)
            self._sync.peer_at(peer.key, peer.height)
            self._driver.peer_said(peer.key, peer.height)
        elif kind is Kind.LINKS:
            self._gossiper.links_changed(peer)
        else:
            self._answer(peer, kind, payload)

    def _consensus_frame(self, peer: Peer, payload: bytes) -> None:
        context = self._driver.state.context
        if context is None or self._driver.halted is not None:
            return
        try:
            message = self._verifier.decode_and_verify(payload, context.validators_at, peer.key)
        except UnknownHeight as unknown:
            self._driver.fault_counts.message_out_of_reach(context.validators, peer.key)
            if unknown.height > context.height:
                self._sync.peer_at(peer.key, max(peer.height, unknown.height - 1))
            else:
                self._tell_status(peer.key)
            return
        except ConsensusPeerError as error:
            _log.warning("consensus message from %s: %s", peer.key.hex()[:16], error)
            peer.penalise(Offence.BAD_SIGNATURE)
            return
        self._note_seen(peer.key, message.height, message.round)
        self._driver.fault_counts.message_of_round(self._driver.state, peer.key, message.height, message.round)
        self._driver.message_received(message)

    def _note_seen(self, key: bytes, height: int, round_: int) -> None:
        if (height, round_) > self.last_seen.get(key, (0, 0)):
            self.last_seen[key] = (height, round_)

    def _answer(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        message = decode(kind, payload)
        if isinstance(message, Transactions):
            source = SendingPeer(peer.key, message.origin, lambda: peer.penalise(Offence.BAD_SIGNATURE))
            self._admission.take_from_peer(message.items, source)
        elif isinstance(message, SNAPSHOT_REQUESTS):
            self._snapshots.asked(peer, message)
        elif isinstance(message, GetTransactions | GetCandidate | GetBlocks):
            if self._answers.may_answer(peer):
                self._answers.send(peer, self._reply(message))
        else:
            raise MalformedFrame(f"{kind.name} has no place here")

    def _reply(self, request: GetTransactions | GetCandidate | GetBlocks) -> Reply:
        if isinstance(request, GetTransactions):
            raws = _up_to(self._processor.raw_transactions(request.hashes), MAX_REPLY_BYTES)
            return TransactionsReply(id=request.id, items=tuple(raws))
        if isinstance(request, GetCandidate):
            candidate = self._driver.state.candidate(request.digest)
            return CandidateReply(id=request.id, body=None if candidate is None else encode(candidate))
        items = collect_blocks(request.first, request.count, self._synced_block)
        return Blocks(id=request.id, items=items, oldest=self._ledger.store.oldest_block)

    def _synced_block(self, height: int) -> tuple[bytes, bytes] | None:
        store = self._ledger.store
        block, certificate = store.block_bytes(height), store.certificate_bytes(height)
        return None if block is None or certificate is None else (block, certificate)

    # -- ConsensusPort -----------------------------------------------------------------------------

    def broadcast(self, message: bytes) -> None:
        """Send a consensus message to every peer."""
        self._manager.broadcast(Kind.CONSENSUS, message)

    def send(self, validator: int, message: bytes) -> None:
        """Send a consensus message to one validator."""
        key = self._key_of(validator)
        if key is not None:
            self._manager.send(key, Kind.CONSENSUS, message)

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        """Ask a validator for a block that is not decided yet; None where it does not give it."""
        peer = self._peer_of(source)
        if peer is None:
            return None
        try:
            reply = await peer.request(GetCandidate(id=0, digest=digest), REQUEST_TIMEOUT_SECONDS)
            if reply.body is None:
                return None
            candidate = decode_candidate(reply.body)
        except RequestError as error:
            _log.info("candidate %s was not answered: %s", digest.hex()[:16], error)
            return None
        except CodecError:
            peer.penalise(Offence.MALFORMED)
            return None
        if header_digest(candidate.header) != digest or not candidate_is_whole(candidate):
            peer.penalise(Offence.BAD_DATA)
            return None
        return candidate

    def peer_behind(self, validator: int, height: int) -> None:
        """Tell a validator of a decided height where we are; it then asks for the blocks."""
        key = self._key_at(height, validator)
        if key is not None:
            self._tell_status(key)

    def peer_ahead(self, validator: int, height: int) -> None:
        """A validator votes for `height`: it can give us the blocks below."""
        key = self._key_at(height, validator)
        if key is not None:
            self._sync.peer_at(key, height - 1)

    def misbehaved(self, validator: int, height: int, reason: str) -> None:
        """Score a validator whose signed message is wrong; whoever relayed it is not at fault."""
        key = self._key_at(height, validator)
        if key is not None:
            _log.warning("validator %s: %s", key.hex()[:16], reason)
            self._manager.penalise(key, Offence.BAD_DATA)

    # -- Fetcher -----------------------------------------------------------------------------------

    async def transactions(self, source: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
        """Ask a validator for transactions by hash; nothing where it does not answer."""
        peer = self._peer_of(source)
        if peer is None:
            await asyncio.sleep(0)
            return ()
        try:
            reply = await peer.request(
                GetTransactions(id=0, hashes=tuple(hashes[:MAX_HASHES])), REQUEST_TIMEOUT_SECONDS
            )
        except RequestError as error:
            _log.info("%d transactions were not answered: %s", len(hashes), error)
            return ()
        return reply.items

    async def settle(self) -> None:
        """Wait, for a short time, until the transactions that have come already are admitted."""
        with contextlib.suppress(TimeoutError, NotReady):
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._admission.settle()

    # -- what the node tells -----------------------------------------------------------------------

    def head_moved(self) -> None:
        """Tell every peer where we are, at most every STATUS_PAUSE_SECONDS: catching up is no flood."""
        self._sync.head_moved()
        if self._status_due is None:
            self.tell_head()
            self._status_due = asyncio.get_running_loop().call_later(STATUS_PAUSE_SECONDS, self._status_may_be_told)

    def _status_may_be_told(self) -> None:
        self._status_due = None
        if self._ledger.height > self._height_told:
            self.head_moved()

    def tell_head(self) -> None:
        """Tell every peer, and those to come in HELLO, where we are."""
        head = self._ledger.store.head
        self._height_told = head.height
        self._manager.set_status(head.height, self._driver.state.round, head.digest)

    def gossip(self, transactions: Sequence[Transaction], source: SendingPeer | None) -> None:
        """Spread newly admitted transactions."""
        key = None if source is None else source.key
        from_origin = source is not None and source.from_origin
        for tx in transactions:
            self._gossiper.add(tx.hash, tx.raw, key, from_origin=from_origin)

    def _tell_status(self, key: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._status_told.get(key, 0.0) < STATUS_AGAIN_SECONDS:
            return
        self._status_told[key] = now
        head = self._ledger.store.head
        peer = self._manager.peer(key)
        if peer is not None:
            peer.send_message(Status(height=head.height, round=self._driver.state.round, digest=head.digest))

    def _key_at(self, height: int, validator: int) -> bytes | None:
        """Return the key of a validator of a height near the head: an index means nothing beside its set."""
        return self._ledger.validators_at(height).key(validator)

    def _key_of(self, validator: int) -> bytes | None:
        context = self._driver.state.context
        return None if context is None else context.validators.key(validator)

    def _peer_of(self, validator: int) -> Peer | None:
        key = self._key_of(validator)
        return None if key is None else self._manager.peer(key)


MAX_HASHES: Final = 20_000


def _up_to(raws: Sequence[bytes], limit: int) -> list[bytes]:
    chosen = []
    for raw in raws:
        limit -= len(raw)
        if limit < 0:
            break
        chosen.append(raw)
    return chosen
