"""The chain of a restored database, from the genesis document to the head: each height verified once, in order.

The records of a height, {block | header, certificate, receipts}, are read in one pass. A height is taken when

1. its header names the parent before it, and the parent's certified state root;
2. a quorum of the set that the headers lead to has sealed it with its results (node.light_client.chain);
3. its kept block holds the transactions of its header, and its receipts have the certified root.

From what is taken follow the heads (h, d) and where transactions are (x, i), which are written afresh.

A chain may begin with a snapshot: then only headers that announced another validator set come before the snapshot's
height, and there are no blocks. A record at a height where it belongs to nothing is refused.

Invariant: what `walk` has written follows from the genesis document, if it returns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Final

from consensus.types import (
    Block,
    Candidate,
    Certificate,
    Header,
    ValidatorSet,
    decode_block,
    decode_certificate,
    decode_header,
)
from genesis.document import Genesis, validator_set_of
from node.chain.indexing import index_entries
from node.light_client.chain import TrustedChain, require_whole
from node.store import Head, StoreCorrupt
from node.store.blocks import BlockRecords
from node.store.database import Database
from node.store.layout import BLOCK, CERTIFICATE, HEADER, RECEIPTS
from vm.membership import change_count, membership_change
from vm.primitives import merkle
from vm.primitives.codec import TypedDecoder
from vm.primitives.hashing import ZERO_HASH
from vm.receipt import decode_receipt
from vm.state_view import StateReader
from vm.transaction import parse_transaction

_KEPT: Final = {BLOCK, CERTIFICATE, RECEIPTS}
_PRUNED: Final = {HEADER, CERTIFICATE}
_BEGINNING: Final = {BLOCK, CERTIFICATE}
"""A snapshot's own height: its receipts are not here."""

_receipts = TypedDecoder(list[bytes])
_Records = Mapping[bytes, bytes]


@dataclass(slots=True)
class WalkedChain:
    """How far the walk has come.

    Attributes:
        head: the last height taken.
        base: the first height from which on every one is here.
        oldest_block: the first height whose block and receipts are kept; head + 1 where none is.
    """

    head: Head
    base: int = 1
    oldest_block: int = 0


class RestoredChain:
    """Verifies the chain in a database of primary records, and writes what follows from it.

    Args:
        reader: the state at the head, which names the validator sets; the headers must announce the same.
        genesis_root: the state root of the genesis document.
    """

    def __init__(
        self, database: Database, genesis: Genesis, reader: StateReader, genesis_root: bytes, calls: Collection[str]
    ) -> None:
        self._database = database
        self._blocks = BlockRecords(database)
        self._calls = calls
        self._trusted = TrustedChain.from_genesis(genesis)
        self._announced = _announced_sets(reader)
        self._only_links = True
        self._taken = 0
        self._chain = WalkedChain(Head(0, genesis.digest, genesis_root, ZERO_HASH))

    @property
    def height(self) -> int:
        """The last height that was taken, whole."""
        return self._taken

    def walk(self) -> WalkedChain:
        """Verify every height, and write heads and indexes.

        Raises:
            StoreCorrupt, NotCertified, CodecError, TransactionError: something does not follow.
        """
        batch = self._database.unsynced_batch()
        self._blocks.write_head(batch, self._chain.head)
        self._database.write(batch)
        for height, records in self._heights():
            self._take(height, records)
        chain = self._chain
        if not chain.oldest_block:
            chain.oldest_block = chain.head.height + 1
        return chain

    def _heights(self) -> Iterator[tuple[int, _Records]]:
        """Yield all records of each height that has any, ascending."""

        def of(family: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
            for key, record in self._database.scan(family, bytes([family[0] + 1]), once=True):
                yield key[1:], family, record

        merged = merge(*map(of, (BLOCK, CERTIFICATE, HEADER, RECEIPTS)), key=lambda entry: entry[0])
        for name, group in groupby(merged, key=lambda entry: entry[0]):
            if len(name) != 8:
                raise StoreCorrupt(f"a record of the chain has the key {name.hex()}, which is no height")
            yield int.from_bytes(name, "big"), {family: record for _, family, record in group}

    def _take(self, height: int, records: _Records) -> None:
        chain = self._chain
        if records.keys() not in (_KEPT, _PRUNED, _BEGINNING):
            found = ", ".join(sorted(family.decode() for family in records))
            raise StoreCorrupt(f"height {height} has the records {found}, which do not belong together")
        block = decode_block(records[BLOCK]) if BLOCK in records else None
        header = decode_header(records[HEADER]) if block is None else block.header
        certificate = decode_certificate(records[CERTIFICATE])
        if header.height != height:
            raise StoreCorrupt(f"the block at height {height} says that it is block {header.height}")
        self._link(header)
        chain.head = self._certified(header, certificate)
        batch = self._database.unsynced_batch()
        self._blocks.write_head(batch, chain.head)
        if block is not None:
            entries = self._body(block, records.get(RECEIPTS), chain)
            if entries is not None:
                ids, names = entries
                self._blocks.write_ids(batch, height, ids)
                self._blocks.write_names(batch, height, names)
        elif chain.oldest_block:
            raise StoreCorrupt(f"block {height} is missing")
        self._database.write(batch)
        self._taken = height

    def _link(self, header: Header) -> None:
        """Require that a header follows the one before, or that a snapshot's chain begins here."""
        chain = self._chain
        if header.height == chain.head.height + 1:
            known = chain.head.digest, chain.head.state_root
            if (header.parent, header.parent_state_root) != known:
                raise StoreCorrupt(f"block {header.height} does not follow the block before it")
        elif self._only_links and not chain.oldest_block:
            chain.base = header.height
        else:
            raise StoreCorrupt(f"heights {chain.head.height + 1} to {header.height - 1} are missing")

    def _certified(self, header: Header, certificate: Certificate) -> Head:
        announced = self._announced.get(header.height)
        if announced is None:
            self._only_links = False
        return self._trusted.take(header, certificate, announced)

    def _body(
        self, block: Block, receipts: bytes | None, chain: WalkedChain
    ) -> tuple[list[bytes], dict[tuple[str, str], list[int]]] | None:
        """Verify what a block holds; return its transactions' ids and index entries, None without receipts."""
        header = block.header
        transactions = [parse_transaction(raw) for raw in block.transactions]
        candidate = Candidate(header, block.parent_certificate, tuple([tx.hash for tx in transactions]))
        require_whole(candidate)
        if receipts is None:
            if header.height != chain.base or header.height == 1 or chain.oldest_block:
                raise StoreCorrupt(f"the receipts of block {header.height} are missing")
            return None
        raws = _receipts.decode(receipts)
        if merkle.root(raws) != chain.head.receipts_root:
            raise StoreCorrupt(f"the receipts of block {header.height} are not those certified")
        chain.oldest_block = chain.oldest_block or header.height
        decoded = [decode_receipt(raw) for raw in raws[: len(transactions)]]
        return [tx.id for tx in transactions], index_entries(transactions, decoded, self._calls)


def _announced_sets(reader: StateReader) -> dict[int, ValidatorSet]:
    """Return the sets that the state says were announced, by the height of the header."""
    changes = (membership_change(reader, place) for place in range(1, change_count(reader)))
    return {change.height + 1: validator_set_of(change.validators) for change in changes}
