"""Binary Merkle trees over lists: `tx_root` and `receipts_root` (SPEC sections 3 and 5).

The shape is that of RFC 6962: a list of n > 1 leaves splits at the largest power of two below n.
Leaves and inner nodes are hashed with different tags, so neither passes for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256 as _sha256

from vm.primitives.hashing import ZERO_HASH

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(item: bytes) -> bytes:
    """Return the tagged hash of one list item."""
    return _sha256(_LEAF + item).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(_NODE + left + right).digest()


def root(items: Sequence[bytes]) -> bytes:
    """Return the root over `items`, 32 zero bytes for none."""
    if not items:
        return ZERO_HASH
    level = [_sha256(_LEAF + item).digest() for item in items]
    # Level by level; an odd last node rises unchanged, which is RFC 6962's shape.
    while len(level) > 1:
        paired = [_sha256(_NODE + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def path(items: Sequence[bytes], index: int) -> list[bytes]:
    """Return the sibling hashes from the leaf at `index` up to the root."""
    if not 0 <= index < len(items):
        raise IndexError(f"no item {index} in a list of {len(items)}")
    return _siblings(_levels(items), index)


def paths(items: Sequence[bytes]) -> list[list[bytes]]:
    """Return the path of every item, in order; each node is hashed once for all of them."""
    levels = _levels(items)
    return [_siblings(levels, index) for index in range(len(items))]


def _levels(items: Sequence[bytes]) -> list[list[bytes]]:
    """Return the hashes of each level from the leaves up, the root excepted."""
    level = [leaf_hash(item) for item in items]
    levels = []
    while len(level) > 1:
        levels.append(level)
        paired = [_node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return levels


def _siblings(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    found = []
    for level in levels:
        sibling = index ^ 1
        if sibling < len(level):
            found.append(level[sibling])
        index //= 2
    return found


def path_length(index: int, count: int) -> int:
    """Return how many siblings the path of a leaf has."""
    length, width = 0, count
    while width > 1:
        length += index ^ 1 < width
        index, width = index // 2, (width + 1) // 2
    return length


def root_of_path(item: bytes, index: int, count: int, siblings: Sequence[bytes]) -> bytes | None:
    """Return the root to which a path leads from `item` at `index` of `count`; None where it is no such path."""
    if not 0 <= index < count:
        return None
    current = _sha256(_LEAF + item).digest()
    place, length = 0, len(siblings)
    while count > 1:
        if index & 1 or index + 1 < count:
            if place == length:
                return None
            sibling = siblings[place]
            place += 1
            pair = sibling + current if index & 1 else current + sibling
            current = _sha256(_NODE + pair).digest()
        index >>= 1
        count = (count + 1) >> 1
    return current if place == length else None


def verify_path(item: bytes, index: int, count: int, siblings: Sequence[bytes], expected_root: bytes) -> bool:
    """Tell whether `item` stands at `index` of a list of `count` items with this root."""
    return root_of_path(item, index, count, siblings) == expected_root
