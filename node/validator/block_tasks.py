"""What consensus wants done with blocks and what takes time: building, checking, executing, fetching, committing.

The driver hands in the effect and itself as the core; the answer is an input that is fed to the core later. Tasks
belong to a height and are cancelled with it.

Invariant: of each kind there is at most one task for a block.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from consensus import effects, inputs
from consensus.state import State
from consensus.types import Candidate, Certificate, HeightContext, header_digest
from network.stages import STAGES
from node.chain.ledger import Executed
from node.validator.block_processor import BlockProcessor
from node.validator.fault_counts import INVALID_BLOCKS, FaultCounts
from node.validator.finalizer import Finalizer
from vm.transaction import Transaction

_log = logging.getLogger(__name__)

FETCH_PAUSE_SECONDS: Final = 0.25
"""Between two rounds of asking all sources for a candidate."""


class Core(Protocol):
    """The consensus core, as its tasks answer it."""

    @property
    def state(self) -> State:
        """The core's state, to read."""
        ...

    def feed(self, event: inputs.Input) -> None:
        """Give the core an input."""
        ...

    def failed(self, error: BaseException) -> None:
        """A task has met an exception: consensus halts."""
        ...


class CandidateSource(Protocol):
    """Where candidates come from that this node has not seen."""

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        """Ask a validator for a block that is not decided yet; None where it does not give it."""
        ...


class Proposals(Protocol):
    """Makes this validator's proposals; `node.validator.block_builder.Proposer`."""

    def propose(
        self, context: HeightContext, parent_certificate: Certificate | None, required: bool
    ) -> tuple[Candidate, list[Transaction]] | None:
        """Return a candidate and its transactions, or None where there is nothing to propose."""
        ...


class BlockTasks:
    """Does the block effects of one consensus core.

    Args:
        proposer: None for a node that never proposes.
    """

    def __init__(
        self,
        processor: BlockProcessor,
        proposer: Proposals | None,
        source: CandidateSource,
        finalizer: Finalizer,
        faults: FaultCounts,
    ) -> None:
        self._processor = processor
        self._proposer = proposer
        self._source = source
        self._finalizer = finalizer
        self._faults = faults
        self._tasks: dict[tuple[str, bytes], asyncio.Task[None]] = {}
        self._fetching: dict[bytes, effects.FetchCandidate] = {}
        finalizer.on_final(self._height_final)

    def body(self, digest: bytes) -> list[Transaction] | None:
        """Return the transactions of a block, if all are here."""
        return self._processor.body(digest)

    def remember_body(self, digest: bytes, transactions: list[Transaction]) -> None:
        """Hold the transactions of a logged block: a restored vote says that they are here."""
        self._processor.remember_body(digest, transactions)

    def build(self, effect: effects.BuildBlock, core: Core) -> None:
        """Build a block, or find that there is nothing to propose."""
        context = core.state.context
        if self._proposer is None or context is None:
            raise RuntimeError("a node that does not propose was asked for a block")
        with STAGES.propose:
            proposed = self._proposer.propose(context, effect.parent_certificate, effect.required)
        candidate = None
        if proposed is not None:
            candidate, transactions = proposed
            self._processor.remember_body(header_digest(candidate.header), transactions)
        core.feed(inputs.BlockBuilt(effect.height, effect.round, candidate))

    def check(self, effect: effects.CheckBlock, core: Core) -> None:
        """Judge a block's transactions."""
        candidate = effect.candidate
        digest = header_digest(candidate.header)
        # The source surely has the transactions, but may withhold them from us alone, and consensus asks
        # for one check only: a validator that prepared the block has them as well.
        sources = (effect.source, *(i for i in _others(core.state.context) if i != effect.source))

        async def check() -> None:
            reason = await self._processor.judge(candidate, sources, effect.judge_time)
            if reason is not None:
                _log.warning("height %d: invalid block: %s", candidate.header.height, reason)
                self._faults.count(candidate.header.proposer, INVALID_BLOCKS)
            core.feed(inputs.BlockChecked(candidate.header.height, digest, reason is None, reason or ""))

        self._start("check", digest, check(), core)

    def execute(self, effect: effects.ExecuteBlock, core: Core) -> None:
        """Execute a block on the head."""
        candidate = effect.candidate
        digest = header_digest(candidate.header)

        async def execute() -> None:
            executed = await self._processor.execute(candidate, effect.sources)
            context = core.state.context
            if executed is not None:
                core.feed(inputs.BlockExecuted(candidate.header.height, digest, executed.roots))
            elif context is not None and context.height == candidate.header.height:
                # What others sealed cannot be executed: the core must know, or we would wait without end.
                reason = "a sealed block holds transactions that are malformed or not signed, or too many"
                core.feed(inputs.BlockChecked(candidate.header.height, digest, False, reason))

        self._start("execute", digest, execute(), core)

    def fetch(self, effect: effects.FetchCandidate, core: Core) -> None:
        """Ask validators for a block until one gives it."""
        if self._fetching.get(effect.digest) == effect and ("fetch", effect.digest) in self._tasks:
            return  # beginning again at each repetition, a silent first source would be asked without end

        async def fetch() -> None:
            attempt = 0
            while True:
                source = effect.sources[attempt % len(effect.sources)]
                candidate = await self._source.candidate(source, effect.digest)
                if candidate is not None:
                    core.feed(inputs.CandidateFetched(candidate))
                    return
                attempt += 1
                if attempt % len(effect.sources) == 0:
                    await asyncio.sleep(FETCH_PAUSE_SECONDS)

        self._fetching[effect.digest] = effect
        self._start("fetch", effect.digest, fetch(), core)

    def commit(self, effect: effects.CommitBlock) -> None:
        """Make an executed block final."""
        executed = self._processor.executed(header_digest(effect.candidate.header))
        if executed is None:
            raise RuntimeError("a block is to be committed that was not executed")
        self._finalizer.finalize(executed, effect.certificate)

    def cancel(self) -> None:
        """End all tasks; their answers would be of no use any more."""
        current = asyncio.current_task()
        for task in self._tasks.values():
            if task is not current:  # the task whose answer led here ends by itself
                task.cancel()
        self._tasks.clear()
        self._fetching.clear()

    def _height_final(self, executed: Executed, certificate: Certificate) -> None:
        self.cancel()
        self._processor.clear()

    def _start(self, kind: str, digest: bytes, work: Coroutine[Any, Any, None], core: Core) -> None:
        former = self._tasks.pop((kind, digest), None)
        if former is not None:
            former.cancel()
        task = asyncio.get_running_loop().create_task(work, name=f"{kind} {digest.hex()[:8]}")
        self._tasks[kind, digest] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._tasks.get((kind, digest)) is ended:
                del self._tasks[kind, digest]
            if not ended.cancelled() and (error := ended.exception()) is not None:
                core.failed(error)

        task.add_done_callback(done)


def _others(context: HeightContext | None) -> list[int]:
    """Return the indices of the other validators of a height."""
    return [] if context is None else [i for i in range(context.validators.n) if i != context.own_index]
