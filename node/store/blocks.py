"""Blocks, certificates, receipts and indexes in the database."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from node.runtime.pauses import pause_point
from node.store.database import Batch, Database
from node.store.errors import StoreCorrupt
from node.store.layout import (
    BLOCK,
    CERTIFICATE,
    DIGEST,
    HEAD,
    HEADER,
    INDEX,
    OLDEST_BLOCK_KEY,
    RECEIPTS,
    TRANSACTION,
    Head,
    at_height,
    head_decoder,
    index_key,
    number,
    read,
)
from vm.primitives.codec import TypedDecoder, encode

Position = tuple[int, int]
"""Height and index of a transaction; a system receipt's index is the block's tx_count."""

IndexEntries = Mapping[tuple[str, str], Sequence[int]]
"""(kind, name) to the ascending indexes of the block's transactions that belong there."""

_receipts_decoder = TypedDecoder(list[bytes])


@dataclass(frozen=True, slots=True)
class PrunedBlock:
    """What pruning a block needs to know of it.

    Attributes:
        height: the oldest kept block's.
        header: canonical bytes; they stay.
        parent_certificate: canonical bytes of the one that the block embeds, which replaces the parent's own.
        transaction_ids: 32 bytes each.
        index_names: (kind, name) of each index record of this height.
    """

    height: int
    header: bytes
    parent_certificate: bytes | None
    transaction_ids: Sequence[bytes]
    index_names: Collection[tuple[str, str]]


class IndexPage(msgspec.Struct, frozen=True):
    """A page of index results.

    Attributes:
        items: positions in ascending order.
        next: pass it as `after` to go on; None at the end.
    """

    items: list[Position]
    next: Position | None


class BlockRecords:
    """Reads and writes what belongs to one height and never changes, the certificate apart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, batch: Batch, head: Head, block: bytes, certificate: bytes, receipts: Sequence[bytes]) -> None:
        """Put a block and what was decided with it."""
        height = head.height
        self.write_head(batch, head)
        batch.put(at_height(BLOCK, height), block)
        batch.put(at_height(CERTIFICATE, height), certificate)
        batch.put(at_height(RECEIPTS, height), encode(list(receipts)))

    def write_head(self, batch: Batch, head: Head) -> None:
        """Put the digest and the roots of a height."""
        batch.put(at_height(HEAD, head.height), encode(head))
        batch.put(DIGEST + head.digest, number(head.height))

    def write_ids(self, batch: Batch, height: int, transaction_ids: Sequence[bytes]) -> None:
        """Put where the block's transactions are, by id."""
        at = number(height)
        for index, transaction_id in enumerate(transaction_ids):
            batch.put(TRANSACTION + transaction_id, at + index.to_bytes(4, "big"))

    def write_names(self, batch: Batch, height: int, entries: IndexEntries) -> None:
        """Put where the block's transactions are, by what they concern."""
        for (kind, name), indexes in entries.items():
            batch.put(index_key(kind, name, height), struct.pack(f">{len(indexes)}I", *indexes))

    def prune(self, batch: Batch, pruned: PrunedBlock) -> None:
        """Delete a block, its receipts and its indexes; what a light client needs stays."""
        height = pruned.height
        batch.put(at_height(HEADER, height), pruned.header)
        if pruned.parent_certificate is not None:
            batch.put(at_height(CERTIFICATE, height - 1), pruned.parent_certificate)
        batch.delete(at_height(BLOCK, height))
        batch.delete(at_height(RECEIPTS, height))
        for keys in (
            [TRANSACTION + transaction_id for transaction_id in pruned.transaction_ids],
            [index_key(kind, name, height) for kind, name in pruned.index_names],
        ):
            # A block is in an index whole or not at all, and a delete of what is not there costs as much as a put.
            if keys and self._database.get(keys[0]) is not None:
                for key in keys:
                    batch.delete(key)
        batch.put(OLDEST_BLOCK_KEY, number(height + 1))

    def compact(self, below: int) -> None:
        """Give back the disk space of deleted blocks, receipts and indexes; slow, any thread may call it."""
        for letter in (BLOCK, RECEIPTS):
            self._database.compact(at_height(letter, 0), at_height(letter, below))
        for letter in (TRANSACTION, INDEX):
            self._database.compact(letter, bytes([letter[0] + 1]))

    def pruned_header(self, height: int) -> bytes | None:
        """Return the canonical header of a pruned block."""
        return self._database.get(at_height(HEADER, height))

    def head(self, height: int) -> Head | None:
        """Return the roots and the digest of a height."""
        record = self._database.get(at_height(HEAD, height))
        return None if record is None else read(head_decoder, record, f"head {height}")

    def require_heads(self, first: int, head: Head) -> None:
        """Make sure that every height from `first` to the head is here, and that the last is the head.

        Raises:
            StoreCorrupt: one is not; a height is written in one batch, so its block is missing as well.
        """
        expected = first
        stop = at_height(HEAD, head.height + 1)
        for key, record in self._database.scan(at_height(HEAD, first), stop, once=True):
            if key != at_height(HEAD, expected):
                break
            if expected == head.height and read(head_decoder, record, f"head {expected}") != head:
                raise StoreCorrupt(f"block {expected} is not the head that the store names")
            expected += 1
        if expected <= head.height:
            raise StoreCorrupt(f"block {expected} is missing, below the head {head.height}")

    def block(self, height: int) -> bytes | None:
        """Return the canonical block."""
        return self._database.get(at_height(BLOCK, height))

    def certificate(self, height: int) -> bytes | None:
        """Return the canonical certificate."""
        return self._database.get(at_height(CERTIFICATE, height))

    def receipts(self, height: int) -> list[bytes] | None:
        """Return the canonical receipts, the system receipt last."""
        record = self._database.get(at_height(RECEIPTS, height))
        return None if record is None else read(_receipts_decoder, record, f"receipts of {height}")

    def height_of(self, digest: bytes) -> int | None:
        """Return the height of a block digest."""
        record = self._database.get(DIGEST + digest)
        return None if record is None else int.from_bytes(record, "big")

    def find(self, transaction_id: bytes) -> Position | None:
        """Return where a transaction is."""
        record = self._database.get(TRANSACTION + transaction_id)
        if record is None:
            return None
        if len(record) != 12:
            raise StoreCorrupt(f"the position of transaction {transaction_id.hex()} cannot be read")
        return int.from_bytes(record[:8], "big"), int.from_bytes(record[8:], "big")

    def positions(
        self, kind: str, name: str, from_height: int, to_height: int, after: Position | None, limit: int
    ) -> IndexPage:
        """Return up to `limit` positions of an index within the heights, both included, after `after`."""
        first = from_height if after is None else max(from_height, after[0])
        start, stop = index_key(kind, name, max(first, 0)), index_key(kind, name, max(to_height, -1) + 1)
        items: list[Position] = []
        for key, packed in self._database.scan(start, stop):
            pause_point()
            height = int.from_bytes(key[-8:], "big")
            for (index,) in struct.iter_unpack(">I", packed):
                position = (height, index)
                if after is not None and position <= after:
                    continue
                if len(items) == limit:
                    return IndexPage(items, items[-1])
                items.append(position)
        return IndexPage(items, None)
