"""A real ConsensusDriver on a `LocalChain`, with the test as its network; and the other validators' votes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from consensus.effects import Evidence
from consensus.messages import (
    Commit,
    Message,
    Prepare,
    Proposal,
    decode_message,
    encode_message,
    seal_payload,
    vote_payload,
)
from consensus.types import Candidate, Header, Roots, certificate_hash, header_digest
from node.chain.feed import BlockFeed
from node.chain.ledger import Executed, Ledger
from node.pool.mempool import Mempool
from node.runtime.config import NodeConfig
from node.runtime.supervisor import Supervisor
from node.validator.block_builder import BlockBuilder, Proposer
from node.validator.block_processor import BlockProcessor
from node.validator.block_tasks import BlockTasks
from node.validator.consensus_driver import ConsensusDriver
from node.validator.fault_counts import FaultCounts
from node.validator.finalizer import Finalizer
from node.validator.work_schedule import Heartbeat
from node.votes.signing_guard import SigningGuard
from node.votes.write_ahead_format import Standing
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.ledger import START_MS, LocalChain, ManualClock
from vm.primitives import merkle
from vm.primitives.keys import Domain
from vm.transaction import Transaction


class TestNetwork:
    """The port and the fetcher of a driver: records what is sent, answers what the test has put here.

    Attributes:
        sent: what was broadcast, oldest first.
        withheld: validators that never answer until `answer` is set.
        raws: transactions by the validator that gives them.
        candidates: by the validator that gives them.
        asked: (validator, "candidate" or "transactions"), in the order asked.
        on_broadcast: called before a broadcast is recorded.
    """

    __test__ = False

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.withheld: set[int] = set()
        self.answer = asyncio.Event()
        self.raws: dict[int, list[bytes]] = {}
        self.candidates: dict[int, Candidate] = {}
        self.asked: list[tuple[int, str]] = []
        self.blamed: list[int] = []
        self.evidence: list[Evidence] = []
        self.on_broadcast: Callable[[Message], None] = lambda message: None

    def broadcast(self, message: bytes) -> None:
        decoded = decode_message(message)
        self.on_broadcast(decoded)
        self.sent.append(decoded)

    def propose(self, proposal: Proposal) -> None:
        self.broadcast(encode_message(proposal))

    def send(self, validator: int, message: bytes) -> None: ...

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        self.asked.append((source, "candidate"))
        if source in self.withheld:
            await self.answer.wait()
            return None
        await asyncio.sleep(0)
        return self.candidates.get(source)

    async def settle(self) -> None:
        """Nothing is on its way to admission here."""

    async def transactions(self, source: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
        self.asked.append((source, "transactions"))
        if source in self.withheld:
            await self.answer.wait()
            return []
        await asyncio.sleep(0)
        return self.raws.get(source, [])

    def peer_behind(self, validator: int, height: int) -> None: ...

    def peer_ahead(self, validator: int, height: int) -> None: ...

    def round_began(self, height: int, round_: int) -> None: ...

    def misbehaved(self, validator: int, height: int, reason: str) -> None:
        self.blamed.append(validator)

    def contradicted(self, evidence: Evidence) -> None:
        self.evidence.append(evidence)


class NoHeartbeat(Heartbeat):
    """Empty blocks are never due."""

    def is_due(self) -> bool:
        return False


class LocalDriver:
    """One validator's driver; `index` is its place in the set, None for a full node; `new` leaves a new log new."""

    def __init__(self, chain: LocalChain, folder: Path, index: int | None, *, new: bool = False) -> None:
        self.chain = chain
        self.index = index
        key = None if index is None else chain.validator_keys[index]
        self.ledger = Ledger(chain.genesis, chain.runtime, chain.store, None if key is None else key.public_key)
        self.clock = ManualClock(START_MS + 1_000)
        self.mempool = Mempool(NodeConfig())
        self.network = TestNetwork()
        self.wal = WriteAheadLog(folder)
        if self.wal.standing is Standing.NEW and not new:
            self.wal.begin_signing()  # as if its peers had said that the chain is new
        self.processor = BlockProcessor(self.ledger, self.mempool, self.network, self.clock)
        builder = BlockBuilder(self.ledger, self.mempool, b"" if key is None else key.public_key)
        self.supervisor = Supervisor(lambda: self.ledger.height + 1)
        self.guard = SigningGuard(self.wal, None if key is None else key.public_key)
        self.feed = BlockFeed(chain.store)
        self.finalizer = Finalizer(self.ledger, self.guard, self.feed, self.supervisor)
        self.committed: list[Executed] = []
        self.finalizer.on_final(lambda executed, certificate: self.committed.append(executed))
        self.faults = FaultCounts()
        proposer = Proposer(builder, self.clock, NoHeartbeat())
        self.blocks = BlockTasks(self.processor, proposer, self.network, self.finalizer, self.faults)
        self.driver = ConsensusDriver(self.ledger, self.guard, self.blocks, self.network, self.supervisor, key)
        self.finalizer.on_final(self.driver.height_final)

    def close(self) -> None:
        """Stop as a crash would, but for the timers."""
        self.driver.stop()
        self.wal.close()

    @property
    def proposer(self) -> int:
        """Who proposes in round 0 of the height in progress."""
        return self.ledger.height_context().proposer(0)

    def others(self) -> list[int]:
        """All validators but this one."""
        return [i for i in range(len(self.chain.validator_keys)) if i != self.index]

    def candidate(self, transactions: Sequence[Transaction], time: int) -> Candidate:
        """A block of round 0's proposer for the height in progress."""
        context = self.ledger.height_context()
        hashes = tuple(tx.hash for tx in transactions)
        header = Header(
            chain=context.chain,
            version=context.version,
            height=context.height,
            time=time,
            parent=context.parent_digest,
            parent_state_root=context.parent_roots.state_root,
            parent_commit=certificate_hash(context.parent_certificate),
            proposer=self.chain.validator_keys[self.proposer].public_key,
            tx_root=merkle.root(hashes),
            tx_count=len(hashes),
            validators_hash=context.validators.hash,
            next_validators_hash=context.next_validators.hash,
        )
        return Candidate(header, context.parent_certificate, hashes)

    def roots_of(self, candidate: Candidate, transactions: Sequence[Transaction]) -> Roots:
        """What executing a block on the head gives."""
        execution = self.ledger.execute(candidate, transactions)
        execution.run(len(transactions))
        return execution.finish().roots

    # -- what the other validators say -------------------------------------------------------------

    def proposal(self, candidate: Candidate) -> Proposal:
        payload = vote_payload(self.ledger.chain, candidate.header.height, 0, header_digest(candidate.header))
        signature = self.chain.validator_keys[self.proposer].sign(Domain.PROPOSAL, payload)
        return Proposal(candidate.header.height, 0, self.proposer, candidate, (), None, signature)

    def prepare(self, sender: int, candidate: Candidate) -> Prepare:
        height, digest = candidate.header.height, header_digest(candidate.header)
        signature = self.chain.validator_keys[sender].sign(
            Domain.PREPARE, vote_payload(self.ledger.chain, height, 0, digest)
        )
        return Prepare(height, 0, sender, digest, signature)

    def commit(self, sender: int, candidate: Candidate, roots: Roots) -> Commit:
        height, digest = candidate.header.height, header_digest(candidate.header)
        payload = seal_payload(self.ledger.chain, height, 0, digest, roots)
        signature = self.chain.validator_keys[sender].sign(Domain.COMMIT, payload)
        return Commit(height, 0, sender, digest, roots.state_root, roots.receipts_root, signature)


async def until(condition: Callable[[], bool], turns: int = 500) -> None:
    """Let the event loop turn until a condition holds; it fails after a bounded number of turns."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition did not come true")
