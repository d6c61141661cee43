"""Once-records of an unfinished snapshot: over changes of height, to earlier ones too, and crashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store import Store
from node.store.errors import CommitRefused, StoreCorrupt
from node.store.incoming_snapshot import IncomingSnapshot
from node.store.once import OnceRecords, name_key
from tests.unit.node.store.test_store import commit
from tests.unit.node.store.test_store_snapshot import OPTIONS, fetch, finish, genesis_state, target_of
from vm.once_log import EMPTY, LOGS, TILE, Appended, OnceLog, append, is_made_of, leaf_of, tile_hashes
from vm.primitives.codec import encode
from vm.primitives.merkle import leaf_hash

pytestmark = pytest.mark.usefixtures("each_engine")

PER_BLOCK = 70
"""So that height 10 has two tiles and 188 leaves behind, height 20 five tiles and 120."""

LATE = "late.family"
"""Has its first record at height 15."""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    """A store of 20 blocks that offers heights 10 and 20."""
    store = Store.open(tmp_path / "source", OPTIONS)
    store.initialise(b"genesis", genesis_state(), 256)
    logs: dict[str, OnceLog] = {}
    for height in range(1, 21):
        families = ("orders", LATE) if height >= 15 else ("orders",)
        grow(store, logs, families)
    yield store
    store.close()


def grow(store: Store, logs: dict[str, OnceLog], families: tuple[str, ...]) -> None:
    changes: dict[str, bytes | None] = {"lot/1": encode(store.head.height)}
    appended = []
    for family in families:
        log = logs.get(family, EMPTY)
        numbers = range(log.size, log.size + PER_BLOCK)
        records = [(f"{family}/{n}", leaf_of(f"{family}/{n}", encode({"amount": n}))) for n in numbers]
        growth = append(log, [leaf_hash(leaf) for _, leaf in records])
        appended.append(Appended(family, log.size, records, growth.tiles))
        logs[family] = growth.log
        changes[LOGS.keys.key((family,))] = encode(growth.log)
    commit(store, changes, once=appended)


@pytest.fixture
def incoming(tmp_path: Path) -> Iterator[IncomingSnapshot]:
    opened = IncomingSnapshot(tmp_path / "incoming")
    yield opened
    opened.close()


def begin(source: Store, incoming: IncomingSnapshot, height: int) -> None:
    """Begin a snapshot, and fetch its state."""
    target, roots = target_of(source, height)
    incoming.begin(target, roots)
    fetch(source, incoming, incoming.missing(), roots)
    incoming.once.drop_foreign()


def fetch_log(source: Store, incoming: IncomingSnapshot, family: str) -> None:
    assert incoming.target is not None
    height = incoming.target.head.height
    (log,) = [known.log for known in incoming.once.logs() if known.family == family]
    count, behind = divmod(log.size, TILE)
    joined = source.snapshots.once_tiles(height, family, 0, 1_000) or b""
    tiles = [joined[at * 32 : at * 32 + 32] for at in range(count)]
    tail = source.snapshots.once_leaves(height, family, count * TILE, behind) or []
    assert is_made_of(log, tiles, tail)
    incoming.once.write_log(family, log, tiles, tail)


def fetch_leaves(source: Store, incoming: IncomingSnapshot, most: int = 1_000) -> None:
    """Fetch the leaves of missing tiles, `most` tiles at most."""
    assert incoming.target is not None
    for part in incoming.once.missing(incoming.once.logs()):
        for place, hash_ in enumerate(part.hashes[:most]):
            first = (part.first + place) * TILE
            leaves = source.snapshots.once_leaves(incoming.target.head.height, part.family, first, TILE) or []
            assert tile_hashes(first, leaves) == [hash_]
            incoming.once.write_tile(part.family, part.first + place, leaves)


def missing(incoming: IncomingSnapshot, family: str = "orders") -> list[int]:
    parts = [part for part in incoming.once.missing(incoming.once.logs()) if part.family == family]
    return [part.first + place for part in parts for place in range(len(part.hashes))]


def check(source: Store, incoming: IncomingSnapshot, path: Path) -> None:
    """Finish the snapshot, and see that its store has the records of its height, proved, and no others."""
    assert incoming.target is not None
    height = incoming.target.head.height
    finish(source, incoming)
    incoming.close()
    store = Store.open(path, OPTIONS)
    try:
        for number in range(0, 20 * PER_BLOCK, 7):
            key = f"orders/{number}"
            assert store.once_record(key) == source.once_record(key, height)
        assert (store.once_record(f"{LATE}/3") is not None) == (height >= 15)
    finally:
        store.close()


def test_a_later_height_keeps_all_complete_tiles(source: Store, incoming: IncomingSnapshot, tmp_path: Path) -> None:
    begin(source, incoming, 10)
    fetch_log(source, incoming, "orders")
    assert missing(incoming) == [0, 1]
    fetch_leaves(source, incoming, 1)
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    assert missing(incoming) == [1, 2, 3, 4]
    fetch_leaves(source, incoming)
    check(source, incoming, tmp_path / "incoming")


def test_a_later_height_keeps_them_also_where_every_bucket_has_changed(
    source: Store, incoming: IncomingSnapshot, tmp_path: Path
) -> None:
    begin(source, incoming, 10)
    fetch_log(source, incoming, "orders")
    fetch_leaves(source, incoming, 1)
    target, roots = target_of(source, 20)
    incoming.begin(target, b"\xff" * len(roots))
    assert len(incoming.missing()) == 256
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    assert missing(incoming) == [1, 2, 3, 4]
    fetch_leaves(source, incoming)
    check(source, incoming, tmp_path / "incoming")


def test_an_earlier_height_drops_what_lies_beyond_its_logs(
    source: Store, incoming: IncomingSnapshot, tmp_path: Path
) -> None:
    """Where the only peer with a height has left, the others' may be an earlier one."""
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    fetch_leaves(source, incoming)
    begin(source, incoming, 10)
    assert [log.family for log in incoming.once.logs()] == ["orders"]
    fetch_log(source, incoming, "orders")
    assert missing(incoming) == []
    check(source, incoming, tmp_path / "incoming")


def test_there_and_back_again(source: Store, incoming: IncomingSnapshot, tmp_path: Path) -> None:
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    fetch_leaves(source, incoming)
    begin(source, incoming, 10)
    fetch_log(source, incoming, "orders")
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    assert missing(incoming) == [2, 3, 4]
    assert missing(incoming, LATE) == [0]
    fetch_leaves(source, incoming)
    check(source, incoming, tmp_path / "incoming")


def test_leaves_of_another_chains_log_are_not_taken_over(
    source: Store, incoming: IncomingSnapshot, tmp_path: Path
) -> None:
    target, roots = target_of(source, 20)
    incoming.begin(target, b"\xff" * len(roots))
    leaves = [leaf_of(f"orders/{n}", encode({"amount": -n})) for n in range(2 * TILE)]
    other = append(EMPTY, [leaf_hash(leaf) for leaf in leaves]).log
    incoming.once.write_log("orders", other, tile_hashes(0, leaves), [])
    for tile in range(2):
        incoming.once.write_tile("orders", tile, leaves[tile * TILE : (tile + 1) * TILE])
    begin(source, incoming, 10)
    fetch_log(source, incoming, "orders")
    assert missing(incoming) == [0, 1]
    fetch_leaves(source, incoming)
    check(source, incoming, tmp_path / "incoming")


def test_nothing_is_finished_while_records_are_missing(source: Store, incoming: IncomingSnapshot) -> None:
    begin(source, incoming, 10)
    with pytest.raises(CommitRefused, match="once-records"):
        finish(source, incoming)
    fetch_log(source, incoming, "orders")
    with pytest.raises(CommitRefused, match="once-records"):
        finish(source, incoming)
    fetch_leaves(source, incoming, 1)
    with pytest.raises(CommitRefused, match="once-records"):
        finish(source, incoming)


def test_what_is_here_of_an_earlier_height_does_not_pass_for_a_log(
    source: Store, incoming: IncomingSnapshot
) -> None:
    begin(source, incoming, 10)
    fetch_log(source, incoming, "orders")
    fetch_leaves(source, incoming)
    begin(source, incoming, 20)
    fetch_log(source, incoming, LATE)
    fetch_leaves(source, incoming)
    with pytest.raises(CommitRefused, match="are missing"):
        finish(source, incoming)


def test_nothing_is_finished_with_records_of_another_log(source: Store, incoming: IncomingSnapshot) -> None:
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    fetch_leaves(source, incoming)
    target, roots = target_of(source, 10)
    incoming.begin(target, roots)
    fetch(source, incoming, incoming.missing(), roots)
    fetch_log(source, incoming, "orders")
    with pytest.raises(CommitRefused, match="does not have"):
        finish(source, incoming)


def test_a_crash_amid_dropping_leaves_no_tile_that_only_seems_whole(
    source: Store, incoming: IncomingSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    fetch_leaves(source, incoming)
    begin(source, incoming, 10)
    database, writes = incoming._database, 0
    write = database.write

    def dies(batch: object) -> None:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise KeyboardInterrupt
        write(batch)

    monkeypatch.setattr(database, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        fetch_log(source, incoming, "orders")
    monkeypatch.undo()
    begin(source, incoming, 20)
    for family in ("orders", LATE):
        fetch_log(source, incoming, family)
    assert missing(incoming) == [2]
    fetch_leaves(source, incoming)
    check(source, incoming, tmp_path / "incoming")


@pytest.mark.parametrize("folder", ["source", "incoming"])
def test_a_store_whose_log_has_lost_all_its_leaves_and_tiles_does_not_start(
    folder: str, source: Store, incoming: IncomingSnapshot, tmp_path: Path
) -> None:
    begin(source, incoming, 10)
    fetch_log(source, incoming, "orders")
    fetch_leaves(source, incoming)
    check(source, incoming, tmp_path / "incoming")
    source.close()
    store = Store.open(tmp_path / folder, OPTIONS)
    database = store._database
    batch = database.batch()
    for letter in (b"v", b"w"):
        for key, _ in database.scan(letter, bytes([letter[0] + 1])):
            if key not in {name_key("orders"), name_key(LATE)}:
                batch.delete(key)
    database.write(batch)
    store.close()
    with pytest.raises(StoreCorrupt, match="has 0 records"):
        Store.open(tmp_path / folder, OPTIONS)


def test_leaves_are_read_up_to_the_bytes_of_a_reply_and_no_further(
    source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, read = source._database, 0
    scan = database.scan

    def counted(*args: object, **more: object) -> Iterator[tuple[bytes, bytes]]:
        nonlocal read
        for entry in scan(*args, **more):  # type: ignore[arg-type]
            read += 1
            yield entry

    monkeypatch.setattr(database, "scan", counted)
    found = source.snapshots.once_leaves(20, "orders", 5, 200, max_bytes=100)
    assert found
    assert (len(found), read) == (100 // len(found[0]), len(found) + 1)
    assert found == OnceRecords(database).leaves("orders", 5, len(found))
    assert source.snapshots.once_leaves(20, "orders", 5, 200, max_bytes=1) == found[:1]
