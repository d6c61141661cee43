"""Merkle trees over lists: which paths prove an item, and which do not."""

from __future__ import annotations

from hashlib import sha256

import pytest

from vm.primitives import merkle

COUNTS = [1, 2, 3, 4, 5, 7, 8, 9]


def items_of(count: int) -> list[bytes]:
    return [b"item %d" % i for i in range(count)]


def test_leaves_and_nodes_are_hashed_as_rfc_6962_says() -> None:
    one, two, three = (sha256(b"\0" + item).digest() for item in items_of(3))
    assert merkle.root(items_of(1)) == one
    pair = sha256(b"\1" + one + two).digest()
    assert merkle.root(items_of(2)) == pair
    assert merkle.root(items_of(3)) == sha256(b"\1" + pair + three).digest()
    assert merkle.root([]) == bytes(32)


def test_a_node_does_not_pass_for_a_leaf() -> None:
    one, two = (merkle.leaf_hash(item) for item in items_of(2))
    assert merkle.root([one + two]) != merkle.root(items_of(2))


@pytest.mark.parametrize("count", COUNTS)
def test_a_path_proves_its_item_at_its_place_of_its_list_only(count: int) -> None:
    items = items_of(count)
    root = merkle.root(items)
    for index, item in enumerate(items):
        path = merkle.path(items, index)
        assert path == merkle.paths(items)[index]
        assert merkle.verify_path(item, index, count, path, root)
        for other in range(count):
            if other != index:
                assert not merkle.verify_path(item, other, count, path, root)
        assert not merkle.verify_path(b"other", index, count, path, root)
        assert not merkle.verify_path(item, index, count, path, bytes(32))


@pytest.mark.parametrize("count", COUNTS)
def test_a_path_is_just_as_long_as_the_list_wants_it(count: int) -> None:
    items = items_of(count)
    root, path = merkle.root(items), merkle.path(items, 0)
    assert not merkle.verify_path(items[0], 0, count, [*path, bytes(32)], root)
    if path:
        assert not merkle.verify_path(items[0], 0, count, path[:-1], root)


@pytest.mark.parametrize("index", [-1, 1, 2])
def test_there_is_no_place_outside_the_list(index: int) -> None:
    """A list of one has an empty path, which any place would do for."""
    items = items_of(1)
    assert not merkle.verify_path(items[0], index, 1, [], merkle.root(items))
    with pytest.raises(IndexError):
        merkle.path(items, index)


def test_nothing_stands_in_a_list_of_none() -> None:
    assert not merkle.verify_path(b"", 0, 0, [], merkle.root([]))
