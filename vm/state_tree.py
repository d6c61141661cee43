"""The authenticated state tree (SPEC section 5; docs/state.md describes its shape and hashes).

A key's place is SHA-256(key). The first `depth` nibbles name its bucket, one of 16^depth under a
16-ary upper tree held in RAM; inside the bucket a 16-ary trie (vm.state_pages) goes on.

`update` works out what a block changes without changing anything, so that several candidate blocks
of one height can be executed side by side; `apply` takes over the one that was decided.

Invariants:
    1. The root is a function of the map from keys to values alone, not of the order or the
       grouping of the changes that led to it.
    2. `update`, `prove` and the properties change nothing; only `apply` does.
    3. An update can be applied to the tree that it was made from, and to no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256 as _sha256

from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.state_pages import (
    PAGE_LIMIT,
    Change,
    HeadSource,
    PageEdits,
    PageId,
    PageSource,
    children_hashes,
    group_entries,
    is_split,
    leaf_entries,
    trie_hash,
)
from vm.state_proof import FANOUT, OtherLeaf, ProofNode, StateProof, nibble, node_hash

MAX_DEPTH = 6
"""16^6 buckets: an upper tree of 512 MiB, more than a node should hold."""

_BLOCK = FANOUT * HASH_BYTES
_FULL_NODE = b"\x01\xff\xff"
"""What the preimage of a node with all its children begins with."""

_PRESENT = bytes([48]) + bytes([49]) * 255
"""Translates a byte to the digit 0 if it is zero, else to 1."""

_LEAF_HEADS = tuple(b"\x00" + length.to_bytes(4, "big") for length in range(256))
"""What the preimage of a leaf begins with, by the length of the key; few keys are longer."""

LeafOf = Callable[[bytes], tuple[str, bytes]]
"""Returns the key and the value of a key hash that the tree holds."""

ChildrenOf = Callable[[int, int], bytes]
"""Returns the 16 hashes below node `index` of upper level `level` (0 is the root)."""


class StateTreeError(Exception):
    """The tree was used against its rules: a fault of our own code."""


@dataclass(frozen=True, slots=True)
class TreeUpdate:
    """What one block changes in the tree.

    Attributes:
        base_root: the root of the tree that the update was made from.
        root: the root after it.
        key_hashes: SHA-256 of each changed key, so that nobody hashes it again; none from `update_leaves`.
        pages: each changed page, b"" for one that is gone, or its head where no more of it was at hand.
        unsplit: pages that were split and are leaf pages, or gone, now.
        nodes: for each upper level from 1 to depth, the changed hashes by index; the last level's
            are the changed bucket roots.
    """

    base_root: bytes
    root: bytes
    key_hashes: dict[str, bytes]
    pages: dict[PageId, bytes]
    unsplit: frozenset[PageId]
    nodes: tuple[dict[int, bytes], ...]

    @property
    def bucket_roots(self) -> dict[int, bytes]:
        """The changed bucket roots by bucket number."""
        return self.nodes[-1]


class StateTree:
    """The tree over a source of pages; holds the upper tree, 32 bytes per bucket and a fifteenth."""

    def __init__(
        self,
        depth: int,
        pages: PageSource,
        bucket_roots: bytes | None = None,
        page_limit: int = PAGE_LIMIT,
        heads: HeadSource | None = None,
    ) -> None:
        """Build the upper tree.

        Args:
            depth: log16 of the number of buckets.
            pages: read by `update` and `prove`; must show the tree's own state: whoever applies an
                update makes its pages visible there.
            bucket_roots: 32 bytes per bucket, in order; an empty tree without.
            page_limit: entries of a page at most; storage only.
            heads: `pages` again, if `update` may change a page by its head; then updates hold heads too.
        """
        if not 1 <= depth <= MAX_DEPTH:
            raise StateTreeError(f"depth {depth} is not within 1 … {MAX_DEPTH}")
        if page_limit < 2:
            raise StateTreeError("a page must hold two entries: the hash of one is its leaf, not a node")
        self.depth = depth
        self._pages = pages
        self._page_limit = page_limit
        self._heads = heads
        self._levels = _build_levels(depth, bucket_roots)

    @property
    def root(self) -> bytes:
        """The state root."""
        return bytes(self._levels[0])

    @property
    def bucket_roots(self) -> bytearray:
        """32 bytes per bucket; to be read only."""
        return self._levels[self.depth]

    def level(self, level: int) -> bytearray:
        """Return the hashes of one upper level (0 is the root's), joined; to be read only."""
        return self._levels[level]

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of one node of the upper tree; level `depth` holds the bucket roots."""
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def children_of(self, level: int, index: int) -> bytes:
        """Return the 16 hashes below an upper node, joined."""
        return bytes(self._levels[level + 1][index * _BLOCK : (index + 1) * _BLOCK])

    def update(self, changes: Mapping[str, bytes | None]) -> TreeUpdate:
        """Return what `changes` (value bytes by key, None to delete) does to the tree."""
        return self._update(*_hash_changes(changes, self.depth))

    def update_leaves(self, leaves: Iterable[Change]) -> TreeUpdate:
        """Return what changed leaves do to the tree: for one who has the hashes of the keys only."""
        by_bucket: dict[PageId, list[Change]] = {}
        for change in leaves:
            by_bucket.setdefault(change[0].hex()[: self.depth], []).append(change)
        return self._update({}, by_bucket)

    def _update(self, key_hashes: dict[str, bytes], by_bucket: dict[PageId, list[Change]]) -> TreeUpdate:
        edits = PageEdits(self._pages, self._page_limit, self._heads)
        change = edits.change
        roots = {int(page_id, 16): change(page_id, items) for page_id, items in by_bucket.items()}
        nodes = self._update_upper(roots)
        root = nodes[0].get(0, self.root)
        return TreeUpdate(self.root, root, key_hashes, edits.pages, frozenset(edits.unsplit), tuple(nodes[1:]))

    def _update_upper(self, bucket_roots: dict[int, bytes]) -> list[dict[int, bytes]]:
        """Return the changed hashes of every level, the root's level first."""
        sha, full = _sha256, _FULL_NODE
        changed = [bucket_roots]
        for level in range(self.depth, 0, -1):
            stored = self._levels[level]
            blocks: dict[int, bytearray] = {}
            known = blocks.get
            for index, hash_ in changed[-1].items():
                parent = index >> 4
                block = known(parent)
                if block is None:
                    block = blocks[parent] = stored[parent << 9 : (parent + 1) << 9]
                at = (index & 15) << 5
                block[at : at + 32] = hash_
            # The first case of _block_hash written out: nearly all nodes of a large state have all their children.
            changed.append(
                {
                    parent: sha(full + block).digest() if 0 not in block[::-32] else _block_hash(block)
                    for parent, block in blocks.items()
                }
            )
        changed.reverse()
        return changed

    def apply(self, update: TreeUpdate) -> None:
        """Make an update the tree's state.

        Raises:
            StateTreeError: it was made from another state of the tree.
        """
        if update.base_root != self.root:
            raise StateTreeError("the update was made from another root")
        for level, nodes in enumerate(update.nodes, start=1):
            stored = self._levels[level]
            for index, hash_ in nodes.items():
                stored[index << 5 : (index + 1) << 5] = hash_
        self._levels[0][:] = update.root

    def prove(self, key: str, leaf_of: LeafOf) -> StateProof:
        """Return the proof of the key's value, or of its absence.

        Args:
            key: the readable path.
            leaf_of: looks up the key and value behind another key's hash.
        """
        key_hash = _sha256(key.encode()).digest()
        return build_proof(self.depth, key_hash, self.children_of, self._pages, leaf_of)


def build_proof(
    depth: int, key_hash: bytes, children_of: ChildrenOf, pages: PageSource, leaf_of: LeafOf
) -> StateProof:
    """Return a proof from any state of the tree: the upper hashes and the bucket's pages at that state."""
    path: list[ProofNode] = []
    index = 0
    for level in range(depth):
        block = children_of(level, index)
        own = nibble(key_hash, level)
        hashes = [block[i : i + 32] for i in range(0, _BLOCK, 32)]
        children = {i: hash_ for i, hash_ in enumerate(hashes) if hash_ != ZERO_HASH}
        if not children:
            return StateProof(tuple(path))
        path.append(_proof_node(children, own))
        if own not in children:
            return StateProof(tuple(path))
        index = index << 4 | own
    found = _prove_in_bucket(depth, key_hash, pages, path)
    if found is None or found == key_hash:
        return StateProof(tuple(path))
    other_key, other_value = leaf_of(found)
    return StateProof(tuple(path), OtherLeaf(other_key, _sha256(other_value).digest()))


def _prove_in_bucket(depth: int, key_hash: bytes, pages: PageSource, path: list[ProofNode]) -> bytes | None:
    """Extend `path` inside the bucket; return the key hash of the leaf it ends in, None if empty."""
    name = key_hash.hex()
    level = depth
    page = pages.get(name[:level]) or b""
    while is_split(page):
        children = children_hashes(page)
        own = nibble(key_hash, level)
        path.append(_proof_node(children, own))
        if own not in children:
            return None
        level += 1
        page = pages.get(name[:level]) or b""
    entries = leaf_entries(page)
    while len(entries) > HASH_BYTES * 2:
        own = nibble(key_hash, level)
        groups = group_entries(entries, level)
        path.append(_proof_node({i: trie_hash(group, level + 1) for i, group in groups}, own))
        entries = dict(groups).get(own, b"")
        level += 1
    return entries[:HASH_BYTES] if entries else None


def _proof_node(children: dict[int, bytes], own: int) -> ProofNode:
    bitmap = sum(1 << i for i in children)
    return ProofNode(bitmap, tuple(hash_ for i, hash_ in sorted(children.items()) if i != own))


def _hash_changes(
    changes: Mapping[str, bytes | None], depth: int
) -> tuple[dict[str, bytes], dict[PageId, list[Change]]]:
    """Return the hash of each key, and the leaf changes by bucket."""
    sha, heads, common = _sha256, _LEAF_HEADS, len(_LEAF_HEADS)
    # The hex of whole bytes, cut where the depth is odd: half of the last byte is the bucket's.
    bytes_of_id, is_odd = (depth + 1) >> 1, depth & 1
    key_hashes: dict[str, bytes] = {}
    by_bucket: dict[PageId, list[Change]] = {}
    for key, value in changes.items():
        raw = key.encode()
        key_hashes[key] = key_hash = sha(raw).digest()
        leaf: bytes | None = None
        if value is not None:
            # state_proof.leaf_hash written out: this loop runs for every changed key.
            length = len(raw)
            head = heads[length] if length < common else b"\x00" + length.to_bytes(4, "big")
            leaf = sha(head + raw + sha(value).digest()).digest()
        page_id = key_hash[:bytes_of_id].hex()
        if is_odd:
            page_id = page_id[:depth]
        if page_id in by_bucket:
            by_bucket[page_id].append((key_hash, leaf))
        else:
            by_bucket[page_id] = [(key_hash, leaf)]
    return key_hashes, by_bucket


def _block_hash(block: bytearray) -> bytes:
    """Return the hash of an upper node from its 16 children, zeros for empty ones."""
    lasts = block[::-HASH_BYTES]
    if 0 not in lasts:
        return _sha256(_FULL_NODE + block).digest()
    present = block.replace(ZERO_HASH, b"")
    if not present:
        return ZERO_HASH
    # The last bytes of the hashes tell nearly always which children are empty; a hash that happens to
    # end in a zero byte shows in the count.
    bitmap = int(lasts.translate(_PRESENT), 2)
    if bitmap.bit_count() * HASH_BYTES != len(present):
        hashes = [block[i : i + HASH_BYTES] for i in range(0, _BLOCK, HASH_BYTES)]
        bitmap = sum(1 << i for i, hash_ in enumerate(hashes) if hash_ != ZERO_HASH)
        present = bytearray().join([hash_ for hash_ in hashes if hash_ != ZERO_HASH])
    return node_hash(bitmap, bytes(present))


def _build_levels(depth: int, bucket_roots: bytes | None) -> list[bytearray]:
    """Return the hashes of each level, the root's first."""
    size = FANOUT**depth * HASH_BYTES
    if bucket_roots is None:
        return [bytearray(FANOUT**level * HASH_BYTES) for level in range(depth + 1)]
    if len(bucket_roots) != size:
        raise StateTreeError(f"{len(bucket_roots)} bytes of bucket roots instead of {size}")
    levels = [bytearray(bucket_roots)]
    for _ in range(depth):
        below = levels[-1]
        blocks = (below[i : i + _BLOCK] for i in range(0, len(below), _BLOCK))
        levels.append(bytearray(b"".join([_block_hash(block) for block in blocks])))
    levels.reverse()
    return levels
