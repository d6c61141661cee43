"""A simulated node's blocks: building, checking, executing and committing them, and sync.

The transactions' bytes are modelled by who holds them: `Cluster.bodies` maps a block's digest to the hosts
that have all of them. What was not logged with a vote is gone after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus.effects import BuildBlock, CheckBlock, FetchCandidate
from consensus.inputs import BlockBuilt, BlockChecked, BlockExecuted, CandidateFetched
from consensus.types import Candidate, Certificate, Header, certificate_hash, header_digest
from consensus.verification import candidate_is_whole
from vm.primitives import merkle

from .ledger import CHAIN

if TYPE_CHECKING:
    from .host import Host

TOLERANCE_MS = 2_000
"""How far ahead of the own clock a block's time may be (SPEC section 3, Time)."""

RETRY_MS = 200
SYNC_BATCH = 20


class Blocks:
    """What a host does with blocks."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._cluster = host.cluster

    def keep_only(self, logged: set[bytes]) -> None:
        """After a crash: the transactions of undecided blocks are lost, but for those logged with a vote."""
        for digest, holders in self._cluster.bodies.items():
            if digest not in logged:
                holders.discard(self._host.ident)

    def build(self, effect: BuildBlock) -> None:
        """Build a block of the transactions that wait, on the head."""
        host = self._host
        context = host.state.here
        transactions = self._cluster.clients.waiting_at(host)
        certificate = effect.parent_certificate
        time = max(context.parent_time + 1, host.clock())
        for strategy in host.strategies:
            transactions = strategy.transactions(transactions)
            certificate = strategy.parent_certificate(certificate)
            time = strategy.time(time)
        header = Header(
            chain=CHAIN,
            version=1,
            height=effect.height,
            time=time,
            parent=context.parent_digest,
            parent_state_root=context.parent_roots.state_root,
            parent_commit=certificate_hash(certificate),
            proposer=host.key,
            tx_root=merkle.root(transactions),
            tx_count=len(transactions),
            validators_hash=context.validators.hash,
            next_validators_hash=context.next_validators.hash,
        )
        self.hold(header_digest(header))
        host.answer(BlockBuilt(effect.height, effect.round, Candidate(header, certificate, transactions)))

    def hold(self, digest: bytes) -> None:
        """Have a block's transactions from now on."""
        self._cluster.bodies.setdefault(digest, set()).add(self._host.ident)

    def get_bodies(self, digest: bytes) -> bool:
        """Have a block's transactions, from any host that holds them and is within reach."""
        host, cluster = self._host, self._cluster
        holders = cluster.bodies.setdefault(digest, set())
        if host.ident in holders:
            return True
        for ident in sorted(holders):
            if (
                cluster.hosts[ident].alive
                and cluster.hosts[ident].serves
                and cluster.network.connected(host.ident, ident)
            ):
                holders.add(host.ident)
                return True
        return False

    def check(self, effect: CheckBlock) -> None:
        """Get the transactions, hold back what is too far ahead, then judge."""
        candidate = effect.candidate
        host, height, digest = self._host, candidate.header.height, header_digest(candidate.header)
        if host.ledger.height >= height:
            return
        early = effect.judge_time and candidate.header.time > host.clock() + TOLERANCE_MS
        if early:
            self._cluster.held_back += 1
        if early or not self.get_bodies(digest):
            host.later(RETRY_MS, lambda: self.check(effect))
            return
        fault = host.ledger.fault_in(candidate)
        host.answer(BlockChecked(height, digest, not fault, fault))

    def execute(self, candidate: Candidate) -> None:
        """Execute on an overlay; get missing transactions first."""
        host, height, digest = self._host, candidate.header.height, header_digest(candidate.header)
        if host.ledger.height >= height:
            return
        if not self.get_bodies(digest):
            host.later(RETRY_MS, lambda: self.execute(candidate))
            return
        host.answer(BlockExecuted(height, digest, host.ledger.execute(candidate).roots), 60)

    def commit(self, candidate: Candidate, certificate: Certificate) -> None:
        """Write a final block, and go on to the next height."""
        host = self._host
        assert candidate.header.height == host.ledger.height + 1
        self._write(candidate, certificate)
        self._cluster.on_decision(host)
        host.later(0, host.begin_height)

    def _write(self, candidate: Candidate, certificate: Certificate) -> None:
        """Show the guard what is final, before it is written and after, as the driver does."""
        host = self._host
        if host.guard is not None:
            context = host.state.here
            validators = host.ledger.validators_at(candidate.header.height)
            parents = context.parent_validators if context.height == candidate.header.height else None
            host.guard.certificate_seen(candidate.parent_certificate, parents)
            host.guard.certificate_seen(certificate, validators)
        host.ledger.commit(candidate, certificate)
        self._cluster.checkers.on_commit(host, candidate, certificate)
        if host.guard is not None:
            host.ledger.note_log(host.disk.log.mark)
            host.lives.final(candidate)

    # Serving and syncing

    def fetch(self, effect: FetchCandidate) -> None:
        """Ask the sources for a candidate, all at once."""
        host = self._host
        for index in effect.sources:
            for holder in self._cluster.hosts_at(host.state.here.validators, index):
                self._ask(holder, lambda holder=holder: holder.blocks.serve_candidate(host, effect.digest))

    def _ask(self, other: Host, question: Callable[[], None]) -> None:
        self._cluster.network.send(self._host.ident, other.ident, lambda: other.do(question))

    def serve_candidate(self, asker: Host, digest: bytes) -> None:
        """Serve a candidate of the height in progress."""
        candidate = self._host.state.candidate(digest)
        if self._host.alive and candidate is not None and self._host.serves:
            self._ask(asker, lambda: asker.blocks.receive_candidate(candidate))

    def receive_candidate(self, candidate: Candidate) -> None:
        """Hand a fetched candidate to the core if its header binds all of it."""
        if self._host.alive and candidate_is_whole(candidate):
            self._host.feed(CandidateFetched(candidate))
            self._cluster.checkers.debts.on_fetched(self._host, header_digest(candidate.header))

    def help_validator(self, index: int, height: int) -> None:
        """Send blocks with certificates from a height on to a validator of that height."""
        if 1 <= height <= self._host.ledger.height:
            for host in self._cluster.hosts_at(self._host.ledger.validators_at(height), index):
                self.send_blocks(host, height)

    def ask_for_more(self, hosts: list[Host], height: int) -> None:
        """Ask hosts that are ahead, unless we have caught up meanwhile."""
        host = self._host
        if host.ledger.height + 1 >= height or host.halted is not None:
            return
        start = host.ledger.height + 1
        for other in hosts:
            self._ask(other, lambda other=other: other.blocks.send_blocks(host, start))

    def send_blocks(self, asker: Host, start: int) -> None:
        """Send up to SYNC_BATCH blocks."""
        host = self._host
        if not host.alive or host.halted is not None or start < 1:
            return
        blocks = host.ledger.blocks[start - 1 : start - 1 + SYNC_BATCH]
        if blocks and asker is not host:
            self._ask(asker, lambda: asker.blocks.receive_blocks(blocks))

    def receive_blocks(self, blocks: list[tuple[Candidate, Certificate]]) -> None:
        """Verify and import in order, idempotently; then begin the height after them."""
        host = self._host
        if not host.alive or host.halted is not None:
            return
        imported = False
        for candidate, certificate in blocks:
            if candidate.header.height != host.ledger.height + 1:
                continue
            if not self._is_certified(candidate, certificate):
                break
            self._write(candidate, certificate)
            imported = True
        if imported:
            host.begin_height()

    def _is_certified(self, candidate: Candidate, certificate: Certificate) -> bool:
        """Tell whether a synced block follows our head and a quorum sealed it with the roots we get."""
        host = self._host
        validators = host.ledger.validators_at(candidate.header.height)
        if certificate.digest != header_digest(candidate.header) or not candidate_is_whole(candidate):
            return False
        if not host.verifier.certificate_is_valid(certificate, validators):
            return False
        return host.ledger.execute(candidate).roots == certificate.roots
