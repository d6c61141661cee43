"""What a query of the chain raises where it has no answer, by what the caller can do about it.

QueryError                      the base; the message is one sentence for a developer
├── NotFound                    the chain has no such thing, as far as this node is
│   ├── BlockNotFound           height, head
│   ├── DigestNotFound          digest
│   ├── CertificateNotFound     height, head
│   ├── ReceiptsNotFound        height
│   ├── ValidatorsUnknown       height, head
│   └── StateAhead              height, head
├── NotKept                     this node has dropped it or never had it; another node may have it
│   ├── BlockPruned             height, oldest, head
│   ├── TransactionPruned       tx_id, oldest, head
│   ├── NotIndexed              first
│   └── StateDropped            height, head
├── BudgetSpent                 height: the caller allowed less work than the answer takes
└── RangeReversed               bound, height, to: the caller's range ends before it begins

`height` is what was asked for, `head` the height of the last final block, `oldest` the first height whose block is
kept. What contradicts itself in the store is a `node.store.StoreCorrupt`, never one of these.
"""

from __future__ import annotations


class QueryError(Exception):
    """What was asked for has no answer here."""


class NotFound(QueryError):
    """The chain has no such thing, as far as this node is."""


class NotKept(QueryError):
    """This node does not keep it; another one may."""


class BlockNotFound(NotFound):
    """No block of this height is final, as far as this node is."""

    def __init__(self, height: int, head: int) -> None:
        super().__init__(f"no block {height}; the head is {head}")
        self.height = height
        self.head = head


class DigestNotFound(NotFound):
    """No final block has this digest."""

    def __init__(self, digest: bytes) -> None:
        super().__init__("no block has this digest")
        self.digest = digest


class CertificateNotFound(NotFound):
    """No certificate of this height is here: it is genesis, ahead of the head, or below a snapshot."""

    def __init__(self, height: int, head: int) -> None:
        super().__init__(f"no certificate of height {height}; the head is {head}")
        self.height = height
        self.head = head


class ReceiptsNotFound(NotFound):
    """No receipts of this height are here: it is genesis, ahead of the head, or a snapshot's own height."""

    def __init__(self, height: int) -> None:
        super().__init__(f"no receipts of height {height}")
        self.height = height


class ValidatorsUnknown(NotFound):
    """It is not known yet which set decides this height."""

    def __init__(self, height: int, head: int) -> None:
        super().__init__(f"the validators of height {height} are not known yet; the head is {head}")
        self.height = height
        self.head = head


class StateAhead(NotFound):
    """The state of this height has not been decided, as far as this node is."""

    def __init__(self, height: int, head: int) -> None:
        super().__init__(f"no state of height {height}; the head is {head}")
        self.height = height
        self.head = head


class BlockPruned(NotKept):
    """The block is final, and its transactions and receipts are no longer kept."""

    def __init__(self, height: int, oldest: int, head: int) -> None:
        super().__init__(f"block {height} is pruned; the oldest kept by this node is {oldest}")
        self.height = height
        self.oldest = oldest
        self.head = head


class TransactionPruned(NotKept):
    """The transaction is final, in a block below the snapshot that this node began with."""

    def __init__(self, tx_id: bytes, oldest: int, head: int) -> None:
        super().__init__(f"the transaction is below block {oldest}, the oldest kept by this node; ask another node")
        self.tx_id = tx_id
        self.oldest = oldest
        self.head = head


class NotIndexed(NotKept):
    """This node does not index what was asked for, or not as far back.

    Attributes:
        first: the first height from which on it does; None: it does not.
    """

    def __init__(self, what: str, first: int | None) -> None:
        since = f"from block {first} on only" if first is not None else "not at all"
        super().__init__(f"this node indexes {what} {since} (store.index in its node.toml); ask another node")
        self.first = first


class StateDropped(NotKept):
    """The state of this height lies before the kept history."""

    def __init__(self, height: int, head: int, message: str) -> None:
        super().__init__(message)
        self.height = height
        self.head = head


class BudgetSpent(QueryError):
    """Reading the state of a past height took more time than the caller allowed."""

    def __init__(self, height: int) -> None:
        super().__init__(f"too many values of height {height} are needed; ask for less, or for a later height")
        self.height = height


class RangeReversed(QueryError):
    """A range of heights ends before it begins.

    Attributes:
        bound: which bound lies above the end: `from` or `cursor`.
    """

    def __init__(self, bound: str, height: int, to: int) -> None:
        super().__init__(f"the range is reversed: `{bound}` is at {height}, `to` is {to}")
        self.bound = bound
        self.height = height
        self.to = to
