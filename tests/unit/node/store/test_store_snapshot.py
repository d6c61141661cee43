"""Offering a snapshot out of the state history, and building a store from one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from node.store import Store, StoreFailure, StoreOptions
from node.store.errors import CommitRefused, StoreCorrupt
from node.store.incoming_snapshot import CertifiedBlock, IncomingSnapshot, IncomingTarget
from node.store.layout import Head
from tests.unit.node.store.test_store import commit
from vm.chain_records import REPLAY_SLOTS, ReplaySlot
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH
from vm.state_chunks import VerifiedChunk, verify_bucket_roots, verify_children, verify_chunk

pytestmark = pytest.mark.usefixtures("each_engine")

DEPTH = 2
OPTIONS = StoreOptions(state_history_blocks=20, snapshot_interval=10)
State = dict[str, bytes]


def genesis_state() -> State:
    return {f"lot/{number}": encode(number) for number in range(600)}


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "source", OPTIONS)
    store.initialise(b"genesis", genesis_state(), 16**DEPTH)
    yield store
    store.close()


def grow(store: Store, state: State, blocks: int, seed: int = 1) -> dict[int, State]:
    """Commit blocks of random changes with replay records; return the state after each height."""
    rng = random.Random(seed + store.head.height)
    states = {}
    for _ in range(blocks):
        height = store.head.height + 1
        ids = {height // 8 + 3: sha256(b"id %d" % height).digest()}
        changes: dict[str, bytes | None] = {}
        for _ in range(30):
            key = f"lot/{rng.randrange(900)}"
            changes[key] = None if rng.random() < 0.3 else encode(rng.randrange(1 << 40))
        for slot, joined in ids.items():
            known = state.get(REPLAY_SLOTS.keys.key((slot,)))
            count, running = (0, ZERO_HASH) if known is None else record_of(known)
            value = encode(ReplaySlot(count + 1, sha256(running + joined).digest()))
            changes[REPLAY_SLOTS.keys.key((slot,))] = value
        gone = f"chain/replay/{height // 8 - 1}"
        if gone in state:
            changes[gone] = None
        commit(store, changes, replay_ids=ids, first_slot=height // 8)
        for key, value in changes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        states[height] = dict(state)
    return states


def record_of(value: bytes) -> tuple[int, bytes]:
    slot = msgspec.msgpack.decode(value, type=ReplaySlot)
    return slot.count, slot.hash


def in_order(state: State) -> list[tuple[bytes, bytes]]:
    return sorted(
        ((key.encode(), value) for key, value in state.items()), key=lambda item: sha256(item[0]).digest()
    )


def read_all(store: Store, height: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
    records: list[tuple[bytes, bytes]] = []
    at = 0
    while at < 16**DEPTH:
        part = store.snapshots.state_slice(height, f"{at:02x}", 16**DEPTH - at, max_bytes)
        assert part is not None
        assert part.covered >= 1
        records += part.records
        at += part.covered
    return records


@pytest.mark.parametrize("max_bytes", [200, 3_000, 1 << 20])
def test_a_past_height_is_read_as_it_was(source: Store, max_bytes: int) -> None:
    states = grow(source, genesis_state(), 27)
    assert source.snapshots.heights() == [10, 20]
    for height in (10, 20):
        assert read_all(source, height, max_bytes) == in_order(states[height])
        roots = source.snapshots.bucket_roots(height, 0, 256)
        head = source.head_at(height)
        assert roots is not None
        assert head is not None
        assert verify_bucket_roots(DEPTH, head.state_root, roots)
    more = grow(source, states[27], 2)
    assert read_all(source, 20, max_bytes) == in_order(states[20])
    assert more[29] != states[20]


def test_what_is_not_offered_is_none(source: Store) -> None:
    grow(source, genesis_state(), 12)
    for height in (0, 9, 11, 12, 20):
        assert source.snapshots.bucket_roots(height, 0, 1) is None
        assert source.snapshots.state_slice(height, "00", 1) is None
        assert source.snapshots.replay_ids(height, 3, 0, 10) is None
    assert source.snapshots.state_slice(10, "0", 1) is None


def test_heights_leave_with_the_history_and_ids_with_the_heights(source: Store) -> None:
    state = genesis_state()
    grow(source, state, 45)
    assert source.snapshots.heights() == [30, 40]
    assert source.snapshots.replay_ids(40, 5, 0, 100) == b"".join(
        sha256(b"id %d" % h).digest() for h in range(16, 24)
    )
    # Slot 3 had passed at height 32 already, and height 30 is the oldest that is kept: it needs slots from 3 on.
    assert source.snapshots.replay_ids(30, 3, 0, 100) != b""
    grow(source, state, 10)
    assert source.snapshots.replay_ids(40, 3, 0, 100) == b""


def test_offers_survive_a_restart(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s", OPTIONS)
    store.initialise(b"genesis", genesis_state(), 16**DEPTH)
    states = grow(store, genesis_state(), 15)
    store.close()
    store = Store.open(tmp_path / "s", OPTIONS)
    assert store.snapshots.heights() == [10]
    assert read_all(store, 10, 1 << 20) == in_order(states[10])
    store.close()


def test_ids_come_in_pages_and_end_at_the_height(source: Store) -> None:
    grow(source, genesis_state(), 13)
    ids = [sha256(b"id %d" % height).digest() for height in (8, 9, 10)]
    assert source.snapshots.replay_ids(10, 4, 0, 100) == b"".join(ids)
    assert source.snapshots.replay_ids(10, 4, 1, 1) == ids[1]
    assert source.snapshots.replay_ids(10, 4, 3, 1) == b""


def test_a_large_bucket_is_answered_by_its_children(source: Store) -> None:
    grow(source, genesis_state(), 10)
    roots = source.snapshots.bucket_roots(10, 0, 256) or b""
    counts = [len(source.snapshots.state_slice(10, f"{b:02x}", 1).records) for b in range(256)]  # type: ignore[union-attr]
    bucket = counts.index(max(counts))
    part = source.snapshots.state_slice(10, f"{bucket:02x}", 4, 20)
    assert part is not None
    assert (part.covered, part.records) == (0, [])
    children = verify_children(f"{bucket:02x}", roots[bucket * 32 : bucket * 32 + 32], part.children)
    assert len(children) > 1
    for name, hash_ in children.items():
        below = source.snapshots.state_slice(10, name, 1, 10_000)
        assert below is not None
        verify_chunk(name, hash_, below.records)


# -- the receiving side -------------------------------------------------------------------------------


def target_of(store: Store, height: int) -> tuple[IncomingTarget, bytes]:
    head, roots = store.head_at(height), store.snapshots.bucket_roots(height, 0, 16**DEPTH)
    assert head is not None
    assert roots is not None
    return IncomingTarget(head, DEPTH), roots


def fetch(source: Store, incoming: IncomingSnapshot, buckets: list[int], roots: bytes) -> None:
    assert incoming.target is not None
    for bucket in buckets:
        name = f"{bucket:02x}"
        part = source.snapshots.state_slice(incoming.target.head.height, name, 1)
        assert part is not None
        incoming.write_chunk(verify_chunk(name, roots[bucket * 32 : bucket * 32 + 32], part.records), [bucket])


def fetch_ids(source: Store, incoming: IncomingSnapshot) -> None:
    assert incoming.target is not None
    for slot in incoming.slots():
        ids = source.snapshots.replay_ids(incoming.target.head.height, slot.slot, 0, 10_000)
        assert ids is not None
        assert len(ids) == 32 * slot.count
        incoming.write_replay_ids(slot, ids)


def finish(source: Store, incoming: IncomingSnapshot) -> None:
    genesis = source.head_at(0)
    assert genesis is not None
    assert incoming.target is not None
    height = incoming.target.head.height
    change = source.head_at(3) or Head(3, ZERO_HASH, ZERO_HASH, ZERO_HASH)
    incoming.finish(
        source.genesis_bytes,
        genesis,
        CertifiedBlock(incoming.target.head, b"block %d" % height, b"certificate %d" % height),
        [CertifiedBlock(change, b"header 3", b"certificate 3")],
    )


def test_a_store_from_a_snapshot_goes_on_as_its_source(source: Store, tmp_path: Path) -> None:
    state = genesis_state()
    states = grow(source, state, 20)
    incoming = IncomingSnapshot(tmp_path / "incoming")
    target, roots = target_of(source, 20)
    incoming.begin(target, roots)
    fetch(source, incoming, list(range(256)), roots)
    fetch_ids(source, incoming)
    finish(source, incoming)
    incoming.close()
    store = Store.open(tmp_path / "incoming", OPTIONS)
    assert store.head == source.head
    assert {key: store.state_value(key) for key in states[20]} == states[20]
    assert (store.oldest_state_height, store.oldest_block) == (20, 21)
    assert store.block_bytes(20) == b"block 20"
    assert store.block_bytes(19) is None
    assert store.pruned_header(3) == b"header 3"
    assert store.certificate_bytes(3) == b"certificate 3"
    live = [height for height in range(1, 21) if height // 8 + 3 >= 20 // 8]
    assert all(store.contains_transaction(sha256(b"id %d" % height).digest()) for height in live)
    assert not store.contains_transaction(sha256(b"id 21").digest())
    grow(source, state, 15)
    again = dict(states[20])
    grow(store, again, 15)
    assert store.head == source.head
    assert store.snapshots.heights() == [20, 30][1:]
    for slot in (6, 7):
        assert store.snapshots.replay_ids(30, slot, 0, 100) == source.snapshots.replay_ids(30, slot, 0, 100)
    store.close()


def test_what_was_written_is_kept_over_a_restart(source: Store, tmp_path: Path) -> None:
    grow(source, genesis_state(), 20)
    incoming = IncomingSnapshot(tmp_path / "incoming")
    target, roots = target_of(source, 20)
    incoming.begin(target, roots)
    fetch(source, incoming, list(range(100)), roots)
    with pytest.raises(CommitRefused):
        finish(source, incoming)
    incoming.close()
    unfinished = Store.open(tmp_path / "incoming", OPTIONS)
    assert not unfinished.is_initialised
    unfinished.close()
    incoming = IncomingSnapshot(tmp_path / "incoming")
    assert incoming.target == target
    incoming.begin(target, roots)
    assert incoming.missing() == list(range(100, 256))
    fetch(source, incoming, incoming.missing(), roots)
    with pytest.raises(CommitRefused):
        finish(source, incoming)
    fetch_ids(source, incoming)
    finish(source, incoming)
    incoming.close()


def test_a_later_target_keeps_what_has_not_changed(source: Store, tmp_path: Path) -> None:
    state = genesis_state()
    grow(source, state, 10)
    incoming = IncomingSnapshot(tmp_path / "incoming")
    target, roots = target_of(source, 10)
    incoming.begin(target, roots)
    fetch(source, incoming, list(range(256)), roots)
    fetch_ids(source, incoming)
    grow(source, state, 10)
    target, newer = target_of(source, 20)
    same = [b for b in range(256) if roots[b * 32 : b * 32 + 32] == newer[b * 32 : b * 32 + 32]]
    assert 0 < len(same) < 256
    incoming.begin(target, newer)
    assert incoming.missing() == sorted(set(range(256)) - set(same))
    assert not any(slot.fetched for slot in incoming.slots())
    fetch(source, incoming, incoming.missing(), newer)
    fetch_ids(source, incoming)
    finish(source, incoming)
    incoming.close()
    store = Store.open(tmp_path / "incoming", OPTIONS)
    assert store.head == source.head
    assert {key: store.state_value(key) for key in state} == state
    assert dict(store.state_values()) == state
    store.close()


def test_parts_of_a_bucket_that_never_became_whole_are_cleared(source: Store, tmp_path: Path) -> None:
    grow(source, genesis_state(), 10)
    incoming = IncomingSnapshot(tmp_path / "incoming")
    target, roots = target_of(source, 10)
    incoming.begin(target, roots)
    strays = (sha256(b"stray %d" % number).digest() for number in range(1_000))
    stray = next(h for h in strays if roots[h[0] * 32 : h[0] * 32 + 32] != ZERO_HASH)
    fetch(source, incoming, [(stray[0] + 2) % 256], roots)
    incoming.write_chunk(VerifiedChunk([(stray, b"stray", b"value")], {stray.hex()[:3]: b"\x02page"}), [])
    incoming.close()
    incoming = IncomingSnapshot(tmp_path / "incoming")
    incoming.begin(target, roots)
    bucket = stray[0]
    part = source.snapshots.state_slice(10, f"{bucket:02x}", 1)
    assert part is not None
    incoming.write_chunk(verify_chunk(f"{bucket:02x}", roots[bucket * 32 : bucket * 32 + 32], part.records), [])
    incoming.close_bucket(bucket, roots[bucket * 32 : bucket * 32 + 32])
    assert bucket not in incoming.missing()
    with pytest.raises(StoreCorrupt):
        incoming.close_bucket((bucket + 1) % 256, roots[bucket * 32 : bucket * 32 + 32])
    incoming.close()


def test_only_one_owner(tmp_path: Path) -> None:
    incoming = IncomingSnapshot(tmp_path / "incoming")
    with pytest.raises(StoreFailure):
        IncomingSnapshot(tmp_path / "incoming")
    incoming.close()
