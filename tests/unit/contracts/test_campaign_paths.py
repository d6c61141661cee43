"""Paths of codes and items: what is in the tree is found, and nothing else passes for it."""

from __future__ import annotations

import pytest

from contracts_py.campaign.paths import (
    MAX_PATH,
    code_leaf,
    item_leaf,
    levels,
    longest_path,
    node,
    path_of,
    root_above,
)
from tests.contract_harness import Chain
from vm.contract_api import sha256

SALT = bytes(range(32))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 100])
def test_each_leaf_of_a_tree_of_any_size_leads_to_its_root(count: int) -> None:
    ctx = Chain().context()
    tree = levels([code_leaf(f"code-{n}", SALT) for n in range(count)])
    root = tree[-1][0].hex()
    for place, leaf in enumerate(tree[0]):
        path = path_of(tree, place)
        assert root_above(ctx, leaf, path) == root
        assert len(path) <= longest_path(count)


def test_leaves_and_nodes_are_what_other_programs_compute() -> None:
    assert code_leaf("x", SALT) == sha256(b"\0entente/code/1\0" + SALT + b"x")
    assert item_leaf("milk") == sha256(b"\0entente/collection-item/1\0milk")
    low, high = bytes(32), b"\xff" * 32
    assert node(high, low) == node(low, high) == sha256(b"\1" + low + high)


def test_a_node_does_not_pass_for_a_leaf() -> None:
    ctx = Chain().context()
    tree = levels([code_leaf(f"code-{n}", SALT) for n in range(4)])
    path = path_of(tree, 0)
    # With a path that is one hash shorter, the node above two leaves would be proved; no code has it as its leaf.
    assert root_above(ctx, tree[1][0], path[1:]) == tree[-1][0].hex()
    pair = b"".join(sorted(tree[0][:2]))
    assert code_leaf(pair[1:].decode("latin-1"), SALT) != tree[1][0]
    assert node(tree[0][0], tree[0][1]) == tree[1][0]


def test_codes_and_items_have_leaves_of_their_own() -> None:
    assert code_leaf("x", SALT) != item_leaf("x")
    assert code_leaf("x", SALT) != code_leaf("x", bytes(32))
    assert item_leaf(SALT.decode("latin-1") + "x") != code_leaf("x", SALT)


def test_the_order_of_two_children_does_not_matter_but_a_wrong_hash_does() -> None:
    ctx = Chain().context()
    tree = levels([item_leaf(text) for text in ("a", "b", "c")])
    path = path_of(tree, 0)
    assert node(tree[0][0], tree[0][1]) == node(tree[0][1], tree[0][0])
    assert root_above(ctx, tree[0][0], path[::-1]) != tree[-1][0].hex()
    assert root_above(ctx, tree[0][0], path[:-1]) != tree[-1][0].hex()


def test_a_path_is_paid_for_by_its_length() -> None:
    ctx = Chain().context()
    root_above(ctx, bytes(32), ["00" * 32] * MAX_PATH)
    assert ctx.cost == 2 * (1 + MAX_PATH)
