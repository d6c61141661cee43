"""Lies about votes: two of a kind, seals of invented roots, hidden locks, a forgotten log."""

from __future__ import annotations

import msgspec

from consensus.messages import Commit, Message, Prepare, PreparedCertificate, RoundChange
from consensus.types import Roots
from vm.primitives.hashing import sha256

from ..byzantine import Strategy
from ..host import Host

LIE_PERCENT = 60


class EquivocatingVoter(Strategy):
    """Votes for every block that any conspirator has seen in the round; each target hears another vote first."""

    name = "equivocating voter"

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if not isinstance(message, Prepare | Commit):
            return [message]
        blocks = self.conspiracy.proposed[message.height, message.round]
        votes: list[Message] = [message]
        for digest, candidate in blocks.items():
            if digest == message.digest or candidate.header.height != self.host.ledger.height + 1:
                continue
            if isinstance(message, Prepare):
                votes.append(self.sign(msgspec.structs.replace(message, digest=digest)))
                continue
            roots = self.host.ledger.execute(candidate).roots
            other = msgspec.structs.replace(
                message, digest=digest, state_root=roots.state_root, receipts_root=roots.receipts_root
            )
            votes.append(self.sign(other))
        first = target % len(votes)
        return votes[first:] + votes[:first]


class RootLiar(Strategy):
    """Seals roots that it never computed, to some or to all, now and then besides the true ones."""

    name = "lies about roots"

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if not isinstance(message, Commit) or not self.world.happens(LIE_PERCENT):
            return [message]
        roots = Roots(sha256(b"no %d" % (target % 2)), sha256(b"never"))
        lie = self.sign(
            msgspec.structs.replace(message, state_root=roots.state_root, receipts_root=roots.receipts_root)
        )
        return [[lie], [lie, message], [message, lie]][self.world.below(3)]


class LockHider(Strategy):
    """Changes rounds without its lock, or with an old one, and races ahead."""

    name = "hides locks and races ahead"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._oldest: dict[int, PreparedCertificate] = {}

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if not isinstance(message, RoundChange):
            return [message]
        if message.prepared is not None:
            self._oldest.setdefault(message.height, message.prepared)
        if not self.world.happens(LIE_PERCENT):
            return [message]
        round_ = message.round + (0, 0, 1, 7, 10**6)[self.world.below(5)]
        prepared = self._oldest.get(message.height) if self.world.below(2) else None
        lie = self.sign(RoundChange(message.height, round_, message.sender, prepared, bytes(64)))
        return [lie, message] if self.world.below(2) else [lie]


class Amnesiac(Strategy):
    """Forgets its log in every crash, so it may vote twice."""

    name = "forgets its log"

    def before_start(self) -> None:
        self.host.disk.forget()
