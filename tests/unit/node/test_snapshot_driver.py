"""Fetching a snapshot from peers that are silent, lie, leave, or offer nothing; over restarts too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from consensus.trust import CertifiedSets, NotCertified
from consensus.types import decode_block, decode_certificate
from network.errors import RequestTimeout
from network.messages import (
    Blocks,
    BucketRoots,
    GetBlocks,
    GetOnceLeaves,
    GetOnceTiles,
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
from network.peer import Peer
from network.peers import PeerManager
from network.scoring import Offence
from network.snapshot_sync import OnceRange
from node import snapshot_driver
from node.disk_space import DiskFull
from node.snapshot_driver import SnapshotDriver
from node.snapshot_folders import SnapshotFolders
from node.snapshot_once import OnceFetch
from node.snapshot_server import SnapshotServer
from node.snapshot_trust import TrustedSets
from node.store import Store, StoreOptions
from node.store.incoming import IncomingSnapshot
from node.sync_driver import SyncDriver
from node.write_ahead_log import WriteAheadLog
from tests.support.ledger import LocalChain, Op, address_of, key_of, program_op
from vm.once_log import tile_hashes
from vm.primitives.codec import encode
from vm.transaction import parse_transaction

pytestmark = pytest.mark.usefixtures("each_engine")

HONEST, LIAR, OTHER = b"H" * 32, b"L" * 32, b"O" * 32
OPTIONS = StoreOptions(state_history_blocks=20, snapshot_interval=10)
Twist = Callable[[Request, Reply], Reply | None]


class SnapshotPeer:
    """A peer that answers from a chain, or as its test twists the answer; None is silence."""

    def __init__(self, key: bytes, chain: LocalChain, twist: Twist | None = None) -> None:
        self.key = key
        self._chain = chain
        self._twist = twist
        self._server = SnapshotServer(chain.ledger)
        self.asked: list[Request] = []

    async def request(self, message: Request, timeout: float) -> Reply:
        self.asked.append(message)
        await asyncio.sleep(0)
        reply: Reply | None = self._answer(message)
        if self._twist is not None and reply is not None:
            reply = self._twist(message, reply)
        if reply is None:
            raise RequestTimeout("silent")
        return reply

    def _answer(self, message: Request) -> Reply:
        if isinstance(message, GetBlocks):
            store = self._chain.store
            block, certificate = store.block_bytes(message.first), store.certificate_bytes(message.first)
            items = () if block is None or certificate is None else ((block, certificate),)
            return Blocks(id=0, items=items)
        return self._server.answer(message)


class SnapshotPeers:
    """The part of a PeerManager that the driver uses."""

    def __init__(self, *peers: SnapshotPeer) -> None:
        self.peers = {peer.key: peer for peer in peers}
        self.penalised: list[tuple[bytes, Offence]] = []

    def connected(self) -> list[SnapshotPeer]:
        return [self.peers[key] for key in sorted(self.peers)]

    def peer(self, key: bytes) -> SnapshotPeer | None:
        return self.peers.get(key)

    def penalise(self, key: bytes, offence: Offence) -> None:
        self.penalised.append((key, offence))


class FarBehind:
    """What the driver sees of block sync."""

    target = 10_000
    is_stuck = False
    paused = False


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_driver, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(snapshot_driver, "OFFERS_SECONDS", 0.05)
    monkeypatch.setattr(snapshot_driver, "RETRY_SECONDS", 0.05)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalChain]:
    """A chain of 25 blocks that offers height 20, each with a program and 30 issues with references."""
    chain = LocalChain(tmp_path / "source" / "data", options=OPTIONS)
    for number in range(25):
        grow(chain, number)
    yield chain
    chain.close()


def grow(chain: LocalChain, number: int) -> None:
    """Commit a block with a program and issues."""
    ops = [program_op(f"miles-{number}", "aurora"), *(issue(number * ISSUES + n) for n in range(ISSUES))]
    (receipt, *_) = chain.commit([chain.sign("aurora-admin", ops)])
    assert receipt.status == "ok", receipt.error


def redeem(chain: LocalChain) -> None:
    """Commit a block with the first record of another log."""
    args = {"program": "miles-0", "from": address_of("ann"), "amount": 1, "at_brand": "aurora", "ref": "late"}
    signed = chain.sign("ann", [("token.redeem", args)], cosigners=[key_of("aurora-admin")])
    (receipt, *_) = chain.commit([signed])
    assert receipt.status == "ok", receipt.error


ISSUES = 30
"""So that height 20 has two tiles of 256 records, and some behind."""


def issue(number: int) -> Op:
    """Return an issue with a reference of its own."""
    return "token.issue", {"program": "miles-0", "to": address_of("ann"), "amount": 1, "ref": f"order-{number}"}


def check_records(store: Store, source: LocalChain) -> None:
    """See that all references up to the head are there, and none that came later."""
    count = store.head.height * ISSUES
    for number in (*range(0, count, 17), count - 1):
        key = f"token/issue/miles-0/order-{number}"
        assert store.once_record(key) == source.store.once_record(key, store.head.height) is not None
    assert store.once_record(f"token/issue/miles-0/order-{count}") is None


def driver_of(home: Path, peers: SnapshotPeers) -> tuple[SnapshotDriver, LocalChain]:
    chain = LocalChain(home / "data")
    driver = SnapshotDriver(
        chain.ledger,
        lambda: cast(PeerManager, peers),
        cast(SyncDriver, FarBehind()),
        SnapshotFolders(home),
        15,
        lambda: None,
    )
    return driver, chain


async def fetch(home: Path, peers: SnapshotPeers) -> Store:
    """Fetch and install; return the store."""
    driver, chain = driver_of(home, peers)
    async with asyncio.timeout(30):
        await driver.run()
    chain.close()
    assert SnapshotFolders(home).install_ready()
    assert not SnapshotFolders(home).install_ready()
    return Store.open(home / "data", OPTIONS)


def check(store: Store, source: LocalChain) -> None:
    assert store.head == source.store.head_at(20)
    assert store.genesis_bytes == source.store.genesis_bytes
    assert store.snapshots.heights() == []
    for number in range(20):
        key = f"token/program/miles-{number}"
        assert store.state_value(key) == source.store.state_value(key, 20) is not None
    assert store.state_value("token/program/miles-20") is None
    check_records(store, source)
    store.close()


async def test_a_snapshot_becomes_the_store_and_the_validator_recovers(source: LocalChain, tmp_path: Path) -> None:
    store = await fetch(tmp_path / "home", SnapshotPeers(SnapshotPeer(HONEST, source), SnapshotPeer(OTHER, source)))
    check(store, source)
    log = WriteAheadLog(tmp_path / "home" / "wal")
    assert log.recovering
    log.close()
    again = LocalChain(tmp_path / "home" / "data", options=OPTIONS)
    (receipt, _) = again.commit([again.sign("aurora-admin", [issue(3)])])
    assert receipt.error, "a reference from before the snapshot would have paid twice"
    assert (receipt.error.code, receipt.error.details["account"]) == ("DUPLICATE_REF", address_of("ann"))
    for height in range(22, 26):
        assert again.store.contains_transaction(_ids(source, 20)[0])
        assert not again.store.contains_transaction(_ids(source, height)[0])
    again.close()


def _ids(chain: LocalChain, height: int) -> list[bytes]:
    return [parse_transaction(raw).id for raw in decode_block(chain.store.block_bytes(height) or b"").transactions]


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


async def test_silence_and_withdrawn_offers_hold_nothing_up(source: LocalChain, tmp_path: Path) -> None:
    def silent(request: Request, reply: Reply) -> Reply | None:
        return None if isinstance(request, GetStateChunk) else reply

    def withdraws(request: Request, reply: Reply) -> Reply:
        return StateChunk(id=0, covered=None, records=(), children=()) if isinstance(reply, StateChunk) else reply

    peers = SnapshotPeers(
        SnapshotPeer(HONEST, source),
        SnapshotPeer(b"A" * 32, source, silent),
        SnapshotPeer(OTHER, source, withdraws),
    )
    check(await fetch(tmp_path / "home", peers), source)
    assert peers.penalised == []


async def test_an_invented_height_is_not_believed(source: LocalChain, tmp_path: Path) -> None:
    def invents(request: Request, reply: Reply) -> Reply:
        return Snapshots(id=0, heights=(5_000,)) if isinstance(reply, Snapshots) else reply

    peers = SnapshotPeers(SnapshotPeer(LIAR, source, invents), SnapshotPeer(HONEST, source))
    check(await fetch(tmp_path / "home", peers), source)


async def test_what_was_fetched_before_a_crash_is_not_asked_again(source: LocalChain, tmp_path: Path) -> None:
    home = tmp_path / "home"
    served = 0

    def dies_in_the_middle(request: Request, reply: Reply) -> Reply:
        nonlocal served
        if isinstance(reply, StateChunk):
            served += 1
            if served == 30:
                raise asyncio.CancelledError  # the process ends here, with half of it written
        return reply

    driver, chain = driver_of(home, SnapshotPeers(SnapshotPeer(HONEST, source, dies_in_the_middle)))
    with pytest.raises(asyncio.CancelledError):
        await driver.run()
    chain.close()
    assert not SnapshotFolders(home).install_ready()
    begun = IncomingSnapshot(SnapshotFolders(home).incoming)
    missing = set(begun.missing())
    assert 0 < len(missing) < 65_536
    begun.close()
    peer = SnapshotPeer(HONEST, source)
    check(await fetch(home, SnapshotPeers(peer)), source)
    wanted = [request for request in peer.asked if isinstance(request, GetStateChunk)]
    assert all(int(r.prefix, 16) in missing and int(r.prefix, 16) + r.count - 1 in missing for r in wanted)
    assert sum(request.count for request in wanted) >= len(missing)


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


@pytest.mark.parametrize("kind", [OnceTiles, OnceLeaves])
async def test_who_offers_the_height_no_more_is_left_in_peace(
    kind: type[Reply], source: LocalChain, tmp_path: Path
) -> None:
    def withdraws(request: Request, reply: Reply) -> Reply:
        if isinstance(reply, OnceTiles) and kind is OnceTiles:
            return OnceTiles(id=0, tiles=None)
        return OnceLeaves(id=0, leaves=None) if isinstance(reply, OnceLeaves) and kind is OnceLeaves else reply

    peers = SnapshotPeers(SnapshotPeer(b"A" * 32, source, withdraws), SnapshotPeer(HONEST, source))
    check(await fetch(tmp_path / "home", peers), source)
    assert peers.penalised == []


async def test_tiles_of_records_that_came_before_a_crash_are_not_asked_again(
    source: LocalChain, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    served = 0

    def dies_after_a_tile(request: Request, reply: Reply) -> Reply:
        nonlocal served
        if isinstance(reply, OnceLeaves):
            served += 1
            if served == 3:  # the leaves behind the tiles, and one tile
                raise asyncio.CancelledError
        return reply

    driver, chain = driver_of(home, SnapshotPeers(SnapshotPeer(HONEST, source, dies_after_a_tile)))
    with pytest.raises(asyncio.CancelledError):
        await driver.run()
    chain.close()
    peer = SnapshotPeer(HONEST, source)
    check(await fetch(home, SnapshotPeers(peer)), source)
    asked = [request for request in peer.asked if isinstance(request, GetOnceLeaves | GetOnceTiles)]
    assert [(type(request), request.first) for request in asked] == [(GetOnceLeaves, 256)]


async def test_a_tile_that_came_before_a_peer_fell_silent_is_not_asked_again(
    source: LocalChain, tmp_path: Path
) -> None:
    silent = False

    def once_silent(request: Request, reply: Reply) -> Reply | None:
        nonlocal silent
        if isinstance(request, GetOnceLeaves) and request.first == 256 and not silent:
            silent = True
            return None
        return reply

    peer = SnapshotPeer(HONEST, source, once_silent)
    check(await fetch(tmp_path / "home", SnapshotPeers(peer)), source)
    asked = [request.first for request in peer.asked if isinstance(request, GetOnceLeaves)]
    assert asked == [512, 0, 256, 256]


async def test_only_long_replies_give_a_request_time_anew() -> None:
    """A tile of long records takes more than one deadline on a slow line; a peer that trickles does not get it."""
    leaves = [encode([f"order-{number}", "x" * 2_000]) for number in range(256)]
    part = OnceRange("token.issue", 0, tuple(tile_hashes(0, leaves)))

    class Serves:
        def __init__(self, most: int) -> None:
            self.most = most

        async def request(self, message: GetOnceLeaves, timeout: float) -> Reply:
            count = min(message.count, self.most)
            return OnceLeaves(id=0, leaves=tuple(leaves[message.first : message.first + count]))

    for most, long_replies in ((1, 0), (100, 0), (200, 1), (256, 1)):
        progress: list[int] = []
        once = OnceFetch(cast(Peer, Serves(most)), 20, 1.0, lambda made=progress: made.append(1))  # type: ignore[misc]
        assert await once.tile(part, 0) == leaves
        assert len(progress) == long_replies


async def test_an_earlier_height_is_taken_where_only_that_is_offered_any_more(
    source: LocalChain, tmp_path: Path
) -> None:
    """All records of height 30 are here when its peer leaves; the store of height 20 must not have them."""
    for number in range(25, 29):
        grow(source, number)
    redeem(source)
    for number in range(29, 34):
        grow(source, number)
    home = tmp_path / "home"
    served = 0

    def offers(height: int) -> Twist:
        return lambda request, reply: Snapshots(id=0, heights=(height,)) if isinstance(reply, Snapshots) else reply

    def dies_with_all_tiles_but_one(request: Request, reply: Reply) -> Reply | None:
        nonlocal served
        served += isinstance(reply, OnceLeaves)
        if served == 5:
            raise asyncio.CancelledError
        return offers(30)(request, reply)

    driver, chain = driver_of(home, SnapshotPeers(SnapshotPeer(HONEST, source, dies_with_all_tiles_but_one)))
    with pytest.raises(asyncio.CancelledError):
        await driver.run()
    chain.close()
    check(await fetch(home, SnapshotPeers(SnapshotPeer(OTHER, source, offers(20)))), source)


async def test_records_are_kept_over_a_change_to_a_later_height(source: LocalChain, tmp_path: Path) -> None:
    gone = False

    def moves_on(request: Request, reply: Reply) -> Reply:
        nonlocal gone
        if isinstance(request, GetOnceLeaves) and request.first == 256 and not gone:
            gone = True
            for number in range(25, 45):
                grow(source, number)
            return OnceLeaves(id=0, leaves=None)
        return reply

    peer = SnapshotPeer(HONEST, source, moves_on)
    store = await fetch(tmp_path / "home", SnapshotPeers(peer))
    assert store.head.height in (30, 40)
    check_records(store, source)
    store.close()
    first_tile = [r for r in peer.asked if isinstance(r, GetOnceLeaves) and r.first == 0]
    assert len(first_tile) == 1


async def test_too_little_room_ends_the_attempt_and_what_has_come_is_kept(
    source: LocalChain, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    looks = 0

    def gets_full() -> None:
        nonlocal looks
        looks += 1
        if looks == 20:
            raise DiskFull("no room")

    peer = SnapshotPeer(HONEST, source)
    driver, chain = driver_of(home, SnapshotPeers(peer))
    driver.check_disk = gets_full
    with pytest.raises(DiskFull):
        await asyncio.wait_for(driver.run(), 30)
    chain.close()
    begun = IncomingSnapshot(SnapshotFolders(home).incoming)
    assert 0 < len(begun.missing()) < 65_536
    begun.close()
    check(await fetch(home, SnapshotPeers(peer)), source)


async def test_a_later_height_is_taken_where_nobody_offers_the_first_any_more(
    source: LocalChain, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    gone = False

    def moves_on(request: Request, reply: Reply) -> Reply:
        nonlocal gone
        if isinstance(reply, StateChunk) and not gone:
            gone = True
            while source.height < 45:
                source.commit()
            return StateChunk(id=0, covered=None, records=(), children=())
        return reply

    store = await fetch(home, SnapshotPeers(SnapshotPeer(HONEST, source, moves_on)))
    assert store.head.height in (30, 40)
    assert store.head == source.store.head_at(store.head.height)
    store.close()


# -- crashes while the store is exchanged --------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "data moved away", "both moved"])
async def test_a_crash_in_the_exchange_leaves_a_whole_store(
    moment: str, source: LocalChain, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    driver, chain = driver_of(home, SnapshotPeers(SnapshotPeer(HONEST, source)))
    async with asyncio.timeout(30):
        await driver.run()
    chain.close()
    if moment != "before":
        (home / "data").rename(home / "data.replaced")
    if moment == "both moved":
        (home / "data.ready").rename(home / "data")
    SnapshotFolders(home).install_ready()
    check(Store.open(home / "data", OPTIONS), source)
    assert sorted(path.name for path in home.iterdir() if path.name.startswith("data")) == ["data"]


# -- whom to believe -----------------------------------------------------------------------------------


def trusted(chain: LocalChain) -> TrustedSets:
    return TrustedSets(CertifiedSets(chain.genesis.chain, chain.genesis.validator_set))


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
