"""Runs the consensus core: feeds it inputs one at a time and performs its effects in order.

    peers, timers, tasks ──feed──► queue ──► step(state, input) ──► effects ──► log, network, tasks, store

The core decides, this performs. One event loop owns both, so no input is ever handled while another's
effects are half done; inputs that arise meanwhile wait in the queue. What takes time is done by tasks
(`node.validator.block_tasks`), whose answers are inputs again.

Invariants:
    1. `Persist` is on the disk before any later effect of its step is performed.
    2. After a halt nothing is signed, sent or written; reads go on.
    3. An unexpected exception, in the core or in a task, is a halt (SPEC section 3).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from consensus import effects, inputs
from consensus.messages import Message, Proposal, encode_message, step_of
from consensus.state_machine import State, step
from consensus.types import Certificate, ValidatorSet, header_digest
from network.stages import STAGES
from network.tasks import start_timer
from node.chain.ledger import Executed, Ledger
from node.runtime.supervisor import Ends, Supervisor
from node.validator.block_tasks import BlockTasks
from node.votes.signing_guard import SigningGuard
from vm.primitives.keys import SigningKey

_log = logging.getLogger(__name__)


class ConsensusPort(Protocol):
    """What the driver asks of the network, and what it tells the rest of the node."""

    def broadcast(self, message: bytes) -> None:
        """Send a consensus message to every peer."""
        ...

    def propose(self, proposal: Proposal) -> None:
        """Send a proposal to every peer, in the form that it reads."""
        ...

    def send(self, validator: int, message: bytes) -> None:
        """Send a consensus message to one validator."""
        ...

    def round_began(self, height: int, round_: int) -> None:
        """A round begins here."""
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

    def contradicted(self, evidence: effects.Evidence) -> None:
        """A validator signed two different messages for one step."""
        ...


class ConsensusDriver:
    """The consensus of one node.

    Args:
        key: None for a node that observes only.
    """

    def __init__(
        self,
        ledger: Ledger,
        guard: SigningGuard,
        blocks: BlockTasks,
        port: ConsensusPort,
        supervisor: Supervisor,
        key: SigningKey | None,
    ) -> None:
        self._ledger = ledger
        self._guard = guard
        self._blocks = blocks
        self._port = port
        self._supervisor = supervisor
        self._sign = None if key is None else key.sign
        self._state = State(self._sign)
        self._work_height = 0
        self._queue: deque[inputs.Input] = deque()
        self._draining = False
        self._round_timer: asyncio.TimerHandle | None = None
        self._rebroadcast_timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._unready: str | None = None
        self._performers: dict[type[Any], Callable[[Any], None]] = {
            effects.Persist: self._persist,
            effects.Broadcast: self._broadcast,
            effects.Send: lambda effect: self._port.send(effect.to, encode_message(effect.message)),
            effects.ScheduleTimeout: self._schedule_timeout,
            effects.ScheduleRebroadcast: self._schedule_rebroadcast,
            effects.BuildBlock: lambda effect: self._blocks.build(effect, self),
            effects.CheckBlock: lambda effect: self._blocks.check(effect, self),
            effects.ExecuteBlock: lambda effect: self._blocks.execute(effect, self),
            effects.CommitBlock: lambda effect: self._blocks.commit(effect),
            effects.FetchCandidate: lambda effect: self._blocks.fetch(effect, self),
            effects.PeerBehind: lambda effect: self._port.peer_behind(effect.sender, effect.height),
            effects.Behind: lambda effect: self._port.peer_ahead(effect.sender, effect.height),
            effects.Misbehaved: lambda effect: self._port.misbehaved(effect.sender, effect.height, effect.reason),
            effects.Evidence: self._contradicted,
            effects.Unready: self._become_unready,
            effects.Halt: lambda effect: self._supervisor.halt(effect.reason, effect.details),
        }
        supervisor.on_halt(self.stop)

    # -- inputs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Restore the write-ahead log and begin the height after the head."""
        if self._halt_for_version():
            return
        self._begin_height()

    def _begin_height(self) -> None:
        """Begin the height after the head with a core that knows what the log holds, and nothing else."""
        height = self._ledger.height
        context = self._guard.context(self._ledger.height_context())
        votes = self._guard.votes_to_restore(height)
        for digest, transactions in self._guard.bodies_to_restore(height):
            self._blocks.remember_body(digest, transactions)
        self.feed(inputs.Restored(tuple(vote.record for vote in votes)))
        self.feed(inputs.NewHeight(context))

    def _begin_height_again(self) -> None:
        """Whether this validator may sign has changed in the midst of a height: forget what was heard of it.

        Nothing is lost: what others have said they repeat, what we have said is in the log.
        """
        self._cancel_timers()
        self._blocks.cancel()
        self._state = State(self._sign)
        self._begin_height()
        if self._work_height == self._ledger.height + 1:
            self.work_available()

    def height_final(self, executed: Executed, certificate: Certificate) -> None:
        """Begin the height after a final block; the last of the finalizer's listeners."""
        if not self._halt_for_version():
            self.feed(inputs.NewHeight(self._guard.context(self._ledger.height_context())))

    def work_available(self) -> None:
        """There is something to propose and the block interval has passed."""
        self._work_height = self._ledger.height + 1
        self.feed(inputs.WorkAvailable(self._work_height))

    def peer_said(self, key: bytes, height: int) -> None:
        """An authenticated peer says how high its head is."""
        self._ask_guard(lambda: self._guard.peer_said(key, height))

    def message_received(self, message: Message) -> None:
        """Feed a message whose signatures have been verified."""
        validators = self._validators_at(message.height)
        self._ask_guard(lambda: self._guard.message_seen(message, validators))
        self.feed(inputs.MessageReceived(message))

    def _ask_guard(self, look: Callable[[], bool]) -> None:
        """Let the guard look at what comes; where it decides otherwise from now on, the core must know at once."""
        if self._stopped:
            return
        try:
            if look():
                self._begin_height_again()
        except Exception as error:
            self.failed(error)

    def feed(self, event: inputs.Input) -> None:
        """Give the core an input; returns after its effects, and those of inputs that follow, were performed."""
        if self._stopped:
            return  # after a halt nothing would ever take it out of the queue; after a stop the files are closed
        self._queue.append(event)
        if self._draining:
            return
        self._draining = True
        try:
            with STAGES.consensus:
                while self._queue and not self._stopped:
                    self._step(self._queue.popleft())
        except Exception as error:
            self.failed(error)
        finally:
            self._draining = False

    def _step(self, event: inputs.Input) -> None:
        self._state, todo = step(self._state, event)
        for effect in todo:
            if self._supervisor.halted is not None:
                return
            self._performers[type(effect)](effect)

    # -- effects -----------------------------------------------------------------------------------

    def _persist(self, effect: effects.Persist) -> None:
        block = effect.record.block
        raws = None
        if block is not None:
            body = self._blocks.body(header_digest(block.header))
            if body is None:
                raise RuntimeError("a vote binds a block whose transactions are not here")
            raws = [tx.raw for tx in body]
        self._ledger.store.flush()  # whoever votes has the blocks below on its disk
        self._guard.log_vote(effect.record, raws)

    def _broadcast(self, effect: effects.Broadcast) -> None:
        message = effect.message
        if isinstance(message, Proposal):
            self._port.propose(message)
        else:
            self._port.broadcast(encode_message(message))

    def _schedule_timeout(self, effect: effects.ScheduleTimeout) -> None:
        if self._round_timer is not None:
            self._round_timer.cancel()
        event = inputs.TimerExpired(effect.height, effect.round)
        self._round_timer = start_timer(effect.duration_ms / 1_000, self.feed, event)
        self._port.round_began(effect.height, effect.round)

    def _schedule_rebroadcast(self, effect: effects.ScheduleRebroadcast) -> None:
        if self._rebroadcast_timer is not None:
            self._rebroadcast_timer.cancel()
        event = inputs.RebroadcastDue(effect.height)
        self._rebroadcast_timer = start_timer(effect.duration_ms / 1_000, self.feed, event)

    def _contradicted(self, effect: effects.Evidence) -> None:
        first = effect.first
        _log.error(
            "validator %d signed two different messages: %s of round %d at height %d",
            first.sender,
            step_of(first),
            first.round,
            first.height,
        )
        self._port.contradicted(effect)

    def _become_unready(self, effect: effects.Unready) -> None:
        _log.error("height %d: %s", effect.height, effect.reason)
        self._unready = effect.reason

    def _validators_at(self, height: int) -> ValidatorSet | None:
        context = self._state.context
        return None if context is None else context.validators_at(height)

    # -- ending ------------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """Halt because of an exception in the core, in one of its tasks, or in what it asked for."""
        self._supervisor.met(error, Ends.CONSENSUS)

    def _halt_for_version(self) -> bool:
        """Stop where the alliance has moved on to a protocol version that this release does not know."""
        fault = self._ledger.version_fault()
        if fault is not None:
            self._supervisor.halt(fault)
        return fault is not None

    def stop(self) -> None:
        """Cancel timers and tasks, and take nothing in any more."""
        self._stopped = True
        self._cancel_timers()
        self._blocks.cancel()

    def _cancel_timers(self) -> None:
        for timer in (self._round_timer, self._rebroadcast_timer):
            if timer is not None:
                timer.cancel()

    # -- reading -----------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The core's state, to read `context`, `round`, `decided` and `candidate`."""
        return self._state

    @property
    def stopped(self) -> bool:
        """Whether nothing is taken in any more: the node stops, or has halted."""
        return self._stopped

    def reasons(self) -> list[str]:
        """Return why clients should not use this node."""
        return [reason for reason in (self._unready, self._guard.reason) if reason is not None]
