"""Lies about votes: two of a kind, invented roots, hidden or withheld locks, a forgotten log, false heads."""

from __future__ import annotations

import msgspec

from consensus.messages import Commit, Message, Prepare, PreparedCertificate, RoundChange
from consensus.types import Roots
from vm.primitives.hashing import sha256
from vm.primitives.units import MAX_INT

from ..byzantine import Strategy
from ..host import Host

LIE_PERCENT = 60
FLOOD_EVERY_MS = 100
BLOCKS_SEALED = 2
SEALS_AT_ONCE = 3
LATEST_ROUND = 30
"""Beyond the rounds that are kept of one sender."""


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


class LockWithholder(Strategy):
    """Tells in every round of what it is locked on, and gives nobody the block nor its transactions."""

    name = "withholds what it locked"

    def before_start(self) -> None:
        self.host.serves = False


class SealFlooder(Strategy):
    """Sends true seals of blocks of this height in ever later rounds: each is valid, and none was asked for."""

    name = "floods seals of later rounds"

    def on_start(self) -> None:
        self._round = 0
        self.repeat(FLOOD_EVERY_MS)

    def on_tick(self) -> None:
        here = self.host.state.context
        if here is None or here.own_index is None or here.height != self.host.ledger.height + 1:
            return
        known = [blocks for (height, _), blocks in self.conspiracy.proposed.items() if height == here.height]
        for blocks in known:
            for digest, candidate in list(blocks.items())[:BLOCKS_SEALED]:
                if candidate.header.parent != here.parent_digest:
                    continue
                roots = self.host.ledger.execute(candidate).roots
                for _ in range(SEALS_AT_ONCE):
                    self._round += 1
                    round_ = self._round % LATEST_ROUND
                    seal = Commit(
                        here.height,
                        round_,
                        here.own_index,
                        digest,
                        roots.state_root,
                        roots.receipts_root,
                        bytes(64),
                    )
                    self.host.send(self.sign(seal), self.host.cluster.peers_of(self.host))


class HeadLiar(Strategy):
    """Says that it holds no block, or a thousand: to those who start with a new log."""

    name = "lies about its head"

    def head(self, height: int) -> int:
        return (0, 0, 1_000, MAX_INT)[self.world.below(4)]
