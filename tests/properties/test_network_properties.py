"""The network's pure parts hold for any input: framing, messages, gossip and sync."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from network.block_sync import BlockSync, SyncedBlock, SyncRules
from network.errors import PeerError
from network.framing import FrameReader, encode_frame
from network.gossip import Gossip
from network.kinds import Kind
from network.messages import (
    Blocks,
    BucketRoots,
    GetStateChunk,
    GetTransactions,
    Hello,
    Message,
    ReplayIds,
    SetChange,
    SetChanges,
    StateChunk,
    Status,
    Transactions,
    decode,
    encode_message,
    kind_of,
)
from network.snapshot_sync import Part, SnapshotRules, SnapshotSync, StateRange, bucket_ranges
from vm.primitives.hashing import sha256

EXAMPLES: list[Message] = [
    Hello(chain="demo-1", version=1, height=700, instance=bytes(16), listen=("node", 7_000)),
    Status(height=2**53 - 1, round=0, digest=bytes(32)),
    Transactions(origin=True, items=(b"a" * 96, b"b" * 100)),
    GetTransactions(id=1, hashes=(bytes(32),)),
    Blocks(id=1, items=((b"block", b"certificate"), (b"", b""))),
    SetChanges(id=1, items=(SetChange(b"header", b"certificate", ((bytes(32), "aurora"),)),), more=True),
    BucketRoots(id=1, roots=bytes(64)),
    GetStateChunk(id=1, height=500, prefix="00f0", count=64),
    StateChunk(id=1, covered=2, records=((b"key", b"value"), (b"other", b"")), children=()),
    StateChunk(id=1, covered=0, records=(), children=(bytes(32),) * 16),
    ReplayIds(id=1, ids=bytes(96)),
]

FRAMES = st.lists(
    st.tuples(st.sampled_from([Kind.CONSENSUS, Kind.TRANSACTIONS, Kind.BLOCKS]), st.binary(max_size=400))
)


def feed(reader: FrameReader, data: bytes) -> list[tuple[Kind, bytes]]:
    frames: list[tuple[Kind, bytes]] = []
    while data:
        space = reader.free_space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        reader.received(count)
        data = data[count:]
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
    return frames


@settings(deadline=None)
@given(FRAMES, st.randoms(use_true_random=False), st.integers(1, 300))
def test_frames_do_not_depend_on_how_they_are_cut(
    frames: list[tuple[Kind, bytes]], chance: random.Random, longest: int
) -> None:
    stream = b"".join(encode_frame(*frame) for frame in frames)
    reader, received = FrameReader(), []
    while stream:
        size = chance.randint(1, longest)
        received += feed(reader, stream[:size])
        stream = stream[size:]
    assert received == frames


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_the_peers_fault(data: bytes) -> None:
    try:
        feed(FrameReader(), data)
    except PeerError:
        return


@settings(deadline=None)
@given(st.sampled_from(list(Kind)), st.binary(max_size=200))
def test_any_payload_is_canonical_or_the_peers_fault(kind: Kind, payload: bytes) -> None:
    try:
        message = decode(kind, payload)
    except PeerError:
        return
    assert encode_message(message) == payload


@settings(deadline=None)
@given(st.sampled_from(EXAMPLES), st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_message_is_still_canonical_or_the_peers_fault(message: Message, place: int, change: int) -> None:
    payload = bytearray(encode_message(message))
    payload[place % len(payload)] ^= change
    try:
        again = decode(kind_of(message), bytes(payload))
    except PeerError:
        return
    assert encode_message(again) == payload


@settings(deadline=None)
@given(
    st.integers(2, 6),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))),
    st.lists(st.integers(0, 5), max_size=8),
)
def test_gossip_reaches_every_node_of_a_connected_mesh(
    nodes: int, chords: set[tuple[int, int]], sources: list[int]
) -> None:
    names = [bytes((node,)) * 32 for node in range(nodes)]
    links: dict[bytes, set[bytes]] = {name: set() for name in names}
    ring = [(node, node + 1) for node in range(nodes - 1)]
    for a, b in [*ring, *chords]:
        if a < nodes and b < nodes and a != b:
            links[names[a]].add(names[b])
            links[names[b]].add(names[a])
    mesh = {name: Gossip() for name in names}
    for name, gossip in mesh.items():
        for peer in sorted(links[name]):
            gossip.peer_connected(peer)
            gossip.set_links(peer, links[peer])
    pools: dict[bytes, set[bytes]] = {name: set() for name in names}
    for number, source in enumerate(sources):
        tx = number.to_bytes(96, "big")
        name = names[source % nodes]
        pools[name].add(sha256(tx))
        mesh[name].add([(sha256(tx), tx)])
    frames = deliver_all(mesh, pools)
    everything = {sha256(number.to_bytes(96, "big")) for number in range(len(sources))}
    assert all(pool == everything for pool in pools.values())
    if all(len(linked) == nodes - 1 for linked in links.values()):
        assert frames == len({source % nodes for source in sources}) * (nodes - 1)


def deliver_all(mesh: dict[bytes, Gossip], pools: dict[bytes, set[bytes]]) -> int:
    """Let the nodes talk until they have nothing to say; returns the number of frames sent."""
    frames = 0
    busy = True
    while busy:
        busy = False
        for name, gossip in mesh.items():
            for delivery in gossip.flush():
                busy = True
                message = decode(Kind.TRANSACTIONS, delivery.payload)
                assert isinstance(message, Transactions)
                for peer in delivery.peers:
                    frames += 1
                    mesh[peer].heard(name, delivery.hashes)
                    for tx_hash, tx in zip(delivery.hashes, message.items, strict=True):
                        if tx_hash not in pools[peer]:
                            pools[peer].add(tx_hash)
                            mesh[peer].add([(tx_hash, tx)], name, from_origin=message.origin)
    return frames


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 120))
def test_sync_ends_with_every_block_once_and_in_order(chance: random.Random, goal: int) -> None:
    """Peers answer late, short, not at all or with rubbish, but one is honest: the head gets there."""
    chain = {height: (b"block %d" % height, b"c") for height in range(1, goal + 1)}
    sync = BlockSync(0, SyncRules(max_blocks=7, parallel=3, max_ahead=30, timeout_ms=50, rest_ms=10))
    head, now = 0, 0
    for _ in range(5_000):
        if head == goal:
            break
        now += chance.randint(1, 20)
        for peer in (b"honest", b"silent", b"short", b"liar"):
            sync.peer_at(peer, goal + (peer == b"liar") * 1_000)
        for asked in sync.next_requests(now):
            assert asked.first > head
            assert asked.first + asked.count <= head + 31
            answer = reply(asked.peer, [chain.get(h) for h in range(asked.first, asked.first + asked.count)])
            if answer is not None:
                sync.received(asked.id, answer, now)
        while (ready := sync.take_ready()) is not None:
            assert ready.first == head + 1
            for block in ready.blocks:
                if block != chain.get(head + 1):
                    sync.rejected(ready, now)
                    break
                head += 1
                sync.advanced(head)
    assert head == goal


def reply(peer: bytes, found: list[SyncedBlock | None]) -> list[SyncedBlock] | None:
    blocks = [block for block in found if block is not None]
    if peer == b"silent":
        return None
    if peer == b"short":
        return blocks[:1]
    return [(b"rubbish", b"c")] * len(found) if peer == b"liar" else blocks


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 256), st.integers(1, 40))
def test_a_snapshot_is_whole_in_the_end(seed: int, buckets: int, per_range: int) -> None:
    """Peers fail, cut short, leave or lie, but one is honest: every bucket is stored, liars are left alone."""
    chance = random.Random(seed)
    roots = b"".join(bucket.to_bytes(32, "big") for bucket in range(256))
    wanted = sorted(chance.sample(range(256), buckets))
    plan = SnapshotSync(
        bucket_ranges(2, roots, wanted, per_range), SnapshotRules(parallel=4, timeout_ms=50, rest_ms=10)
    )
    stored: list[int] = []
    liars: set[bytes] = set()
    now = 0
    for _ in range(20_000):
        if plan.finished:
            break
        now += chance.randint(1, 20)
        for peer in (b"honest", b"silent", b"short", b"liar", b"leaver"):
            plan.peer_offers(peer)
        for asked in plan.next_requests(now):
            assert asked.peer not in liars
            stored += answer(plan, asked.id, asked.peer, asked.part, now)
            if asked.peer == b"liar":
                liars.add(asked.peer)
    assert plan.finished
    assert sorted(stored) == wanted


def answer(plan: SnapshotSync, request: int, peer: bytes, part: Part, now: int) -> list[int]:
    assert isinstance(part, StateRange)
    first = int(part.prefix, 16)
    assert part.hashes == b"".join(bucket.to_bytes(32, "big") for bucket in range(first, first + part.count))
    if peer == b"leaver":
        plan.peer_gone(peer)
    elif peer == b"liar":
        plan.rejected(request)
    elif peer == b"short":
        rest = part.after(1)
        plan.stored(request, [] if rest is None else [rest])
        return [first]
    elif peer == b"honest":
        plan.stored(request)
        return list(range(first, first + part.count))
    return []
