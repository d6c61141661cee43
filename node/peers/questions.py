"""Answers what peers ask of blocks that are decided, and of the one that is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from consensus.state import State
from network.answers import Answers
from network.block_sync import collect_blocks
from network.messages import (
    Blocks,
    CandidateReply,
    GetBlocks,
    GetCandidate,
    GetTransactions,
    Reply,
    TransactionsReply,
)
from network.peer import Peer
from node.store import Store
from node.sync.snapshot_server import SNAPSHOT_REQUESTS, SnapshotServer
from node.validator.block_processor import BlockProcessor
from vm.primitives.codec import encode

MAX_REPLY_BYTES: Final = 6 * 1024 * 1024

BlockQuestion = GetTransactions | GetCandidate | GetBlocks


class Questions:
    """Answers within each peer's allowance (`network.answers`).

    Args:
        state: the consensus core's state now.
    """

    def __init__(
        self, store: Store, processor: BlockProcessor, snapshots: SnapshotServer, state: Callable[[], State]
    ) -> None:
        self._store = store
        self._processor = processor
        self._snapshots = snapshots
        self._state = state
        self._answers = Answers()

    def ask(self, peer: Peer, message: object) -> bool:
        """Answer a peer, at once or from a queue; tell whether the message is a question at all."""
        if isinstance(message, SNAPSHOT_REQUESTS):
            self._snapshots.asked(peer, message)
        elif isinstance(message, BlockQuestion):
            if self._answers.may_answer(peer):
                self._answers.send(peer, self._reply(message))
        else:
            return False
        return True

    def _reply(self, request: BlockQuestion) -> Reply:
        if isinstance(request, GetTransactions):
            raws = _up_to(self._processor.raw_transactions(request.hashes), MAX_REPLY_BYTES)
            return TransactionsReply(id=request.id, items=tuple(raws))
        if isinstance(request, GetCandidate):
            candidate = self._state().candidate(request.digest)
            return CandidateReply(id=request.id, body=None if candidate is None else encode(candidate))
        items = collect_blocks(request.first, request.count, self._decided_block)
        return Blocks(id=request.id, items=items, oldest=self._store.oldest_block)

    def _decided_block(self, height: int) -> tuple[bytes, bytes] | None:
        block, certificate = self._store.block_bytes(height), self._store.certificate_bytes(height)
        return None if block is None or certificate is None else (block, certificate)


def _up_to(raws: Sequence[bytes], limit: int) -> list[bytes]:
    chosen = []
    for raw in raws:
        limit -= len(raw)
        if limit < 0:
            break
        chosen.append(raw)
    return chosen
