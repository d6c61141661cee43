"""The state at past heights, from records of what each block replaced.

The commit of height h writes the old values of the keys that it changes and the old hashes of the upper tree nodes
from level 3 on, in at most 16 parts by the first nibble of the key hash; the two topmost levels in a record of
their own; and, as a table of contents, the first bytes of the hashes of all keys that it changes. All of them
stand under the height, so that the engine appends them and never merges them with those of other blocks. What held
after height g is the oldest old value above g, and the head's where there is none. A look-up scans the tables of
contents, some bytes per change, and reads the parts of those blocks that changed what it looks for. Inside a bucket
the tree at g is the tree at the head with the bucket's old values put back.

Invariants:
    1. The state after every height from `floor` to the head can be had, value and proof.
    2. A commit deletes the records of at most PRUNED_PER_COMMIT heights.
    3. A part's values stand in the order of their key hashes, as the table of contents lists these.
    4. Across a pause point the head may move, and a past state may be pruned: the answer is of the height that was
       asked for, or StatePruned.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256 as _sha256
from typing import Final, NamedTuple, TypeVar

import msgspec

from node.runtime.pauses import pause_point
from node.store.bucket_roots import nodes_between, pack_hashes
from node.store.database import Batch, Database
from node.store.errors import StatePruned, StoreCorrupt
from node.store.layout import (
    CHANGED_KEYS,
    HISTORY_FLOOR_KEY,
    PART_UNDO,
    TOP_UNDO,
    at_height,
    number,
    read,
    split_record,
    state_record,
)
from node.store.tree_pages import PageStore
from node.store.values import StateValues
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import HASH_BYTES
from vm.state_pages import PageEdits, PageId
from vm.state_proof import FANOUT, StateProof, leaf_hash
from vm.state_tree import StateTree, TreeUpdate, build_proof

T = TypeVar("T")

PRUNED_PER_COMMIT = 4
"""Bounds the work of catching up after `state_history_blocks` was lowered."""

TOP_LEVELS = 2
"""Levels whose nodes are in the record of the top: 272 hashes at most."""

PREFIX_BYTES: Final = 4
"""Of each changed key's hash in the table of contents: 8 nibbles, more than the bucket of the deepest tree has. One
block of 2,000 keys in two million has another key with the bytes that are looked for; its part tells them apart."""

RECENT_BYTES: Final = 16 << 20
"""Of tables of contents in memory: those of some 2,000 full blocks. A search takes 1 µs, with reading it 8."""

OldValues = Sequence[tuple[str, bytes | None]]
"""Key and value before a block, None for one that was absent, in the order of key hashes."""


class PartUndo(msgspec.Struct, frozen=True, array_like=True):
    """What a block replaced below one first nibble: old values, old nodes of levels 3 … depth."""

    values: list[tuple[str, bytes | None]]
    levels: list[bytes]


class TopUndo(msgspec.Struct, frozen=True, array_like=True):
    """Old nodes of levels 1 and 2."""

    levels: list[bytes]


_Records = Iterator[tuple[int, T]]
"""Records of blocks, with the heights of these."""


class _Changed(NamedTuple):
    """What a block changed of what was asked for: its height, the part, and the old values."""

    height: int
    part: PartUndo
    values: OldValues


_part_decoder = TypedDecoder(PartUndo)
_top_decoder = TypedDecoder(TopUndo)


def decode_part(record: bytes) -> PartUndo:
    """Return what a block replaced in a part.

    Raises:
        StoreCorrupt: it is no such record.
    """
    return read(_part_decoder, record, "history")


def decode_top(record: bytes) -> TopUndo:
    """Return what a block replaced in the topmost levels.

    Raises:
        StoreCorrupt: it is no such record.
    """
    return read(_top_decoder, record, "history")


def part_key(height: int, part: int) -> bytes:
    """Return the key of what a block replaced in a part."""
    return at_height(PART_UNDO, height) + bytes([part])


def contents_of(key_hashes: Sequence[bytes]) -> bytes:
    """Return the table of contents of a block that changed keys with these hashes, which ascend."""
    return b"".join([key_hash[:PREFIX_BYTES] for key_hash in key_hashes])


def parts_in(contents: bytes) -> list[int]:
    """Return the parts that a table of contents has keys of, ascending."""
    return sorted({first >> 4 for first in contents[::PREFIX_BYTES]})


def span(contents: bytes, low: bytes, high: bytes) -> range:
    """Return the places in a table of contents of hashes from `low` to `high`, each PREFIX_BYTES long."""
    places = range(len(contents) // PREFIX_BYTES)

    def prefix(place: int) -> bytes:
        return contents[place * PREFIX_BYTES : (place + 1) * PREFIX_BYTES]

    return places[bisect_left(places, low, key=prefix) : bisect_right(places, high, key=prefix)]


def split_nodes(level: int, indices: Sequence[int], hashes: Sequence[bytes | bytearray]) -> list[bytes]:
    """Return the packed nodes of one level, whose indices ascend, by part."""
    packed, at = [], 0
    for part in range(FANOUT):
        stop = bisect_left(indices, (part + 1) << 4 * (level - 1), at)
        packed.append(pack_hashes(indices[at:stop], hashes[at:stop]))
        at = stop
    return packed


class PastValues:
    """The values of past heights, from what later blocks replaced.

    Attributes:
        floor: the first height whose state can be had.
    """

    def __init__(self, database: Database, values: StateValues, floor: int) -> None:
        self._database = database
        self._values = values
        self.floor = floor

    def value(self, key: str, height: int) -> bytes | None:
        """Return the canonical bytes that a key had after `height`, None if there were none.

        Raises:
            StatePruned: that state is not here any more.
        """
        key_hash = _sha256(key.encode()).digest()
        prefix = key_hash[:PREFIX_BYTES]
        for changed in self._changed_after(height, prefix, prefix):
            for other, old in changed.values:
                if other == key:
                    return old
        return self._values.value_at_head(key, key_hash)

    def _changed_after(self, height: int, low: bytes, high: bytes) -> Iterator[_Changed]:
        """Yield what each block above `height` replaced of key hashes from `low` to `high`, oldest first.

        Args:
            low, high: of PREFIX_BYTES, with the same first nibble.
        """
        for at, contents in self._each_above(height, self._contents_after):
            if low == high and low not in contents:  # a search in C, which may find it across two prefixes
                continue
            places = span(contents, low, high)
            if places:
                yield self._read(at, contents, places)

    def _each_above(self, height: int, records: Callable[[int], _Records[T]]) -> _Records[T]:
        """Yield what each block above `height` has of some records, oldest first, with a pause point after each.

        Across a pause the head may move, and what is older than the floor goes. So the records are looked through
        anew from there on, and who has come to the end may go on with what the head has.

        Args:
            records: yields those above a height, with the heights of their blocks.
        """
        last, is_behind = height, True
        while is_behind:
            self._check_floor(height)
            is_behind = False
            for at, record in records(last):
                last = at
                yield at, record
                if pause_point():
                    is_behind = True
                    break

    def _check_floor(self, height: int) -> None:
        if height < self.floor:
            raise StatePruned(height, f"the state of height {height} is pruned; the oldest kept is {self.floor}")

    def _contents_after(self, height: int, stop: int | None = None) -> _Records[bytes]:
        """Yield the blocks above `height`, and below `stop`, with their tables of contents."""
        end = bytes([CHANGED_KEYS[0] + 1]) if stop is None else at_height(CHANGED_KEYS, stop)
        for key, contents in self._database.scan(at_height(CHANGED_KEYS, height + 1), end):
            yield int.from_bytes(key[1:], "big"), contents

    def _read(self, height: int, contents: bytes, places: range) -> _Changed:
        number_of_part = contents[places.start * PREFIX_BYTES] >> 4
        record = self._database.get(part_key(height, number_of_part))
        if record is None:
            raise StoreCorrupt(f"a part of the history of block {height} is missing")
        part, first = decode_part(record), part_places(contents, number_of_part).start
        return _Changed(height, part, part.values[places.start - first : places.stop - first])


class StateHistory(PastValues):
    """Writes the records of replaced state, and answers from them."""

    def __init__(
        self, database: Database, values: StateValues, pages: PageStore, tree: StateTree, kept_blocks: int | None
    ) -> None:
        super().__init__(database, values, int.from_bytes(database.get(HISTORY_FLOOR_KEY) or b"", "big"))
        self._pages = pages
        self._tree = tree
        self._kept_blocks = kept_blocks
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0
        self._written = (0, b"")

    def write(self, batch: Batch, height: int, update: TreeUpdate) -> int:
        """Put the records of a block, delete those past the history; return the new floor."""
        changed = sorted(zip(update.key_hashes.values(), update.key_hashes, strict=True))
        replaced = self._values.values_at_head(changed)
        contents = contents_of([key_hash for key_hash, _ in changed])
        top, levels = self._old_nodes(update)
        for part in parts_in(contents):
            places = part_places(contents, part)
            values = replaced[places.start : places.stop]
            batch.put(part_key(height, part), encode(PartUndo(values, [level[part] for level in levels])))
        batch.put(at_height(TOP_UNDO, height), encode(TopUndo(top)))
        batch.put(at_height(CHANGED_KEYS, height), contents)
        self._written = height, contents
        return self._prune(batch, height)

    def applied(self, floor: int) -> None:
        """Take over what the last `write` put, and the floor that it returned, now that it is written."""
        self.floor = floor
        recent = self._recent
        recent.append(self._written)
        self._recent_bytes += len(self._written[1])
        while recent[0][0] <= floor or self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(recent.popleft()[1])
            if not recent:
                break

    def _old_nodes(self, update: TreeUpdate) -> tuple[list[bytes], list[list[bytes]]]:
        """Return the packed hashes before an update: of the top levels, and of each lower one by part."""
        top: list[bytes] = []
        lower: list[list[bytes]] = []
        for level, changed in enumerate(update.nodes, start=1):
            hashes = self._tree.level(level)
            indices = sorted(changed)
            old = [hashes[index << 5 : (index + 1) << 5] for index in indices]
            if level <= TOP_LEVELS:
                top.append(pack_hashes(indices, old))
            else:
                lower.append(split_nodes(level, indices, old))
        return top, lower

    def _prune(self, batch: Batch, height: int) -> int:
        if self._kept_blocks is None:
            return self.floor
        floor = max(self.floor, min(height - self._kept_blocks, self.floor + PRUNED_PER_COMMIT))
        for gone in range(self.floor + 1, floor + 1):
            contents = self._database.get(at_height(CHANGED_KEYS, gone))
            if contents is not None:
                for part in parts_in(contents):
                    batch.delete(part_key(gone, part))
                batch.delete(at_height(TOP_UNDO, gone))
                batch.delete(at_height(CHANGED_KEYS, gone))
        if floor != self.floor:
            batch.put(HISTORY_FLOOR_KEY, number(floor))
        return floor

    # -- reading -----------------------------------------------------------------------------------

    def _contents_after(self, height: int, stop: int | None = None) -> _Records[bytes]:
        """As of any reader, but from memory as far as they are there."""
        recent = self._recent
        first = recent[0][0] if recent else None
        if first is None or height + 1 < first:
            yield from super()._contents_after(height, first)
        yield from [known for known in recent if known[0] > height]

    def replaced_in_shard(self, shard: int, height: int, replaced: dict[bytes, bytes | None]) -> int:
        """Add the records that the blocks above `height` replaced, where none is known; return the last such block.

        Args:
            shard: the first byte of the key hashes.
            height: what `replaced` shows already ends here.
            replaced: old records by key hash, None for a key that was absent.
        """
        last = height
        low, high = _bounds(bytes([shard]).hex())
        for changed in self._changed_after(height, low, high):
            for key, old in changed.values:
                replaced.setdefault(_sha256(key.encode()).digest(), None if old is None else state_record(key, old))
            last = changed.height
        return last

    def prove(self, key_hash: bytes, height: int) -> StateProof:
        """Return the proof of a key hash in the state after `height`.

        Raises:
            StatePruned: that state is not here any more.
        """
        tree = self._tree
        bucket = _BucketAt(
            key_hash.hex()[: tree.depth], height, self._replaced_in_bucket, self._pages, self._values
        )

        def children_of(level: int, index: int) -> bytes:
            return self._children_of(level, index, height)

        return build_proof(tree.depth, key_hash, children_of, bucket, bucket.leaf)

    def _replaced_in_bucket(self, bucket: str, height: int) -> dict[bytes, tuple[str, bytes | None]]:
        """Return key and value after `height` of all the bucket's keys that have changed since, by key hash."""
        replaced: dict[bytes, tuple[str, bytes | None]] = {}
        for changed in self._changed_after(height, *_bounds(bucket)):
            for key, old in changed.values:
                replaced.setdefault(_sha256(key.encode()).digest(), (key, old))
        return replaced

    def _children_of(self, level: int, index: int, height: int) -> bytes:
        """Return the 16 hashes below an upper node after `height`."""
        first = index * FANOUT
        found: dict[int, bytes] = {}
        for record in self._levels_after(level + 1, index, height):
            for child, hash_ in nodes_between(record, first, first + FANOUT):
                found.setdefault(child, hash_)
            if len(found) == FANOUT:
                break
        block = bytearray(self._tree.children_of(level, index))
        for child, hash_ in found.items():
            at = (child % FANOUT) * HASH_BYTES
            block[at : at + HASH_BYTES] = hash_
        return bytes(block)

    def _levels_after(self, level: int, parent: int, height: int) -> Iterator[bytes]:
        """Return the packed old nodes of `level` near `parent` that later blocks replaced, oldest first."""
        if level <= TOP_LEVELS:
            for _, record in self._each_above(height, self._top_after):
                yield decode_top(record).levels[level - 1]
            return
        for changed in self._changed_after(height, *_bounds(f"{parent:0{level - 1}x}")):
            yield changed.part.levels[level - 1 - TOP_LEVELS]

    def _top_after(self, height: int) -> _Records[bytes]:
        """Yield the blocks above `height` with what they replaced in the topmost levels."""
        for key, record in self._database.scan(at_height(TOP_UNDO, height + 1), bytes([TOP_UNDO[0] + 1])):
            yield int.from_bytes(key[1:], "big"), record


class _BucketAt:
    """A bucket's pages and leaves after a height: the head's, with the bucket's old values put back.

    Both are read when the first page is asked for, after the levels above with their pause points: so they are of
    one head.
    """

    def __init__(
        self,
        name: str,
        height: int,
        replaced_in: Callable[[str, int], dict[bytes, tuple[str, bytes | None]]],
        pages: PageStore,
        values: StateValues,
    ) -> None:
        self._name = name
        self._height = height
        self._replaced_in = replaced_in
        self._pages = pages
        self._values = values
        self._replaced: dict[bytes, tuple[str, bytes | None]] = {}
        self._edits: PageEdits | None = None

    def get(self, page_id: PageId, /) -> bytes:
        """Return a page of the bucket."""
        if self._edits is None:
            self._edits = self._put_back()
        return self._edits.get(page_id)

    def _put_back(self) -> PageEdits:
        self._replaced = self._replaced_in(self._name, self._height)
        edits = PageEdits(self._pages)
        if self._replaced:
            leaves = [
                (changed, None if old is None else leaf_hash(key.encode(), _sha256(old).digest()))
                for changed, (key, old) in self._replaced.items()
            ]
            edits.change(self._name, leaves)
        return edits

    def leaf(self, key_hash: bytes) -> tuple[str, bytes]:
        """Return key and value of a leaf of a page that was asked for."""
        if key_hash in self._replaced:
            key, old = self._replaced[key_hash]
            return key, old or b""
        raw, value = split_record(self._values.record(key_hash) or b"")
        return raw.decode(), value


def part_places(contents: bytes, part: int) -> range:
    """Return the places of a part's keys in a table of contents."""
    return span(contents, *_bounds(f"{part:x}"))


def _bounds(nibbles: str) -> tuple[bytes, bytes]:
    """Return the least and the greatest prefix of hashes that begin with these nibbles."""
    width = 2 * PREFIX_BYTES
    return bytes.fromhex(nibbles.ljust(width, "0")), bytes.fromhex(nibbles.ljust(width, "f"))
