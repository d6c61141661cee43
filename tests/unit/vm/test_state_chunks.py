"""Chunks of the state: what is whole is accepted, any other byte is refused."""

from __future__ import annotations

from hashlib import sha256

import pytest

from vm.primitives.hashing import ZERO_HASH
from vm.state_chunks import (
    ChunkMismatch,
    StateRecord,
    prefixes,
    root_of_buckets,
    verify_bucket_roots,
    verify_children,
    verify_chunk,
)
from vm.state_pages import is_split
from vm.state_proof import node_hash
from vm.state_tree import StateTree

DEPTH = 1
VALUES = {f"token/balance/{number}": b"value %d" % number for number in range(400)}


@pytest.fixture(scope="module")
def tree() -> StateTree:
    """A tree of 16 buckets, most of them with a few more keys than one page holds or fewer."""
    pages: dict[str, bytes] = {}
    tree = StateTree(DEPTH, pages, page_limit=24)
    update = tree.update(VALUES)
    tree.apply(update)
    pages.update(update.pages)
    return tree


def records(prefix: str) -> list[StateRecord]:
    """Return the records below a prefix, in order."""
    named = sorted((sha256(key.encode()).digest(), key.encode(), value) for key, value in VALUES.items())
    return [(key, value) for key_hash, key, value in named if key_hash.hex().startswith(prefix)]


def hashes(tree: StateTree, names: list[str]) -> bytes:
    return b"".join(tree.node(DEPTH, int(name, 16)) for name in names)


def test_a_range_of_buckets_is_accepted(tree: StateTree) -> None:
    names = prefixes("3", 5)
    wanted = [record for name in names for record in records(name)]
    chunk = verify_chunk("3", hashes(tree, names), wanted)
    assert [(key, value) for _, key, value in chunk.records] == wanted
    assert all(sha256(key).digest() == key_hash for key_hash, key, _ in chunk.records)
    assert all(is_split(page) for page in chunk.split_pages.values())


def test_the_whole_state_is_accepted_and_an_empty_bucket_too(tree: StateTree) -> None:
    everything = records("")
    assert len(verify_chunk("0", bytes(tree.bucket_roots), everything).records) == len(VALUES)
    assert verify_chunk("0", ZERO_HASH, []).records == []
    with pytest.raises(ChunkMismatch):
        verify_chunk("0", ZERO_HASH, records("0")[:1])


@pytest.mark.parametrize("change", ["flip", "drop", "add", "swap", "twice", "rename"])
def test_any_change_is_refused(tree: StateTree, change: str) -> None:
    good = records("7")
    roots = hashes(tree, ["7"])
    verify_chunk("7", roots, good)
    for place in range(len(good)):
        bad = list(good)
        key, value = bad[place]
        if change == "flip":
            bad[place] = key, bytes([value[0] ^ 1]) + value[1:]
        elif change == "rename":
            bad[place] = key + b"0", value
        elif change == "drop":
            del bad[place]
        elif change == "add":
            bad.insert(place, records("8")[0])
        elif change == "twice":
            bad.insert(place, bad[place])
        elif place + 1 < len(bad):
            bad[place], bad[place + 1] = bad[place + 1], bad[place]
        else:
            continue
        with pytest.raises(ChunkMismatch):
            verify_chunk("7", roots, bad)


def test_records_behind_the_last_node_are_refused(tree: StateTree) -> None:
    with pytest.raises(ChunkMismatch, match="1 records lie outside"):
        verify_chunk("7", hashes(tree, ["7"]), [*records("7"), records("8")[0]])


def test_every_flipped_byte_of_one_chunk_is_refused(tree: StateTree) -> None:
    good = records("a")[:]
    roots = hashes(tree, ["a"])
    for place, (key, value) in enumerate(good[:6]):
        for at in range(len(key) + len(value)):
            joined = bytearray(key + value)
            joined[at] ^= 0x40
            bad = [*good[:place], (bytes(joined[: len(key)]), bytes(joined[len(key) :])), *good[place + 1 :]]
            with pytest.raises(ChunkMismatch):
                verify_chunk("a", roots, bad)


def test_a_bucket_too_large_for_one_chunk_is_verified_by_its_children(tree: StateTree) -> None:
    bucket = max(prefixes("0", 16), key=lambda name: len(records(name)))
    page = verify_chunk(bucket, hashes(tree, [bucket]), records(bucket))
    below = {own: verify_one(bucket + f"{own:x}") for own in range(16)}
    children = [below[own] for own in range(16)]
    named = verify_children(bucket, hashes(tree, [bucket]), children)
    for name, hash_ in named.items():
        verify_chunk(name, hash_, records(name))
    assert sum(len(records(name)) for name in named) == len(page.records)
    for own in range(16):
        bad = [*children[:own], sha256(children[own]).digest(), *children[own + 1 :]]
        with pytest.raises(ChunkMismatch):
            verify_children(bucket, hashes(tree, [bucket]), bad)
    with pytest.raises(ChunkMismatch):
        verify_children(bucket, hashes(tree, [bucket]), children[:15])


def test_children_are_cut_in_one_way_only() -> None:
    """Bytes that move from one child to the next leave the bitmap and what is hashed as they were."""
    one, two = sha256(b"1").digest(), sha256(b"2").digest()
    expected = node_hash(0b11, one + two)
    rest = [ZERO_HASH] * 14
    assert verify_children("0", expected, [one, two, *rest]) == {"00": one, "01": two}
    with pytest.raises(ChunkMismatch):
        verify_children("0", expected, [one + two[:1], two[1:], *rest])


def test_there_is_nothing_below_the_last_nibble_of_a_hash() -> None:
    one, two = sha256(b"1").digest(), sha256(b"2").digest()
    children = [one, two, *[ZERO_HASH] * 14]
    verify_children("0" * 63, node_hash(0b11, one + two), children)
    with pytest.raises(ChunkMismatch):
        verify_children("0" * 64, node_hash(0b11, one + two), children)


def verify_one(name: str) -> bytes:
    """Return the hash of the subtree of a name from its records alone."""
    wanted = records(name)
    if not wanted:
        return ZERO_HASH
    tree = StateTree(len(name), {})
    return tree.update({key.decode(): value for key, value in wanted}).bucket_roots[int(name, 16)]


def test_bucket_roots_lead_to_the_state_root(tree: StateTree) -> None:
    roots = bytes(tree.bucket_roots)
    assert root_of_buckets(DEPTH, roots) == tree.root
    assert verify_bucket_roots(DEPTH, tree.root, roots)
    assert not verify_bucket_roots(DEPTH, tree.root, roots[:-32])
    for at in range(0, len(roots), 7):
        bad = bytearray(roots)
        bad[at] ^= 1
        assert not verify_bucket_roots(DEPTH, tree.root, bytes(bad))
