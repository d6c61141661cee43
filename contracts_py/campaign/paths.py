"""Paths from one item to the root over many: codes of a pool, items of a collection.

A leaf is SHA-256(0x00, tag, item), a node SHA-256(0x01, lower child, higher child): the two children are ordered by
their bytes, so a path is a list of hashes and names no place. Leaves and nodes carry different first bytes, and
each use has a tag of its own, so neither a node nor a leaf of another tree passes for a leaf. A level with an odd
number of nodes lets the last one rise unchanged.

Invariants:
    1. Whatever path is brought, its end equals the root only if the leaf is in the tree (unless SHA-256 is broken).
    2. A leaf has one name, its hash: there is no index under which the same leaf could count a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from vm.contract_api import Context, Hash, Meta, sha256

MAX_PATH: Final = 32
"""Hashes of a path: enough for 2^32 leaves; a pool of a million has 20."""

HASH_UNITS: Final = 2
"""One SHA-256 over 65 bytes and its conversions: 0.8 µs on the testbed, at 2.5 units each."""

Path = Annotated[tuple[Hash, ...], Meta(max_length=MAX_PATH)]

CODE_TAG: Final = b"entente/code/1\0"
ITEM_TAG: Final = b"entente/collection-item/1\0"

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def code_leaf(code: str, salt: bytes) -> bytes:
    """Return the leaf of a code; the salt's length is fixed by its caller, so that no two pairs run together."""
    return sha256(_LEAF + CODE_TAG + salt + code.encode())


def item_leaf(item: str) -> bytes:
    """Return the leaf of a collection's item."""
    return sha256(_LEAF + ITEM_TAG + item.encode())


def node(one: bytes, other: bytes) -> bytes:
    """Return the node above two children, in whatever order they are given."""
    return sha256(_NODE + one + other) if one <= other else sha256(_NODE + other + one)


def root_above(ctx: Context, leaf: bytes, path: Sequence[str]) -> str:
    """Return the root to which a path leads, as hex; paid for before it is walked."""
    ctx.charge(HASH_UNITS * (1 + len(path)))
    current = leaf
    for sibling in path:
        current = node(current, bytes.fromhex(sibling))
    return current.hex()


def longest_path(count: int) -> int:
    """Return how many hashes the longest path of a tree with so many leaves has."""
    return (count - 1).bit_length()


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return a small tree level by level, leaves first; `node.codes` makes large ones on disk."""
    tree = [list(leaves)]
    while len(tree[-1]) > 1:
        below = tree[-1]
        above = [node(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        tree.append(above + below[len(below) & ~1 :])
    return tree


def path_of(tree: Sequence[Sequence[bytes]], place: int) -> list[str]:
    """Return the path of the leaf at a place."""
    path = []
    for level in tree[:-1]:
        if place ^ 1 < len(level):
            path.append(level[place ^ 1].hex())
        place //= 2
    return path
