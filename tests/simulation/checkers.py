"""Independent checkers: they see what leaves the hosts and what is committed, not the core's state.

Each raises Violation at the event that breaks its rule; `debts` keeps the books of what hosts owe to others,
and `chain_checkers` looks at the chains at the end.

    agreement       honest hosts commit one block, with one pair of roots, per height
    validity        a committed block is one that honest hosts find valid, on the block before it
    one vote        an honest host signs one message per (height, round, step), over all its lives
    one result      an honest host seals one pair of roots per digest, over all its lives
    no way back     an honest host signs for no height below one that it has signed for, over all its lives
    log first       a signed message that leaves an honest host is in its write-ahead log
    log whole       a log that opens after a crash holds every record that was synced
    no blame        no honest host is told to misbehave, to forge or to equivocate by another
    no halt         only a host whose execution is broken halts
    no race         no honest host is driven to absurd rounds
    timers          a round above 0 is timed only where a quorum has reached it (weakly: it was sent for)
    bounds          no buffer of an honest host outgrows what docs/consensus.md says
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from consensus.effects import Halt
from consensus.message_log import ROUNDS_KEPT, MessageLog
from consensus.messages import Commit, Message, RoundChange, VoteRecord, digest_of, encode_message, step_of
from consensus.state import CANDIDATES_KEPT, EARLY_KEPT
from consensus.types import Candidate, Certificate, Roots, header_digest
from vm.primitives.codec import encode

from .debts import Debts
from .ledger import POISON

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

MAX_ROUND = 1_000
"""No storm lasts long enough for an honest host to get there by itself; liars claim far more."""

Place = tuple[int, int, str]


class Violation(AssertionError):
    """A rule of the protocol was broken in the simulation."""


class Checkers:
    """All checkers of events of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.decided: dict[int, tuple[bytes, Roots]] = {}
        self.rounds: dict[int, int] = {}
        self.committed_at: dict[int, dict[int, int]] = {}
        """Height -> host -> when it committed."""
        self.debts = Debts(self)
        self.trace = sha256()
        """Over everything sent and committed: equal for equal runs."""
        self._votes: dict[tuple[int, Place], object] = {}
        self._sealed: dict[tuple[int, bytes], Roots] = {}
        self._reached: dict[tuple[int, bytes], int] = {}
        self._logged: dict[int, dict[Place, Message]] = {}
        self._highest: dict[int, int] = {}

    def fail(self, text: str) -> None:
        """Break off the run."""
        raise Violation(f"at {self.cluster.world.now} ms: {text}")

    def on_send(self, host: Host, message: Message) -> None:
        """One vote, one result, log first; the message is what the core asked to send."""
        self.trace.update(b"%d %d " % (self.cluster.world.now, host.ident) + encode_message(message))
        if isinstance(message, RoundChange):
            key = (message.height, host.key)
            self._reached[key] = max(self._reached.get(key, 0), message.round)
            self.debts.on_round_change(host, message)
        if host.byzantine:
            return
        if message.round > MAX_ROUND:
            self.fail(f"host {host.ident} was driven to round {message.round}")
        place = (message.height, message.round, step_of(message))
        vote = (digest_of(message), message.roots if isinstance(message, Commit) else None)
        if self._votes.setdefault((host.ident, place), vote) != vote:
            self.fail(f"host {host.ident} signed two different messages for {place}")
        if isinstance(message, Commit):
            sealed = (host.ident, message.digest)
            if self._sealed.setdefault(sealed, message.roots) != message.roots:
                self.fail(f"host {host.ident} sealed one digest with two pairs of roots")
        if self._logged.get(host.ident, {}).get(place) != message:
            self.fail(f"host {host.ident} sent {place} before it was logged")

    def on_persist(self, host: Host, record: VoteRecord) -> None:
        """A vote that binds to a block is logged with its transactions, so they must be there."""
        message = record.message
        if not host.byzantine:
            highest = self._highest[host.ident] = max(message.height, self._highest.get(host.ident, 0))
            if message.height < highest:
                place = (message.height, message.round, step_of(message))
                self.fail(f"host {host.ident} signs {place} after a vote for height {highest}")
        self._logged.setdefault(host.ident, {})[message.height, message.round, step_of(message)] = message
        if record.block is not None:
            digest = header_digest(record.block.header)
            if host.ident not in self.cluster.bodies.get(digest, ()):
                self.fail(f"host {host.ident} logs a block whose transactions it does not hold")

    def on_start(self, host: Host, records: list[VoteRecord]) -> None:
        """What was synced above the head is in the log that opens; a record torn at the crash may be, too."""
        found = {(r.message.height, r.message.round, step_of(r.message)): r.message for r in records}
        logged = self._logged.get(host.ident, {})
        known_from = max(host.ledger.height, host.disk.log.floor) + 1
        lost = [place for place in logged if place[0] >= known_from and place not in found]
        if lost and not host.byzantine:
            self.fail(f"host {host.ident} lost {lost} from its log")
        self._logged[host.ident] = {**logged, **found}

    def highest_signed(self, host: Host) -> int:
        """Return the greatest height for which an honest host has signed, over all its lives."""
        return self._highest.get(host.ident, 0)

    def log_lost(self, host: Host) -> None:
        """A host's disk has lost what it held; what the host signed is remembered here."""
        self._logged.pop(host.ident, None)

    def on_commit(self, host: Host, candidate: Candidate, certificate: Certificate) -> None:
        """Agreement and validity, as soon as a block is committed."""
        cluster = self.cluster
        self.trace.update(b"%d %d " % (cluster.world.now, host.ident) + encode(certificate))
        if host.byzantine:
            return
        height, digest = candidate.header.height, header_digest(candidate.header)
        decision = (digest, host.ledger.roots)
        if self.decided.setdefault(height, decision) != decision:
            self.fail(f"host {host.ident} committed another block or roots at height {height}")
        self.rounds.setdefault(height, certificate.round)
        if not host.verifier.certificate_is_valid(certificate, host.ledger.validators_at(height)):
            self.fail(f"host {host.ident} committed height {height} with a certificate that proves nothing")
        if POISON in candidate.tx_hashes:
            self.fail(f"an invalid block was committed at height {height}")
        self.committed_at.setdefault(height, {})[host.ident] = cluster.world.now
        if cluster.is_correct(host):
            cluster.clients.tell(host, candidate.tx_hashes)

    def on_timeout(self, host: Host, height: int, round_: int) -> None:
        """A timer of a round above 0 needs a quorum that has sent round-changes that high."""
        if round_ == 0:
            return
        keys = [validator.public_key for validator in host.state.here.validators.validators]
        there = sum(1 for key in keys if self._reached.get((height, key), 0) >= round_)
        liars = sum(1 for key in keys if self.cluster.is_byzantine(key))
        if 3 * (there + liars) < 2 * len(keys):
            self.fail(f"host {host.ident} timed round {round_} alone")

    def on_misbehaved(self, host: Host, sender: int, height: int) -> None:
        """Only Byzantine hosts may be blamed, and honest hosts in no other than broken hosts' eyes."""
        key = self._key(host, height, sender)
        if not host.byzantine and not self.cluster.is_byzantine(key) and not self.cluster.is_broken(host):
            self.fail(f"host {host.ident} blames an honest validator")

    def _key(self, host: Host, height: int, index: int) -> bytes:
        validators = host.state.here.validators_at(height)
        key = None if validators is None else validators.key(index)
        if key is None:
            self.fail(f"host {host.ident} speaks of a validator that it cannot know")
        assert key is not None
        return key

    def on_peer_error(self, host: Host, source: Host, error: Exception) -> None:
        """No message of an honest host fails verification."""
        if not source.byzantine:
            self.fail(f"host {host.ident} refused a message of {source.ident}: {error!r}")

    def on_halt(self, host: Host, effect: Halt) -> None:
        """Only broken hosts halt."""
        if not host.byzantine and not self.cluster.is_broken(host):
            self.fail(f"host {host.ident} halted: {effect.reason} {effect.details}")

    def on_evidence(self, host: Host, first: Message, second: Message) -> None:
        """Nobody holds evidence against an honest validator."""
        self.debts.on_evidence(host, second)
        if not self.cluster.is_byzantine(self._key(host, second.height, second.sender)):
            self.fail(f"host {host.ident} holds evidence against an honest validator: {first} {second}")

    def check_at_end(self) -> None:
        """Bounds of the buffers, and what is owed still."""
        for host in self.cluster.hosts:
            state = host.state
            if host.alive and host.halted is None and not host.busy:
                self.debts.check(host)
            if state.context is None:
                continue
            n = max(state.context.validators.n, state.context.next_validators.n)
            sizes = (_size(state.log), _size(state.previous_log), len(state.candidates))
            bounds = (n * (2 * ROUNDS_KEPT + 2), n * (2 * ROUNDS_KEPT + 2), CANDIDATES_KEPT + n)
            early = max((len(kept) for kept in state.early.values()), default=0)
            too_big = any(size > bound for size, bound in zip(sizes, bounds, strict=True))
            if too_big or early > EARLY_KEPT or len(state.early) > n:
                self.fail(f"buffers of host {host.ident} outgrow their bounds: {sizes}, early {early}")


def _size(log: MessageLog) -> int:
    votes = sum(len(senders) for kind in (log.prepares, log.commits) for senders in kind.rounds.values())
    return votes + len(log.proposals) + len(log.round_changes)
