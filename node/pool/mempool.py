"""Pending transactions: admitted once, kept in arrival order until a block holds them or they expire.

Admission checks what SPEC section 2 asks for: chain, expiry, freshness, authority, and, last and most
expensive, signatures. Checks that read the state look at the head; execution judges again.

Invariants:
    1. Every transaction here has valid signatures, and an id that is in no final block.
    2. An id is here at most once; of two transactions with one id the first stays.
    3. Count, bytes and transactions per sender are bounded; what takes far more memory than its bytes counts
       more. How the room is shared among clients, peers and tills is told in `node.pool.mempool_lanes`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Set
from typing import Any, Final, Protocol

from node.pool.mempool_lanes import BRAND_PART, OWN, PUBLIC_PART, Brands, Entry, Group, Origin, Party
from node.runtime.config import NodeConfig
from node.runtime.errors import TransactionRefused
from vm.expiry import Expiry, expiry_at, has_expired, is_valid_at
from vm.params import Params
from vm.transaction import Transaction

BYTES_PER_VALUE: Final = 8
"""Transactions with more values than one for so many bytes are dense; an ordinary one has half as many."""

RECENT_BLOCKS: Final = 10
"""A brand that has sent something within so many blocks is likely to send again: blocks are kept short for it."""

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

    def brands_of_sender(self, tx: Transaction) -> Brands | None:
        """Return the brands, not suspended, at which the sender holds roles; None where the signers may not act."""
        ...


class Mempool:
    """The pool of one node.

    Attributes:
        by_hash: returns the transaction with a hash (of the signed bytes), None where it is not here; two thousand
            are asked for at once for each proposed block.
    """

    by_hash: Callable[[bytes], Transaction | None]

    def __init__(self, config: NodeConfig) -> None:
        self._max_count = config.mempool_transactions
        self._max_bytes = config.mempool_bytes
        self._max_per_sender = config.mempool_per_sender
        self._brands = Group(BRAND_PART, self._max_count, self._max_bytes)
        self._others = Group(PUBLIC_PART, self._max_count, self._max_bytes)
        self._by_hash: dict[bytes, Transaction] = {}
        self.by_hash = self._by_hash.get
        self._by_id: dict[bytes, Entry] = {}
        self._per_sender: dict[str, int] = {}
        self._arrivals = 0
        self._blocks = 0
        self._seen: dict[Brands, int] = {}

    def __len__(self) -> int:
        return len(self._by_hash)

    @property
    def size_bytes(self) -> int:
        """Bytes of all transactions held, as `weight` counts them."""
        return self._brands.size + self._others.size

    def count(self, *, has_brand_role: bool) -> int:
        """Return how many transactions are of senders with, or without, a brand role."""
        return self._group(has_brand_role).count

    def by_id(self, tx_id: bytes) -> Transaction | None:
        """Return the transaction with this id."""
        entry = self._by_id.get(tx_id)
        return None if entry is None else entry.tx

    def party_of(self, tx_id: bytes) -> Brands | None:
        """Return whose party a pending transaction is of, None where it is not here."""
        entry = self._by_id.get(tx_id)
        return None if entry is None else entry.lane.party.brands

    def holds(self, tx_id: bytes) -> bool:
        """Tell whether the transaction with this id is here."""
        return tx_id in self._by_id

    def _group(self, has_brand_role: bool) -> Group:
        return self._brands if has_brand_role else self._others

    def check_room(self, tx: Transaction, origin: Origin = OWN) -> int:
        """Refuse what the pool cannot take; return the bytes that a transaction counts for.

        Raises:
            TransactionRefused: POOL_FULL.
        """
        brands, others = self._brands, self._others
        free_count = self._max_count - len(self._by_hash)
        free_bytes = self._max_bytes - brands.size - others.size
        size = weight(tx)
        full = (brands if origin.brands else others).fullness(origin, size, free_count, free_bytes)
        if full is not None:
            raise TransactionRefused("POOL_FULL", full)
        if self._per_sender.get(tx.body.sender, 0) >= self._max_per_sender:
            raise TransactionRefused(
                "POOL_FULL", f"the sender has {self._max_per_sender} pending transactions already"
            )
        return size

    def add(self, tx: Transaction, origin: Origin = OWN, size: int | None = None) -> bool:
        """Keep an admitted transaction; False where its id is here already. `size` is as `check_room` gave it."""
        tx_id, brands = tx.id, origin.brands
        if tx_id in self._by_id:
            return False
        self._by_hash[tx.hash] = tx
        group = self._brands if brands else self._others
        self._arrivals += 1
        self._by_id[tx_id] = group.add(tx, weight(tx) if size is None else size, self._arrivals, origin)
        self._seen[brands] = self._blocks
        sender = tx.body.sender
        self._per_sender[sender] = self._per_sender.get(sender, 0) + 1
        return True

    def remove_committed(self, tx_ids: Iterable[bytes]) -> None:
        """Drop what a final block holds."""
        self._blocks += 1
        self._seen = {who: at for who, at in self._seen.items() if at + RECENT_BLOCKS > self._blocks}
        by_id = self._by_id
        for tx_id in tx_ids:
            entry = by_id.pop(tx_id, None)
            if entry is not None:
                self._forget(entry, served=True)

    def remove_expired(self, time: int) -> int:
        """Drop what can be in no block any more; return how many. Walks the whole pool."""
        expired = [entry for entry in self._by_id.values() if has_expired(entry.tx.body.expires, time)]
        for entry in expired:
            del self._by_id[entry.tx.id]
            self._forget(entry, served=False)
        return len(expired)

    def _forget(self, entry: Entry, *, served: bool) -> None:
        """Drop what is left of a transaction whose id is gone."""
        tx = entry.tx
        del self._by_hash[tx.hash]
        entry.lane.party.group.remove(entry, served=served)
        sender = tx.body.sender
        remaining = self._per_sender[sender] - 1
        if remaining:
            self._per_sender[sender] = remaining
        else:
            del self._per_sender[sender]

    def in_order(self) -> Iterator[Transaction]:
        """Yield all transactions in the order of their arrival."""
        return iter(self._by_hash.values())

    def parties(self, *, has_brand_role: bool) -> Collection[Party]:
        """Return the parties of the senders with, or without, a brand role that have something waiting."""
        return self._group(has_brand_role).parties()

    def active(self) -> Set[Brands]:
        """Return of which parties anything has come since the last few blocks."""
        return self._seen.keys()


def weight(tx: Transaction) -> int:
    """Return the bytes that a transaction counts for in the pool."""
    return len(tx.raw) * (DENSE_FACTOR if _is_dense(tx) else 1)


def _is_dense(tx: Transaction) -> bool:
    left = len(tx.raw) // BYTES_PER_VALUE
    nested: list[Any] = []
    for _, args in tx.body.ops:
        left -= 2 + len(args)
        if left < 0:
            return True
        for value in args.values():
            kind = type(value)
            if kind is dict or kind is list:
                nested.append(value)
    return bool(nested) and _nested_values(nested, left) > left


def _nested_values(containers: list[Any], enough: int) -> int:
    """Count the values in containers, at any depth; stop once there are more than enough."""
    count = 0
    while containers and count <= enough:
        container = containers.pop()
        count += len(container)
        if count <= enough:
            items = container.values() if type(container) is dict else container
            containers += [item for item in items if type(item) is dict or type(item) is list]
    return count


def check_admissible(tx: Transaction, view: ChainView, now: int) -> Brands:
    """Check chain, expiry and authority of a transaction, not freshness or signatures; return the sender's brands.

    Args:
        now: the later of the head's time and the block clock (SPEC section 2).

    Raises:
        TransactionRefused: WRONG_CHAIN, EXPIRED, EXPIRES_TOO_FAR or NOT_AUTHORISED.
    """
    body = tx.body
    if body.chain != view.chain:
        raise TransactionRefused("WRONG_CHAIN", f"this chain is {view.chain}")
    max_tx_ttl_ms = view.params.max_tx_ttl_ms
    if not is_valid_at(body.expires, now, max_tx_ttl_ms):
        raise _refused_expiry(body.expires, now, max_tx_ttl_ms)
    brands = view.brands_of_sender(tx)
    if brands is None:
        raise TransactionRefused("NOT_AUTHORISED", "the signers may not act for the sender")
    return brands


def _refused_expiry(expires: int, now: int, max_tx_ttl_ms: int) -> TransactionRefused:
    expiry = expiry_at(expires, now, max_tx_ttl_ms)
    if expiry is Expiry.EXPIRED:
        return TransactionRefused(expiry.value, f"expires {expires} is not after {now}")
    return TransactionRefused(expiry.value, f"expires {expires} is more than {max_tx_ttl_ms} ms after {now}")
