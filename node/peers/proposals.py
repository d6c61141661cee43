"""How proposals leave a validator, and how it gets whole candidates.

Implements `node.validator.block_tasks.CandidateSource`.

In a large alliance a proposal names runs of what nodes have told of their clients' transactions
(`consensus.compact`), to those peers that read it; all others get the whole list of hashes. Both have one
signature, and are one PROPOSAL.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Final

from consensus.compact import COMPACT_FROM, FindPlace, compact
from consensus.messages import Proposal, encode_message
from consensus.types import Candidate, decode_candidate, header_digest
from consensus.verification import candidate_is_whole
from network.errors import RequestError
from network.gossip_streams import GossipStreams
from network.kinds import Kind
from network.messages import GetCandidate
from network.peer import Peer
from network.peers import PeerManager
from network.scoring import Offence
from node.chain.ledger import Ledger
from vm.primitives.codec import CodecError, encode
from vm.transaction import Transaction

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS: Final = 2.0

SPREAD_SECONDS: Final = 0.1
"""What was told more recently goes by its hash: it may not have reached everyone. Some 250 hashes at full load, 8
KiB."""


def is_large(ledger: Ledger) -> bool:
    """Tell whether proposals are compact now."""
    return ledger.next_validators().n >= COMPACT_FROM


class ProposalLink:
    """Speaks of blocks that are not decided."""

    def __init__(self, ledger: Ledger, manager: PeerManager, streams: GossipStreams) -> None:
        self._ledger = ledger
        self._manager = manager
        self._streams = streams

    def arranged(self, transactions: Sequence[Transaction]) -> list[Transaction]:
        """Return a block's transactions so that those that one origin told stand together, in its order.

        Origins follow each other by their first transaction. What has no place in a stream keeps its order: before
        them if nothing with a place came before it, else behind them. So does all of a sender of which not
        everything is of one origin: what one client sends stays in its order.
        """
        if not self._streams.is_wanted:
            return list(transactions)
        places = [self._streams.place(tx.hash, math.inf) for tx in transactions]
        first = next((at for at, place in enumerate(places) if place is not None), len(places))
        origins: dict[str, set[bytes | None]] = {}
        for tx, place in zip(transactions[first:], places[first:], strict=True):
            origins.setdefault(tx.body.sender, set()).add(None if place is None else place[0])
        groups: dict[bytes, list[tuple[int, Transaction]]] = {}
        behind: list[Transaction] = []
        for tx, place in zip(transactions[first:], places[first:], strict=True):
            if place is None or len(origins[tx.body.sender]) > 1:
                behind.append(tx)
            else:
                groups.setdefault(place[0], []).append((place[1], tx))
        placed = [tx for group in groups.values() for _, tx in sorted(group, key=lambda placed: placed[0])]
        return [*transactions[:first], *placed, *behind]

    def propose(self, proposal: Proposal) -> None:
        """Send a proposal to every peer, in the form that it reads."""
        peers = self._manager.connected()
        if is_large(self._ledger):
            readers = [peer for peer in peers if peer.reads_compact_proposals]
            self._send(readers, encode(compact(proposal, self._find_spread())))
            peers = [peer for peer in peers if not peer.reads_compact_proposals]
        if peers:
            self._send(peers, encode_message(proposal))

    def _find_spread(self) -> FindPlace:
        before = asyncio.get_running_loop().time() - SPREAD_SECONDS
        return lambda tx_hash: self._streams.place(tx_hash, before)

    def _send(self, peers: Sequence[Peer], payload: bytes) -> None:
        self._manager.send_to([peer.key for peer in peers], Kind.CONSENSUS, payload)

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        """Ask a validator for a block that is not decided yet; None where it does not give it."""
        key = self._ledger.next_validators().key(source)
        peer = None if key is None else self._manager.peer(key)
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
