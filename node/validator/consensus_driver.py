"""Runs the consensus core: feeds it inputs one at a time and performs its effects in order.

    peers, timers, tasks ──feed──► queue ──► step(state, input) ──► effects ──► log, network, tasks, store

The core decides, this performs. One event loop owns both, so no input is ever handled while another's
effects are half done; inputs that arise meanwhile wait in the queue. Getting, checking and executing
blocks takes time: those effects start tasks, whose answers are inputs again. Tasks belong to a height
and are cancelled with it.

Invariants:
    1. `Persist` is on the disk before any later effect of its step is performed.
    2. After a halt nothing is signed, sent or written; reads go on.
    3. An unexpected exception, in the core or in a task, is a halt (SPEC section 3).
    4. A disk that refuses is a halt too, and `disk_failed` tells the process to end: a restart is all it takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from consensus import effects, inputs
from consensus.messages import Message, encode_message, statement_of, step_of
from consensus.state_machine import State, step
from consensus.types import Candidate, Certificate, ValidatorSet, header_digest
from node.chain.ledger import Executed, Ledger
from node.runtime.disk_space import DiskFull
from node.store import StoreCorrupt, StoreFailure, advice
from node.validator.block_builder import Proposer
from node.validator.block_processor import BlockProcessor
from node.validator.fault_counts import EQUIVOCATIONS, INVALID_BLOCKS, MISBEHAVED, FaultCounts
from node.validator.recovery_marker import is_announcement
from node.votes.signing_guard import SigningGuard
from node.votes.write_ahead_format import WriteAheadLogError
from node.votes.write_ahead_log import WriteAheadLog
from vm.primitives.keys import SigningKey
from vm.transaction import Transaction, parse_transaction

_log = logging.getLogger(__name__)

MAX_EVIDENCE: Final = 256
"""Kept in memory for `node_consensus`; a lying validator cannot fill more."""


class ConsensusPort(Protocol):
    """What the driver asks of the network."""

    def broadcast(self, message: bytes) -> None:
        """Send a consensus message to every peer."""
        ...

    def send(self, validator: int, message: bytes) -> None:
        """Send a consensus message to one validator."""
        ...

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        """Ask a validator for a block that is not decided yet."""
        ...

    def peer_behind(self, validator: int, height: int) -> None:
        """A validator of `height`, which is decided, votes for it: tell it where we are."""
        ...

    def peer_ahead(self, validator: int, height: int) -> None:
        """A validator of `height` votes for it: it has decided those before."""
        ...

    def misbehaved(self, validator: int, height: int, reason: str) -> None:
        """A validator of `height` signed what no correct one sends."""
        ...


class ConsensusDriver:
    """The consensus of one node.

    Args:
        key: None for a node that observes only.
        on_commit: called after each commit with what was committed and the certificate's round.
        on_evidence: called with each two conflicting messages of one validator.
    """

    def __init__(
        self,
        ledger: Ledger,
        processor: BlockProcessor,
        proposer: Proposer | None,
        wal: WriteAheadLog,
        port: ConsensusPort,
        key: SigningKey | None,
        on_commit: Callable[[Executed], None],
        on_evidence: Callable[[effects.Evidence], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._processor = processor
        self._proposer = proposer
        self._wal = wal
        self._own_key = None if key is None else key.public_key
        self.guard = SigningGuard(wal, self._own_key)
        self._port = port
        self._on_commit = on_commit
        self._on_evidence = on_evidence
        self._sign = None if key is None else key.sign
        self._state = State(self._sign)
        self._work_height = 0
        self._queue: deque[inputs.Input] = deque()
        self._draining = False
        self._tasks: dict[tuple[str, bytes], asyncio.Task[None]] = {}
        self._fetching: dict[bytes, effects.FetchCandidate] = {}
        self._round_timer: asyncio.TimerHandle | None = None
        self._rebroadcast_timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self.halted: str | None = None
        self.on_halt: Callable[[], None] = lambda: None
        self.disk_failed = asyncio.Event()
        self.unready: str | None = None
        self.fault_counts = FaultCounts()
        self.evidence: deque[effects.Evidence] = deque(maxlen=MAX_EVIDENCE)
        self._performers: dict[type[Any], Callable[[Any], None]] = {
            effects.Persist: self._persist,
            effects.Broadcast: self._broadcast,
            effects.Send: self._send,
            effects.ScheduleTimeout: self._schedule_timeout,
            effects.ScheduleRebroadcast: self._schedule_rebroadcast,
            effects.BuildBlock: self._build_block,
            effects.CheckBlock: self._check_block,
            effects.ExecuteBlock: self._execute_block,
            effects.CommitBlock: self._commit_block,
            effects.FetchCandidate: self._fetch_candidate,
            effects.PeerBehind: lambda effect: self._port.peer_behind(effect.sender, effect.height),
            effects.Behind: lambda effect: self._port.peer_ahead(effect.sender, effect.height),
            effects.Misbehaved: self._blame,
            effects.Evidence: self._keep_evidence,
            effects.Unready: self._become_unready,
            effects.Halt: lambda effect: self.halt(effect.reason, effect.details),
        }

    # -- inputs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Restore the write-ahead log and begin the height after the head."""
        if self._halt_for_version():
            return
        self._begin_height()

    def _begin_height(self) -> None:
        """Begin the height after the head with a core that knows what the log holds, and nothing else."""
        context = self.guard.context(self._ledger.height_context())
        votes = self.guard.votes_to_restore(self._ledger.height)
        self._remember_logged_bodies()
        self.feed(inputs.Restored(tuple(vote.record for vote in votes)))
        self.feed(inputs.NewHeight(context))

    def _begin_height_again(self) -> None:
        """Whether this validator may sign has changed in the midst of a height: forget what was heard of it.

        Nothing is lost: what others have said they repeat, what we have said is in the log.
        """
        for timer in (self._round_timer, self._rebroadcast_timer):
            if timer is not None:
                timer.cancel()
        self._cancel_tasks()
        self._state = State(self._sign)
        self._begin_height()
        if self._work_height == self._ledger.height + 1:
            self.work_available()

    def _remember_logged_bodies(self) -> None:
        """Hold the transactions of this height's logged blocks: a restored vote says that they are here."""
        height = self._ledger.height
        for vote in self._wal.votes_above(height):
            block = vote.record.block
            if block is not None and vote.transactions is not None and block.header.height == height + 1:
                transactions = [parse_transaction(raw) for raw in vote.transactions]
                self._processor.remember_body(header_digest(block.header), transactions)

    def work_available(self) -> None:
        """There is something to propose and the block interval has passed."""
        self._work_height = self._ledger.height + 1
        self.feed(inputs.WorkAvailable(self._work_height))

    def peer_said(self, key: bytes, height: int) -> None:
        """An authenticated peer says how high its head is."""
        self._ask_guard(lambda: self.guard.peer_said(key, height))

    def message_received(self, message: Message) -> None:
        """Feed a message whose signatures have been verified."""
        validators = self._validators_at(message.height)
        self._ask_guard(lambda: self.guard.message_seen(message, validators))
        self.feed(inputs.MessageReceived(message))

    def _ask_guard(self, look: Callable[[], bool]) -> None:
        """Let the guard look at what comes; where it decides otherwise from now on, the core must know at once."""
        if self._stopped:
            return
        try:
            if look():
                self._begin_height_again()
        except Exception as error:
            self.halt_for(error)

    def feed(self, event: inputs.Input) -> None:
        """Give the core an input; returns after its effects, and those of inputs that follow, were performed."""
        if self._stopped:
            return  # after a halt nothing would ever take it out of the queue; after a stop the files are closed
        self._queue.append(event)
        if self._draining:
            return
        self._draining = True
        try:
            while self._queue and self.halted is None:
                self._step(self._queue.popleft())
        except Exception as error:
            self.halt_for(error)
        finally:
            self._draining = False

    def _step(self, event: inputs.Input) -> None:
        self._state, todo = step(self._state, event)
        for effect in todo:
            if self.halted is not None:
                return
            self._performers[type(effect)](effect)

    # -- effects -----------------------------------------------------------------------------------

    def _persist(self, effect: effects.Persist) -> None:
        block = effect.record.block
        raws = None
        if block is not None:
            body = self._processor.body(header_digest(block.header))
            if body is None:
                raise RuntimeError("a vote binds a block whose transactions are not here")
            raws = [tx.raw for tx in body]
        self._ledger.store.flush()  # whoever votes has the blocks below on its disk
        self.guard.log_vote(effect.record, raws)

    def _broadcast(self, effect: effects.Broadcast) -> None:
        self._port.broadcast(encode_message(effect.message))

    def _send(self, effect: effects.Send) -> None:
        self._port.send(effect.to, encode_message(effect.message))

    def _schedule_timeout(self, effect: effects.ScheduleTimeout) -> None:
        if self._round_timer is not None:
            self._round_timer.cancel()
        event = inputs.TimerExpired(effect.height, effect.round)
        loop = asyncio.get_running_loop()
        self._round_timer = loop.call_later(effect.duration_ms / 1_000, self.feed, event)

    def _schedule_rebroadcast(self, effect: effects.ScheduleRebroadcast) -> None:
        if self._rebroadcast_timer is not None:
            self._rebroadcast_timer.cancel()
        event = inputs.RebroadcastDue(effect.height)
        loop = asyncio.get_running_loop()
        self._rebroadcast_timer = loop.call_later(effect.duration_ms / 1_000, self.feed, event)

    def _build_block(self, effect: effects.BuildBlock) -> None:
        context = self._state.context
        if self._proposer is None or context is None:
            raise RuntimeError("a node that does not propose was asked for a block")
        proposed = self._proposer.propose(context, effect.parent_certificate, effect.required)
        candidate = None
        if proposed is not None:
            candidate, transactions = proposed
            self._processor.remember_body(header_digest(candidate.header), transactions)
        self.feed(inputs.BlockBuilt(effect.height, effect.round, candidate))

    def _check_block(self, effect: effects.CheckBlock) -> None:
        candidate = effect.candidate
        digest = header_digest(candidate.header)
        # The source surely has the transactions, but may withhold them from us alone, and consensus asks
        # for one check only: whoever prepared the block has them as well.
        sources = (effect.source, *(i for i in self._others() if i != effect.source))

        async def check() -> None:
            reason = await self._processor.judge(candidate, sources, effect.judge_time)
            if reason is not None:
                _log.warning("height %d: invalid block: %s", candidate.header.height, reason)
                self.fault_counts.count(candidate.header.proposer, INVALID_BLOCKS)
            self.feed(inputs.BlockChecked(candidate.header.height, digest, reason is None, reason or ""))

        self._start_task("check", digest, check())

    def _execute_block(self, effect: effects.ExecuteBlock) -> None:
        candidate = effect.candidate
        digest = header_digest(candidate.header)

        async def execute() -> None:
            executed = await self._processor.execute(candidate, effect.sources)
            if executed is not None:
                self.feed(inputs.BlockExecuted(candidate.header.height, digest, executed.roots))
            elif self._ledger.height == candidate.header.height - 1:
                # What others sealed cannot be executed: the core must know, or we would wait for ever.
                reason = "a sealed block holds transactions that are malformed or not signed, or too many"
                self.feed(inputs.BlockChecked(candidate.header.height, digest, False, reason))

        self._start_task("execute", digest, execute())

    def _others(self) -> list[int]:
        """Return the indices of the other validators of this height."""
        context = self._state.context
        return [] if context is None else [i for i in range(context.validators.n) if i != context.own_index]

    def _fetch_candidate(self, effect: effects.FetchCandidate) -> None:
        if self._fetching.get(effect.digest) == effect and ("fetch", effect.digest) in self._tasks:
            return  # beginning again at each repetition, a silent first source would be asked for ever

        async def fetch() -> None:
            attempt = 0
            while True:
                source = effect.sources[attempt % len(effect.sources)]
                candidate = await self._port.candidate(source, effect.digest)
                if candidate is not None:
                    self.feed(inputs.CandidateFetched(candidate))
                    return
                attempt += 1
                if attempt % len(effect.sources) == 0:
                    await asyncio.sleep(FETCH_PAUSE_SECONDS)

        self._fetching[effect.digest] = effect
        self._start_task("fetch", effect.digest, fetch())

    def _commit_block(self, effect: effects.CommitBlock) -> None:
        executed = self._processor.executed(header_digest(effect.candidate.header))
        if executed is None:
            raise RuntimeError("a block is to be committed that was not executed")
        self.commit(executed, effect.certificate)

    def commit(self, executed: Executed, certificate: Certificate) -> None:
        """Write a final block and begin the next height; for consensus and for block sync.

        After a halt or a stop nothing is written: it may have come while block sync was executing.
        """
        if self._stopped:
            return
        context = self._state.here
        self.guard.certificate_seen(context.parent_certificate, context.parent_validators)
        self.guard.certificate_seen(executed.candidate.parent_certificate, context.parent_validators)
        self.guard.certificate_seen(certificate, context.validators)
        self.fault_counts.height_decided(self._state, certificate)
        self.fault_counts.block_decided(self._state, executed, self._ledger.params)
        self._ledger.commit(executed, certificate, self._wal.mark)
        self._tell_guard(certificate.height, executed.transactions)
        self._cancel_tasks()
        self._processor.clear()
        self._on_commit(executed)
        if self._halt_for_version():
            return
        self.feed(inputs.NewHeight(self.guard.context(self._ledger.height_context())))

    def _tell_guard(self, height: int, transactions: Sequence[Transaction]) -> None:
        """Show the guard the transactions of a final block: its marker, or an announcement of another process."""
        self.guard.block_final(height, (tx.id for tx in transactions))
        for tx in transactions:
            if is_announcement(tx, self._own_key):
                self.guard.announcement_final(tx.id)

    def _halt_for_version(self) -> bool:
        """Stop where the alliance has moved on to a protocol version that this release does not know."""
        fault = self._ledger.version_fault()
        if fault is not None:
            self.halt(fault, {})
        return fault is not None

    def _blame(self, effect: effects.Misbehaved) -> None:
        self.fault_counts.count_index(self._validators_at(effect.height), effect.sender, MISBEHAVED)
        self._port.misbehaved(effect.sender, effect.height, effect.reason)

    def _validators_at(self, height: int) -> ValidatorSet | None:
        context = self._state.context
        return None if context is None else context.validators_at(height)

    def _keep_evidence(self, effect: effects.Evidence) -> None:
        self.fault_counts.count_index(self._validators_at(effect.first.height), effect.first.sender, EQUIVOCATIONS)
        first = effect.first
        _log.error(
            "validator %d signed two different messages: %s of round %d at height %d",
            first.sender,
            step_of(first),
            first.round,
            first.height,
        )
        self.evidence.append(effects.Evidence(statement_of(effect.first), statement_of(effect.second)))
        self._on_evidence(effect)

    def _become_unready(self, effect: effects.Unready) -> None:
        _log.error("height %d: %s", effect.height, effect.reason)
        self.unready = effect.reason

    # -- halting -----------------------------------------------------------------------------------

    def halt(self, reason: str, details: dict[str, str]) -> None:
        """Stop taking part for good, loudly."""
        if self.halted is not None:
            return
        self.halted = reason
        _log.critical("HALTED at height %d: %s %s", self._ledger.height + 1, reason, details)
        self.stop()
        self.on_halt()

    def halt_for(self, error: BaseException) -> None:
        """Stop taking part because of an exception."""
        if isinstance(error, DISK_ERRORS):
            self.halt(f"disk: {error}", {})
            self.disk_failed.set()
            return
        if isinstance(error, StoreCorrupt):
            self.halt(f"the store is damaged: {error}. {advice()}", {})
            return
        _log.critical("unexpected exception", exc_info=error)
        self.halt(f"{type(error).__name__}: {error}", {})

    def stop(self) -> None:
        """Cancel timers and tasks, and take nothing in any more."""
        self._stopped = True
        for timer in (self._round_timer, self._rebroadcast_timer):
            if timer is not None:
                timer.cancel()
        self._cancel_tasks()

    # -- reading -----------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The core's state, to read `context`, `round`, `decided` and `candidate`."""
        return self._state

    @property
    def is_executing(self) -> bool:
        """Whether a block of the height in progress is being executed: then this node is busy, not stuck.

        In any other case nothing may come by itself while others have decided the height: what they said of it
        was here before the news that they are ahead, they do not repeat it, and they serve candidates and
        transactions of their own height only.
        """
        return bool(self._state.executing)

    # -- tasks -------------------------------------------------------------------------------------

    def _start_task(self, kind: str, digest: bytes, work: Coroutine[Any, Any, None]) -> None:
        former = self._tasks.pop((kind, digest), None)
        if former is not None:
            former.cancel()
        task = asyncio.get_running_loop().create_task(work, name=f"{kind} {digest.hex()[:8]}")
        self._tasks[kind, digest] = task
        task.add_done_callback(lambda done: self._task_done(kind, digest, done))

    def _task_done(self, kind: str, digest: bytes, task: asyncio.Task[None]) -> None:
        if self._tasks.get((kind, digest)) is task:
            del self._tasks[kind, digest]
        if not task.cancelled() and (error := task.exception()) is not None:
            self.halt_for(error)

    def _cancel_tasks(self) -> None:
        current = asyncio.current_task()
        for task in self._tasks.values():
            if task is not current:  # the task whose answer led here ends by itself
                task.cancel()
        self._tasks.clear()
        self._fetching.clear()


DISK_ERRORS: Final = (WriteAheadLogError, StoreFailure, DiskFull)

FETCH_PAUSE_SECONDS: Final = 0.25
"""Between two rounds of asking everyone for a candidate."""
