"""Pages: how the trie inside a bucket is held, changed and hashed (docs/state.md).

A bucket is a 16-ary trie over the key hashes that share its prefix. It is held in pages, named by the
hex prefix (`page_id`) of the key hashes below. A page is one of

    leaf page     0x01 ‖ bitmap (2) ‖ hashes of the non-empty children ‖ entries
    split page    0x02 ‖ bitmap (2) ‖ hashes of the non-empty children ‖ their key counts (4 each)

    head          0x03 ‖ bitmap (2) ‖ hashes of the non-empty children ‖ how many keys (2)

where an entry is key hash ‖ leaf hash and entries are sorted. A leaf page holds all the keys below
its prefix; its head is just the preimage of its node hash, so changing one key hashes one group of
neighbours and this head. A split page has child pages. Pages are derived from keys and values alone
and are storage only: where they are split does not change any hash.

A head is what a source may keep of a leaf page that it has no room for: with it, a change needs the few keys below
the same child only. Heads stand for a whole page to `PageEdits` alone.

Invariants:
    1. The hash of a page depends on the set of (key hash, leaf hash) below its prefix alone.
    2. A leaf page holds 1 … page_limit entries; no entry, no page (b"").
    3. A split page is merged as soon as at most page_limit // 2 keys are left below it.
    4. A head stands for HEAD_LEAST … page_limit keys.
    5. Nothing here changes a page in place; changed pages are collected in `PageEdits`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import sha256 as _sha256
from typing import Protocol

from vm.primitives.hashing import ZERO_HASH
from vm.state_proof import nibble, node_hash

PAGE_LIMIT = 64
"""Entries of a leaf page at most (4 KiB of entries)."""

HEAD_LEAST = 9
"""Keys of a page that is worth a head: below, the page is little longer, and derived in little more time."""

_LEAF_PAGE = 1
_SPLIT_PAGE = 2
_HEAD_PAGE = 3
_HEAD = 3
_ENTRY = 64

PageId = str
Change = tuple[bytes, bytes | None]
"""A key hash and its new leaf hash, None if the key goes."""


class PageSource(Protocol):
    """Where pages come from; None or b"" stands for a page without keys."""

    def get(self, page_id: PageId, /) -> bytes | None:
        """Return the page of a prefix."""
        ...


class HeadSource(PageSource, Protocol):
    """A source that keeps heads of pages."""

    def at_hand(self, page_id: PageId, /) -> bytes | None:
        """Return the page, or its head, if it costs nothing; None else."""
        ...

    def entries_below(self, prefix: PageId, /) -> bytes:
        """Return the packed entries below any prefix."""
        ...


class PageEdits:
    """The pages that an update changes, over a source that it leaves alone."""

    def __init__(self, source: PageSource, page_limit: int = PAGE_LIMIT, heads: HeadSource | None = None) -> None:
        """Begin without changes.

        Args:
            heads: the source again, if changed pages may be known by their heads.
        """
        self._source = source
        self._heads = heads
        self._page_limit = page_limit
        # A page this small holds fewer than page_limit keys, however few children they have.
        self._roomy_bytes = _HEAD + 32 + _ENTRY * (page_limit - 1)
        self.pages: dict[PageId, bytes] = {}
        self.unsplit: set[PageId] = set()

    def get(self, page_id: PageId, /) -> bytes:
        """Return the page as it is after the edits so far."""
        page = self.pages.get(page_id)
        if page is None:
            page = self._source.get(page_id) or b""
        return page

    def change(self, page_id: PageId, changes: Sequence[Change]) -> bytes:
        """Make `changes`, all below `page_id`, and return the page's new hash."""
        page = self.pages.get(page_id)
        if page is None:
            page = None if self._heads is None else self._heads.at_hand(page_id)
            if page is None:
                page = self._source.get(page_id) or b""
            elif page[:1] == b"\x03":
                head = self._change_head(page_id, page, changes)
                if head is not None:
                    self.pages[page_id] = head
                    return page_hash(head)
                page = self._source.get(page_id) or b""
        if len(changes) == 1 and len(page) <= self._roomy_bytes and page[:1] != b"\x02":
            # Nearly every change of a block takes this path.
            key_hash, leaf = changes[0]
            page = _change_one(page, len(page_id), key_hash, leaf)
        elif is_split(page):
            page = self._change_split(page_id, page, changes)
        else:
            page = self._change_leaf(page_id, page, changes)
        self.pages[page_id] = page
        return page_hash(page)

    def _change_head(self, page_id: PageId, page: bytes, changes: Sequence[Change]) -> bytes | None:
        """Return the head of a page after changes; None if the whole page is needed."""
        assert self._heads is not None
        level = len(page_id)
        children, count = children_hashes(page), int.from_bytes(page[-2:], "big")
        by_child: dict[int, list[Change]] = {}
        for change in changes:
            by_child.setdefault(nibble(change[0], level), []).append(change)
        for own, child_changes in by_child.items():
            entries = self._heads.entries_below(page_id + "0123456789abcdef"[own]) if own in children else b""
            if trie_hash(entries, level + 1) != children.get(own, ZERO_HASH):
                return None  # the source is damaged: it compares the whole page with the bucket's root
            before = len(entries)
            for key_hash, leaf in child_changes:
                entries = _change_group(entries, key_hash, leaf)
            count += (len(entries) - before) // _ENTRY
            if entries:
                children[own] = trie_hash(entries, level + 1)
            else:
                children.pop(own, None)
        return _head_page(children, count) if HEAD_LEAST <= count <= self._page_limit else None

    def _change_leaf(self, page_id: PageId, page: bytes, changes: Sequence[Change]) -> bytes:
        level = len(page_id)
        if len(changes) <= 4:
            for key_hash, leaf in changes:
                page = _change_one(page, level, key_hash, leaf)
            if key_count(page) <= self._page_limit:
                return page
            entries = leaf_entries(page)
        else:
            leaves = _leaves_of(leaf_entries(page))
            for key_hash, leaf in changes:
                if leaf is None:
                    leaves.pop(key_hash, None)
                else:
                    leaves[key_hash] = leaf
            entries = b"".join([key_hash + leaves[key_hash] for key_hash in sorted(leaves)])
        return self._build(page_id, entries)

    def _build(self, page_id: PageId, entries: bytes) -> bytes:
        """Return the page of sorted entries, having added child pages if they are too many."""
        level = len(page_id)
        if len(entries) <= self._page_limit * _ENTRY:
            return leaf_page(entries, level)
        children = {}
        for own, group in group_entries(entries, level):
            child_id = page_id + "0123456789abcdef"[own]
            child = self.pages[child_id] = self._build(child_id, group)
            children[own] = (page_hash(child), key_count(child))
        return _split_page(children)

    def _change_split(self, page_id: PageId, page: bytes, changes: Sequence[Change]) -> bytes:
        level = len(page_id)
        children = _children_of(page)
        by_child: dict[int, list[Change]] = {}
        for change in changes:
            by_child.setdefault(nibble(change[0], level), []).append(change)
        for own, child_changes in by_child.items():
            child_id = page_id + "0123456789abcdef"[own]
            hash_ = self.change(child_id, child_changes)
            count = key_count(self.pages[child_id])
            if count:
                children[own] = (hash_, count)
            else:
                children.pop(own, None)
        if sum(count for _, count in children.values()) > self._page_limit // 2:
            return _split_page(children)
        return self._merge(page_id, children)

    def _merge(self, page_id: PageId, children: dict[int, tuple[bytes, int]]) -> bytes:
        """Return the leaf page that takes the place of a split page and its children."""
        entries = []
        for own in sorted(children):
            child_id = page_id + "0123456789abcdef"[own]
            # Invariant 3 holds below too: so few keys are never in a split child page.
            entries.append(leaf_entries(self.get(child_id)))
            self.pages[child_id] = b""
        self.unsplit.add(page_id)
        return leaf_page(b"".join(entries), len(page_id))


def head_of(page: bytes) -> bytes | None:
    """Return the head of a leaf page, None if it is not worth one."""
    if page[:1] != b"\x01" or key_count(page) < HEAD_LEAST:
        return None
    return b"\x03" + page[1 : _entries_at(page)] + key_count(page).to_bytes(2, "big")


def is_head(page: bytes) -> bool:
    """Tell whether `page` is a head only."""
    return page[:1] == b"\x03"


def is_split(page: bytes) -> bool:
    """Tell whether `page` has child pages."""
    return page[:1] == b"\x02"


def key_count(page: bytes) -> int:
    """Return how many keys lie below a page."""
    if not page:
        return 0
    if page[0] == _SPLIT_PAGE:
        return sum(count for _, count in _children_of(page).values())
    if page[0] == _HEAD_PAGE:
        return int.from_bytes(page[-2:], "big")
    return (len(page) - _entries_at(page)) // _ENTRY


def page_hash(page: bytes) -> bytes:
    """Return the hash of the subtree that a page holds."""
    if not page:
        return ZERO_HASH
    start = _HEAD + 32 * (page[1] << 8 | page[2]).bit_count()
    if page[0] != _LEAF_PAGE:
        return _sha256(b"\x01" + page[1:start]).digest()
    if len(page) - start == _ENTRY:
        return page[-32:]
    return _sha256(page[:start]).digest()


def children_hashes(page: bytes) -> dict[int, bytes]:
    """Return the hash of each non-empty child of a page, by nibble."""
    if not page:
        return {}
    bitmap = page[1] << 8 | page[2]
    present = [own for own in range(16) if bitmap >> own & 1]
    return {own: page[_HEAD + 32 * i : _HEAD + 32 * i + 32] for i, own in enumerate(present)}


def _entries_at(page: bytes) -> int:
    return _HEAD + 32 * (page[1] << 8 | page[2]).bit_count()


def leaf_entries(page: bytes) -> bytes:
    """Return the packed entries of a leaf page."""
    return page[_entries_at(page) :] if page else b""


def _leaves_of(entries: bytes) -> dict[bytes, bytes]:
    return {entries[i : i + 32]: entries[i + 32 : i + 64] for i in range(0, len(entries), _ENTRY)}


def group_entries(entries: bytes, level: int) -> list[tuple[int, bytes]]:
    """Divide sorted entries by their nibble at `level`."""
    column = entries[level >> 1 :: _ENTRY]
    groups = []
    start, end_of_all = 0, len(column)
    while start < end_of_all:
        byte = column[start]
        own, above = (byte & 15, byte + 1) if level & 1 else (byte >> 4, (byte | 15) + 1)
        end = bisect_left(column, above, start)
        groups.append((own, entries[start * _ENTRY : end * _ENTRY]))
        start = end
    return groups


def trie_hash(entries: bytes, level: int) -> bytes:
    """Return the hash of the subtree at `level` that holds these sorted entries."""
    if len(entries) == _ENTRY:
        return entries[32:]
    if not entries:
        return ZERO_HASH
    if len(entries) == 2 * _ENTRY:
        first, second = entries[level >> 1], entries[_ENTRY + (level >> 1)]
        first, second = (first & 15, second & 15) if level & 1 else (first >> 4, second >> 4)
        if first != second:
            return node_hash(1 << first | 1 << second, entries[32:64] + entries[96:])
    bitmap = 0
    hashes = []
    for own, group in group_entries(entries, level):
        bitmap |= 1 << own
        hashes.append(group[32:] if len(group) == _ENTRY else trie_hash(group, level + 1))
    return node_hash(bitmap, b"".join(hashes))


def leaf_page(entries: bytes, level: int) -> bytes:
    """Return the leaf page at `level` of packed entries, sorted by key hash; b"" for none."""
    if not entries:
        return b""
    bitmap = 0
    hashes = []
    for own, group in group_entries(entries, level):
        bitmap |= 1 << own
        hashes.append(trie_hash(group, level + 1))
    return b"\x01" + bitmap.to_bytes(2, "big") + b"".join(hashes) + entries


def _split_page(children: dict[int, tuple[bytes, int]]) -> bytes:
    present = sorted(children)
    bitmap = sum(1 << own for own in present)
    hashes = b"".join([children[own][0] for own in present])
    counts = b"".join([children[own][1].to_bytes(4, "big") for own in present])
    return b"\x02" + bitmap.to_bytes(2, "big") + hashes + counts


def _head_page(children: dict[int, bytes], count: int) -> bytes:
    present = sorted(children)
    bitmap = sum(1 << own for own in present)
    hashes = b"".join([children[own] for own in present])
    return b"\x03" + bitmap.to_bytes(2, "big") + hashes + count.to_bytes(2, "big")


def _children_of(page: bytes) -> dict[int, tuple[bytes, int]]:
    """Return (hash, key count) of each child of a split page, by nibble."""
    start = _entries_at(page)
    return {
        own: (hash_, int.from_bytes(page[start + 4 * i : start + 4 * i + 4], "big"))
        for i, (own, hash_) in enumerate(children_hashes(page).items())
    }


def _change_one(page: bytes, level: int, key_hash: bytes, leaf: bytes | None) -> bytes:
    """Return a leaf page with one key changed: only its group of neighbours is hashed again."""
    if not page:
        return b"" if leaf is None else leaf_page(key_hash + leaf, level)
    bitmap = page[1] << 8 | page[2]
    entries_at = 3 + (bitmap.bit_count() << 5)
    column_at = level >> 1
    first = key_hash[column_at]
    if level & 1:
        own, above = first & 15, first + 1
    else:
        own = first >> 4
        first &= 0xF0
        above = first + 16
    bit = 1 << own
    hash_at = 3 + ((bitmap & (bit - 1)).bit_count() << 5)
    column = page[entries_at + column_at :: 64]
    start = bisect_left(column, first)
    group_at = entries_at + (start << 6)
    if not bitmap & bit:
        if leaf is None:
            return page
        head = b"\x01" + (bitmap | bit).to_bytes(2, "big") + page[3:hash_at] + leaf
        return b"".join((head, page[hash_at:group_at], key_hash, leaf, page[group_at:]))
    group_end = entries_at + (bisect_left(column, above, start) << 6)
    group = _change_group(page[group_at:group_end], key_hash, leaf)
    hash_end = hash_at + 32
    if group:
        hash_ = group[32:] if len(group) == 64 else trie_hash(group, level + 1)
        return b"".join((page[:hash_at], hash_, page[hash_end:group_at], group, page[group_end:]))
    if bitmap == bit:
        return b""
    head = b"\x01" + (bitmap & ~bit).to_bytes(2, "big") + page[3:hash_at]
    return b"".join((head, page[hash_end:group_at], page[group_end:]))


def _change_group(group: bytes, key_hash: bytes, leaf: bytes | None) -> bytes:
    """Return sorted entries with one key set or removed."""
    at, end = 0, len(group)
    while at < end and group[at : at + 32] < key_hash:
        at += 64
    after = at + 64 if group[at : at + 32] == key_hash else at
    if leaf is None:
        return group[:at] + group[after:]
    return group[:at] + key_hash + leaf + group[after:]
