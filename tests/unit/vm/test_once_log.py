"""Logs of once-records against the plain tree over the whole list."""

from __future__ import annotations

import pytest

from vm import once_log
from vm.once_log import EMPTY, TILE, OnceLog, append
from vm.primitives import merkle


def leaves(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def log_of(items: list[bytes]) -> OnceLog:
    return append(EMPTY, [merkle.leaf_hash(item) for item in items]).log


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 511, 512, 700])
def test_the_root_is_that_of_the_list(count: int) -> None:
    items = leaves(count)

    assert once_log.root(log_of(items)) == merkle.root(items)


def test_appending_in_parts_leads_to_the_same_log_and_the_same_tiles() -> None:
    hashes = [merkle.leaf_hash(item) for item in leaves(1_300)]
    whole = append(EMPTY, hashes)

    log, tiles = EMPTY, {}
    for first in range(0, len(hashes), 37):
        grown = append(log, hashes[first : first + 37])
        log, tiles = grown.log, {**tiles, **grown.tiles}

    assert (log, tiles) == whole
    assert len(tiles) == 5


@pytest.mark.parametrize("size", [1, 2, 3, 6, 255, 256, 257, 600, 1_025])
def test_a_path_of_any_size_verifies(size: int) -> None:
    items = leaves(1_100)[: max(size, 1_100)]
    hashes = [merkle.leaf_hash(item) for item in items]
    tiles = append(EMPTY, hashes).tiles
    read = []

    def kept(level: int, first: int, count: int) -> list[bytes]:
        read.append(count)
        return [tiles[level, at] if level else hashes[at] for at in range(first, first + count)]

    node_hash = once_log.computed(kept)
    expected = merkle.root(items[:size])
    for index in {0, size // 2, size - 1}:
        read.clear()
        path = once_log.prove(index, size, node_hash)
        assert path == merkle.path(items[:size], index)
        assert merkle.verify_path(items[index], index, size, path, expected)
        assert sum(read) < 2 * TILE


def test_a_path_through_three_levels_of_tiles_reads_few_hashes() -> None:
    size = (1 << 17) + 700
    hashes = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    log, tiles = append(EMPTY, hashes)
    read = []

    def kept(level: int, first: int, count: int) -> list[bytes]:
        read.append(count)
        return [tiles[level, at] if level else hashes[at] for at in range(first, first + count)]

    for index in (0, 65_535, 70_000, size - 1):
        read.clear()
        path = once_log.prove(index, size, once_log.computed(kept))
        assert merkle.verify_path(b"%d" % index, index, size, path, once_log.root(log))
        assert sum(read) < 3 * TILE


def test_no_path_of_a_leaf_that_is_not_there() -> None:
    with pytest.raises(IndexError):
        once_log.prove(3, 3, lambda level, index: b"")


@pytest.mark.parametrize("size", [0, 5, 256, 300, 1_024, 1_100])
def test_a_log_is_made_of_its_tiles_and_tail_and_of_no_others(size: int) -> None:
    items = leaves(size)
    log = log_of(items)
    tiles, tail = once_log.tile_hashes(0, items), items[size // TILE * TILE :]

    assert once_log.is_made_of(log, tiles, tail)
    assert not once_log.is_made_of(log, tiles, [*tail, b"x"])
    assert not once_log.is_made_of(log, [*tiles, bytes(32)], tail)
    if tail:
        assert not once_log.is_made_of(log, tiles, [*tail[:-1], b"x"])
        assert not once_log.is_made_of(log, tiles, tail[:-1])
    if tiles:
        assert not once_log.is_made_of(log, tiles[:-1], items[(len(tiles) - 1) * TILE :]), "in one way only"
    if len(tiles) > 1:
        assert not once_log.is_made_of(log, [tiles[1], tiles[0], *tiles[2:]], tail)


def test_a_range_begins_at_a_tile() -> None:
    with pytest.raises(ValueError):
        once_log.tile_hashes(1, leaves(300))


def test_a_leaf_binds_key_and_record() -> None:
    assert once_log.leaf_of("a", b"\x01") == b"\x92\xa1a\x01"
