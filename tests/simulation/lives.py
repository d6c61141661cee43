"""How a simulated host comes to sign: the production guard over its log, and what the node's tasks do for it.

The driver's part is repeated here in few lines: it opens the log, compares it with the store, hears where peers are
while the log is new, sends markers while it recovers, and announces that it is silenced. What is decided is
decided by `node.votes.signing_guard`. Byzantine hosts have no guard, unless they are honest processes whose
operator has done what no log can mend: a home run twice, or put back from a copy.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from consensus.messages import VoteRecord
from consensus.types import Candidate
from node.votes.signing_guard import SigningGuard, compare_with_store
from vm.primitives.hashing import sha256

from .world import Action

if TYPE_CHECKING:
    from .host import Host

# Thousands of recoveries are what a run is made of: without a handler Python would print each of them.
logging.getLogger("node.votes.signing_guard").addHandler(logging.NullHandler())

TEND_MS = 100
MARKER_AGAIN_MS = 2_000
CLIENT = 1
"""Whose transactions markers count as: not the first client's, which censors hate."""


class Lives:
    """What one host does so that it may sign."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tending = 0
        self._again_at = 0
        self._made = 0

    def open(self) -> tuple[list[VoteRecord], list[tuple[VoteRecord, bool]]]:
        """Open the log; return all of its records above the head, and those with which the core begins."""
        host, height = self._host, self._host.ledger.height
        log = host.disk.open()
        host.guard = None
        restored = log.votes_above(height)
        if host.guarded:
            if not host.cluster.plan.bare and not log.holds_votes and host.life == 1:
                log.begin_signing()  # the operator knows that this key has never signed
            compare_with_store(log, host.ledger, host.key)
            host.guard = SigningGuard(log, host.key)
            host.disk.write = host.guard.log_vote
            host.guard.context(host.ledger.context(host.key))
            restored = list(host.guard.votes_to_restore(height))
        held = [vote.record for vote in log.votes_above(height)]
        return held, [(vote.record, vote.transactions is not None) for vote in restored]

    def tend(self) -> None:
        """Begin to do what ends the time without signing, unless that is being done."""
        if self._tending != self._host.life:
            self._tending = self._host.life
            self._again_at = 0
            self._tend()

    def _tend(self) -> None:
        host, guard = self._host, self._host.guard
        if guard is None or not guard.recovering:
            self._tending = 0
            return
        if guard.waits_for_heads:
            for other in host.cluster.peers_of(host):
                self._send(host, other, lambda other=other: other.lives.tell_head(host))
        if guard.wants_marker and host.world.now >= self._again_at:
            self._again_at = host.world.now + MARKER_AGAIN_MS
            guard.marker_made(self._submit())
        if guard.wants_announcement and host.world.now >= self._again_at:
            self._again_at = host.world.now + MARKER_AGAIN_MS
            announcement = self._submit()
            host.cluster.announcements[announcement] = host.key
            guard.announcement_made(announcement)
        host.later(TEND_MS, self._tend)

    def _submit(self) -> bytes:
        """Hand in a transaction that nobody can have known before."""
        host = self._host
        self._made += 1
        transaction = sha256(b"marker %d of host %d" % (self._made, host.ident))
        host.cluster.clients.submit(transaction, CLIENT)
        return transaction

    def tell_head(self, asker: Host) -> None:
        """Tell a host where we are, as HELLO and STATUS do."""
        host = self._host
        if not host.alive:
            return
        height = host.ledger.height
        for strategy in host.strategies:
            height = strategy.head(height)
        self._send(host, asker, lambda: asker.lives.hear_head(host.key, height))

    def hear_head(self, key: bytes, height: int) -> None:
        """A host says where it is."""
        host = self._host
        if host.alive and host.halted is None and host.guard is not None and host.guard.peer_said(key, height):
            host.begin_height_again()

    @staticmethod
    def _send(source: Host, target: Host, action: Action) -> None:
        source.cluster.network.send(source.ident, target.ident, lambda: target.do(action))

    def final(self, candidate: Candidate) -> None:
        """A block is final: it may hold a marker of this life, or an announcement of another process."""
        host, guard = self._host, self._host.guard
        if guard is None:
            return
        guard.block_final(candidate.header.height, candidate.tx_hashes)
        for transaction in candidate.tx_hashes:
            if host.cluster.announcements.get(transaction) == host.key:
                guard.announcement_final(transaction)
