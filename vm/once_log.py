"""Logs of once-records: RFC 6962 trees that only grow (docs/decisions/once-records.md).

The state holds of each log its size and the hashes of its perfect subtrees, the *peaks*, from left to right. A
block appends leaves in the order of execution. Hashes of complete subtrees of 2^8, 2^16, … leaves (*tiles*,
each of 256 nodes of the level 8 below) are kept by the store, so that a path needs few leaves; everything else
is computed from leaves.

Invariants:
    1. `append` one by one or many at once leads to the same log, which is a function of the leaves alone.
    2. A path that `prove` returns verifies by `vm.primitives.merkle.verify_path` under `root`, as any
       implementation of RFC 6962 would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256 as _sha256
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from vm.primitives.codec import encode
from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.primitives.merkle import leaf_hash
from vm.primitives.units import MAX_INT
from vm.state_view import BlockOverlay
from vm.tables.parts import TEXT
from vm.tables.table import Table

TILE_LEVELS: Final = 8
TILE: Final = 1 << TILE_LEVELS
"""Leaves of the smallest subtree whose hash is kept: a path then costs at most 255 leaves."""

_MAX_PEAKS: Final = 53
_HashBytes = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]


class OnceLog(msgspec.Struct, frozen=True):
    """A log as the state holds it."""

    size: Annotated[int, Meta(ge=0, le=MAX_INT)] = 0
    peaks: Annotated[tuple[_HashBytes, ...], Meta(max_length=_MAX_PEAKS)] = ()


EMPTY: Final = OnceLog()


class Node(NamedTuple):
    """A complete subtree: 2^level leaves, the one at `place` of its level."""

    level: int
    place: int


class Growth(NamedTuple):
    """What appending leads to: the log, and the hashes of the tiles that became complete."""

    log: OnceLog
    tiles: dict[Node, bytes]


class Appended(NamedTuple):
    """What a block adds to one log.

    Attributes:
        family: the log's name.
        first: its size before.
        records: key and leaf of each record, in order.
        tiles: hashes of the subtrees that became complete.
    """

    family: str
    first: int
    records: Sequence[tuple[str, bytes]]
    tiles: Mapping[Node, bytes]


NodeHash = Callable[[int, int], bytes]
"""(level, index) → the hash of a complete subtree."""


def leaf_of(key: str, record: bytes) -> bytes:
    """Return the leaf of a record: canonical [key, record].

    Args:
        record: canonical bytes.
    """
    return encode([key, msgspec.Raw(record)])


def append(log: OnceLog, hashes: Iterable[bytes], level: int = 0) -> Growth:
    """Append complete subtrees of one level, leaves by default, given by their hashes.

    The log's size must be a multiple of 2^level.
    """
    sha, peaks, size, step = _sha256, list(log.peaks), log.size, 1 << level
    tiles: dict[Node, bytes] = {}
    for node in hashes:
        at = level
        if at and at % TILE_LEVELS == 0:
            tiles[Node(at, size >> at)] = node
        while size >> at & 1:
            node = sha(b"\x01" + peaks.pop() + node).digest()
            at += 1
            if at % TILE_LEVELS == 0:
                tiles[Node(at, size >> at)] = node
        peaks.append(node)
        size += step
    return Growth(OnceLog(size, tuple(peaks)), tiles)


def root(log: OnceLog) -> bytes:
    """Return the log's root, 32 zero bytes for an empty one."""
    return _folded(log.peaks)


def _folded(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return ZERO_HASH
    current = peaks[-1]
    for peak in reversed(peaks[:-1]):
        current = _sha256(b"\x01" + peak + current).digest()
    return current


def prove(index: int, size: int, node_hash: NodeHash) -> list[bytes]:
    """Return the siblings from a leaf up to the root of the log when it had `size` leaves.

    Args:
        node_hash: asked for complete subtrees within the first `size` leaves only.
    """
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a log of {size}")
    siblings = []
    level, width = 0, size
    while width > 1:
        sibling = (index >> level) ^ 1
        if sibling < width:
            siblings.append(_subtree(level, sibling, size, node_hash))
        level += 1
        width = (width + 1) // 2
    return siblings


def _subtree(level: int, index: int, size: int, node_hash: NodeHash) -> bytes:
    """Return the hash of a node of the tree over `size` leaves; the last of a level may not be complete."""
    first = index << level
    if first + (1 << level) <= size:
        return node_hash(level, index)
    peaks = []
    for below in range(level - 1, -1, -1):
        if (size - first) >> below & 1:
            peaks.append(node_hash(below, first >> below))
            first += 1 << below
    return _folded(peaks)


def computed(kept: Callable[[int, int, int], Sequence[bytes]]) -> NodeHash:
    """Return how to have the hash of any complete subtree from those that are kept.

    Args:
        kept: (level, first, count) → neighbouring hashes of leaves (level 0) or of tiles of one level.
    """

    def node_hash(level: int, index: int) -> bytes:
        below = level % TILE_LEVELS
        hashes = kept(level - below, index << below, 1 << below)
        return append(EMPTY, hashes).log.peaks[0]

    return node_hash


# -- a block's records --------------------------------------------------------------------------------

LOGS: Final[Table[OnceLog]] = Table(
    "once", (("family", TEXT),), OnceLog, "size and peaks of a log of once-records (decisions/once-records.md)"
)


def append_records(overlay: BlockOverlay) -> list[Appended]:
    """Append a block's once-records, as they were executed, to their logs in the state; return what each gets."""
    by_family: dict[str, list[tuple[str, bytes]]] = {}
    for key, (family, cell) in overlay.records.items():
        by_family.setdefault(family, []).append((key, leaf_of(key, cell[1])))
    appended = []
    for family, leaves in sorted(by_family.items()):
        log = LOGS.get(overlay, family) or EMPTY
        growth = append(log, [leaf_hash(leaf) for _, leaf in leaves])
        LOGS.put(overlay, growth.log, family)
        appended.append(Appended(family, log.size, leaves, growth.tiles))
    return appended


# -- ranges -------------------------------------------------------------------------------------------


def tile_hashes(first: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the hashes of the complete tiles that leaves make up, `first` being a multiple of TILE."""
    if first % TILE:
        raise ValueError(f"a range of leaves begins at a multiple of {TILE}, not at {first}")
    whole = len(leaves) // TILE
    return [
        append(EMPTY, [leaf_hash(leaf) for leaf in leaves[at * TILE : (at + 1) * TILE]]).log.peaks[0]
        for at in range(whole)
    ]


def is_made_of(log: OnceLog, tiles: Sequence[bytes], tail: Sequence[bytes]) -> bool:
    """Tell whether a log consists of these tiles of TILE leaves and, behind them, of these leaves.

    Args:
        tiles: hashes of all complete tiles of the first kept level, in order.
        tail: the leaves behind them, fewer than TILE.
    """
    if len(tail) >= TILE or len(tiles) * TILE + len(tail) != log.size:
        return False
    grown = append(EMPTY, tiles, TILE_LEVELS).log
    return append(grown, [leaf_hash(leaf) for leaf in tail]).log == log


class OnceProof(msgspec.Struct, frozen=True):
    """Where a record stands in its family's log, and the path that shows it."""

    family: str
    index: int
    size: int
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it for JSON, hashes in hex."""
        return {"family": self.family, "index": self.index, "size": self.size, "path": [h.hex() for h in self.path]}
