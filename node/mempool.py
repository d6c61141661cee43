"""Pending transactions: admitted once, kept in arrival order until a block holds them or they expire.

Admission checks what SPEC section 2 asks for: chain, expiry, freshness, authority, and, last and most
expensive, signatures. Checks that read the state look at the head; execution judges again.

Invariants:
    1. Every transaction here has valid signatures, and an id that is in no final block.
    2. An id is here at most once; of two transactions with one id the first stays.
    3. Count, bytes and transactions per sender are bounded; what takes far more memory than its bytes counts
       more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from node.config import NodeConfig
from node.errors import TransactionRefused
from vm.params import Params
from vm.transaction import Transaction

BYTES_PER_VALUE: Final = 8
"""Transactions with more values than one for so many bytes are dense; an ordinary one has half as many."""

DENSE_FACTOR: Final = 16
"""An empty map is one byte in a transaction and 72 in memory, so that 64 MiB of them would be 4.6 GB."""


class ChainView(Protocol):
    """What admission asks of the ledger at its head."""

    chain: str
    params: Params

    @property
    def head_time(self) -> int:
        """Block time of the head, ms."""
        ...

    def may_act(self, tx: Transaction) -> bool:
        """Tell whether the signers may act for the sender."""
        ...


class Mempool:
    """The pool of one node."""

    def __init__(self, config: NodeConfig) -> None:
        self._max_count = config.mempool_transactions
        self._max_bytes = config.mempool_bytes
        self._max_per_sender = config.mempool_per_sender
        self._by_hash: dict[bytes, Transaction] = {}
        self._by_id: dict[bytes, Transaction] = {}
        self._per_sender: dict[str, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    @property
    def size_bytes(self) -> int:
        """Bytes of all transactions held, as `weight` counts them."""
        return self._bytes

    def by_hash(self, tx_hash: bytes) -> Transaction | None:
        """Return the transaction with this hash (of the signed bytes)."""
        return self._by_hash.get(tx_hash)

    def by_id(self, tx_id: bytes) -> Transaction | None:
        """Return the transaction with this id."""
        return self._by_id.get(tx_id)

    def check_room(self, tx: Transaction) -> None:
        """Refuse what the pool cannot take.

        Raises:
            TransactionRefused: POOL_FULL.
        """
        if len(self._by_hash) >= self._max_count or self._bytes + weight(tx) > self._max_bytes:
            raise TransactionRefused("POOL_FULL", "the pool of pending transactions is full; try again shortly")
        if self._per_sender.get(tx.body.sender, 0) >= self._max_per_sender:
            raise TransactionRefused(
                "POOL_FULL", f"the sender has {self._max_per_sender} pending transactions already"
            )

    def add(self, tx: Transaction) -> bool:
        """Keep an admitted transaction; False where its id is here already."""
        if tx.id in self._by_id:
            return False
        self._by_hash[tx.hash] = tx
        self._by_id[tx.id] = tx
        self._bytes += weight(tx)
        sender = tx.body.sender
        self._per_sender[sender] = self._per_sender.get(sender, 0) + 1
        return True

    def remove_committed(self, tx_ids: Iterable[bytes]) -> None:
        """Drop what a final block holds."""
        for tx_id in tx_ids:
            tx = self._by_id.get(tx_id)
            if tx is not None:
                self._remove(tx)

    def remove_expired(self, time: int) -> int:
        """Drop what can be in no block any more; return how many. Walks the whole pool."""
        expired = [tx for tx in self._by_hash.values() if tx.body.expires <= time]
        for tx in expired:
            self._remove(tx)
        return len(expired)

    def _remove(self, tx: Transaction) -> None:
        del self._by_hash[tx.hash]
        del self._by_id[tx.id]
        self._bytes -= weight(tx)
        sender = tx.body.sender
        remaining = self._per_sender[sender] - 1
        if remaining:
            self._per_sender[sender] = remaining
        else:
            del self._per_sender[sender]

    def in_order(self) -> Iterator[Transaction]:
        """Yield all transactions in the order of their arrival."""
        return iter(self._by_hash.values())


def weight(tx: Transaction) -> int:
    """Return the bytes that a transaction counts for in the pool."""
    return len(tx.raw) * (DENSE_FACTOR if _is_dense(tx) else 1)


def _is_dense(tx: Transaction) -> bool:
    left = len(tx.raw) // BYTES_PER_VALUE - 2 * len(tx.body.ops)
    waiting: list[Any] = [args for _, args in tx.body.ops]
    while waiting and left >= 0:
        container = waiting.pop()
        left -= len(container)
        if left >= 0:
            items = container.values() if type(container) is dict else container
            waiting += [item for item in items if type(item) is dict or type(item) is list]
    return left < 0


def check_admissible(tx: Transaction, view: ChainView, now: int) -> None:
    """Check chain, expiry and authority of a transaction; not its freshness or signatures.

    Args:
        now: the later of the head's time and the block clock (SPEC section 2).

    Raises:
        TransactionRefused: WRONG_CHAIN, EXPIRED, EXPIRES_TOO_FAR or NOT_AUTHORISED.
    """
    body = tx.body
    if body.chain != view.chain:
        raise TransactionRefused("WRONG_CHAIN", f"this chain is {view.chain}")
    if body.expires <= now:
        raise TransactionRefused("EXPIRED", f"expires {body.expires} is not after {now}")
    if body.expires > now + view.params.max_tx_ttl_ms:
        raise TransactionRefused(
            "EXPIRES_TOO_FAR",
            f"expires {body.expires} is more than {view.params.max_tx_ttl_ms} ms after {now}",
        )
    if not view.may_act(tx):
        raise TransactionRefused("NOT_AUTHORISED", "the signers may not act for the sender")
