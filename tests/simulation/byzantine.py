"""Byzantine hosts: production nodes whose doings pass through strategies, one class for each kind of lie.

A liar holds its own key only, so what it signs verifies. All liars of a cluster conspire: they know every
block that any of them has seen or made up. A strategy overrides what it needs; a host may follow several, and
messages pass through them in order.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

from consensus.compact import CompactProposal
from consensus.messages import (
    Commit,
    Message,
    Proposal,
    RoundChange,
    digest_of,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.types import Candidate, Certificate, header_digest
from vm.primitives.keys import Domain

from .ledger import CHAIN

if TYPE_CHECKING:
    from .host import Host

SignedMessage = TypeVar("SignedMessage", bound=Message)


class Conspiracy:
    """What all Byzantine hosts of a cluster know."""

    def __init__(self) -> None:
        self.proposed: defaultdict[tuple[int, int], dict[bytes, Candidate]] = defaultdict(dict)
        """(height, round) -> the blocks proposed there, true and false ones."""

    def note(self, height: int, round_: int, candidate: Candidate) -> None:
        """Remember a proposed block."""
        self.proposed[height, round_].setdefault(header_digest(candidate.header), candidate)


class Strategy:
    """One kind of lie. The base class is honest."""

    name: ClassVar[str]

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world
        self.conspiracy = host.cluster.conspiracy

    def before_start(self) -> None:
        """A life begins; the log has not been read yet."""

    def on_start(self) -> None:
        """A life has begun."""

    def incoming(self, message: Message) -> None:
        """A verified message has arrived."""
        if isinstance(message, Proposal):
            self.conspiracy.note(message.height, message.round, message.candidate)

    def outgoing(self, message: Message, target: int) -> list[Message]:
        """Return what the target gets instead of the message."""
        return [message]

    def compacted(self, message: CompactProposal) -> CompactProposal:
        """Return what leaves instead of a compact proposal."""
        return message

    def transactions(self, chosen: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return what a block that this host builds holds."""
        return chosen

    def parent_certificate(self, certificate: Certificate | None) -> Certificate | None:
        """Return what a block that this host builds embeds."""
        return certificate

    def time(self, time: int) -> int:
        """Return when a block that this host builds claims to be made."""
        return time

    def head(self, height: int) -> int:
        """Return how high this host says that its head is."""
        return height

    # Tools of the trade

    def sign(self, message: SignedMessage) -> SignedMessage:
        """Sign a message with the own key, whatever it says."""
        if isinstance(message, Commit):
            domain = Domain.COMMIT
            payload = seal_payload(CHAIN, message.height, message.round, message.digest, message.roots)
        elif isinstance(message, RoundChange):
            vote = message.vote
            domain = Domain.ROUND_CHANGE
            payload = round_change_payload(
                CHAIN, message.height, message.round, vote.prepared_round, vote.prepared_digest
            )
        else:
            domain = Domain.PROPOSAL if isinstance(message, Proposal) else Domain.PREPARE
            payload = vote_payload(CHAIN, message.height, message.round, digest_of(message) or b"")
        return msgspec.structs.replace(message, signature=self.host.sign(domain, payload))

    def another_block(self, candidate: Candidate, variant: int) -> Candidate:
        """Return a block that is as valid as this one, but for its time."""
        header = msgspec.structs.replace(candidate.header, time=candidate.header.time + variant)
        other = Candidate(header, candidate.parent_certificate, candidate.tx_hashes)
        self.host.blocks.hold(header_digest(header))
        return other

    def repeat(self, every_ms: int) -> None:
        """Call `on_tick` again and again in this life."""

        def tick() -> None:
            self.on_tick()
            self.host.later(every_ms, tick)

        self.host.later(every_ms, tick)

    def on_tick(self) -> None:
        """Called by `repeat`."""

    def some_host(self) -> Host:
        """Draw any other host."""
        peers = self.host.cluster.peers_of(self.host)
        return peers[self.world.below(len(peers))]
