"""Byzantine hosts: production nodes whose outgoing messages lie, or that share one key.

A liar holds its own key only, so what it sends verifies; it equivocates, hides its lock, seals roots
that it never computed, proposes poison, races ahead in rounds, and now and then forges.
"""

from __future__ import annotations

import msgspec

from consensus.messages import (
    Commit,
    Message,
    Prepare,
    Proposal,
    RoundChange,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.types import Candidate, Roots, header_digest
from vm.primitives import merkle
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain

from .host import Host
from .ledger import CHAIN, POISON

LIE_PERCENT = 40


class Liar:
    """The outgoing filter of a Byzantine host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._seen: list[bytes] = []
        self._lies: dict[tuple[int, int], tuple[Proposal, str]] = {}

    def __call__(self, message: Message, target: int) -> list[Message]:
        """Return what the target gets instead of the message."""
        chance = self._host.world.random
        if isinstance(message, Proposal):
            return self._proposals(message, target)
        if chance.randrange(100) >= LIE_PERCENT:
            return [message]
        if chance.randrange(10) == 0:
            return []
        if chance.randrange(10) == 0:
            return [msgspec.structs.replace(message, signature=bytes(64))]
        match message:
            case Prepare():
                return [message, self._prepare(message)]
            case Commit():
                return [self._commit(message), message]
            case RoundChange():
                return [self._round_change(message), message]

    def _proposals(self, message: Proposal, target: int) -> list[Message]:
        """The truth, a lie, both, or one to each half; decided once per round."""
        place = (message.height, message.round)
        if place not in self._lies:
            ways = ["truth", "truth", "lie", "both", "halves", "silence"]
            self._lies[place] = (self._lie(message), self._host.world.random.choice(ways))
        lie, way = self._lies[place]
        if way == "halves":
            return [lie] if target % 2 else [message]
        return {"truth": [message], "lie": [lie], "both": [message, lie], "silence": []}[way]

    def _lie(self, message: Proposal) -> Proposal:
        """Another block: perhaps with poison, or far ahead in time, or without its prepared block."""
        chance = self._host.world.random
        candidate = message.candidate
        tx_hashes = (POISON,) if chance.randrange(2) else (sha256(b"other"),)
        header = msgspec.structs.replace(
            candidate.header,
            tx_root=merkle.root(tx_hashes),
            tx_count=1,
            time=candidate.header.time + chance.choice([0, 1, 5_000]),
        )
        other = Candidate(header, candidate.parent_certificate, tx_hashes)
        digest = header_digest(header)
        self._host.cluster.bodies.setdefault(digest, set()).add(self._host.ident)
        self._seen += [header_digest(candidate.header), digest]
        payload = vote_payload(CHAIN, message.height, message.round, digest)
        lie = msgspec.structs.replace(message, candidate=other, signature=self._host.sign(Domain.PROPOSAL, payload))
        return msgspec.structs.replace(lie, prepared=None) if chance.randrange(2) else lie

    def _prepare(self, message: Prepare) -> Prepare:
        digest = self._some_digest(message.digest)
        payload = vote_payload(CHAIN, message.height, message.round, digest)
        signature = self._host.sign(Domain.PREPARE, payload)
        return msgspec.structs.replace(message, digest=digest, signature=signature)

    def _commit(self, message: Commit) -> Commit:
        chance = self._host.world.random
        digest = self._some_digest(message.digest)
        roots = message.roots if chance.randrange(2) else Roots(sha256(b"no"), sha256(b"never"))
        payload = seal_payload(CHAIN, message.height, message.round, digest, roots)
        return Commit(
            message.height,
            message.round,
            message.sender,
            digest,
            roots.state_root,
            roots.receipts_root,
            self._host.sign(Domain.COMMIT, payload),
        )

    def _round_change(self, message: RoundChange) -> RoundChange:
        """Hide the lock, or race ahead."""
        round_ = message.round + self._host.world.random.choice([0, 0, 1, 7, 10**6])
        payload = round_change_payload(CHAIN, message.height, round_, None, None)
        signature = self._host.sign(Domain.ROUND_CHANGE, payload)
        return RoundChange(message.height, round_, message.sender, None, signature)

    def _some_digest(self, digest: bytes) -> bytes:
        return self._host.world.random.choice([digest, *self._seen[-2:], sha256(b"nothing")])
