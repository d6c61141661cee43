"""Past states are read in slices: what is answered is of the height that was asked for, although the head moves."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pytest

from node.runtime.pauses import LongRead
from node.store import BlockCommit, ProvedValue, StatePruned, Store, StoreOptions
from vm.primitives.codec import encode
from vm.state_proof import verify_state_proof

pytestmark = pytest.mark.usefixtures("each_engine")

T = TypeVar("T")

KEYS = [f"n/{number}" for number in range(600)]
"""So many that each bucket has some, and a block changes neighbours of what is read."""
BLOCKS = 6
MOST_PAUSES = 200
"""So a read that should have ended by then ends without an answer that holds."""
LATE = "late"
"""Only the last of the blocks changes it."""


def beside_still_ones() -> str:
    """Return a key whose bucket has another, and none that changes before it is read."""
    changed = {bucket_of(key) for key in (LATE, *KEYS[1::2])}
    still = [bucket_of(key) for key in KEYS[::2]]
    return next(key for key in KEYS[::2] if bucket_of(key) not in changed and still.count(bucket_of(key)) > 1)


def bucket_of(key: str) -> int:
    return sha256(key.encode()).digest()[0]


@pytest.fixture
def store(tmp_path: Path):
    opened = opened_with(tmp_path, None)
    yield opened
    opened.close()


def opened_with(path: Path, kept_blocks: int | None) -> Store:
    """Return a store whose later blocks have changed every other key."""
    store = Store.open(path / "data", StoreOptions(state_history_blocks=kept_blocks, snapshot_interval=1))
    store.initialise(b"genesis", {key: encode(0) for key in KEYS}, 256)
    for _ in range(BLOCKS - 1):
        commit(store, KEYS[1::2])
    commit(store, [LATE, *KEYS[1::2]])
    return store


def commit(store: Store, keys: list[str]) -> None:
    height = store.head.height + 1
    changes = {key: encode(height) for key in keys}
    update = store.tree.update(changes)
    digest = sha256(b"%d" % height).digest()
    block = BlockCommit(
        height, digest, b"block", b"certificate", update.root, digest, [], [digest], update, changes
    )
    assert store.commit_block(block)


def between_blocks(
    store: Store, read: Callable[[], T], *, first: int = 1, every: int = 3, blocks: int = 1
) -> tuple[T, int]:
    """Return what a read finds that pauses wherever it may, and the pauses; in some, blocks change all keys."""
    reading = LongRead(read, lambda: True)
    pauses = 0
    while not reading.go_on():
        pauses += 1
        if first <= pauses < MOST_PAUSES and (pauses - first) % every == 0:
            for _ in range(blocks):
                commit(store, KEYS)
    return reading.result(), pauses


@pytest.mark.parametrize("key", [KEYS[0], KEYS[1]])
@pytest.mark.parametrize("height", [0, 2, BLOCKS - 1])
def test_a_past_value_is_of_its_height_although_blocks_come_meanwhile(store: Store, key: str, height: int) -> None:
    expected = encode(height if key == KEYS[1] else 0)
    assert store.state_value(key, height) == expected
    value, pauses = between_blocks(store, lambda: store.state_value(key, height))
    assert value == expected
    assert pauses >= 1 or key == KEYS[1]  # which the next block has changed


@pytest.mark.parametrize("key", [beside_still_ones(), KEYS[1], LATE, "n/none"])
@pytest.mark.parametrize("height", [0, 2, BLOCKS - 1, BLOCKS])
@pytest.mark.parametrize("first", [1, 3, 9])
def test_a_proof_leads_to_the_root_of_its_height_although_blocks_come_meanwhile(
    store: Store, key: str, height: int, first: int
) -> None:
    before = store.state_proof(key, height)
    if height == store.head.height:
        commit(store, KEYS[1::2])  # so that the height is a past one, with one block to look through
    proved, pauses = between_blocks(store, lambda: store.state_proof(key, height), first=first)
    assert proved == before
    assert verify_state_proof(proved.state_root, store.tree.depth, key, proved.value, proved.proof)
    assert pauses >= 1


@pytest.mark.parametrize("key", [KEYS[0], LATE])
@pytest.mark.parametrize("ask", ["value", "proof"])
def test_a_state_that_is_pruned_while_it_is_read_is_pruned(tmp_path: Path, ask: str, key: str) -> None:
    store = opened_with(tmp_path, BLOCKS)
    asked: Callable[[str, int], bytes | ProvedValue | None] = (
        store.state_value if ask == "value" else store.state_proof
    )
    asked(key, 1)
    with pytest.raises(StatePruned) as pruned:
        between_blocks(store, lambda: asked(key, 1), every=1, blocks=2)
    assert pruned.value.height == 1
    store.close()


def test_a_slice_of_a_snapshot_is_of_its_height_although_blocks_come_meanwhile(store: Store) -> None:
    height = store.snapshots.heights()[-1]
    commit(store, KEYS[1::2])

    def read() -> list[tuple[bytes, bytes]]:
        found = store.snapshots.state_slice(height, "00", 256, now=lambda: 0.0)
        assert found is not None
        return found.records

    before = read()
    assert len(before) > len(KEYS) // 4
    after, pauses = between_blocks(store, read)
    assert after == before
    assert pauses > len(before)
