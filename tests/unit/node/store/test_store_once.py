"""Once-records in the database: found by key, proved at any size, corruption named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store.database import Database
from node.store.errors import StoreCorrupt
from node.store.layout import ONCE_KEY, ONCE_LEAF, ONCE_TILE
from node.store.once import OnceRecords, key_of, name_key
from vm import once_log
from vm.once_log import EMPTY, Appended, OnceLog
from vm.primitives.codec import encode
from vm.primitives.merkle import leaf_hash, verify_path

pytestmark = pytest.mark.usefixtures("each_engine")

FAMILY = "test/order"


def leaf(number: int) -> tuple[str, bytes]:
    key = f"{FAMILY}/{number}"
    return key, once_log.leaf_of(key, encode({"amount": number}))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "data"), 1 << 20, 1 << 20)
    yield opened
    opened.close()


def append(database: Database, log: OnceLog, numbers: range) -> OnceLog:
    records = [leaf(number) for number in numbers]
    growth = once_log.append(log, [leaf_hash(data) for _, data in records])
    batch = database.batch()
    OnceRecords(database).write(batch, Appended(FAMILY, log.size, records, growth.tiles))
    database.write(batch)
    return growth.log


@pytest.fixture
def log(database: Database) -> OnceLog:
    log = EMPTY
    for first in range(0, 700, 50):
        log = append(database, log, range(first, first + 50))
    return log


def test_a_record_is_found_by_its_key(database: Database, log: OnceLog) -> None:
    records = OnceRecords(database)

    found = records.find(f"{FAMILY}/333")

    assert found is not None
    assert (found.place, found.record) == (333, encode({"amount": 333}))
    assert records.find(f"{FAMILY}/700") is None
    assert records.count(FAMILY) == log.size == 700
    assert records.count("test/other") == 0


@pytest.mark.parametrize("size", [334, 400, 512, 513, 700])
def test_a_record_is_proved_in_its_log_at_any_later_size(database: Database, log: OnceLog, size: int) -> None:
    records = OnceRecords(database)
    found = records.find(f"{FAMILY}/333")
    assert found is not None
    then = once_log.append(EMPTY, [leaf_hash(leaf(number)[1]) for number in range(size)]).log

    proof = records.prove(found, size)

    assert (proof.family, proof.index, proof.size) == (FAMILY, 333, size)
    assert verify_path(leaf(333)[1], 333, size, proof.path, once_log.root(then))


@pytest.mark.parametrize("letter", [ONCE_LEAF, ONCE_TILE])
def test_what_is_missing_is_corruption(database: Database, log: OnceLog, letter: bytes) -> None:
    records = OnceRecords(database)
    found = records.find(f"{FAMILY}/333")
    assert found is not None
    batch = database.batch()
    for key, _ in list(database.scan(letter, bytes([letter[0] + 1]))):
        batch.delete(key)
    database.write(batch)

    with pytest.raises(StoreCorrupt):
        records.prove(found, log.size)


def test_a_key_that_leads_to_another_record_is_corruption(database: Database, log: OnceLog) -> None:
    entries = [(key, place) for key, place in database.scan(ONCE_KEY, bytes([ONCE_KEY[0] + 1]))][:2]
    batch = database.batch()
    batch.put(entries[0][0], entries[1][1])
    database.write(batch)

    (wrong,) = [number for number in range(log.size) if key_of(f"{FAMILY}/{number}") == entries[0][0]]
    with pytest.raises(StoreCorrupt, match="is the record of"):
        OnceRecords(database).find(f"{FAMILY}/{wrong}")
    assert OnceRecords(database).find(f"{FAMILY}/{(wrong + 1) % log.size}") is not None


def test_a_log_of_another_size_than_the_states_is_corruption(database: Database, log: OnceLog) -> None:
    records = OnceRecords(database)
    records.check_against({FAMILY: 700}.__getitem__)
    for size in (0, 699, 701):
        with pytest.raises(StoreCorrupt, match="by the state"):
            records.check_against({FAMILY: size}.__getitem__)


def test_a_log_that_has_lost_its_leaves_or_its_tiles_is_corruption(database: Database, log: OnceLog) -> None:
    for letter in (ONCE_TILE, ONCE_LEAF):
        records = OnceRecords(database)
        assert records.families() == [FAMILY]
        batch = database.batch()
        for key, _ in list(database.scan(letter, bytes([letter[0] + 1]))):
            if key != name_key(FAMILY):
                batch.delete(key)
        database.write(batch)
    with pytest.raises(StoreCorrupt, match="has 0 records, and 700"):
        records.check_against({FAMILY: 700}.__getitem__)


@pytest.mark.parametrize("key", [b"w", b"wx", b"wtest\0", b"wtest\0" + bytes(7), b"w\xff\0" + bytes(8)])
def test_a_leaf_where_none_belongs_is_corruption(database: Database, log: OnceLog, key: bytes) -> None:
    batch = database.batch()
    batch.put(key, b"x")
    database.write(batch)
    with pytest.raises(StoreCorrupt):
        list(OnceRecords(database).families())


def test_families_are_told_once_each(database: Database, log: OnceLog) -> None:
    batch = database.batch()
    for family in ("a", "test", "test/order/more", "zz"):
        OnceRecords(database).write(batch, Appended(family, 0, [(f"{family}/1", leaf(1)[1])], {}))
    database.write(batch)
    assert list(OnceRecords(database).families()) == ["a", "test", FAMILY, "test/order/more", "zz"]


def test_a_log_of_one_record_has_one(database: Database) -> None:
    append(database, EMPTY, range(1))
    assert OnceRecords(database).count(FAMILY) == 1
