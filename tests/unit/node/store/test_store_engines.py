"""Each engine keeps what node/store/engine.py promises, and a folder is opened by the engine that wrote it."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli.main import main
from node.maintenance.backup import frames, write_file
from node.maintenance.restore import restore_backup
from node.maintenance.store_check import Checked, check_store
from node.runtime.config import NodeConfig, StoreSettings, config_to_toml
from node.runtime.errors import ConfigError
from node.store import EngineName, OtherEngine, Store, StoreCorrupt, StoreFailure, StoreOptions, engines
from node.store.database import Database
from node.store.engine import Engine, EngineDamaged, EngineError
from node.store.engines import can_open, engine_of, open_engine, opener
from node.store.incoming_snapshot import IncomingSnapshot
from node.store.refused_log import refused_log
from tests.support.engines import EACH, preferring
from tests.support.ledger import LocalChain, address_of, program_op

SIZES = {"block_cache_bytes": 1 << 20, "write_buffer_bytes": 1 << 20, "max_open_files": 80}
ENTRIES = {b"k%04d" % at: random.Random(at).randbytes(60) for at in range(400)}
FLIPS = 60

both = pytest.mark.skipif(
    not all(map(can_open, EngineName)), reason="this Python has the library of one engine only"
)
each = pytest.mark.parametrize("name", EACH)


def opened(name: EngineName, path: Path) -> Engine:
    return opener(name)(str(path), create=True, **SIZES)


def fill(engine: Engine) -> None:
    """Write ENTRIES, ten a batch."""
    keys = list(ENTRIES)
    for at in range(0, len(keys), 10):
        batch = engine.batch(sync=at % 100 == 0)
        for key in keys[at : at + 10]:
            batch.put(key, ENTRIES[key])
        batch.write()


def filled(name: EngineName, path: Path) -> Engine:
    engine = opened(name, path)
    fill(engine)
    return engine


def read(engine: Engine, start: bytes = b"k", stop: bytes = b"l", **how: bool) -> list[tuple[bytes, bytes]]:
    with engine.iterator(start=start, stop=stop, **how) as entries:
        return list(entries)


@each
def test_iterators_keep_their_bounds(name: EngineName, tmp_path: Path) -> None:
    engine = filled(name, tmp_path / "data")
    expected = [(b"k%04d" % at, ENTRIES[b"k%04d" % at]) for at in range(100, 110)]
    bounds = {"start": b"k0100", "stop": b"k0110"}
    assert read(engine, **bounds) == read(engine, **bounds, once=True) == expected
    assert read(engine, **bounds, reverse=True) == expected[::-1]
    assert read(engine, **bounds, include_start=False) == expected[1:]
    assert read(engine, **bounds, include_start=False, reverse=True) == expected[:0:-1]
    assert read(engine, b"k0100x", b"k0100y") == read(engine, b"x", b"y", reverse=True) == []
    engine.close()


@each
def test_a_snapshot_and_an_iterator_are_of_one_moment(name: EngineName, tmp_path: Path) -> None:
    engine = filled(name, tmp_path / "data")
    with engine.snapshot() as snapshot, engine.iterator(start=b"k", stop=b"l") as entries:
        batch = engine.batch(sync=True)
        for key in ENTRIES:
            batch.put(key, b"other")
        batch.put(b"k9999", b"new")
        batch.delete(b"k0000")
        batch.write()
        assert dict(snapshot) == dict(entries) == ENTRIES
    assert engine.get(b"k0000") is None
    assert engine.get(b"k0001") == b"other"
    engine.close()


@each
def test_a_batch_is_written_whole_or_not_at_all_and_deletes_in_its_order(name: EngineName, tmp_path: Path) -> None:
    engine = opened(name, tmp_path / "data")
    batch = engine.batch(sync=False)
    batch.put(b"a", b"1")
    batch.delete(b"a")
    batch.delete(b"b")
    batch.put(b"b", b"")
    assert engine.get(b"b") is None
    batch.write()
    assert (engine.get(b"a"), engine.get(b"b")) == (None, b"")
    engine.put(b"c", b"3")
    engine.close()
    engine = opened(name, tmp_path / "data")
    assert (engine.get(b"a"), engine.get(b"b"), engine.get(b"c")) == (None, b"", b"3")
    engine.close()


@each
def test_a_closed_engine_says_so_also_to_those_who_were_reading(name: EngineName, tmp_path: Path) -> None:
    engine = filled(name, tmp_path / "data")
    with pytest.raises(engine.faults) as raised:
        read_while_it_is_closed(engine)
    assert type(engine.explain(raised.value)) is EngineError
    with pytest.raises(engine.faults):
        engine.get(b"k0001")
    engine.close()
    again = opened(name, tmp_path / "data")  # nothing that was read from it keeps it locked
    assert dict(read(again)) == ENTRIES
    again.close()


def read_while_it_is_closed(engine: Engine) -> None:
    with engine.iterator(start=b"k", stop=b"l") as entries:
        next(entries)
        engine.close()
        list(entries)


@each
def test_what_is_no_fault_of_an_engine_is_not_explained(name: EngineName, tmp_path: Path) -> None:
    engine = opened(name, tmp_path / "data")
    mistake = TypeError("a key is bytes")
    if isinstance(mistake, engine.faults):
        with pytest.raises(TypeError):
            engine.explain(mistake)
    database = Database(str(tmp_path / "other"), 1 << 20, 1 << 20, engine=opener(name))
    with pytest.raises(Exception) as raised:
        database.get(7)  # type: ignore[arg-type]
    assert not isinstance(raised.value, StoreFailure)
    database.close()
    engine.close()


@each
def test_compaction_gives_room_back(name: EngineName, tmp_path: Path) -> None:
    engine = opened(name, tmp_path / "data")
    noise = random.Random(1)
    for at in range(60):
        batch = engine.batch(sync=False)
        batch.put(b"b%04d" % at, noise.randbytes(100_000))
        batch.write()
    engine.close()
    engine = opened(name, tmp_path / "data")
    batch = engine.batch(sync=True)
    for at in range(50):
        batch.delete(b"b%04d" % at)
    batch.write()
    engine.compact(b"b", b"b0050")
    size = sum(path.stat().st_size for path in (tmp_path / "data").iterdir())
    assert size < 2_500_000
    assert len(read(engine, b"b", b"c")) == 10
    engine.close()


@each
def test_a_flipped_bit_anywhere_is_refused_or_reported(name: EngineName, tmp_path: Path) -> None:
    """Half of the entries are in a table, half in the log, as a killed process leaves them."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    filled(name, data).close()
    engine = opened(name, data)  # what was in the log is in a table now
    engine.close()
    engine = opened(name, data)
    fill(engine)
    shutil.copytree(data, tmp_path / "killed")
    engine.close()
    choice = random.Random(5)
    files = [path for path in (tmp_path / "killed").iterdir() if path.suffix in (".log", ".ldb", ".sst")]
    files += [path for path in (tmp_path / "killed").iterdir() if path.name.startswith(("MANIFEST", "CURRENT"))]
    files = [path for path in files if path.stat().st_size]
    outcomes: Counter[str] = Counter()
    for turn in range(FLIPS):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tmp_path / "killed", copy)
        file = copy / files[turn % len(files)].name
        content = bytearray(file.read_bytes())
        content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
        file.write_bytes(content)
        outcomes[outcome_of(name, copy)] += 1
    assert outcomes["served wrong"] == outcomes["not explained"] == 0, outcomes
    assert outcomes["refused"] > FLIPS // 6, outcomes
    assert outcomes["reported"], outcomes


def outcome_of(name: EngineName, path: Path) -> str:
    """Read everything, one by one and in order."""
    try:
        engine = opened(name, path)
    except EngineError:
        return "refused"
    outcome = "whole"
    try:
        for key, value in ENTRIES.items():
            try:
                if engine.get(key) != value:
                    return "served wrong"
            except engine.faults as error:
                outcome = "reported" if is_damage(engine, error) else "not explained"
        for reverse in (False, True):
            try:
                if dict(read(engine, reverse=reverse)) != ENTRIES:
                    return "served wrong"
            except engine.faults as error:
                outcome = "reported" if is_damage(engine, error) else "not explained"
    finally:
        engine.close()
    return outcome


def is_damage(engine: Engine, error: Exception) -> bool:
    return isinstance(engine.explain(error, (b"k", b"l")), EngineDamaged)


# -- which engine ----------------------------------------------------------------------------------


@each
def test_a_folder_is_opened_by_the_engine_that_wrote_it(name: EngineName, tmp_path: Path) -> None:
    assert engine_of(tmp_path / "data") is None
    filled(name, tmp_path / "data").close()
    assert engine_of(tmp_path / "data") is name
    engine = open_engine(str(tmp_path / "data"), create=False, **SIZES)
    assert dict(read(engine)) == ENTRIES
    engine.close()


@pytest.mark.parametrize("name", EngineName)
def test_a_new_folder_gets_the_first_engine_that_this_python_has(
    name: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_open(name):
        pytest.skip(f"this Python has no library for {name}")
    monkeypatch.setattr(engines, "can_open", lambda other: other is name)
    open_engine(str(tmp_path / "data"), create=True, **SIZES).close()
    assert engine_of(tmp_path / "data") is name
    monkeypatch.setattr(engines, "can_open", lambda _: False)
    with pytest.raises(EngineError, match="neither plyvel nor rocksdict"):
        open_engine(str(tmp_path / "new"), create=True, **SIZES)


@each
def test_a_python_without_the_engine_tells_the_way_out(
    name: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with preferring(name):
        Store.open(tmp_path / "data").close()
        chain = LocalChain(tmp_path / "chain")
    chain.close()
    monkeypatch.setattr(engines, "can_open", lambda other: other is not name)
    with pytest.raises(OtherEngine, match=r"written by .*this Python has no .*`entente backup`.*`entente restore`"):
        Store.open(tmp_path / "data")
    with pytest.raises(StoreFailure, match=f"store.engine in node.toml says {name}, and this Python has no"):
        Store.open(tmp_path / "new", StoreOptions(engine=opener(name)))
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(ConfigError, match="this Python has no"):
        check_store(tmp_path, chain.genesis)


@both
def test_a_setting_that_contradicts_the_folder_is_refused(tmp_path: Path) -> None:
    with preferring(EngineName.LEVELDB):
        Store.open(tmp_path / "data").close()
    with pytest.raises(OtherEngine, match=r"was written by LevelDB, and .* says rocksdb"):
        Store.open(tmp_path / "data", StoreOptions(engine=opener(EngineName.ROCKSDB)))
    Store.open(tmp_path / "data", StoreOptions(engine=opener(EngineName.LEVELDB))).close()


@both
def test_a_snapshot_that_another_engine_began_is_begun_afresh(tmp_path: Path) -> None:
    IncomingSnapshot(tmp_path / "data.incoming", opener(EngineName.LEVELDB)).close()
    IncomingSnapshot(tmp_path / "data.incoming", opener(EngineName.ROCKSDB)).close()
    assert engine_of(tmp_path / "data.incoming") is EngineName.ROCKSDB


@both
@pytest.mark.parametrize("name", EngineName)
def test_a_backup_moves_a_node_to_the_other_engine(name: EngineName, tmp_path: Path) -> None:
    with preferring(name):
        chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    issue = {"program": "miles", "to": address_of("aurora-admin"), "amount": 1_000, "ref": "float"}
    chain.commit([chain.sign("aurora-admin", [("token.issue", issue)])])
    (other,) = [engine for engine in EngineName if engine is not name]
    home = tmp_path / "home"
    home.mkdir()
    write_file(tmp_path / "backup", frames(chain.store, chain.genesis.chain, 0))
    (tmp_path / "genesis.json").write_text(chain.genesis.to_json())
    (home / "node.toml").write_text(config_to_toml(NodeConfig(min_free_disk_mib=0, store=StoreSettings(other))))
    command = [
        "restore",
        str(tmp_path / "backup"),
        "--home",
        str(home),
        "--genesis",
        str(tmp_path / "genesis.json"),
    ]
    restored = CliRunner().invoke(main, command)
    assert restored.exit_code == 0, restored.output
    assert engine_of(home / "data") is other
    head, receipts = chain.store.head, chain.store.receipts(1)
    chain.close()
    moved = Store.open(home / "data")
    assert (moved.head, moved.receipts(1)) == (head, receipts)
    assert moved.tree.root == head.state_root
    moved.close()
    assert check_store(home, chain.genesis) == Checked(head.height, head.height, None, None)
    again = tmp_path / "again"
    store = Store.open(home / "data")
    write_file(tmp_path / "back", frames(store, chain.genesis.chain, 0))
    store.close()
    restore_backup(tmp_path / "back", again, chain.genesis, free_mib=0, engine=name)
    assert engine_of(again / "data") is name
    assert check_store(again, chain.genesis) == Checked(head.height, head.height, None, None)


# -- what names the damaged file -------------------------------------------------------------------


@each
def test_the_refused_log_is_named(name: EngineName, tmp_path: Path) -> None:
    engine = filled(name, tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    engine.close()
    assert refused_log(tmp_path / "killed") == tmp_path / "killed"
    (log,) = (path for path in (tmp_path / "killed").glob("*.log") if path.stat().st_size)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=str(log)):
        Database(str(tmp_path / "killed"), 1 << 20, 1 << 20)
    assert refused_log(tmp_path / "killed") == log
    assert refused_log(tmp_path / "nothing") == tmp_path / "nothing"


def test_the_tables_of_a_listing() -> None:
    pytest.importorskip("plyvel", reason="this Python has no library for leveldb")
    from node.store.leveldb import tables_at

    listing = (
        b"--- level 0 ---\n 10:314['k0' @ 27 : 1 .. 'k5' @ 30 : 1]\n"
        b"--- level 1 ---\n 7:9['a\\x00' @ 1 : 1 .. 'k\\xff' @ 2 : 0]\n 8:9['m' @ 1 : 1 .. 'n' @ 2 : 0]\n"
    )
    assert tables_at(listing, b"k3", b"k3") == ["000010.ldb", "000007.ldb"]
    assert tables_at(listing, b"a\0b", b"a\0b") == ["000007.ldb"]
    assert tables_at(listing, b"l", b"z") == ["000008.ldb"]
    assert tables_at(listing, b"b", b"z") == ["000010.ldb", "000007.ldb"]
    assert tables_at(listing, b"z", b"z") == []
