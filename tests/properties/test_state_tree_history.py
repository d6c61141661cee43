"""The store's past states equal those recorded at the time: values, proofs, roots; also after a restart."""

import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_state_tree import naive_root

from node.store import BlockCommit, StatePruned, Store, StoreOptions
from node.store.layout import CHANGED_KEYS, PART_UNDO, TOP_UNDO
from vm.primitives.hashing import ZERO_HASH
from vm.state_proof import verify_state_proof

KEYS = [f"token/balance/{i}" for i in range(40)]
changes = st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(max_size=3), max_size=12)


def commit(store: Store, block: dict[str, bytes | None]) -> None:
    update = store.tree.update(block)
    height = store.head.height + 1
    digest = sha256(b"block %d" % height).digest()
    store.commit_block(
        BlockCommit(height, digest, b"block", b"certificate", update.root, ZERO_HASH, [], [], update, block)
    )


def applied(state: dict[str, bytes], block: dict[str, bytes | None]) -> dict[str, bytes]:
    merged = {**state, **block}
    return {key: value for key, value in merged.items() if value is not None}


def check(store: Store, states: list[dict[str, bytes]], depth: int) -> None:
    """Compare every height that the store still has with the record of it."""
    for height in range(store.oldest_state_height, len(states)):
        root = naive_root(depth, states[height])
        for key in KEYS[:12]:
            value = states[height].get(key)
            assert store.state_value(key, height) == value
            proved = store.state_proof(key, height)
            assert (proved.height, proved.state_root, proved.value) == (height, root, value)
            assert verify_state_proof(root, depth, key, value, proved.proof)


@given(
    st.sampled_from([1, 2, 3]),
    st.dictionaries(st.sampled_from(KEYS), st.binary(max_size=3)),
    st.lists(changes, max_size=12),
    st.integers(0, 12),
)
@settings(deadline=None, max_examples=40)
def test_every_kept_height_is_what_it_was(depth, genesis, blocks, reopen_after):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data"
        store = Store.open(path)
        store.initialise(b"genesis", genesis, 16**depth)
        states = [genesis]
        for number, block in enumerate(blocks):
            if number == reopen_after:
                store.close()
                store = Store.open(path)
            commit(store, block)
            states.append(applied(states[-1], block))
        check(store, states, depth)
        store.close()


@given(st.lists(changes, min_size=6, max_size=14), st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_only_the_kept_heights_remain(blocks, kept):
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory) / "data", StoreOptions(state_history_blocks=kept))
        store.initialise(b"genesis", {}, 256)
        states: list[dict[str, bytes]] = [{}]
        for block in blocks:
            commit(store, block)
            states.append(applied(states[-1], block))
        assert store.oldest_state_height == len(blocks) - kept
        check(store, states, 2)
        with pytest.raises(StatePruned):
            store.state_value(KEYS[0], len(blocks) - kept - 1)
        with pytest.raises(StatePruned):
            store.state_proof(KEYS[0], len(blocks) - kept - 1)
        assert undo_heights(store) == set(range(len(blocks) - kept + 1, len(blocks) + 1))
        store.close()


def undo_heights(store: Store) -> set[int]:
    """Return the heights that history records exist for."""
    return {
        int.from_bytes(key[1:9], "big")
        for letter in (PART_UNDO, TOP_UNDO, CHANGED_KEYS)
        for key, _ in store._database.scan(letter, bytes([letter[0] + 1]))
    }


@given(st.lists(changes, min_size=1, max_size=8))
@settings(deadline=None, max_examples=4)
def test_the_cold_pages_derived_at_a_start_lead_to_the_same_roots(blocks):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data"
        # A cache without room: each page is derived again each time, split pages are read.
        options = StoreOptions(page_cache_bytes=1, value_cache_bytes=1)
        store = Store.open(path, options)
        many = {f"ground/{i}": b"x" for i in range(1_500)}
        store.initialise(b"genesis", many, 16)
        state = dict(many)
        for block in blocks:
            commit(store, block)
            state = applied(state, block)
        assert store.head.state_root == naive_root(1, state)
        few = {f"ground/{i}": None for i in range(1_450)}
        commit(store, few)
        assert store.head.state_root == naive_root(1, applied(state, few))
        assert store.state_value("ground/7", 0) == b"x"
        assert store.state_proof("ground/7", 0).value == b"x"
        store.close()
        store = Store.open(path, options)
        assert store.state_proof("ground/1499").value == b"x"
        store.close()
