"""Fetching a snapshot from peers that are silent, leave, or offer nothing; over restarts and crashes too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from consensus.types import decode_block
from network.messages import (
    GetOnceLeaves,
    GetOnceTiles,
    GetStateChunk,
    OnceLeaves,
    OnceTiles,
    Reply,
    Request,
    Snapshots,
    StateChunk,
)
from network.peer import Peer
from network.snapshot_sync import OnceRange
from node.runtime.disk_space import DiskFull
from node.store import Store, StoreCorrupt
from node.store.incoming_snapshot import IncomingSnapshot
from node.sync.snapshot_driver import SnapshotDriver
from node.sync.snapshot_folders import SnapshotFolders
from node.sync.snapshot_once import OnceFetch
from node.votes.write_ahead_format import WriteAheadLogError
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.ledger import LocalChain, address_of
from tests.support.snapshots import (
    HONEST,
    LIAR,
    OPTIONS,
    OTHER,
    FarBehind,
    SnapshotPeer,
    SnapshotPeers,
    Twist,
    check,
    check_records,
    driver_of,
    fetch,
    grow,
    issue,
    make_quick,
    redeem,
    source_chain,
)
from vm.once_log import tile_hashes
from vm.primitives.codec import encode
from vm.transaction import parse_transaction

pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalChain]:
    chain = source_chain(tmp_path / "source" / "data")
    yield chain
    chain.close()


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


async def test_a_snapshot_that_would_not_help_is_not_taken(source: LocalChain, tmp_path: Path) -> None:
    """One of a height below this node's own would take blocks away that it has."""
    driver, chain = driver_of(tmp_path / "home", SnapshotPeers(SnapshotPeer(HONEST, source)))
    for _ in range(14):
        chain.commit()
    assert await driver._offers() == {}, "20 is less than half the distance ahead"
    cast(FarBehind, driver._sync).is_stuck = True
    assert list(await driver._offers()) == [20]
    for _ in range(6):
        chain.commit()
    assert await driver._offers() == {}
    chain.close()


async def test_damage_of_what_was_fetched_is_fetched_again(source: LocalChain, tmp_path: Path) -> None:
    home = tmp_path / "home"
    driver, chain = driver_of(home, SnapshotPeers(SnapshotPeer(HONEST, source)))
    fetches = driver._fetch_snapshot

    async def damaged_once() -> None:
        driver._fetch_snapshot = fetches  # type: ignore[method-assign]
        driver._folders.open_incoming().close()
        raise StoreCorrupt("a checksum does not match")

    driver._fetch_snapshot = damaged_once  # type: ignore[method-assign]
    async with asyncio.timeout(30):
        await driver.run()
    chain.close()
    assert SnapshotFolders(home).install_ready()
    check(Store.open(home / "data", OPTIONS), source)


async def test_what_was_begun_is_deleted_once_block_sync_was_faster(source: LocalChain, tmp_path: Path) -> None:
    home = tmp_path / "home"
    driver, chain = driver_of(home, SnapshotPeers(SnapshotPeer(HONEST, source)))
    chain.commit()
    sync = cast(FarBehind, driver._sync)
    driver._folders.open_incoming().close()
    sync.target = 2
    driver._forget_superfluous()
    assert driver._folders.incoming.exists(), "a peer is still ahead"
    sync.target = 1
    driver._forget_superfluous()
    assert not driver._folders.incoming.exists()
    chain.close()


async def test_an_operator_who_wants_no_snapshot_gets_none(tmp_path: Path) -> None:
    driver, chain = driver_of(tmp_path / "home", SnapshotPeers())
    assert driver.is_due()
    driver._distance = 0
    cast(FarBehind, driver._sync).is_stuck = True
    assert not driver.is_due()
    chain.close()


class CrampedPeer(SnapshotPeer):
    """Answers for a bucket of two records with its children."""

    def _answer(self, message: Request) -> Reply:
        if not isinstance(message, GetStateChunk):
            return super()._answer(message)
        found = self._chain.store.snapshots.state_slice(message.height, message.prefix, message.count, 150)
        assert found is not None
        return StateChunk(id=0, covered=found.covered, records=tuple(found.records), children=found.children)


async def test_a_bucket_too_large_for_a_reply_comes_in_parts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    source = source_chain(tmp_path / "source", state_depth=2)
    peer = CrampedPeer(HONEST, source)
    driver, chain = driver_of(home, SnapshotPeers(peer), state_depth=2)
    async with asyncio.timeout(30):
        await driver.run()
    chain.close()
    assert SnapshotFolders(home).install_ready()
    check(Store.open(home / "data", OPTIONS), source)
    assert any(isinstance(asked, GetStateChunk) and len(asked.prefix) > 2 for asked in peer.asked)
    source.close()


class LatePeer(CrampedPeer):
    """Its first answer that is of children comes once another peer has been asked for them."""

    prefix = ""

    def __init__(self, key: bytes, chain: LocalChain) -> None:
        super().__init__(key, chain)
        self.asked_of_another = asyncio.Event()

    def seen_by_another(self, request: Request, reply: Reply) -> Reply:
        if isinstance(request, GetStateChunk) and request.prefix == self.prefix:
            self.asked_of_another.set()
        return reply

    async def request(self, message: Request, timeout: float) -> Reply:
        reply = await super().request(message, timeout)
        if (
            isinstance(message, GetStateChunk)
            and isinstance(reply, StateChunk)
            and reply.children
            and not self.prefix
        ):
            self.prefix = message.prefix
            await self.asked_of_another.wait()
        return reply


async def test_an_answer_that_comes_after_its_time_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were its parts counted again, their bucket would never be whole."""
    monkeypatch.setattr(
        SnapshotDriver, "_now_ms", staticmethod(lambda: int(asyncio.get_running_loop().time() * 20_000))
    )
    home = tmp_path / "home"
    source = source_chain(tmp_path / "source", state_depth=2)
    late = LatePeer(b"A" * 32, source)
    peers = SnapshotPeers(late, CrampedPeer(HONEST, source, late.seen_by_another))
    driver, chain = driver_of(home, peers, state_depth=2)
    async with asyncio.timeout(30):
        await driver.run()
    chain.close()
    assert late.asked_of_another.is_set()
    assert SnapshotFolders(home).install_ready()
    check(Store.open(home / "data", OPTIONS), source)
    source.close()


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
    driver._check_disk = gets_full
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


async def test_a_vote_log_that_cannot_be_marked_leaves_everything_where_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("data", "data.ready", "wal"):
        (home / name).mkdir(parents=True)
    (home / "wal" / "consensus.wal").write_bytes(b"damaged")
    with pytest.raises(WriteAheadLogError):
        SnapshotFolders(home).install_ready()
    assert sorted(path.name for path in home.iterdir()) == ["data", "data.ready", "wal"]


def test_the_former_store_stays_as_long_as_no_other_is_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "data.replaced").mkdir()
    assert not SnapshotFolders(tmp_path).install_ready()
    assert (tmp_path / "data.replaced").exists()


async def test_a_snapshot_that_the_node_has_passed_meanwhile_is_not_installed(
    source: LocalChain, tmp_path: Path
) -> None:
    """Its validator may have voted on blocks that the snapshot does not have."""
    driver, chain = driver_of(tmp_path / "home", SnapshotPeers(SnapshotPeer(HONEST, source)))
    fetch_parts = driver._fetch_parts
    ready: list[str] = []
    driver.on_ready(lambda: ready.append("ready"))

    async def overtaken(fetch: Any, incoming: IncomingSnapshot) -> bool:
        whole = await fetch_parts(fetch, incoming)
        while chain.height < 20:
            chain.commit()
        return whole

    driver._fetch_parts = overtaken  # type: ignore[method-assign]
    await driver._fetch_snapshot()
    assert not driver.installed.is_set()
    assert ready == []
    assert not SnapshotFolders(tmp_path / "home").install_ready()
    chain.close()


async def test_a_fetch_ends_once_the_node_has_passed_its_height(source: LocalChain, tmp_path: Path) -> None:
    peer = SnapshotPeer(HONEST, source)
    driver, chain = driver_of(tmp_path / "home", SnapshotPeers(peer))
    begin = driver._begin

    async def overtaken(height: int, peers: Any, incoming: IncomingSnapshot) -> Any:
        fetch = await begin(height, peers, incoming)
        while chain.height < 20:
            chain.commit()
        return fetch

    driver._begin = overtaken  # type: ignore[method-assign]
    await asyncio.wait_for(driver._fetch_snapshot(), 10)
    assert not driver.installed.is_set()
    assert not any(isinstance(request, GetStateChunk) for request in peer.asked), "its parts are of no use"
    chain.close()


async def test_the_node_is_told_before_a_snapshot_waits(source: LocalChain, tmp_path: Path) -> None:
    driver, chain = driver_of(tmp_path / "home", SnapshotPeers(SnapshotPeer(HONEST, source)))
    told: list[bool] = []
    driver.on_ready(lambda: told.append(driver.installed.is_set()))
    await driver._fetch_snapshot()
    assert told == [False]
    assert driver.installed.is_set()
    chain.close()
