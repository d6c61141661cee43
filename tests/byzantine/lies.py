"""What a lying validator says instead of the truth; one class for each kind of lie.

A lie stands between the production consensus and the network: it sees each message that the node is about to
send, and says what every peer gets in its place. It has the node's own key and no other, so whatever it signs is
signed by this validator. Nothing here is imported by a production package.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec
from nacl import bindings

from consensus.messages import (
    Commit,
    Message,
    Prepare,
    PreparedCertificate,
    Proposal,
    RoundChange,
    digest_of,
    encode_message,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.types import (
    MAX_BLOCK_TRANSACTIONS,
    Candidate,
    Certificate,
    Header,
    Seal,
    certificate_hash,
    header_digest,
)
from network.kinds import RULES, Kind
from vm.primitives import merkle
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain
from vm.primitives.units import MAX_INT
from vm.transaction import Transaction

if TYPE_CHECKING:
    from tests.byzantine.node import Liar

Said = Message | bytes
"""A message, or bytes that are sent in its place."""

KEPT = 400
BEGIN = 3
"""Lies for which one is shut out at once begin at this height, when the network has come up."""


class Lie:
    """Tells the truth; the others override what they lie about."""

    name: ClassVar[str] = "honest"
    tick_seconds: ClassVar[float | None] = None

    def __init__(self, liar: Liar, chance: random.Random) -> None:
        self.liar = liar
        self.chance = chance

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        """Return what the validator at index `target` gets instead of the message."""
        return [message]

    def transactions(self, chosen: list[Transaction]) -> list[Transaction]:
        """Return what a block of ours holds."""
        return chosen

    def parent_certificate(self, certificate: Certificate | None) -> Certificate | None:
        """Return what a block of ours embeds."""
        return certificate

    def on_tick(self) -> None:
        """Called every `tick_seconds`."""

    # -- tools -------------------------------------------------------------------------------------

    def signed(self, message: Message) -> Message:
        """Return a message with our signature on what it says now."""
        chain = self.liar.chain
        if isinstance(message, Commit):
            domain = Domain.COMMIT
            payload = seal_payload(chain, message.height, message.round, message.digest, message.roots)
        elif isinstance(message, RoundChange):
            vote = message.vote
            domain = Domain.ROUND_CHANGE
            payload = round_change_payload(
                chain, message.height, message.round, vote.prepared_round, vote.prepared_digest
            )
        else:
            domain = Domain.PROPOSAL if isinstance(message, Proposal) else Domain.PREPARE
            payload = vote_payload(chain, message.height, message.round, digest_of(message) or b"")
        return msgspec.structs.replace(message, signature=self.liar.sign(domain, payload))

    def another_block(self, candidate: Candidate, variant: int) -> Candidate:
        """Return a block that is as valid as this one, but for its time."""
        header = msgspec.structs.replace(candidate.header, time=candidate.header.time + variant)
        other = Candidate(header, candidate.parent_certificate, candidate.tx_hashes)
        self.liar.hold_body(header_digest(header), candidate)
        return other

    def votes(self, height: int, round_: int, digest: bytes) -> list[Message]:
        """Return a vote of each kind for what was never proposed."""
        own = self.liar.own_index
        return [
            self.signed(Prepare(height, round_, own, digest, bytes(64))),
            self.signed(Commit(height, round_, own, digest, digest, digest, bytes(64))),
            self.signed(RoundChange(height, max(1, round_), own, None, bytes(64))),
        ]


class EquivocatingProposer(Lie):
    """Sends everyone two blocks for one round; the order depends on who gets them."""

    name = "equivocating-proposer"

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        if not isinstance(message, Proposal) or message.prepared is not None:
            return [message]
        other = self.signed(msgspec.structs.replace(message, candidate=self.another_block(message.candidate, 1)))
        return [other, message] if target % 2 else [message, other]


class SplitProposer(Lie):
    """Sends each peer a block of its own."""

    name = "different-blocks"

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        if not isinstance(message, Proposal) or message.prepared is not None:
            return [message]
        other = self.another_block(message.candidate, 1 + target)
        return [self.signed(msgspec.structs.replace(message, candidate=other))]


class WithholdingProposer(Lie):
    """Proposes to nobody, and votes as if nothing were amiss."""

    name = "withholding-proposer"

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        return [] if isinstance(message, Proposal) else [message]


class EquivocatingVoter(Lie):
    """Votes twice in every step: for what was proposed, and for what was not."""

    name = "equivocating-voter"

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        other = sha256(b"never proposed")
        lies: list[Said] = []
        if isinstance(message, Prepare | Commit):
            lies = [self.signed(msgspec.structs.replace(message, digest=other))]
        elif isinstance(message, RoundChange) and message.prepared is not None:
            lies = [self.signed(msgspec.structs.replace(message, prepared=None))]
        return [*lies, message] if target % 2 else [message, *lies]


class EquivocatingRoundChange(Lie):
    """Changes to round 1 of every height twice, with the block that it has prepared and without."""

    name = "equivocating-round-change"

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        lock = self.liar.lock
        if not isinstance(message, Commit) or lock is None or lock.round != 0:
            return [message]
        own = self.liar.own_index
        two = [self.signed(RoundChange(message.height, 1, own, prepared, bytes(64))) for prepared in (None, lock)]
        return [*two, message]


class RootLiar(Lie):
    """Seals roots that no execution gave."""

    name = "lying-about-roots"

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        if not isinstance(message, Commit):
            return [message]
        root = sha256(b"invented")
        return [self.signed(msgspec.structs.replace(message, state_root=root, receipts_root=root))]


class FewestSeals(Lie):
    """Embeds a bare quorum of the parent's seals, never its victim's, so that the victim looks absent."""

    name = "fewest-seals"

    def parent_certificate(self, certificate: Certificate | None) -> Certificate | None:
        if certificate is None:
            return None
        victim = (self.liar.own_index + 1) % self.liar.count
        wanted = sorted(certificate.seals, key=lambda seal: (seal.index == victim, seal.index))
        kept = sorted(wanted[: self.liar.quorum], key=lambda seal: seal.index)
        return msgspec.structs.replace(certificate, seals=tuple(kept))


class Censor(Lie):
    """Leaves the transactions of some accounts out of its blocks."""

    name = "censoring"

    def transactions(self, chosen: list[Transaction]) -> list[Transaction]:
        return [tx for tx in chosen if tx.body.sender not in self.liar.censored]


class Stale(Lie):
    """Says again, all the time, what it said at former heights."""

    name = "stale-messages"
    tick_seconds = 0.02

    def __init__(self, liar: Liar, chance: random.Random) -> None:
        super().__init__(liar, chance)
        self._old: list[bytes] = []

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        if len(self._old) < KEPT:
            self._old.append(encode_message(message))
        else:
            self._old[self.chance.randrange(KEPT)] = encode_message(message)
        return [message]

    def on_tick(self) -> None:
        if self._old:
            self.liar.say_to_all(self.chance.choice(self._old))


class Oversized(Lie):
    """Sends frames above their kind's limit, and votes with justifications of absurd length."""

    name = "oversized-messages"
    tick_seconds = 0.5

    def on_tick(self) -> None:
        target = self.liar.some_peer()
        if self.chance.random() < 0.5:
            self.liar.frame_to(target, Kind.CONSENSUS, bytes(RULES[Kind.CONSENSUS].max_bytes + 1))
            return
        length = self.chance.choice((200, 256, 257, 30_000))
        prepared = PreparedCertificate(0, sha256(b"huge"), tuple([Seal(i % 256, bytes(64)) for i in range(length)]))
        message = RoundChange(self.liar.height, 1, self.liar.own_index, prepared, bytes(64))
        self.liar.say_to(target, encode_message(self.signed(message)))


class Malformed(Lie):
    """Garbles some of what it sends, signs some of it wrongly, and sends what is no message at all."""

    name = "malformed-messages"
    tick_seconds = 0.25

    def outgoing(self, message: Message, target: int) -> Sequence[Said]:
        if self.chance.random() < 0.05:
            return [self._garbled(encode_message(message)), message]
        if self.chance.random() < 0.05:
            return [msgspec.structs.replace(message, signature=bytes(64)), message]
        return [message]

    def _garbled(self, data: bytes) -> bytes:
        place = self.chance.randrange(len(data))
        flipped = data[:place] + bytes([data[place] ^ (1 << self.chance.randrange(8))]) + data[place + 1 :]
        return self.chance.choice(
            (flipped, data[:place], data + b"\0", b"", encode({"type": "prepare", "height": -1}))
        )

    def on_tick(self) -> None:
        kind = self.chance.choice(list(Kind))
        self.liar.frame_to(self.liar.some_peer(), kind, self.chance.randbytes(self.chance.randrange(60)))


class FarFuture(Lie):
    """Votes for heights and rounds that are far away, and for the next height before its time."""

    name = "far-future-messages"
    tick_seconds = 0.05

    def on_tick(self) -> None:
        height = self.liar.height
        height += self.chance.choice((0, 1, 1, 2, 1_000, MAX_INT - height))
        round_ = self.chance.choice((1, 3, 10**6, MAX_INT))
        vote = self.chance.choice(self.votes(height, round_, sha256(b"%d" % self.chance.randrange(50))))
        self.liar.say_to(self.liar.some_peer(), encode_message(vote))


class Flooder(Lie):
    """Sends well-signed votes for ever new rounds and blocks to all, a thousand times more than consensus needs."""

    name = "flooding"
    tick_seconds = 0.05

    def __init__(self, liar: Liar, chance: random.Random) -> None:
        super().__init__(liar, chance)
        self._count = 0

    def on_tick(self) -> None:
        for _ in range(20):
            self._count += 1
            digest = sha256(b"flood %d" % self._count)
            for vote in self.votes(self.liar.height + self._count % 2, self._count % 40, digest):
                self.liar.say_to_all(encode_message(vote))


class Stuffed(Lie):
    """Sends justifications of the greatest length, each seal of which it has signed itself, afresh and validly.

    Ed25519 lets a signer make any number of valid signatures of one payload. With the nonces made beforehand one
    costs the liar some µs, and whoever verifies it 55.
    """

    name = "stuffed-justifications"
    tick_seconds = 0.05
    _ORDER = 2**252 + 27742317777372353535851937790883648493

    def __init__(self, liar: Liar, chance: random.Random) -> None:
        super().__init__(liar, chance)
        digest = bytearray(hashlib.sha512(liar.seed).digest()[:32])
        digest[0] &= 248
        digest[31] = digest[31] & 63 | 64
        self._scalar = int.from_bytes(digest, "little")
        self._nonces = []
        for _ in range(256):
            nonce = chance.randrange(self._ORDER)
            point = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
            self._nonces.append((nonce, point))

    def _seals(self, round_: int, digest: bytes) -> tuple[Seal, ...]:
        """Return 256 valid PREPAREs of our own, all different."""
        return tuple(self._seal(nonce, point, round_, digest) for nonce, point in self._nonces)

    def _seal(self, nonce: int, point: bytes, round_: int, digest: bytes) -> Seal:
        message = Domain.PREPARE + vote_payload(self.liar.chain, self.liar.height + 1, round_, digest)
        challenge = int.from_bytes(hashlib.sha512(point + self.liar.public_key + message).digest(), "little")
        scalar = (nonce + challenge % self._ORDER * self._scalar) % self._ORDER
        return Seal(self.liar.own_index, point + scalar.to_bytes(32, "little"))

    def on_tick(self) -> None:
        if self.liar.height < BEGIN:
            return
        for _ in range(2):
            digest = self.chance.randbytes(32)
            prepared = PreparedCertificate(0, digest, self._seals(0, digest))
            message = RoundChange(self.liar.height + 1, 1, self.liar.own_index, prepared, bytes(64))
            self.liar.say_to_all(encode_message(self.signed(message)))


class HugeProposals(Lie):
    """Proposes, for the next height, blocks of as many transactions as a message can name."""

    name = "huge-proposals"
    tick_seconds = 0.5
    hashes: ClassVar[int] = MAX_BLOCK_TRANSACTIONS

    def __init__(self, liar: Liar, chance: random.Random) -> None:
        super().__init__(liar, chance)
        self._hashes = tuple(chance.randbytes(32) for _ in range(self.hashes))
        self._root = merkle.root(self._hashes)

    def on_tick(self) -> None:
        if self.liar.height < BEGIN:
            return
        zero = bytes(32)
        header = Header(
            chain=self.liar.chain,
            version=1,
            height=self.liar.height + 1,
            time=self.chance.randrange(MAX_INT),
            parent=zero,
            parent_state_root=zero,
            parent_commit=certificate_hash(None),
            proposer=self.liar.public_key,
            tx_root=self._root,
            tx_count=len(self._hashes),
            validators_hash=zero,
            next_validators_hash=zero,
        )
        candidate = Candidate(header, None, self._hashes)
        message = Proposal(header.height, 1, self.liar.own_index, candidate, (), None, bytes(64))
        self.liar.say_to_all(encode_message(self.signed(message)))


LIES: dict[str, type[Lie]] = {
    lie.name: lie
    for lie in (
        Lie,
        EquivocatingProposer,
        EquivocatingVoter,
        EquivocatingRoundChange,
        SplitProposer,
        WithholdingProposer,
        RootLiar,
        FewestSeals,
        Censor,
        Stale,
        FarFuture,
        Oversized,
        Malformed,
        Flooder,
        Stuffed,
        HugeProposals,
    )
}
