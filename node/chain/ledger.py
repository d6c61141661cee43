"""The chain at its head, as consensus, mempool and gateway of this node need it: judge, execute, commit.

The ledger joins the contracts (`vm`), the store, and the consensus types. It is synchronous and
knows no network and no clock; the caller that executes a block steps `Execution.run` and lets the event loop turn.

Invariants:
    1. `commit` moves the head by exactly one height, in one synced batch of the store.
    2. An `Executed` belongs to the head on which it was executed; committing it elsewhere is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from msgspec import UNSET

from consensus.proposer import SealRecord, proposer_order, skipped
from consensus.types import (
    Block,
    Candidate,
    Certificate,
    Header,
    HeightContext,
    Roots,
    ValidatorSet,
    header_digest,
)
from genesis.document import Genesis
from genesis.protocol import SUPPORTED_VERSIONS
from network.stages import STAGES
from node.chain.errors import QueryError
from node.chain.indexing import IndexEntries, index_entries
from node.chain.queries import ChainQueries
from node.chain.replay_ids import ReplayIds
from node.store import BlockCommit, LogMark, Store
from vm.block_execution import BlockContext, BlockExecution, BlockResult
from vm.chain_records import VALIDATOR_RECORDS
from vm.contract_api import Context
from vm.errors import InvariantBroken
from vm.expiry import is_valid_at
from vm.membership import (
    DECIDES_AFTER,
    VERSION,
    current_nodes,
    validators_deciding,
    version_at,
)
from vm.params import PARAMS, Params
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH
from vm.primitives.units import MAX_INT
from vm.runtime import Runtime
from vm.state_tree import TreeUpdate
from vm.state_view import BlockOverlay
from vm.transaction import Transaction

T = TypeVar("T")

MAX_ASKED: Final = 10_000
"""Values that admission remembers of one head, some 2 MB. While a chain stands still its head stays the same, and
strangers may go on sending under ever new accounts."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Executed:
    """A block's outcome on an overlay: everything that committing it will write."""

    candidate: Candidate
    transactions: Sequence[Transaction]
    result: BlockResult
    update: TreeUpdate
    roots: Roots


class Execution:
    """A block being executed on top of the head; nothing is written."""

    def __init__(self, ledger: Ledger, candidate: Candidate, transactions: Sequence[Transaction]) -> None:
        self._ledger = ledger
        self._candidate = candidate
        self._transactions = transactions
        self._execution = BlockExecution(
            ledger.runtime, ledger.store.reader, ledger.block_context(candidate), transactions
        )

    def run(self, limit: int, cost: int = MAX_INT) -> bool:
        """Execute up to `limit` further transactions, or `cost` work units; tell whether all are done."""
        return self._execution.run(limit, cost)

    def finish(self) -> Executed:
        """Commit the changes to the state tree (in memory) and return the outcome."""
        result = self._execution.result()
        with STAGES.tree:
            update = self._ledger.store.tree.update(result.changes)
        roots = Roots(update.root, result.receipts_root)
        return Executed(self._candidate, self._transactions, result, update, roots)


class Ledger:
    """The chain's head and what follows from it."""

    def __init__(self, genesis: Genesis, runtime: Runtime, store: Store, own_key: bytes | None) -> None:
        self.genesis = genesis
        self.chain = genesis.chain
        self.runtime = runtime
        self.store = store
        self.queries = ChainQueries(genesis, store)
        self._own_key = own_key
        self.params = Params()
        self.header: Header | None = None
        self._load_head()
        slot_ms = self.params.replay_slot_ms
        first_slot = self.head_time // slot_ms
        self._replay_ids = ReplayIds(slot_ms, store.snapshots.live_ids(first_slot), first_slot)

    def _load_head(self) -> None:
        height = self.store.head.height
        self.header = None if height == 0 else _of_head(self.queries.header, height)
        self.params = self.queries.params()
        self._look_at_head()
        self._warn_of_upgrade()

    def _look_at_head(self) -> None:
        self._context: HeightContext | None = None
        self._begin_admission()
        self._brands: dict[str, tuple[str, ...]] = {}
        """Of senders with roles that their own keys signed for: a till, or a bank of them, sends much on a head."""

    def _begin_admission(self) -> None:
        # One context serves many admissions on a head: making one costs more than the question itself.
        self._asked = BlockOverlay(self.store.reader)
        self._admission = Context(self._asked, self.chain, self.height, self.head_time, MAX_INT, read_only=True)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Height of the last final block; 0 after genesis."""
        return self.store.head.height

    @property
    def head_time(self) -> int:
        """Block time of the head, ms."""
        return self.genesis.document.time if self.header is None else self.header.time

    def validators_at(self, height: int) -> ValidatorSet:
        """Return the set that decides a height; of one more than two above the head, the newest that is known."""
        return self.queries.sets.deciding(height)

    def next_validators(self) -> ValidatorSet:
        """Return the set that decides the height after the head's."""
        return self.validators_at(self.height + 1)

    def permitted_keys(self) -> frozenset[bytes]:
        """Return whose nodes may connect: the sets of the head and of the two heights after it, and full nodes.

        A validator that is leaving stays until it can have seen the last height that it decides.
        """
        reader = self.store.reader
        entries = [validators_deciding(reader, self.height + ahead) for ahead in range(DECIDES_AFTER + 1)]
        return frozenset(entry.public_key for known in entries for entry in known).union(current_nodes(reader))

    def version_at(self, height: int) -> int:
        """Return the protocol version of a height, as far as the alliance has decided."""
        return version_at(self.store.reader, height, self.genesis.document.version)

    def version_fault(self) -> str | None:
        """Say why this release cannot execute the next height; None where it can."""
        height = self.height + 1
        version = self.version_at(height)
        return None if version in SUPPORTED_VERSIONS else _decided_on(version, height)

    def _warn_of_upgrade(self) -> None:
        """Tell the operator of a version that this release does not know, while there is time."""
        scheduled = VERSION.get(self.store.reader)
        if scheduled is None or scheduled.height <= self.height + 1 or scheduled.version in SUPPORTED_VERSIONS:
            return
        _log.warning("%s; this one stops before", _decided_on(scheduled.version, scheduled.height))

    def brands_of_sender(self, tx: Transaction) -> tuple[str, ...] | None:
        """Return the brands, not suspended, at which a transaction's sender holds roles, as of the head; sorted.

        None where its signers may not act for the sender.
        """
        sender, own_key = tx.body.sender, tx.body.signers is UNSET
        if own_key:
            known = self._brands.get(sender)
            if known is not None:
                return known
        if len(self._asked.read) > MAX_ASKED:
            self._begin_admission()
        ctx = self._admission
        ctx.cost = 0
        brands = self.runtime.authority.brands_of_sender(ctx, sender, tx.signer_addresses)
        if brands and own_key:
            self._brands[sender] = brands
        return brands

    def is_committed(self, tx: Transaction) -> bool:
        """Tell whether a transaction is in the chain, for one that has not expired or whose block is kept."""
        found = self._replay_ids.holds(tx.id, tx.body.expires)
        return self.store.contains_transaction(tx.id) if found is None else found

    def height_context(self) -> HeightContext:
        """Return what the consensus core must know to decide the next height."""
        if self._context is None:
            self._context = self._make_context()
        return self._context

    def _make_context(self) -> HeightContext:
        head = self.store.head
        validators = self.next_validators()
        header = self.header
        return HeightContext(
            chain=self.chain,
            version=self.version_at(head.height + 1),
            height=head.height + 1,
            validators=validators,
            next_validators=self.validators_at(head.height + 2),
            parent_validators=None if header is None else self.validators_at(head.height),
            parent_digest=self.genesis.digest if header is None else head.digest,
            parent_time=self.head_time,
            parent_roots=Roots(head.state_root, ZERO_HASH if header is None else head.receipts_root),
            parent_certificate=_of_head(self.queries.own_certificate, head.height) if head.height else None,
            order=self._proposer_order(validators, head.height + 1),
            own_index=None if self._own_key is None else validators.index_of(self._own_key),
            base_timeout_ms=self.params.round_timeout_ms,
            max_timeout_ms=self.params.round_timeout_max_ms,
        )

    def _proposer_order(self, validators: ValidatorSet, height: int) -> tuple[int, ...]:
        records = {}
        for validator in validators.validators:
            record = VALIDATOR_RECORDS.get(self.store.reader, validator.public_key)
            if record is not None:
                records[validator.public_key] = SealRecord(record.seal, record.skip)
        previous = None if self.header is None else self.header.proposer
        return proposer_order(validators, records, height, previous)

    # -- judging and executing ---------------------------------------------------------------------

    def fault_in(self, header: Header, transactions: Sequence[Transaction]) -> str | None:
        """Say why these transactions make a block invalid on top of the head; None where they do not.

        Signatures are not checked here. Source: SPEC section 2 and section 3, Before PREPARE.
        """
        time, max_tx_ttl_ms = header.time, self.params.max_tx_ttl_ms
        seen: set[bytes] = set()
        size = 0
        for tx in transactions:
            body = tx.body
            size += len(tx.raw)
            if body.chain != self.chain:
                return f"transaction {tx.id.hex()} is for another chain"
            if not is_valid_at(body.expires, time, max_tx_ttl_ms):
                return f"transaction {tx.id.hex()} is not valid at {time}"
            if tx.id in seen:
                return f"transaction {tx.id.hex()} stands twice"
            seen.add(tx.id)
            if self.is_committed(tx):
                return f"transaction {tx.id.hex()} has been in the chain"
        if size > self.params.max_block_bytes:
            return f"{size} bytes of transactions, at most {self.params.max_block_bytes}"
        return None

    def block_context(self, candidate: Candidate) -> BlockContext:
        """Return what executing a candidate on top of the head needs of its header and certificate."""
        header = candidate.header
        certificate = candidate.parent_certificate
        sealed: tuple[bytes, ...] = ()
        if certificate is not None:
            parents = self.validators_at(header.height - 1).validators
            sealed = tuple(parents[seal.index].public_key for seal in certificate.seals)
        validators = self.next_validators()
        order = self._proposer_order(validators, header.height)
        proposer = validators.index_of(header.proposer)
        if proposer is None:
            raise InvariantBroken(f"block {header.height} names a proposer that is no validator")
        before = tuple(validators.validators[i].public_key for i in skipped(order, proposer))
        return BlockContext(self.chain, header.height, header.time, self.head_time, sealed, before, header.parent)

    def execute(self, candidate: Candidate, transactions: Sequence[Transaction]) -> Execution:
        """Begin to execute a candidate on top of the head."""
        return Execution(self, candidate, transactions)

    def commit(self, executed: Executed, certificate: Certificate, log_mark: LogMark | None = None) -> None:
        """Write a final block and everything that follows from it, and how far the vote log is; the head moves.

        Raises:
            StoreError: nothing was written.
            InvariantBroken: the block was executed on another head, or the certificate proves other roots.
        """
        header = executed.candidate.header
        if header.height != self.height + 1 or certificate.roots != executed.roots:
            raise InvariantBroken(f"block {header.height} cannot be committed on {self.height}")
        transactions = executed.transactions
        ids = _ids_by_slot(transactions, self.params.replay_slot_ms)
        block = Block(header, executed.candidate.parent_certificate, tuple(tx.raw for tx in transactions))
        self.store.commit_block(
            BlockCommit(
                height=header.height,
                digest=header_digest(header),
                block=encode(block),
                certificate=encode(certificate),
                receipts=executed.result.receipt_bytes,
                transaction_ids=[tx.id for tx in transactions],
                index_entries=self._index_entries(executed),
                update=executed.update,
                changes=executed.result.changes,
                written=executed.result.written,
                once=executed.result.once,
                state_root=executed.roots.state_root,
                receipts_root=executed.roots.receipts_root,
                log_mark=log_mark,
                replay_ids={slot: b"".join(own) for slot, own in ids.items()},
                first_slot=header.time // self.params.replay_slot_ms,
            )
        )
        self._replay_ids.committed(ids, header.time)
        self.header = header
        changes = executed.result.changes
        if PARAMS.keys.path in changes or VERSION.keys.path in changes:
            self._load_head()
        else:
            self._look_at_head()

    def _index_entries(self, executed: Executed) -> IndexEntries:
        if self.store.indexed.names is None:
            return {}
        with STAGES.index:
            return index_entries(executed.transactions, executed.result.receipts, self.runtime.calls)


def _of_head(read: Callable[[int], T], height: int) -> T:
    """Return what the store holds of the head's height; that it holds none is our own fault."""
    try:
        return read(height)
    except QueryError as error:
        raise InvariantBroken(f"the head is incomplete: {error}") from error


def _decided_on(version: int, height: int) -> str:
    return f"the alliance has decided on protocol version {version} from height {height} on: install its release"


def _ids_by_slot(transactions: Sequence[Transaction], slot_ms: int) -> dict[int, list[bytes]]:
    """Return the ids in order by the slot in which they expire; as `record_replay_slots` counts them."""
    by_slot: dict[int, list[bytes]] = {}
    for tx in transactions:
        by_slot.setdefault(tx.body.expires // slot_ms, []).append(tx.id)
    return by_slot
