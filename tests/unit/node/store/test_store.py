"""The store: committing in order, reading back, reopening, refusing, and the errors it speaks."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.store import (
    BlockCommit,
    CommitRefused,
    HeightAhead,
    StatePruned,
    StateValues,
    Store,
    StoreCorrupt,
    StoreFailure,
    StoreOptions,
)
from node.store import database as database_module
from node.store import upgrade as upgrade_module
from node.store.cache import LruCache
from node.store.database import Database
from node.store.layout import CHANGED_KEYS, FORMAT_2, FORMAT_KEY, PART_UNDO, TOP_UNDO, at_height, number
from vm.arguments import Count, Ref
from vm.primitives.codec import encode
from vm.state_proof import verify_state_proof
from vm.state_tree import StateTree
from vm.tables.stored import Stored

pytestmark = pytest.mark.usefixtures("each_engine")

GENESIS = b"genesis document"


@cache
def stored(type_: Any) -> Stored[Any]:
    """Return the declaration of a type, the same for the same type."""
    return Stored(type_)


def read(reader: StateValues, key: str, type_: Any) -> Any:
    """Return a value as execution reads it."""
    cell = reader.cell(key, stored(type_))
    return None if cell is None else cell[0]


class Lot(msgspec.Struct, frozen=True):
    amount: Count
    holder: Ref


def genesis_state() -> dict[str, bytes]:
    return {"params/a": encode(1), "lot/1": encode(Lot(5, "me"))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data"


@pytest.fixture
def store(path: Path):
    opened = Store.open(path)
    opened.initialise(GENESIS, genesis_state(), 256)
    yield opened
    opened.close()


def block_of(store: Store, changes: dict[str, bytes | None], /, **fields: object) -> BlockCommit:
    """Return a commit of the next height."""
    update = store.tree.update(changes)
    height = store.head.height + 1
    commit = BlockCommit(
        height=height,
        digest=sha256(b"digest %d" % height).digest(),
        block=b"block %d" % height,
        certificate=b"certificate %d" % height,
        state_root=update.root,
        receipts_root=sha256(b"receipts %d" % height).digest(),
        receipts=[b"receipt", b"system"],
        transaction_ids=[sha256(b"tx %d" % height).digest()],
        update=update,
        changes=changes,
    )
    return BlockCommit(**{**{name: getattr(commit, name) for name in commit.__slots__}, **fields})


def commit(store: Store, changes: dict[str, bytes | None], /, **fields: object) -> BlockCommit:
    block = block_of(store, changes, **fields)
    assert store.commit_block(block)
    return block


def test_a_new_store_must_be_initialised_once(path):
    store = Store.open(path)
    assert not store.is_initialised
    with pytest.raises(CommitRefused):
        _ = store.head
    head = store.initialise(GENESIS, genesis_state(), 256)
    assert (head.height, head.digest) == (0, sha256(GENESIS).digest())
    assert store.head == head == store.head_at(0)
    with pytest.raises(CommitRefused):
        store.initialise(GENESIS, {}, 256)
    store.close()


@pytest.mark.parametrize("count", [0, 1, 15, 17, 1000, 16**7])
def test_a_bucket_count_is_a_power_of_16(path, count):
    store = Store.open(path)
    with pytest.raises(CommitRefused):
        store.initialise(GENESIS, {}, count)
    store.close()


def test_genesis_values_are_read_back(store):
    assert store.genesis_bytes == GENESIS
    assert store.bucket_count == 256
    assert store.state_value("params/a") == encode(1)
    assert store.state_value("params/a", 0) == encode(1)
    assert store.state_value("missing") is None
    assert store.block_bytes(0) is None
    assert store.receipts(0) == []


def test_everything_of_a_block_is_read_back_also_after_reopening(store, path):
    block = commit(store, {"lot/1": None, "lot/2": encode(Lot(7, "you"))})
    for again in (store, None):
        if again is None:
            store.close()
            again = Store.open(path)
        head = again.head
        assert (head.height, head.digest) == (1, block.digest)
        assert (head.state_root, head.receipts_root) == (block.state_root, block.receipts_root)
        assert again.tree.root == block.state_root
        assert again.block_bytes(1) == b"block 1"
        assert again.certificate_bytes(1) == b"certificate 1"
        assert again.receipts(1) == [b"receipt", b"system"]
        assert again.height_of_digest(block.digest) == 1
        assert again.find_transaction(block.transaction_ids[0]) == (1, 0)
        assert again.contains_transaction(block.transaction_ids[0])
        assert not again.contains_transaction(bytes(32))
        assert again.state_value("lot/1") is None
        assert again.state_value("lot/1", 0) == encode(Lot(5, "me"))
        assert read(again.reader, "lot/2", Lot) == Lot(7, "you")
    again.close()


def test_the_same_block_again_is_no_news(store):
    first = commit(store, {"a": encode(1)})
    commit(store, {"a": encode(2)})
    assert store.commit_block(first) is False
    assert store.head.height == 2
    assert store.state_value("a") == encode(2)


def test_what_does_not_fit_the_head_is_refused(store):
    first = commit(store, {"a": encode(1)})
    head = store.head
    good = block_of(store, {"a": encode(2)})
    other_changes = {"a": encode(2), "b": encode(3)}
    for fields in (
        {"height": 1},
        {"height": 0},
        {"height": 3},
        {"state_root": bytes(32)},
        {"update": first.update},
        {"changes": other_changes},
    ):
        with pytest.raises(CommitRefused):
            store.commit_block(block_of(store, {"a": encode(2)}, **fields))
        assert store.head == head
    assert store.commit_block(good)


def test_a_certificate_can_be_replaced_by_a_fuller_one(store):
    commit(store, {})
    store.put_certificate(1, b"fuller")
    assert store.certificate_bytes(1) == b"fuller"
    for height in (0, 2):
        with pytest.raises(CommitRefused):
            store.put_certificate(height, b"x")


def test_the_reader_follows_the_head(store):
    reader = store.reader
    assert read(reader, "lot/1", Lot) == Lot(5, "me")
    assert read(reader, "lot/1", Lot) is read(reader, "lot/1", Lot)
    assert read(reader, "lot/9", Lot) is None
    commit(store, {"lot/1": encode(Lot(6, "me")), "lot/9": encode(Lot(1, "you"))})
    assert read(reader, "lot/1", Lot) == Lot(6, "me")
    assert read(reader, "lot/9", Lot) == Lot(1, "you")
    commit(store, {"lot/1": None})
    assert read(reader, "lot/1", Lot) is None


def test_the_reader_refuses_a_value_of_another_type(store):
    assert read(store.reader, "params/a", Count) == 1
    with pytest.raises(StoreCorrupt, match="params/a"):
        read(store.reader, "params/a", Ref)
    assert read(store.reader, "params/a", Count) == 1


def test_heights_outside_the_history_have_errors_of_their_own(path):
    store = Store.open(path, StoreOptions(state_history_blocks=3))
    store.initialise(GENESIS, genesis_state(), 256)
    for i in range(8):
        commit(store, {"n": encode(i)})
    assert store.oldest_state_height == 5
    assert [store.state_value("n", height) for height in (5, 6, 7, 8)] == [encode(i) for i in (4, 5, 6, 7)]
    for ask in (store.state_value, store.state_proof):
        with pytest.raises(StatePruned) as pruned:
            ask("n", 4)
        assert pruned.value.height == 4
        with pytest.raises(HeightAhead):
            ask("n", 9)
        with pytest.raises(StatePruned):
            ask("n", -1)
    store.close()


def test_a_shorter_history_is_reached_in_bounded_steps(path):
    store = Store.open(path, StoreOptions(state_history_blocks=None))
    store.initialise(GENESIS, genesis_state(), 256)
    for i in range(20):
        commit(store, {"n": encode(i)})
    assert store.oldest_state_height == 0
    store.close()
    store = Store.open(path, StoreOptions(state_history_blocks=2))
    floors = []
    for i in range(6):
        commit(store, {"n": encode(i)})
        floors.append(store.oldest_state_height)
    assert floors == [4, 8, 12, 16, 20, 24]
    store.close()


def test_indexes_are_paged_in_order(store):
    for height in range(1, 7):
        entries = {("account", "ent1a"): [0, 2, 5], ("account", "ent1"): [1], ("brand", "ent1a"): [7]}
        commit(store, {"n": encode(height)}, index_entries=entries if height != 3 else {})
    expected = [(height, i) for height in (1, 2, 4, 5, 6) for i in (0, 2, 5)]
    collected, after = [], None
    while True:
        page = store.transactions_of("account", "ent1a", after=after, limit=4)
        collected += page.items
        after = page.next
        if after is None:
            break
        assert len(page.items) == 4
    assert collected == expected
    bounded = store.transactions_of("account", "ent1a", 2, 4)
    assert bounded.items == [item for item in expected if 2 <= item[0] <= 4]
    assert bounded.next is None
    assert store.transactions_of("account", "ent1a", 5, 2).items == []
    assert store.transactions_of("account", "nobody").items == []
    exact = store.transactions_of("account", "ent1a", limit=len(expected))
    assert (exact.items, exact.next) == (expected, None)


def test_ground_keys_are_split_over_pages_that_survive_a_restart(store, path):
    ground = [f"ground/{i}" for i in range(60_000)]
    crowded = [key for key in ground if sha256(key.encode()).digest()[0] == 7][:200]
    assert len(crowded) == 200
    commit(store, {key: encode(1) for key in crowded})
    store.close()
    store = Store.open(path)
    for key in crowded[:5]:
        proved = store.state_proof(key)
        assert verify_state_proof(store.head.state_root, 2, key, encode(1), proved.proof)
    commit(store, {crowded[0]: encode(2)})
    assert split_pages(store)
    commit(store, dict.fromkeys(crowded[5:]))
    assert not split_pages(store)
    assert store.state_proof(crowded[0], 1).value == encode(1)
    state = genesis_state() | {key: encode(1) for key in crowded[1:5]} | {crowded[0]: encode(2)}
    assert store.head.state_root == StateTree(2, {}).update(state).root
    store.close()


def split_pages(store: Store) -> list[bytes]:
    return [key for key, _ in store._database.scan(b"p", b"q")]


def test_bucket_roots_survive_more_blocks_than_there_are_slices(path):
    store = Store.open(path)
    store.initialise(GENESIS, genesis_state(), 16)
    for i in range(50):
        commit(store, {f"k{i % 23}": encode(i)})
        if i % 7 == 0:
            store.close()
            store = Store.open(path)
    assert len(list(store._database.scan(b"l", b"m"))) == 16
    store.close()


def test_a_bucket_changed_in_its_own_slice_s_turn_and_never_again_keeps_its_root(path):
    store = Store.open(path)
    store.initialise(GENESIS, {}, 16)
    keys = [f"k{i}" for i in range(400)]
    for height in range(1, 17):
        key = next(key for key in keys if sha256(key.encode()).digest()[0] >> 4 == height % 16)
        commit(store, {key: encode(height)})
    for _ in range(20):
        commit(store, {})
    root = store.head.state_root
    store.close()
    store = Store.open(path)
    assert store.tree.root == root
    store.close()


def test_a_root_that_the_data_do_not_have_is_an_error_at_the_start(store, path):
    commit(store, {"a": encode(1)})
    batch = store._database.batch()
    batch.put(b"l" + (1).to_bytes(8, "big"), bytes(4) + bytes(31) + b"\1")
    store._database.write(batch)
    store.close()
    with pytest.raises(StoreCorrupt, match="state root"):
        Store.open(path)


def test_a_value_that_was_changed_on_the_disk_is_found(store, path):
    batch = store._database.batch()
    name = b"s" + sha256(b"lot/1").digest()
    record = store._database.get(name)
    batch.put(name, record[:-1] + b"x")
    store._database.write(batch)
    store.close()
    damaged = Store.open(path)
    with pytest.raises(StoreCorrupt):
        damaged.tree.update({"lot/1": encode(2)})
    with pytest.raises(StoreCorrupt):
        damaged.state_proof("lot/1")
    damaged.close()


def test_a_foreign_format_is_refused(store, path):
    batch = store._database.batch()
    batch.put(b"mformat", b"entente-store/9")
    store._database.write(batch)
    store.close()
    with pytest.raises(StoreCorrupt, match="format"):
        Store.open(path)


def test_a_second_process_cannot_open_it(store, path):
    with pytest.raises(StoreFailure, match="another process"):
        Store.open(path)


def test_a_batch_that_cannot_be_written_changes_nothing_and_is_the_last(store, path, monkeypatch):
    class FullDisk:
        def put(self, key: bytes, value: bytes) -> None: ...

        def delete(self, key: bytes) -> None: ...

        def write(self) -> None:
            raise OSError(28, "No space left on device")

    block = block_of(store, {"lot/1": encode(Lot(6, "me"))})
    head, root = store.head, store.tree.root
    with monkeypatch.context() as patch:
        patch.setattr(Database, "batch", lambda self: FullDisk())
        with pytest.raises(StoreFailure, match="No space left"):
            store.commit_block(block)
    assert (store.head, store.tree.root) == (head, root)
    assert read(store.reader, "lot/1", Lot) == Lot(5, "me")
    with pytest.raises(StoreFailure, match="until a new start"):
        store.commit_block(block)
    store.close()
    again = Store.open(path)
    assert again.commit_block(block)
    assert read(again.reader, "lot/1", Lot) == Lot(6, "me")
    again.close()


def test_a_closed_store_answers_with_its_own_error(path):
    store = Store.open(path)
    store.initialise(GENESIS, genesis_state(), 256)
    store.close()
    with pytest.raises(StoreFailure):
        store.state_value("nobody/asked/yet")


def test_the_cache_stays_within_its_limit_and_keeps_what_is_used():
    cache: LruCache[int, bytes] = LruCache(100, len)
    for i in range(50):
        cache.put(i, bytes(10))
        cache.get(0)
        assert cache.bytes_held <= 100
    assert (len(cache), cache.get(0), cache.get(1)) == (10, bytes(10), None)
    cache.put(0, bytes(60))
    assert cache.bytes_held <= 100
    cache.put(9, bytes(101))
    assert (len(cache), cache.bytes_held) == (0, 0)


def test_held_commits_are_read_at_once_and_reach_the_disk_together(store, path, monkeypatch):
    writes = []
    original = Database._write
    monkeypatch.setattr(Database, "_write", lambda self, batch: (writes.append(1), original(self, batch)))
    store.hold()
    for amount in (6, 7, 8):
        store.commit_block(block_of(store, {"lot/1": encode(Lot(amount, "me"))}))
        assert store.state_value("lot/1") == encode(Lot(amount, "me"))
        assert store.head_at(store.head.height) == store.head
        assert store.block_bytes(store.head.height) is not None
    assert writes == []
    assert store.state_value("lot/1", store.head.height - 1) == encode(Lot(7, "me"))
    assert writes == []
    assert dict(store.state_values())["lot/1"] == encode(Lot(8, "me")), "values are scanned"
    assert writes == [1]
    store.commit_block(block_of(store, {"lot/1": None}))
    assert store.state_value("lot/1") is None
    store.flush()
    assert writes == [1, 1]
    store.commit_block(block_of(store, {"lot/2": encode(Lot(1, "you"))}))
    assert writes == [1, 1, 1], "after the flush each commit is synced again"
    head, entries = store.head, everything(store)
    store.close()
    again = Store.open(path)
    assert (again.head, everything(again)) == (head, entries)
    again.close()


def test_held_commits_are_written_once_they_are_large(store, monkeypatch):
    monkeypatch.setattr(database_module, "HELD_BYTES", 10_000)
    writes = []
    original = Database._write
    monkeypatch.setattr(Database, "_write", lambda self, batch: (writes.append(1), original(self, batch)))
    store.hold()
    for amount in range(40):
        store.commit_block(block_of(store, {"lot/1": encode(Lot(amount, "m" * 1_000))}))
    assert 2 <= len(writes) <= 20


def everything(store):
    """Every entry of the database."""
    with store.snapshot() as entries:
        return list(entries)


def test_whatever_is_written_waits_for_the_disk(store, monkeypatch):
    plain = store._database._engine
    synced: list[bool] = []

    class Recorder:
        def batch(self, *, sync: bool):
            synced.append(sync)
            return plain.batch(sync=sync)

        def __getattr__(self, name: str):
            return getattr(plain, name)

    monkeypatch.setattr(store._database, "_engine", Recorder())
    commit(store, {"a": encode(1)})
    assert synced == [True]
    store.hold()
    commit(store, {"a": encode(2)})
    commit(store, {"a": encode(3)})
    assert synced == [True]
    store.flush()
    assert synced == [True, True]


def as_format_2(path: Path, heights: int) -> None:
    """Make a store what the release before would have written: another format, and history by shard."""
    database = Database(str(path), 1 << 20, 1 << 20, create=False)
    batch = database.batch()
    for letter in (PART_UNDO, TOP_UNDO, CHANGED_KEYS):
        for key, _ in database.scan(letter, bytes([letter[0] + 1])):
            batch.delete(key)
    for height in range(1, heights + 1):
        batch.put(at_height(TOP_UNDO, height), b"old top")
        for shard in (0, 7, 255):
            batch.put(PART_UNDO + bytes([shard]) + number(height), b"old shard")
    batch.put(FORMAT_KEY, FORMAT_2)
    database.write(batch)
    database.close()


def test_a_store_of_the_format_before_is_upgraded_and_begins_its_history_anew(path, monkeypatch):
    monkeypatch.setattr(upgrade_module, "DELETED_AT_ONCE", 5)
    store = Store.open(path)
    store.initialise(GENESIS, genesis_state(), 256)
    for i in range(4):
        commit(store, {"n": encode(i)})
    store.close()
    as_format_2(path, 4)
    again = Store.open(path)
    assert [again.state_value("n"), again.state_value("n", 4)] == [encode(3), encode(3)]
    with pytest.raises(StatePruned):
        again.state_value("n", 3)
    commit(again, {"n": encode(4)})
    assert again.state_value("n", 4) == encode(3)
    proved = again.state_proof("n", 4)
    assert verify_state_proof(proved.state_root, 2, "n", encode(3), proved.proof)
    assert again.block_bytes(1) == b"block 1"
    with again.snapshot() as entries:
        left = [key for key, _ in entries if key[:1] in (PART_UNDO, TOP_UNDO)]
    assert {int.from_bytes(key[1:9], "big") for key in left} == {5}
    again.close()
    Store.open(path).close()


TWINS = ("twin/45695", "twin/72377")
"""Keys whose hashes begin with the same four bytes, by which a block's changes are found again."""


def test_keys_whose_hashes_begin_alike_are_told_apart_in_the_past(store):
    one, other = TWINS
    assert sha256(one.encode()).digest()[:4] == sha256(other.encode()).digest()[:4]
    states = [dict.fromkeys(TWINS)]
    for changes in ({one: encode(1)}, {other: encode(2)}, {one: encode(3), other: encode(4)}, {one: None}):
        commit(store, changes)
        states.append({**states[-1], **changes})
    for height, state in enumerate(states):
        for key, value in state.items():
            proved = store.state_proof(key, height)
            assert (store.state_value(key, height), proved.value) == (value, value)
            assert verify_state_proof(proved.state_root, 2, key, value, proved.proof)
