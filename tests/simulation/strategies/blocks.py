"""Lies about blocks: two of them, none of them, invalid ones, ones that leave something out."""

from __future__ import annotations

import msgspec

from consensus.messages import Message, Proposal, RoundChange
from consensus.types import Candidate, Certificate, certificate_hash, header_digest

from ..byzantine import Strategy
from ..host import Host
from ..ledger import POISON


class EquivocatingProposer(Strategy):
    """Proposes two valid blocks in one round and sends both to everyone, in an order that depends on the target."""

    name = "equivocating proposer"

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if not isinstance(message, Proposal):
            return [message]
        other = self.another_block(message.candidate, 1)
        self.conspiracy.note(message.height, message.round, message.candidate)
        self.conspiracy.note(message.height, message.round, other)
        lie = self.sign(msgspec.structs.replace(message, candidate=other))
        return [lie, message] if target % 2 else [message, lie]


class SplitProposer(Strategy):
    """Proposes a block of its own to each peer, or one to each half of them."""

    name = "different blocks to different peers"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._parts = 2 + self.world.below(5)

    def outgoing(self, message: Message, target: int) -> list[Message]:
        variant = target % self._parts
        if not isinstance(message, Proposal) or variant == 0:
            return [message]
        other = self.another_block(message.candidate, variant)
        self.conspiracy.note(message.height, message.round, message.candidate)
        self.conspiracy.note(message.height, message.round, other)
        return [self.sign(msgspec.structs.replace(message, candidate=other))]


class WithholdingProposer(Strategy):
    """Sends its proposals to nobody, or to a few."""

    name = "withholds proposals"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._parts = 1 + self.world.below(3)

    def outgoing(self, message: Message, target: int) -> list[Message]:
        withheld = isinstance(message, Proposal) and target % self._parts == 0
        return [] if withheld else [message]


class UnjustifiedProposer(Strategy):
    """Proposes new blocks in later rounds whatever is prepared, without enough round-changes, and out of turn."""

    name = "unjustified proposals"

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if isinstance(message, RoundChange):
            return [message, *self._out_of_turn(message)]
        if not isinstance(message, Proposal) or message.round == 0:
            return [message]
        other = self.another_block(message.candidate, 1)
        self.conspiracy.note(message.height, message.round, other)
        unprepared = tuple(vote for vote in message.round_changes if vote.prepared_round is None)
        lies = (
            msgspec.structs.replace(message, candidate=other),
            msgspec.structs.replace(message, candidate=other, prepared=None),
            msgspec.structs.replace(message, candidate=other, prepared=None, round_changes=unprepared),
            msgspec.structs.replace(message, candidate=other, prepared=None, round_changes=unprepared[:1] * 9),
        )
        return [self.sign(lies[self.world.below(len(lies))]), message]

    def _out_of_turn(self, message: RoundChange) -> list[Message]:
        """Claim a round, this one or the next, with a block that someone else proposed in a lower one."""
        for round_ in range(message.round):
            for candidate in self.conspiracy.proposed[message.height, round_].values():
                claimed = message.round + self.world.below(2)
                lie = Proposal(message.height, claimed, message.sender, candidate, (message.vote,), None, bytes(64))
                return [self.sign(lie)]
        return []


class BadParent(Strategy):
    """Embeds too few seals of the parent, one twice, or its own for a missing one."""

    name = "bad parent certificates"

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if not isinstance(message, Proposal) or not self.world.happens(50):
            return [message]
        certificate = message.candidate.parent_certificate
        parents = self.host.state.here.parent_validators
        if certificate is None or parents is None:
            return [message]
        few = certificate.seals[: parents.quorum - 1]
        lies = (few, (*few, few[-1]), (*few, msgspec.structs.replace(few[-1], index=certificate.seals[-1].index)))
        bad = msgspec.structs.replace(certificate, seals=lies[self.world.below(3)])
        header = msgspec.structs.replace(message.candidate.header, parent_commit=certificate_hash(bad))
        candidate = Candidate(header, bad, message.candidate.tx_hashes)
        self.host.blocks.hold(header_digest(header))
        return [self.sign(msgspec.structs.replace(message, candidate=candidate))]


class Poisoner(Strategy):
    """Builds blocks that are invalid: a poisonous transaction, one twice, one that is in the chain."""

    name = "invalid blocks"

    def transactions(self, chosen: tuple[bytes, ...]) -> tuple[bytes, ...]:
        done = list(self.host.ledger.done)
        again = done[self.world.below(len(done))] if done else POISON
        lies = ((*chosen, POISON), (*chosen, *chosen), (*chosen, again), chosen)
        return lies[self.world.below(len(lies))]


class Hasty(Strategy):
    """Dates its blocks ahead, within the tolerance and beyond, so that they are held back."""

    name = "dates blocks ahead"

    def time(self, time: int) -> int:
        return time + (0, 1_500, 3_000, 10_000)[self.world.below(4)]


class Censor(Strategy):
    """Leaves out the transactions of one client."""

    name = "censors one client"

    def transactions(self, chosen: tuple[bytes, ...]) -> tuple[bytes, ...]:
        client = self.host.cluster.clients.client
        return tuple(tx for tx in chosen if client.get(tx) != 0)


class FewestSeals(Strategy):
    """Embeds as few seals as it may, never the victim's where it can, to push it out of the proposer order."""

    name = "fewest seals"

    def parent_certificate(self, certificate: Certificate | None) -> Certificate | None:
        parents = self.host.state.here.parent_validators
        if certificate is None or parents is None:
            return certificate
        victim = parents.n - 1
        wanted = sorted(certificate.seals, key=lambda seal: (seal.index == victim, seal.index))[: parents.quorum]
        return msgspec.structs.replace(certificate, seals=tuple(sorted(wanted, key=lambda seal: seal.index)))
