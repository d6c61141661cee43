"""Noise: old messages, huge ones, broken ones, ones from the far future, and too many of them."""

from __future__ import annotations

import msgspec

from consensus.messages import Commit, Message, Prepare, PreparedCertificate, RoundChange, encode_message
from consensus.types import Roots, Seal
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.units import MAX_INT

from ..byzantine import Strategy
from ..host import Host

KEPT = 200
FLOOD_EVERY_MS = 100
FLOOD_MESSAGES = 12


class StaleSender(Strategy):
    """Sends old messages again: its own and those of others, of this height and of former ones."""

    name = "stale messages"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._old: list[bytes] = []

    def incoming(self, message: Message) -> None:
        super().incoming(message)
        if len(self._old) < KEPT:
            self._old.append(encode_message(message))
        elif self.world.below(4) == 0:
            self._old[self.world.below(KEPT)] = encode_message(message)

    def on_start(self) -> None:
        self.repeat(60)

    def on_tick(self) -> None:
        if self._old:
            self.host.send_bytes(self._old[self.world.below(len(self._old))], self.some_host())


class OversizedSender(Strategy):
    """Sends round-changes with justifications of absurd length."""

    name = "oversized messages"

    def on_start(self) -> None:
        self.repeat(400)

    def on_tick(self) -> None:
        here = self.host.state.context
        if here is None or here.own_index is None:
            return
        length = (200, 256, 257, 3_000)[self.world.below(4)]
        seals = tuple(Seal(i % 256, bytes(64)) for i in range(length))
        prepared = PreparedCertificate(0, sha256(b"huge"), seals)
        message = self.sign(RoundChange(here.height, 1, here.own_index, prepared, bytes(64)))
        self.host.send_bytes(encode_message(message), self.some_host())


class MalformedSender(Strategy):
    """Cuts, flips and garbles what it sends, or sends what is no message at all."""

    name = "malformed messages"

    def outgoing(self, message: Message, target: int) -> list[Message]:
        if self.world.happens(30):
            self.host.send_bytes(self._garbled(encode_message(message)), self.host.cluster.hosts[target])
        if self.world.happens(10):
            return [msgspec.structs.replace(message, signature=bytes(64))]
        return [message]

    def _garbled(self, data: bytes) -> bytes:
        place = self.world.below(len(data))
        flipped = data[:place] + bytes([data[place] ^ (1 << self.world.below(8))]) + data[place + 1 :]
        nonsense = encode({"type": "prepare", "height": -1})
        return (flipped, data[:place], data + b"\0", b"", nonsense)[self.world.below(5)]


class FarFuture(Strategy):
    """Votes for heights and rounds that are far away, and for the next height before its time."""

    name = "far-future messages"

    def on_start(self) -> None:
        self.repeat(150)

    def on_tick(self) -> None:
        here = self.host.state.context
        if here is None or here.own_index is None:
            return
        height = here.height + (0, 1, 1, 2, 1_000, MAX_INT - here.height)[self.world.below(6)]
        round_ = (0, 1, 3, 10**6, MAX_INT)[self.world.below(5)]
        digest = sha256(b"future %d" % self.world.below(50))
        votes: tuple[Message, ...] = (
            Prepare(height, round_, here.own_index, digest, bytes(64)),
            Commit(height, round_, here.own_index, digest, digest, digest, bytes(64)),
            RoundChange(height, max(1, round_), here.own_index, None, bytes(64)),
        )
        self.host.send_bytes(encode_message(self.sign(votes[self.world.below(3)])), self.some_host())


class Flooder(Strategy):
    """Sends valid votes for ever new rounds, digests and roots, as many as it can."""

    name = "floods"

    def on_start(self) -> None:
        self._count = 0
        self.repeat(FLOOD_EVERY_MS)

    def on_tick(self) -> None:
        here = self.host.state.context
        if here is None or here.own_index is None:
            return
        target = self.some_host()
        for _ in range(FLOOD_MESSAGES):
            self._count += 1
            digest = sha256(b"flood %d" % self._count)
            roots = Roots(digest, digest)
            height, round_ = here.height + self._count % 2, self._count % 40
            votes: tuple[Message, ...] = (
                Prepare(height, round_, here.own_index, digest, bytes(64)),
                Commit(height, round_, here.own_index, digest, roots.state_root, roots.receipts_root, bytes(64)),
                RoundChange(height, 1 + round_, here.own_index, None, bytes(64)),
            )
            self.host.send_bytes(encode_message(self.sign(votes[self._count % 3])), target)
