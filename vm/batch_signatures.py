"""Batch signatures: one signature over many transactions (SPEC section 2).

An entry of a transaction's `sigs` may be [public key, signature, index, size, [hash, …]]. The signature is over
the root of the RFC 6962 tree over the ids of `size` transactions, and the hashes are the path from this one's id
to that root. Each transaction stays one of its own: it has its id, may expire or fail by itself, and may travel
alone.

A node verifies a signature over a root once and remembers it, so that every further transaction of the batch
costs a few hashes. What is remembered is the whole triple of key, signature and root: another signature over the
same root is verified by itself, so what a node has seen before never changes what is valid.

Invariants:
    1. `signatures_valid` answers the same with any cache, and without one.
    2. A cache holds at most MAX_ROOTS triples.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from vm.primitives import merkle
from vm.primitives.hashing import HASH_BYTES
from vm.primitives.keys import Domain, verify

MAX_BATCH: Final = 256
"""Transactions under one signature (SPEC section 2)."""

MAX_ROOTS: Final = 8_192
"""Some 300 bytes each. A batch lives as long as its transactions, minutes at most;
whoever sends more than so many in that time pays with further verifications."""


class BatchPath(msgspec.Struct, frozen=True, gc=False):
    """Where a transaction stands in its batch, and the hashes from its id to the root."""

    index: int
    size: int
    hashes: tuple[bytes, ...]


def fault_of(path: BatchPath) -> str | None:
    """Say what is wrong with a path that its transaction brings, None where it leads to some root."""
    if not 1 <= path.size <= MAX_BATCH:
        return f"a batch has 1 to {MAX_BATCH} transactions, not {path.size}"
    if not 0 <= path.index < path.size:
        return f"a batch of {path.size} has no transaction {path.index}"
    if any(len(hash_) != HASH_BYTES for hash_ in path.hashes):
        return f"a hash has {HASH_BYTES} bytes"
    if len(path.hashes) != merkle.path_length(path.index, path.size):
        return f"the path of {path.index} in {path.size} has not {len(path.hashes)} hashes"
    return None


def paths_of(ids: Sequence[bytes]) -> tuple[bytes, list[BatchPath]]:
    """Return the root over the ids of a batch, and the path of each.

    Raises:
        ValueError: they are too few or too many.
    """
    if not 1 <= len(ids) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} transactions, not {len(ids)}")
    paths = [BatchPath(index, len(ids), tuple(path)) for index, path in enumerate(merkle.paths(ids))]
    return merkle.root(ids), paths


class VerifiedRoots:
    """The signatures over roots that have been found valid lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, bytes, bytes], None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._known)

    def is_valid(self, public_key: bytes, signature: bytes, root: bytes) -> bool:
        """Tell whether a signature over a root is valid; what is not valid is not remembered."""
        if self.knows(public_key, signature, root):
            return True
        if not verify(Domain.BATCH, public_key, root, signature):
            return False
        self.remember(public_key, signature, root)
        return True

    def knows(self, public_key: bytes, signature: bytes, root: bytes) -> bool:
        """Tell whether a signature over a root has been found valid lately; it counts as used again."""
        triple = (public_key, signature, root)
        if triple not in self._known:
            return False
        self._known.move_to_end(triple)
        return True

    def remember(self, public_key: bytes, signature: bytes, root: bytes) -> None:
        """Remember what has been verified, and found valid, elsewhere."""
        self._known[public_key, signature, root] = None
        if len(self._known) > MAX_ROOTS:
            self._known.popitem(last=False)
