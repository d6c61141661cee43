"""What the chain of this node holds: blocks, certificates, receipts, transactions, validators, states and proofs.

These queries know no JSON-RPC: the gateway and every consumer within the process ask here, and each says in its own
words what a `QueryError` (`node.chain.errors`) means to its client. Heights count from 1, 0 is genesis; times are
block times in ms; digests, ids and keys are raw bytes. All answers are of final blocks. A method that reads the
store may also raise `node.store.StoreError`, which is this node's own trouble.

Queries are synchronous reads on the thread of the event loop: a caller that asks for many lets the loop turn in
between, and those that may take long have pause points (`node.runtime.pauses`). One `ChainQueries` serves all
callers of a node. It keeps the head's header, which every view asks for, and the block and the receipts that were
read last, as batches and pages ask for the same ones again and again. Blocks never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from consensus.types import (
    Block,
    Certificate,
    Header,
    ValidatorSet,
    decode_block,
    decode_certificate,
    decode_header,
)
from genesis.document import Genesis
from node.chain.errors import (
    BlockNotFound,
    BlockPruned,
    CertificateNotFound,
    DigestNotFound,
    NotIndexed,
    QueryError,
    ReceiptsNotFound,
    TransactionPruned,
    ValidatorsUnknown,
)
from node.chain.states import States
from node.chain.validator_sets import ValidatorSets
from node.runtime.pauses import pause_point
from node.store import ChainStore, IndexPage, Position
from vm.chain_records import VALIDATOR_RECORDS, ValidatorRecord
from vm.expiry import earliest_block_time
from vm.membership import DECIDES_AFTER, changes_before, current_params, membership_change
from vm.params import Params
from vm.primitives.units import MAX_INT
from vm.receipt import Receipt, decode_receipt

LINKS_KEPT: Final = 1_000
"""Some kilobytes each; an alliance changes its membership a few times a year."""

__all__ = ["ChainQueries", "MembershipLink", "Position"]


class MembershipLink(NamedTuple):
    """A certified header that announces another set than the one that decided it, and that set."""

    header: Header
    certificate: Certificate
    announced: ValidatorSet


IndexesById: TypeAlias = dict[bytes, int]
"""Transaction id → its index in a block."""


class ChainQueries:
    """Blocks, receipts and state of one node, by height, digest, id and key.

    Attributes:
        genesis: the document that the chain begins with.
        sets: which validator set decides a height.
        states: the state after a height.
    """

    def __init__(self, genesis: Genesis, store: ChainStore) -> None:
        self.genesis = genesis
        self.sets = ValidatorSets(store)
        self.states = States(store)
        self._store = store
        self._last_header: Header | None = None
        self._last_block: Block | None = None
        self._last_receipts: tuple[int, list[bytes]] = (-1, [])
        self._links: dict[int, MembershipLink] = {}

    # -- the head ----------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Height of the head; 0 after genesis."""
        return self._store.head.height

    @property
    def oldest_block(self) -> int:
        """The first height whose block and receipts are kept; 1 where nothing has been pruned."""
        return self._store.oldest_block

    def head_time(self) -> int:
        """Return the block time of the head, genesis time before the first block."""
        return self.time_of(self.height)

    def time_of(self, height: int) -> int:
        """Return the block time of a height, genesis time of 0; raises as `header`."""
        return self.genesis.document.time if height == 0 else self.header(height).time

    def params(self) -> Params:
        """Return the chain's parameters, as of the head."""
        return current_params(self._store.reader)

    # -- blocks ------------------------------------------------------------------------------------

    def block(self, height: int) -> Block:
        """Return a block.

        Raises:
            BlockNotFound, BlockPruned: it is not here.
        """
        if self._last_block is not None and self._last_block.header.height == height:
            return self._last_block
        data = self._store.block_bytes(height)
        if data is None:
            raise self._no_block(height)
        self._last_block = decode_block(data)
        return self._last_block

    def _no_block(self, height: int) -> QueryError:
        oldest = self._store.oldest_block
        if 1 <= height < oldest:
            return BlockPruned(height, oldest, self.height)
        return BlockNotFound(height, self.height)

    def require_kept(self, height: int) -> None:
        """Make sure that blocks from a height on are here; those after the head may be none yet.

        Raises:
            BlockPruned: the height lies below the blocks that are kept.
            BlockNotFound: it lies beyond the height after the head: this node lags, or the caller errs.
        """
        if 1 <= height < self._store.oldest_block or height > self.height + 1:
            raise self._no_block(height)

    def block_of_digest(self, digest: bytes) -> Block:
        """Return the block with a digest (32 bytes).

        Raises:
            DigestNotFound: no block has it; genesis has a digest and no block.
            BlockPruned: the block is no longer kept.
        """
        height = self._store.height_of_digest(digest)
        if not height:
            raise DigestNotFound(digest)
        return self.block(height)

    def digest(self, height: int) -> bytes:
        """Return a block's digest (32 bytes), of 0 the genesis document's; also of a pruned block.

        Raises:
            BlockNotFound, BlockPruned: this node has never had it.
        """
        head = self._store.head_at(height)
        if head is None:
            raise self._no_block(height)
        return head.digest

    def header(self, height: int) -> Header:
        """Return a block's header, also a pruned block's; raises as `block` where this node has never had it."""
        last = self._last_header
        if last is not None and last.height == height:
            return last
        pruned = self._store.pruned_header(height) if height < self._store.oldest_block else None
        header = self.block(height).header if pruned is None else decode_header(pruned)
        if height == self.height:
            self._last_header = header
        return header

    def certificate(self, height: int) -> Certificate:
        """Return the certificate of a height; below the head, the one that the next block embeds.

        Raises:
            CertificateNotFound: there is none here.
        """
        if self._store.oldest_block - 1 <= height < self.height:
            embedded = self.block(height + 1).parent_certificate
            if embedded is not None:
                return embedded
        return self.own_certificate(height)

    def own_certificate(self, height: int) -> Certificate:
        """Return the certificate that this node holds; its seals may be others than those the next block embeds.

        Raises:
            CertificateNotFound: there is none here.
        """
        data = self._store.certificate_bytes(height)
        if data is None:
            raise CertificateNotFound(height, self.height)
        return decode_certificate(data)

    # -- receipts and transactions -----------------------------------------------------------------

    def receipts(self, height: int) -> list[bytes]:
        """Return a block's canonical receipts, the system receipt last: the leaves of `receipts_root`.

        Raises:
            ReceiptsNotFound, BlockPruned: they are not here.
        """
        if self._last_receipts[0] != height:
            receipts = self._store.receipts(height)
            if not receipts and 1 <= height < self._store.oldest_block:
                raise self._no_block(height)
            if not receipts:
                raise ReceiptsNotFound(height)
            self._last_receipts = (height, receipts)
        return self._last_receipts[1]

    def receipts_at(self, height: int, indexes: Mapping[bytes, int]) -> dict[bytes, Receipt]:
        """Return the receipts at these indexes of a block, by the ids that lead to them; raises as `receipts`."""
        receipts = self.receipts(height)
        return {tx_id: decode_receipt(receipts[index]) for tx_id, index in indexes.items()}

    def find(self, tx_id: bytes) -> Position | None:
        """Return height and index of a final transaction that is kept and indexed, or has not expired."""
        return self._store.find_transaction(tx_id)

    def places_of(self, tx_ids: Iterable[bytes]) -> dict[int, IndexesById]:
        """Return the indexes of those transactions that `find` finds, by height and id."""
        places: dict[int, IndexesById] = {}
        for tx_id in tx_ids:
            position = self.find(tx_id)
            if position is not None:
                places.setdefault(position[0], {})[tx_id] = position[1]
        return places

    def pruned(self, tx_id: bytes) -> TransactionPruned | None:
        """Return the error for a transaction that is final below the snapshot this node began with.

        None for any other: it is found, or not in the chain, or has expired and is forgotten (`may_be_pruned`).
        """
        if not self._store.contains_transaction(tx_id) or self.find(tx_id) is not None:
            return None
        return TransactionPruned(tx_id, self._store.oldest_block, self.height)

    def unindexed(self) -> NotIndexed | None:
        """Return the error for an id that is not found, if kept blocks may hold it; None where all are indexed."""
        first = self._store.indexed.ids
        if first is not None and first <= self._store.oldest_block:
            return None
        return NotIndexed("transactions by id", first)

    def may_be_pruned(self, expires: int) -> bool:
        """Tell whether a transaction that is not found, and has expired, may be in a block that is no longer kept.

        Args:
            expires: the transaction's, in ms of block time.
        """
        oldest = self._store.oldest_block
        if oldest == 1:
            return False
        pruned = self._store.pruned_header(oldest - 1)
        if pruned is not None:
            newest_pruned = decode_header(pruned).time
        else:  # this node began with a snapshot: the block before the oldest is no later than it
            data = self._store.block_bytes(oldest)
            newest_pruned = MAX_INT if data is None else decode_block(data).header.time
        return newest_pruned >= earliest_block_time(expires, self.params().max_tx_ttl_ms)

    def positions(
        self, kind: str, name: str, first: int, last: int, after: Position | None, limit: int
    ) -> IndexPage:
        """Return where transactions stand that are indexed under a name, ascending, `limit` at most.

        Args:
            kind: ACCOUNT, BRAND or CALL of `node.chain.indexing`.
            first, last: heights, both included.
            after: begin behind this position.

        Raises:
            NotIndexed: they are not, or only in later blocks.
        """
        indexed = self._store.indexed.names
        if indexed is None or max(first, self._store.oldest_block) < indexed:
            raise NotIndexed("transactions by account, brand and call", indexed)
        return self._store.transactions_of(kind, name, first, last, after, limit)

    # -- validators --------------------------------------------------------------------------------

    def validators(self, height: int) -> ValidatorSet:
        """Return the set that decides a height (SPEC section 3, Membership).

        Raises:
            ValidatorsUnknown: the height is more than two above the head.
        """
        if height > self.height + DECIDES_AFTER:
            raise ValidatorsUnknown(height, self.height)
        return self.sets.deciding(height)

    def membership_changes(self, height: int) -> list[MembershipLink]:
        """Return what leads from the genesis set to the one that decides a final height, oldest first.

        A change executed in block e is announced by header e + 1, which the set before seals. Raises as `header`
        and `certificate`.
        """
        reader = self._store.reader
        found = []
        for place in range(1, changes_before(reader, height)):
            pause_point()
            link = self._links.get(place)
            if link is None:
                change = membership_change(reader, place)
                announcing = change.height + 1
                announced = self.sets.of(change.validators)
                link = MembershipLink(self.header(announcing), self.certificate(announcing), announced)
                if len(self._links) >= LINKS_KEPT:
                    self._links.clear()
                self._links[place] = link
            found.append(link)
        return found

    def seal_record(self, public_key: bytes) -> ValidatorRecord:
        """Return the heights of a validator's last embedded seal and last skip, as of the head; 0 for never."""
        return VALIDATOR_RECORDS.get(self._store.reader, public_key) or ValidatorRecord(0, 0)
