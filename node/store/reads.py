"""What a store answers to readers of the chain, whichever process they are in."""

from __future__ import annotations

from typing import Protocol

from node.store.blocks import IndexPage, Position
from node.store.indexing import IndexCoverage
from node.store.layout import Head
from node.store.records import ProvedRecord, ProvedValue
from node.store.values import StateValues


class ChainStore(Protocol):
    """Blocks, indexes and states, to be read; `node.store.Store` documents each of them."""

    @property
    def head(self) -> Head: ...

    @property
    def reader(self) -> StateValues: ...

    @property
    def oldest_block(self) -> int: ...

    def state_value(self, key: str, height: int | None = None) -> bytes | None: ...

    def state_proof(self, key: str, height: int | None = None) -> ProvedValue: ...

    def once_record(self, key: str, height: int | None = None) -> ProvedRecord | None: ...

    def head_at(self, height: int) -> Head | None: ...

    def block_bytes(self, height: int) -> bytes | None: ...

    def pruned_header(self, height: int) -> bytes | None: ...

    def height_of_digest(self, digest: bytes) -> int | None: ...

    def certificate_bytes(self, height: int) -> bytes | None: ...

    def receipts(self, height: int) -> list[bytes]: ...

    @property
    def indexed(self) -> IndexCoverage: ...

    def find_transaction(self, transaction_id: bytes) -> Position | None: ...

    def contains_transaction(self, transaction_id: bytes) -> bool: ...

    def transactions_of(
        self,
        kind: str,
        name: str,
        from_height: int = 0,
        to_height: int | None = None,
        after: Position | None = None,
        limit: int = 100,
    ) -> IndexPage: ...
