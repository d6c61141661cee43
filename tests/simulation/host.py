"""A simulated node: the shell around one production core, performing its effects as the driver must.

Messages are real bytes, decoded and verified on arrival. Effects are performed in order; where the disk is
slow, all that follows a Persist waits for it, and everything else that this host does. A crash may fall
between any two effects of a step, or into the midst of a Persist: what follows is lost, chain and log
survive. Every life of a host has a number; what was asked in a former life is ignored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from consensus.compact import CompactProposal
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
    Input,
    MessageReceived,
    NewHeight,
    RebroadcastDue,
    Restored,
    TimerExpired,
    WorkAvailable,
)
from consensus.messages import Message, step_of
from consensus.state_machine import State, step
from consensus.types import header_digest
from consensus.verification import Verifier
from node.votes.signing_guard import SigningGuard

from .batches import Batches
from .blocks import Blocks
from .disk import Disk
from .ledger import CHAIN, Ledger
from .lives import Lives
from .signing import Sign, Verify

if TYPE_CHECKING:
    from .byzantine import Strategy
    from .cluster import Cluster

BLOCK_INTERVAL_MS = 200


class Host:
    """One node of the cluster.

    Attributes:
        ident: the network address; two hosts may hold one key (a Byzantine twin).
        strategies: how a Byzantine host lies; empty for all others.
        guarded: signs through the production guard, as all hosts but liars do.
        serves: gives undecided blocks and transactions to others.
        crash_after: crash once so many more effects were performed.
        busy: waits for its disk, with effects that are not performed yet.
    """

    def __init__(
        self, cluster: Cluster, ident: int, key: bytes, sign: Sign, verify: Verify, ledger: Ledger, disk: Disk
    ) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.ident = ident
        self.key = key
        self.sign = sign
        self.ledger = ledger
        self.disk = disk
        self.blocks = Blocks(self)
        self.batches = Batches(self)
        self.byzantine = False
        self.guarded = True
        self.guard: SigningGuard | None = None
        self.lives = Lives(self)
        self.serves = True
        self.strategies: list[Strategy] = []
        self.skew_ms = 0
        self.life = 0
        self.alive = False
        self.halted: Halt | None = None
        self.crash_after: int | None = None
        self.unready = 0
        self.evidence: list[Evidence] = []
        self._verify = verify
        self._effects: deque[Effect] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self.busy = False
        self.verifier = Verifier(CHAIN, verify)
        self.state = State(sign)

    # Lives

    def start(self) -> None:
        """Begin a life from what is durable."""
        self.life += 1
        self.alive = True
        self.crash_after = None
        self.busy = False
        self._effects.clear()
        self._waiting.clear()
        self.verifier = Verifier(CHAIN, self._verify)
        self.state = State(self.sign)
        for strategy in self.strategies:
            strategy.before_start()
        held, logged = self.lives.open()
        blocks = [record.block for record, has_body in logged if has_body]
        self.blocks.keep_only({header_digest(block.header) for block in blocks if block is not None})
        self.cluster.checkers.on_start(self, held)
        self.feed(Restored(tuple(record for record, _ in logged)))
        self.begin_height()
        for strategy in self.strategies:
            strategy.on_start()

    def crash(self) -> None:
        """Lose everything that is not durable."""
        self.alive = False
        self.life += 1
        self.disk.close()

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something later, unless this life has ended."""
        life = self.life
        self.world.after(delay_ms, lambda: self.do(action) if self.life == life else None)

    def do(self, action: Callable[[], None]) -> None:
        """Do something now, or as soon as the disk lets us: a node waits for it with everything."""
        if self.busy:
            self._waiting.append(action)
        elif self.alive:
            action()

    def answer(self, event: Input, high_ms: int = 20) -> None:
        """Answer an effect as a later input."""
        self.later(1 + self.world.below(high_ms), lambda: self.feed(event))

    def clock(self) -> int:
        """The node's own wall clock."""
        return self.world.now + 10_000 + self.skew_ms

    # The core

    def feed(self, event: Input) -> None:
        """Step the core and perform its effects in order."""
        if self.alive and self.halted is None:
            self.state, effects = step(self.state, event)
            self._effects.extend(effects)
            self._perform_all()

    def _perform_all(self) -> None:
        while self._effects and self._perform_next():
            pass

    def _perform_next(self) -> bool:
        """Perform one effect; False where the host must wait, or is no more."""
        effect = self._effects.popleft()
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after < 0:
                if isinstance(effect, Persist):
                    self.disk.crash_while_appending(effect.record)
                self.crash()
                return False
        if not isinstance(effect, Persist):
            self.perform(effect)
            return self.alive and self.halted is None
        self.cluster.checkers.on_persist(self, effect.record)
        delay_ms = self.disk.append(effect.record)
        if delay_ms > 0:
            self.busy = True
            life = self.life
            self.world.after(delay_ms, lambda: self._disk_done() if self.life == life else None)
        return delay_ms == 0

    def _disk_done(self) -> None:
        self.busy = False
        self._perform_all()
        while self._waiting and self.alive and not self.busy:
            self._waiting.popleft()()

    def begin_height(self) -> None:
        """Tell the core what comes after the head; there is always work after the block interval."""
        height = self.ledger.height + 1
        context = self.ledger.context(self.key)
        if self.guard is not None:
            context = self.guard.context(context)
            if self.guard.recovering:
                self.lives.tend()
        self.feed(NewHeight(context))
        delay = BLOCK_INTERVAL_MS + self.world.below(100)
        self.later(delay, lambda: self.feed(WorkAvailable(height)))

    def begin_height_again(self) -> None:
        """Whether this host may sign has changed: a core without memory begins, as the driver does it."""
        self.life += 1
        self.state = State(self.sign)
        votes = [] if self.guard is None else self.guard.votes_to_restore(self.ledger.height)
        self.feed(Restored(tuple(vote.record for vote in votes)))
        self.begin_height()

    def perform(self, effect: Effect) -> None:
        """Perform one effect other than Persist."""
        match effect:
            case Broadcast(message):
                self.cluster.checkers.on_send(self, message)
                self.send(message, self.cluster.peers_of(self))
            case Send(to, message):
                self.cluster.checkers.on_send(self, message)
                self.cluster.checkers.debts.on_answer(self, to, message)
                self.send(message, self.cluster.hosts_at(self.state.here.validators, to))
            case ScheduleTimeout(height, round_, duration_ms):
                self.cluster.checkers.on_timeout(self, height, round_)
                self.later(duration_ms, lambda: self.feed(TimerExpired(height, round_)))
            case ScheduleRebroadcast(height, duration_ms):
                self.cluster.checkers.debts.on_rebroadcast(self, height)
                self.later(duration_ms, lambda: self.feed(RebroadcastDue(height)))
            case BuildBlock():
                self.blocks.build(effect)
            case CheckBlock():
                self.blocks.check(effect)
            case ExecuteBlock(candidate):
                self.blocks.execute(candidate)
            case CommitBlock(candidate, certificate):
                self.blocks.commit(candidate, certificate)
            case FetchCandidate(height, digest):
                self.cluster.checkers.debts.on_fetch(self, height, digest)
                self.blocks.fetch(effect)
            case PeerBehind(sender, height):
                self.blocks.help_validator(sender, height)
            case Behind(sender, height):
                hosts = self.cluster.hosts_at(self.state.here.next_validators, sender)
                self.later(500, lambda: self.blocks.ask_for_more(hosts, height))
            case _:
                self._take_note(effect)

    def _take_note(self, effect: Effect) -> None:
        match effect:
            case Evidence(first, second):
                self.evidence.append(effect)
                self.cluster.checkers.on_evidence(self, first, second)
            case Unready():
                self.unready += 1
            case Misbehaved(sender, height, _):
                self.cluster.checkers.on_misbehaved(self, sender, height)
            case Halt():
                self.halted = effect
                self.cluster.checkers.on_halt(self, effect)
            case _:
                raise AssertionError(f"nobody performs {effect}")

    # Messages

    def send(self, message: Message, targets: list[Host]) -> None:
        """Put a message on the network, through the lies of a Byzantine host."""
        if not self.strategies:
            data, kind = self.batches.encoded(message), step_of(message)
            for target in targets:
                self.send_bytes(data, target, kind)
            return
        for target in targets:
            messages = [message]
            for strategy in self.strategies:
                messages = [told for each in messages for told in strategy.outgoing(each, target.ident)]
            for told in messages:
                self.send_bytes(self.batches.encoded(told), target, step_of(told))

    def send_bytes(self, data: bytes, target: Host, kind: str = "") -> None:
        """Put bytes on the network as they are."""
        deliver = partial(target.do, partial(target.receive, data, self))
        self.cluster.network.send(self.ident, target.ident, deliver, kind)

    def receive(self, data: bytes, source: Host) -> None:
        """Verify a message and hand it to the core, or see that someone is behind."""
        context = self.state.context
        if not self.alive or self.halted is not None or context is None:
            return
        try:
            message = self.cluster.reader.read(data, context)
            if isinstance(message, CompactProposal):
                message = self.batches.resolved(message, source)
        except UnknownHeight as unknown:
            if unknown.height > context.height:
                self.blocks.ask_for_more([source], unknown.height)
            else:
                self.blocks.send_blocks(source, unknown.height)
            return
        except PeerError as error:
            self.cluster.checkers.on_peer_error(self, source, error)
            return
        if message is not None:
            self.take(message)

    def take(self, message: Message) -> None:
        """Hand a verified message to the core."""
        context = self.state.context
        if not self.alive or self.halted is not None or context is None:
            return
        for strategy in self.strategies:
            strategy.incoming(message)
        if self.guard is not None and self.guard.message_seen(message, context.validators_at(message.height)):
            self.begin_height_again()
        self.cluster.checkers.debts.on_receive(self, message)
        self.feed(MessageReceived(message))
