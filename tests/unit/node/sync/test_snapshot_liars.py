"""Fetching a snapshot from peers that lie: whom to believe, who is dropped, and that the work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from consensus.trust import NotCertified
from consensus.types import decode_block, decode_certificate
from network.messages import (
    Blocks,
    BucketRoots,
    GetOnceLeaves,
    GetStateChunk,
    OnceLeaves,
    OnceTiles,
    ReplayIds,
    Reply,
    Request,
    SetChange,
    Snapshots,
    StateChunk,
)
from network.scoring import Offence
from node.light_client.chain import TrustedChain
from node.sync.snapshot_trust import SnapshotTrust
from tests.support.ledger import LocalChain, address_of, key_of
from tests.support.snapshots import (
    HONEST,
    LIAR,
    OPTIONS,
    SnapshotPeer,
    SnapshotPeers,
    Twist,
    check,
    driver_of,
    fetch,
    make_quick,
    source_chain,
)
from vm.primitives.codec import encode

pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalChain]:
    chain = source_chain(tmp_path / "source" / "data")
    yield chain
    chain.close()


def flip_state(request: Request, reply: Reply) -> Reply:
    if isinstance(reply, StateChunk) and reply.records:
        (key, value), *rest = reply.records
        return msgspec.structs.replace(reply, records=((key, value[:-1] + bytes([value[-1] ^ 1])), *rest))
    return reply


def hide_a_record(request: Request, reply: Reply) -> Reply:
    return msgspec.structs.replace(reply, records=reply.records[1:]) if isinstance(reply, StateChunk) else reply


def wrong_roots(request: Request, reply: Reply) -> Reply:
    return (
        msgspec.structs.replace(reply, roots=bytes(len(reply.roots or b"")))
        if isinstance(reply, BucketRoots)
        else reply
    )


def wrong_ids(request: Request, reply: Reply) -> Reply:
    if isinstance(reply, ReplayIds) and reply.ids:
        return msgspec.structs.replace(reply, ids=bytes(32) + reply.ids[32:])
    return reply


def too_many_ids(request: Request, reply: Reply) -> Reply:
    return (
        msgspec.structs.replace(reply, ids=reply.ids + bytes(32))
        if isinstance(reply, ReplayIds) and reply.ids
        else reply
    )


def no_roots(request: Request, reply: Reply) -> Reply:
    """Asked for the rest again and again, it would never come to an end."""
    return BucketRoots(id=0, roots=b"") if isinstance(reply, BucketRoots) else reply


def more_nodes(request: Request, reply: Reply) -> Reply:
    """Buckets that were not asked for would count as whole without a record."""
    if isinstance(request, GetStateChunk) and isinstance(reply, StateChunk) and reply.covered == request.count:
        return msgspec.structs.replace(reply, covered=request.count + 1)
    return reply


def no_children(request: Request, reply: Reply) -> Reply:
    return StateChunk(id=0, covered=0, records=(), children=()) if isinstance(reply, StateChunk) else reply


def wrong_tile(request: Request, reply: Reply) -> Reply:
    return (
        OnceTiles(id=0, tiles=bytes(32) + reply.tiles[32:])
        if isinstance(reply, OnceTiles) and reply.tiles
        else reply
    )


def no_tiles(request: Request, reply: Reply) -> Reply:
    return OnceTiles(id=0, tiles=b"") if isinstance(reply, OnceTiles) else reply


def half_a_tile(request: Request, reply: Reply) -> Reply:
    return OnceTiles(id=0, tiles=reply.tiles[:40]) if isinstance(reply, OnceTiles) and reply.tiles else reply


def wrong_leaf(request: Request, reply: Reply) -> Reply:
    if isinstance(reply, OnceLeaves) and reply.leaves and isinstance(request, GetOnceLeaves) and not request.first:
        return OnceLeaves(id=0, leaves=(reply.leaves[1], *reply.leaves[1:]))
    return reply


def wrong_tail(request: Request, reply: Reply) -> Reply:
    if (
        isinstance(reply, OnceLeaves)
        and reply.leaves
        and isinstance(request, GetOnceLeaves)
        and request.first >= 512
    ):
        return OnceLeaves(id=0, leaves=(*reply.leaves[:-1], b"x"))
    return reply


def too_many_leaves(request: Request, reply: Reply) -> Reply:
    if (
        isinstance(reply, OnceLeaves)
        and reply.leaves
        and isinstance(request, GetOnceLeaves)
        and request.first >= 512
    ):
        return OnceLeaves(id=0, leaves=(*reply.leaves, b"x"))
    return reply


def no_leaves(request: Request, reply: Reply) -> Reply:
    return OnceLeaves(id=0, leaves=()) if isinstance(reply, OnceLeaves) else reply


def other_block(request: Request, reply: Reply) -> Reply:
    if isinstance(reply, Blocks):
        (block, certificate), *_ = reply.items
        return Blocks(id=0, items=((block, certificate[:-1] + bytes([certificate[-1] ^ 1])),))
    return reply


@pytest.mark.parametrize(
    "twist",
    [
        flip_state,
        hide_a_record,
        wrong_roots,
        no_roots,
        more_nodes,
        wrong_ids,
        too_many_ids,
        no_children,
        other_block,
    ],
)
async def test_a_liar_is_dropped_and_the_work_goes_on(twist: Twist, source: LocalChain, tmp_path: Path) -> None:
    # The liar comes first in every choice: keys are asked in order where all else is equal.
    peers = SnapshotPeers(SnapshotPeer(b"A" * 32, source, twist), SnapshotPeer(HONEST, source))
    check(await fetch(tmp_path / "home", peers), source)
    assert {key for key, _ in peers.penalised} == {b"A" * 32}
    assert all(offence is Offence.BAD_DATA for _, offence in peers.penalised)


@pytest.mark.parametrize("twist", [other_block, flip_state])
async def test_a_liar_is_not_asked_for_the_height_again_and_block_sync_goes_on(
    twist: Twist, source: LocalChain, tmp_path: Path
) -> None:
    attempts = 0
    thrice = asyncio.Event()

    def offers_one_height(request: Request, reply: Reply) -> Reply | None:
        nonlocal attempts
        if not isinstance(reply, Snapshots):
            return twist(request, reply)
        attempts += bool(peers.penalised)
        if attempts == 4:
            thrice.set()
        return Snapshots(id=0, heights=(20,))

    peers = SnapshotPeers(SnapshotPeer(LIAR, source, offers_one_height))
    driver, chain = driver_of(tmp_path / "home", peers)
    task = asyncio.create_task(driver.run())
    await asyncio.wait_for(thrice.wait(), 30)
    assert len({type(request) for request in peers.peers[LIAR].asked[-3:]}) == 1, "asked what it offers, no more"
    assert driver._fetch is None
    task.cancel()
    chain.close()


@pytest.mark.parametrize(
    "twist", [wrong_tile, no_tiles, half_a_tile, wrong_leaf, wrong_tail, too_many_leaves, no_leaves]
)
async def test_a_liar_about_records_is_dropped_and_the_work_goes_on(
    twist: Twist, source: LocalChain, tmp_path: Path
) -> None:
    def waits_for_the_liar(request: Request, reply: Reply) -> Reply:
        if isinstance(reply, OnceTiles) and not peers.penalised:
            return OnceTiles(id=0, tiles=None)
        return OnceLeaves(id=0, leaves=None) if isinstance(reply, OnceLeaves) and not peers.penalised else reply

    peers = SnapshotPeers(SnapshotPeer(LIAR, source, twist), SnapshotPeer(HONEST, source, waits_for_the_liar))
    check(await fetch(tmp_path / "home", peers), source)
    assert peers.penalised == [(LIAR, Offence.BAD_DATA)]


def trusted(chain: LocalChain) -> SnapshotTrust:
    return SnapshotTrust(TrustedChain.from_genesis(chain.genesis))


def test_a_certificate_of_too_few_or_of_another_block_is_refused(source: LocalChain) -> None:
    block, certificate = source.store.block_bytes(20) or b"", source.store.certificate_bytes(20) or b""
    assert trusted(source).certified_block(20, block, certificate).head == source.store.head_at(20)
    few = decode_certificate(certificate)
    few = msgspec.structs.replace(few, seals=few.seals[:2])
    other_root = msgspec.structs.replace(decode_certificate(certificate), state_root=bytes(32))
    for bad_block, bad_certificate in (
        (block, encode(few)),
        (block, encode(other_root)),
        (block, source.store.certificate_bytes(19) or b""),
        (block, b"\x01"),
        (source.store.block_bytes(19) or b"", certificate),
        (source.store.block_bytes(19) or b"", source.store.certificate_bytes(19) or b""),
        (block[:-1] + bytes([block[-1] ^ 1]), certificate),
    ):
        with pytest.raises(NotCertified):
            trusted(source).certified_block(20, bad_block, bad_certificate)


def test_a_set_that_no_header_announces_is_refused(source: LocalChain) -> None:
    header = encode(decode_block(source.store.block_bytes(7) or b"").header)
    certificate = source.store.certificate_bytes(7) or b""
    entries = tuple((bytes([n]) * 32, "aurora") for n in range(4))
    sets = trusted(source)
    with pytest.raises(NotCertified):
        sets.follow([SetChange(header, certificate, entries)], below=20)
    with pytest.raises(NotCertified):
        sets.follow([SetChange(b"\x01", certificate, entries)], below=20)
    own = tuple((e.public_key, e.brand) for e in source.genesis.validators)
    with pytest.raises(NotCertified, match="no other validators"):  # a true header, but not for us to keep
        sets.follow([SetChange(header, certificate, own)], below=20)
    assert sets.links == []
    sets.follow([SetChange(header, certificate, entries)], below=7)


async def test_validator_sets_are_followed_also_from_a_node_that_began_with_a_snapshot(tmp_path: Path) -> None:
    """Changes in several heights, one of them announced by the snapshot's own header."""

    def known(chain: LocalChain) -> LocalChain:
        chain.signing_keys |= {key.public_key: key for key in (key_of("newcomer"), key_of("rotated"))}
        return chain

    def rotate(chain: LocalChain, old: str, new: str, admin: str) -> None:
        args = {"old": key_of(old).public_key.hex(), "new": key_of(new).public_key.hex()}
        receipt = chain.commit([chain.sign(admin, [("gov.rotate_key", args)], cosigners=[key_of(new)])])[0]
        assert receipt.status == "ok"

    join = {"action": "add_validator", "brand": "echo", "key": key_of("newcomer").public_key.hex()}
    brand = {"action": "register_brand", "brand": "echo", "name": "Echo", "admins": [address_of("echo-admin")]}
    source = known(LocalChain(tmp_path / "source", options=OPTIONS))
    source.decide(brand, join)
    while source.height < 18:
        source.commit()
    rotate(source, "dune-validator", "rotated", "dune-admin")
    while source.height < 23:
        source.commit()
    store = await fetch(tmp_path / "second", SnapshotPeers(SnapshotPeer(HONEST, source)))
    assert store.head == source.store.head_at(20)
    store.close()
    second = known(LocalChain(tmp_path / "second" / "data", options=OPTIONS))
    while second.height < 31:
        second.commit()
    while source.height < 31:
        source.commit()
    assert second.store.head == source.store.head
    store = await fetch(tmp_path / "third", SnapshotPeers(SnapshotPeer(HONEST, second)))
    assert store.head == source.store.head_at(30)
    store.close()
    source.close()
    second.close()
