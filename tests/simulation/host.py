"""A simulated node: the shell around one production core, performing its effects as the driver must.

Messages are real bytes, decoded and verified on arrival. Answers to effects come after random delays,
as later inputs. A crash may fall between any two effects of a step: what follows is lost, the ledger
and the log survive. Every life of a host has a number; what was asked in a former life is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus.effects import (
    Behind,
    Broadcast,
    BuildBlock,
    CheckBlock,
    CommitBlock,
    Effect,
    Evidence,
    ExecuteBlock,
    FetchCandidate,
    Halt,
    Misbehaved,
    PeerBehind,
    Persist,
    ScheduleRebroadcast,
    ScheduleTimeout,
    Send,
    Unready,
)
from consensus.errors import PeerError, UnknownHeight
from consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    BlockExecuted,
    CandidateFetched,
    Input,
    MessageReceived,
    NewHeight,
    RebroadcastDue,
    Restored,
    TimerExpired,
    WorkAvailable,
)
from consensus.messages import Message, decode_record, encode_message, step_of
from consensus.state_machine import State, step
from consensus.types import Candidate, Certificate, Header, certificate_hash, header_digest
from consensus.verification import Verifier, candidate_is_whole
from vm.primitives import merkle

from .ledger import CHAIN, POISON, Ledger
from .signing import Sign, Verify

if TYPE_CHECKING:
    from .cluster import Cluster

TOLERANCE_MS = 2_000
"""How far ahead of the own clock a block's time may be (SPEC section 3, Time)."""

BLOCK_INTERVAL_MS = 200
SYNC_BATCH = 20


class Host:
    """One node of the cluster.

    Attributes:
        ident: the network address; two hosts may hold one key (a Byzantine twin).
        corrupt: a Byzantine host's outgoing filter: (message, target) -> what is sent instead.
    """

    def __init__(
        self, cluster: Cluster, ident: int, key: bytes, sign: Sign, verify: Verify, ledger: Ledger
    ) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.ident = ident
        self.key = key
        self.sign = sign
        self.ledger = ledger
        self.byzantine = False
        self.forgets_log = False
        self.corrupt: Callable[[Message, int], list[Message]] | None = None
        self.skew_ms = 0
        self.life = 0
        self.alive = False
        self.halted: Halt | None = None
        self.crash_after: int | None = None
        self.unready = 0
        self.evidence: list[Evidence] = []
        self.verifier = Verifier(CHAIN, verify)
        self.state = State(sign)

    # Lives

    def start(self) -> None:
        """Begin a life from what is durable."""
        self.life += 1
        self.alive = True
        self.crash_after = None
        self.verifier = Verifier(CHAIN, self.verifier._verify)
        self.state = State(self.sign)
        if self.forgets_log:
            self.ledger.log.clear()
        self.keep_logged_bodies_only()
        self.feed(Restored(tuple(decode_record(data) for data in self.ledger.log)))
        self.begin_height()

    def keep_logged_bodies_only(self) -> None:
        """The transactions of undecided blocks are lost, but for those logged with a vote."""
        blocks = [decode_record(data).block for data in self.ledger.log]
        logged = {header_digest(block.header) for block in blocks if block is not None}
        for digest, holders in self.cluster.bodies.items():
            if digest not in logged:
                holders.discard(self.ident)

    def crash(self) -> None:
        """Lose everything that is not durable."""
        self.alive = False
        self.life += 1

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something later, unless this life has ended."""
        life = self.life
        self.world.after(delay_ms, lambda: action() if self.life == life and self.alive else None)

    def answer(self, event: Input, low_ms: int = 1, high_ms: int = 20) -> None:
        """Answer an effect as a later input."""
        self.later(self.world.random.randint(low_ms, high_ms), lambda: self.feed(event))

    # The core

    def feed(self, event: Input) -> None:
        """Step the core and perform its effects in order."""
        if not self.alive or self.halted is not None:
            return
        self.state, effects = step(self.state, event)
        for effect in effects:
            if self.crash_after is not None:
                self.crash_after -= 1
                if self.crash_after < 0:
                    self.crash()
                    return
            self.perform(effect)

    def begin_height(self) -> None:
        """Tell the core what comes after the head; there is always work after the block interval."""
        height = self.ledger.height + 1
        self.feed(NewHeight(self.ledger.context(self.key)))
        delay = self.world.random.randint(BLOCK_INTERVAL_MS, BLOCK_INTERVAL_MS + 100)
        self.later(delay, lambda: self.feed(WorkAvailable(height)))

    def perform(self, effect: Effect) -> None:
        """Perform one effect."""
        match effect:
            case Persist(record):
                self.cluster.checkers.on_persist(self, record)
                self.ledger.persist(record)
            case Broadcast(message):
                self.cluster.checkers.on_send(self, message)
                for host in self.cluster.peers_of(self):
                    self.send(host, message)
            case Send(to, message):
                self.cluster.checkers.on_send(self, message)
                for host in self.cluster.hosts_at(self.state.here.validators, to):
                    self.send(host, message)
            case ScheduleTimeout(height, round_, duration_ms):
                self.cluster.checkers.on_timeout(self, height, round_)
                self.later(duration_ms, lambda: self.feed(TimerExpired(height, round_)))
            case ScheduleRebroadcast(height, duration_ms):
                self.later(duration_ms, lambda: self.feed(RebroadcastDue(height)))
            case BuildBlock():
                self.build(effect)
            case CheckBlock():
                self.check(effect)
            case ExecuteBlock(candidate, sources):
                self.execute(candidate, sources)
            case CommitBlock(candidate, certificate):
                self.commit(candidate, certificate)
            case FetchCandidate():
                self.fetch(effect)
            case PeerBehind(sender, height):
                self.help_peer(sender, height)
            case Behind(sender, height):
                self.later(500, lambda: self.ask_for_blocks(sender, height))
            case Evidence():
                self.evidence.append(effect)
            case Unready():
                self.unready += 1
            case Misbehaved(sender, height, _):
                self.cluster.checkers.on_misbehaved(self, sender, height)
            case Halt():
                self.halted = effect
                self.cluster.checkers.on_halt(self, effect)

    # Messages

    def send(self, target: Host, message: Message) -> None:
        """Put a message on the network, through the filter of a Byzantine host."""
        for sent in [message] if self.corrupt is None else self.corrupt(message, target.ident):
            data = encode_message(sent)
            self.cluster.network.send(
                self.ident, target.ident, lambda data=data: target.receive(data), step_of(sent)
            )

    def receive(self, data: bytes) -> None:
        """Verify a message and hand it to the core, or see that someone is behind."""
        context = self.state.context
        if not self.alive or self.halted is not None or context is None:
            return
        try:
            message = self.verifier.decode_and_verify(data, context.validators_at)
        except UnknownHeight as unknown:
            if unknown.height > context.height:
                self.ask_for_blocks(unknown.sender, unknown.height)
            else:
                self.help_peer(unknown.sender, unknown.height)
            return
        except PeerError as error:
            self.cluster.checkers.on_peer_error(self, error)
            return
        self.feed(MessageReceived(message))

    # Blocks

    def build(self, effect: BuildBlock) -> None:
        """Build a block of a few new transactions on the head."""
        context = self.state.here
        tx_hashes = self.cluster.some_transactions()
        header = Header(
            chain=CHAIN,
            version=1,
            height=effect.height,
            time=max(context.parent_time + 1, self.clock()),
            parent=context.parent_digest,
            parent_state_root=context.parent_roots.state_root,
            parent_commit=certificate_hash(effect.parent_certificate),
            proposer=self.key,
            tx_root=merkle.root(tx_hashes),
            tx_count=len(tx_hashes),
            validators_hash=context.validators.hash,
            next_validators_hash=context.next_validators.hash,
        )
        candidate = Candidate(header, effect.parent_certificate, tx_hashes)
        self.cluster.bodies.setdefault(header_digest(header), set()).add(self.ident)
        self.answer(BlockBuilt(effect.height, effect.round, candidate))

    def clock(self) -> int:
        """The node's own wall clock."""
        return self.world.now + 10_000 + self.skew_ms

    def check(self, effect: CheckBlock) -> None:
        """Get the transactions, hold back what is too far ahead, then judge."""
        candidate = effect.candidate
        height, digest = candidate.header.height, header_digest(candidate.header)
        if self.ledger.height >= height:
            return
        if not self.get_bodies(digest) or (
            effect.judge_time and candidate.header.time > self.clock() + TOLERANCE_MS
        ):
            self.later(200, lambda: self.check(effect))
            return
        valid = POISON not in candidate.tx_hashes
        self.answer(BlockChecked(height, digest, valid, "" if valid else "poison"))

    def get_bodies(self, digest: bytes) -> bool:
        """Have a block's transactions, from any host that holds them and is within reach."""
        holders = self.cluster.bodies.setdefault(digest, set())
        if self.ident in holders:
            return True
        for ident in sorted(holders):
            if self.cluster.hosts[ident].alive and self.cluster.network.connected(self.ident, ident):
                holders.add(self.ident)
                return True
        return False

    def execute(self, candidate: Candidate, sources: tuple[int, ...]) -> None:
        """Execute on an overlay; get missing transactions first."""
        height, digest = candidate.header.height, header_digest(candidate.header)
        if self.ledger.height >= height:
            return
        if not self.get_bodies(digest):
            self.later(200, lambda: self.execute(candidate, sources))
            return
        roots, _ = self.ledger.execute(candidate)
        self.answer(BlockExecuted(height, digest, roots), 1, 60)

    def commit(self, candidate: Candidate, certificate: Certificate) -> None:
        """Write a final block, and go on to the next height."""
        assert candidate.header.height == self.ledger.height + 1
        self.ledger.commit(candidate, certificate)
        self.cluster.checkers.on_commit(self, candidate, certificate)
        self.cluster.on_decision(self)
        self.later(0, self.begin_height)

    # Helping and syncing

    def fetch(self, effect: FetchCandidate) -> None:
        """Ask the sources for a candidate, all at once."""
        for index in effect.sources:
            for host in self.cluster.hosts_at(self.state.here.validators, index):
                self.cluster.network.send(
                    self.ident, host.ident, lambda host=host: host.serve_candidate(self, effect.digest)
                )

    def serve_candidate(self, asker: Host, digest: bytes) -> None:
        """Serve a candidate of the current height, or of the chain."""
        if not self.alive:
            return
        candidate = self.state.candidate(digest)
        if candidate is not None:
            self.cluster.network.send(self.ident, asker.ident, lambda: asker.receive_candidate(candidate))

    def receive_candidate(self, candidate: Candidate) -> None:
        """Hand a fetched candidate to the core if its header binds all of it."""
        if self.alive and candidate_is_whole(candidate):
            self.feed(CandidateFetched(candidate))

    def help_peer(self, sender: int, height: int) -> None:
        """Send blocks with certificates from a height on."""
        if height > self.ledger.height or height < 1:
            return
        for host in self.cluster.hosts_at(self.ledger.membership.at(height), sender):
            self.send_blocks(host, height)

    def ask_for_blocks(self, sender: int, height: int) -> None:
        """Ask someone who is ahead."""
        if self.ledger.height + 1 >= height or self.halted is not None:
            return
        start = self.ledger.height + 1
        for host in self.cluster.hosts_at(self.ledger.membership.at(height), sender):
            self.cluster.network.send(self.ident, host.ident, lambda host=host: host.send_blocks(self, start))

    def send_blocks(self, asker: Host, start: int) -> None:
        """Send up to SYNC_BATCH blocks."""
        if not self.alive or self.halted is not None:
            return
        blocks = self.ledger.blocks[start - 1 : start - 1 + SYNC_BATCH]
        if blocks and asker is not self:
            self.cluster.network.send(self.ident, asker.ident, lambda: asker.receive_blocks(blocks))

    def receive_blocks(self, blocks: list[tuple[Candidate, Certificate]]) -> None:
        """Verify and import in order, idempotently; then begin the height after them."""
        if not self.alive or self.halted is not None:
            return
        imported = False
        for candidate, certificate in blocks:
            if candidate.header.height != self.ledger.height + 1:
                continue
            if not self.is_certified(candidate, certificate):
                break
            self.ledger.commit(candidate, certificate)
            self.cluster.checkers.on_commit(self, candidate, certificate)
            imported = True
        if imported:
            self.begin_height()

    def is_certified(self, candidate: Candidate, certificate: Certificate) -> bool:
        """Tell whether a synced block follows our head and a quorum sealed it with the roots we get."""
        validators = self.ledger.membership.at(candidate.header.height)
        if certificate.digest != header_digest(candidate.header) or not candidate_is_whole(candidate):
            return False
        if not self.verifier.certificate_is_valid(certificate, validators):
            return False
        return self.ledger.execute(candidate)[0] == certificate.roots
