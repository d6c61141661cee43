"""Chunks of the state tree: whole subtrees, each verified by itself against a hash that is known already.

A snapshot travels as chunks. A chunk is the keys and values below one or more neighbouring nodes of the tree, which
are named by the hex prefix of the key hashes below the first one, and by their number. Whoever knows the
hashes of the nodes (first the bucket roots, which lead to the certified state root) checks each chunk alone. A node
that holds more than fits into one chunk is answered with the hashes of its children instead, and they are
asked for one by one: so there is no bucket, however many keys were ground into it, that cannot travel.

Invariants:
    1. `verify_chunk` accepts exactly one list of records for a list of hashes: any other byte is refused.
    2. What it costs is linear in the records given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256 as _sha256
from itertools import pairwise

from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.state_pages import PageEdits, PageId, is_split
from vm.state_proof import FANOUT, MAX_NIBBLES, node_hash

StateRecord = tuple[bytes, bytes]
"""A key (UTF-8 path) and its value."""


class ChunkMismatch(Exception):
    """A chunk is not the part of the state that the known hashes commit to: its sender's fault."""


@dataclass(frozen=True, slots=True)
class VerifiedChunk:
    """The content of a chunk that was verified.

    Attributes:
        records: (key hash, key, value), ascending.
        split_pages: pages below the chunk's nodes that the store keeps beside the values.
    """

    records: list[tuple[bytes, bytes, bytes]]
    split_pages: dict[PageId, bytes]


def prefixes(prefix: str, count: int) -> list[str]:
    """Return the names of `count` neighbouring nodes from `prefix` on."""
    first, level = int(prefix, 16), len(prefix)
    return [f"{index:0{level}x}" for index in range(first, first + count)]


def verify_chunk(prefix: str, hashes: bytes, records: Sequence[StateRecord]) -> VerifiedChunk:
    """Check that these are all the records below the nodes from `prefix` on.

    Args:
        prefix: the first node's.
        hashes: of the nodes, 32 bytes each, zeros for an empty one; one or more.
        records: in the order of their key hashes.

    Raises:
        ChunkMismatch: a record is missing, too many, changed or in another order.
    """
    named = [(_sha256(key).digest(), key, value) for key, value in records]
    names = prefixes(prefix, len(hashes) // HASH_BYTES)
    edits = PageEdits({})
    at = 0
    for number, name in enumerate(names):
        start = at
        while at < len(named) and named[at][0].hex().startswith(name):
            at += 1
        leaves = []
        for key_hash, key, value in named[start:at]:
            leaf = _sha256(b"\x00" + len(key).to_bytes(4, "big") + key + _sha256(value).digest()).digest()
            leaves.append((key_hash, leaf))
        if any(first >= second for (first, _), (second, _) in pairwise(leaves)):
            raise ChunkMismatch(f"the records below {name} are not in the order of their hashes")
        found = edits.change(name, leaves) if leaves else ZERO_HASH
        if found != hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES]:
            raise ChunkMismatch(f"the records below {name} do not have the hash of the node")
    if at != len(named):
        raise ChunkMismatch(f"{len(named) - at} records lie outside the nodes asked for")
    split = {page_id: page for page_id, page in edits.pages.items() if is_split(page)}
    return VerifiedChunk(named, split)


def verify_children(prefix: str, expected: bytes, children: Sequence[bytes]) -> dict[str, bytes]:
    """Check the hashes of a node's 16 children; return those that are not empty, by name.

    Raises:
        ChunkMismatch: they are not the children of a node with that hash.
    """
    if len(prefix) >= MAX_NIBBLES or len(children) != FANOUT or any(len(child) != HASH_BYTES for child in children):
        raise ChunkMismatch(f"the node {prefix} is not split into 16 children")
    present = [own for own in range(FANOUT) if children[own] != ZERO_HASH]
    bitmap = sum(1 << own for own in present)
    if node_hash(bitmap, b"".join(children[own] for own in present)) != expected:
        raise ChunkMismatch(f"the children of {prefix} do not have the hash of the node")
    return {f"{prefix}{own:x}": children[own] for own in present}


def verify_bucket_roots(depth: int, state_root: bytes, roots: bytes) -> bool:
    """Tell whether these bucket roots, 32 bytes each in order, hash to the state root."""
    return len(roots) == FANOUT**depth * HASH_BYTES and root_of_buckets(depth, roots) == state_root


def root_of_buckets(depth: int, roots: bytes) -> bytes:
    """Return the state root above the bucket roots."""
    level = [roots[at : at + HASH_BYTES] for at in range(0, len(roots), HASH_BYTES)]
    for _ in range(depth):
        level = [_parent(level[at : at + FANOUT]) for at in range(0, len(level), FANOUT)]
    return level[0]


def _parent(children: Sequence[bytes]) -> bytes:
    present = [own for own in range(FANOUT) if children[own] != ZERO_HASH]
    if not present:
        return ZERO_HASH
    return node_hash(sum(1 << own for own in present), b"".join(children[own] for own in present))
