"""From a peer's bytes to a verified message, with the transactions of a compact proposal looked up.

A proposal whose candidate is known already, from an earlier round or a repetition, needs no look-up. One that
names a batch which is not here waits a moment, as what its proposer has heard may be under way to us; then the
proposer is asked for the candidate, whose list of hashes costs what a whole proposal would have. Where it does not
answer, and this is the proposal that our round waits for, the other validators are asked.

Invariants:
    1. A Proposal leaves here with the hashes that its header binds, or not at all.
    2. One proposal of each peer is looked for at a time; a later one of the same peer takes its place.
    3. A peer has no more transactions looked up a second than it could send hashes of, however short its messages
       are.
    4. Others than the sender are asked for one proposal a round at most, so that no liar can make us a nuisance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cachetools import LRUCache

from consensus.compact import CompactProposal, expand
from consensus.errors import MalformedMessage, PeerError
from consensus.messages import Message, Proposal
from consensus.state import State
from consensus.types import MAX_BLOCK_TRANSACTIONS, Candidate, header_digest
from consensus.verification import ValidatorsAt, Verifier, require_whole
from network.gossip_streams import GossipStreams
from network.rate_limit import TokenBucket
from network.tasks import start_task

ARRIVAL_SECONDS: Final = 0.01
"""How often it is looked whether gossip has brought what a proposal names."""

LOOKS: Final = 3
"""So often, before a validator is asked: what it would answer takes as long."""

LOOKED_UP_PER_SECOND: Final = 31_000
"""Transactions of one peer's proposals: as many hashes as CONSENSUS frames may bring in a second
(`network.kinds`)."""

LOOKED_UP_AT_ONCE: Final = 2 * MAX_BLOCK_TRANSACTIONS

_MAX_KEYS: Final = 1_024


class Candidates(Protocol):
    """Where whole candidates come from; `node.peers.proposals.ProposalLink`."""

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        """Ask a validator for a block that is not decided yet; None where it does not give it."""
        ...


@dataclass(frozen=True, slots=True)
class Sender:
    """A peer whose message is read.

    Args:
        take: gets a message that had to be looked for.
        refuse: gets what is wrong with it.
    """

    key: bytes
    take: Callable[[Message], None]
    refuse: Callable[[PeerError], None]


class ProposalReader:
    """Reads what validators send.

    Args:
        state: the consensus core's state now.
    """

    def __init__(
        self, verifier: Verifier, streams: GossipStreams, candidates: Candidates, state: Callable[[], State]
    ) -> None:
        self._verifier = verifier
        self._streams = streams
        self._candidates = candidates
        self._state = state
        self._looking: dict[bytes, tuple[tuple[bytes, int], asyncio.Task[None]]] = {}
        self._allowances: LRUCache[bytes, TokenBucket] = LRUCache(_MAX_KEYS)
        self._asked_others = (0, 0)

    def read(self, payload: bytes, validators_at: ValidatorsAt, sender: Sender) -> Message | None:
        """Return the verified message of a peer; None where its transactions are looked for first.

        Raises:
            consensus.errors.PeerError, UnknownHeight: as `Verifier.decode_and_verify`; also where the batches of a
                proposal are not what its header binds.
        """
        message = self._verifier.decode_and_verify(payload, validators_at, sender.key)
        if not isinstance(message, CompactProposal):
            return message
        digest = header_digest(message.header)
        known = self._state().candidate(digest)
        if known is not None:
            return message.with_candidate(known)
        self._charge(sender.key, message)
        proposal = self._resolved(message)
        if proposal is None:
            self._look_for(message, digest, sender)
        return proposal

    def _charge(self, key: bytes, message: CompactProposal) -> None:
        """Let a peer pay for a look-up: a few bytes may name as many transactions as a block can hold.

        Raises:
            MalformedMessage: it has spent what it may. No correct validator comes near.
        """
        now = asyncio.get_running_loop().time()
        fresh = TokenBucket(LOOKED_UP_PER_SECOND, LOOKED_UP_AT_ONCE, now)
        allowance = self._allowances.setdefault(key, fresh)
        size = message.header.tx_count
        if not allowance.has(size, now):
            raise MalformedMessage(f"another proposal of {size} transactions, too many in so short a time")
        allowance.charge(size, now)

    def _resolved(self, message: CompactProposal) -> Proposal | None:
        """Return the proposal where all its batches are here."""
        tx_hashes = expand(message, self._streams.run)
        if tx_hashes is None:
            return None
        proposal = message.with_hashes(tx_hashes)
        require_whole(proposal)
        return proposal

    def _look_for(self, message: CompactProposal, digest: bytes, sender: Sender) -> None:
        looking, wanted = self._looking.get(sender.key), (digest, message.round)
        if looking is not None:
            if looking[0] == wanted:
                return
            looking[1].cancel()
        task = start_task(self._find(message, digest, sender), f"batches {digest.hex()[:8]}", vital=False)
        self._looking[sender.key] = wanted, task
        task.add_done_callback(lambda ended: self._ended(sender.key, ended))

    def _ended(self, key: bytes, task: asyncio.Task[None]) -> None:
        looking = self._looking.get(key)
        if looking is not None and looking[1] is task:
            del self._looking[key]

    async def _find(self, message: CompactProposal, digest: bytes, sender: Sender) -> None:
        """Wait for gossip, then ask. Where no validator helps, the proposer's repetition begins anew."""
        try:
            proposal = await self._arrived(message)
        except PeerError as error:
            sender.refuse(error)
            return
        if proposal is None:
            proposal = await self._asked(message, digest)
        if proposal is not None:
            sender.take(proposal)

    async def _arrived(self, message: CompactProposal) -> Proposal | None:
        for _ in range(LOOKS):
            await asyncio.sleep(ARRIVAL_SECONDS)
            proposal = self._resolved(message)
            if proposal is not None:
                return proposal
        return None

    async def _asked(self, message: CompactProposal, digest: bytes) -> Proposal | None:
        candidate = await self._candidates.candidate(message.sender, digest)
        for source in self._others(message) if candidate is None else ():
            candidate = self._state().candidate(digest) or await self._candidates.candidate(source, digest)
            if candidate is not None or not self._is_awaited(message):
                break
        return None if candidate is None else message.with_candidate(candidate)

    def _others(self, message: CompactProposal) -> Sequence[int]:
        """Return which validators to ask beside the proposer."""
        context = self._state().context
        at = (message.height, message.round)
        if context is None or at <= self._asked_others or not self._is_awaited(message):
            return ()
        self._asked_others = at
        return [i for i in range(context.validators.n) if i not in (message.sender, context.own_index)]

    def _is_awaited(self, message: CompactProposal) -> bool:
        """Tell whether this is the proposal of the round that we are in."""
        state = self._state()
        context = state.context
        return (
            context is not None
            and (context.height, state.round) == (message.height, message.round)
            and context.proposer(message.round) == message.sender
        )

    def close(self) -> None:
        """Look for nothing any more."""
        for _, task in list(self._looking.values()):
            task.cancel()
