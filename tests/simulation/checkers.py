"""Independent checkers: they see what leaves the hosts and what is committed, not the core's state.

Each raises Violation at the event that breaks its rule.

    agreement       honest hosts commit one block, with one pair of roots, per height
    validity        a committed block is one that honest hosts find valid, on the block before it
    certificates    every committed certificate holds a quorum of valid seals (recounted here)
    one vote        an honest host signs one message per (height, round, step), over all its lives
    one result      an honest host seals one pair of roots per digest, over all its lives
    log first       a signed message that leaves an honest host is in its write-ahead log
    no blame        no honest host is told to misbehave, to forge or to equivocate by another
    no halt         only a host whose execution is broken halts
    no race         no honest host is driven to absurd rounds
    timers          a round above 0 is timed only where a quorum has reached it (weakly: it was sent for)
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from consensus.effects import Halt
from consensus.messages import (
    Commit,
    Message,
    RoundChange,
    VoteRecord,
    decode_record,
    digest_of,
    encode_message,
    seal_payload,
    step_of,
)
from consensus.types import Candidate, Certificate, Roots, header_digest
from vm.primitives.codec import encode
from vm.primitives.keys import Domain

from .ledger import CHAIN, POISON

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

MAX_ROUND = 1_000
"""No storm lasts long enough for an honest host to get there by itself; liars claim far more."""


class Violation(AssertionError):
    """A rule of the protocol was broken in the simulation."""


class Checkers:
    """All checkers of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.decided: dict[int, tuple[bytes, Roots]] = {}
        self.rounds: dict[int, int] = {}
        self.timeouts = 0
        self.trace = sha256()
        """Over everything sent and committed: equal for equal runs."""
        self._votes: dict[tuple[int, int, int, str], object] = {}
        self._sealed: dict[tuple[int, bytes], Roots] = {}
        self._reached: dict[tuple[int, bytes], int] = {}

    def fail(self, text: str) -> None:
        """Break off the run."""
        raise Violation(f"at {self.cluster.world.now} ms: {text}")

    def on_send(self, host: Host, message: Message) -> None:
        """One vote, one result, log first; the message is what the core asked to send."""
        self.trace.update(b"%d %d " % (self.cluster.world.now, host.ident) + encode_message(message))
        if isinstance(message, RoundChange):
            key = (message.height, host.key)
            self._reached[key] = max(self._reached.get(key, 0), message.round)
        if host.byzantine:
            return
        if message.round > MAX_ROUND:
            self.fail(f"host {host.ident} was driven to round {message.round}")
        place = (host.ident, message.height, message.round, step_of(message))
        vote = (digest_of(message), message.roots if isinstance(message, Commit) else None)
        if self._votes.setdefault(place, vote) != vote:
            self.fail(f"host {host.ident} signed two different messages for {place[1:]}")
        if isinstance(message, Commit):
            sealed = (host.ident, message.digest)
            if self._sealed.setdefault(sealed, message.roots) != message.roots:
                self.fail(f"host {host.ident} sealed one digest with two pairs of roots")
        # A message of a height that is final needs no log any more, nor is it sent.
        if not any(decode_record(data).message == message for data in host.ledger.log):
            self.fail(f"host {host.ident} sent {place[1:]} before it was logged")

    def on_persist(self, host: Host, record: VoteRecord) -> None:
        """A vote that binds to a block is logged with its transactions, so they must be there."""
        if record.block is not None:
            digest = header_digest(record.block.header)
            if host.ident not in self.cluster.bodies.get(digest, ()):
                self.fail(f"host {host.ident} logs a block whose transactions it does not hold")

    def on_commit(self, host: Host, candidate: Candidate, certificate: Certificate) -> None:
        """Agreement, validity, certificates."""
        self.trace.update(b"%d %d " % (self.cluster.world.now, host.ident) + encode(certificate))
        if host.byzantine:
            return
        height, digest = candidate.header.height, header_digest(candidate.header)
        decision = (digest, host.ledger.roots)
        if self.decided.setdefault(height, decision) != decision:
            self.fail(f"host {host.ident} committed another block or roots at height {height}")
        self.rounds.setdefault(height, certificate.round)
        if POISON in candidate.tx_hashes:
            self.fail(f"an invalid block was committed at height {height}")
        if len(host.ledger.blocks) > 1:
            parent = host.ledger.blocks[-2][0].header
            if candidate.header.parent != header_digest(parent) or candidate.header.time <= parent.time:
                self.fail(f"block {height} does not follow its parent")
        self._check_certificate(certificate, digest, host.ledger.roots)
        if candidate.parent_certificate is not None:
            _, roots = self.decided[height - 1]
            self._check_certificate(candidate.parent_certificate, candidate.header.parent, roots)

    def _check_certificate(self, certificate: Certificate, digest: bytes, roots: Roots) -> None:
        keys = [v.public_key for v in self.cluster.membership.at(certificate.height).validators]
        payload = seal_payload(CHAIN, certificate.height, certificate.round, digest, roots)
        signers = {
            seal.index
            for seal in certificate.seals
            if self.cluster.verify(Domain.COMMIT, keys[seal.index], payload, seal.signature)
        }
        if 3 * len(signers) < 2 * len(keys) or len(signers) != len(certificate.seals):
            self.fail(f"the certificate of height {certificate.height} is not valid")

    def on_timeout(self, host: Host, height: int, round_: int) -> None:
        """Count timers; one of a round above 0 needs a quorum that has sent round-changes that high."""
        self.timeouts += 1
        if round_ == 0:
            return
        validators = self.cluster.membership.at(height)
        keys = [v.public_key for v in validators.validators]
        there = sum(1 for key in keys if self._reached.get((height, key), 0) >= round_)
        liars = sum(1 for key in keys if self.cluster.is_byzantine(key))
        if 3 * (there + liars) < 2 * len(keys):
            self.fail(f"host {host.ident} timed round {round_} alone")

    def on_misbehaved(self, host: Host, sender: int, height: int) -> None:
        """Only Byzantine hosts may be blamed, and honest hosts in no other than broken hosts' eyes."""
        key = self.cluster.membership.at(height).validators[sender].public_key
        if not host.byzantine and not self.cluster.is_byzantine(key) and not self.cluster.is_broken(host):
            self.fail(f"host {host.ident} blames an honest validator")

    def on_peer_error(self, host: Host, error: Exception) -> None:
        """No honest message fails verification (Byzantine hosts in this simulation sign well, too)."""
        if not self.cluster.has_forgers:
            self.fail(f"host {host.ident} refused a message: {error!r}")

    def on_halt(self, host: Host, effect: Halt) -> None:
        """Only broken hosts halt."""
        if not host.byzantine and not self.cluster.is_broken(host):
            self.fail(f"host {host.ident} halted: {effect.reason} {effect.details}")

    def check_evidence(self) -> None:
        """At the end: nobody holds evidence against an honest validator."""
        for host in self.cluster.hosts:
            for evidence in host.evidence:
                height = evidence.second.height
                validator = self.cluster.membership.at(height).validators[evidence.second.sender]
                if not self.cluster.is_byzantine(validator.public_key):
                    self.fail(f"evidence against an honest validator: {evidence}")
