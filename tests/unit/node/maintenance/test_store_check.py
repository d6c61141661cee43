"""A damaged database is refused, halts who reads it, and the check tells from which height on."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.chain.feed import BlockFeed
from node.chain.pruning import Pruner
from node.cli.main import main
from node.maintenance.backup import frames, write_file
from node.maintenance.restore import restore_backup
from node.maintenance.store_check import Checked, check_store
from node.store import Store, StoreCorrupt, StoreOptions
from node.store.damage_note import NAME
from node.store.database import Database
from node.store.engines import unchanging_suffix
from node.store.layout import BLOCK, HEAD, OLDEST_BLOCK_KEY, RECEIPTS, STATE, TRANSACTION, at_height, number
from tests.support.ledger import LocalChain, address_of, program_op

pytestmark = pytest.mark.usefixtures("each_engine")

BLOCKS = 8


@pytest.fixture
def chain(tmp_path: Path) -> LocalChain:
    """A store of eight blocks in <tmp_path>/data as a killed process leaves it, all of it in the engine's log."""
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    issue = {"program": "miles", "to": address_of("aurora-admin"), "amount": 1_000, "ref": "float"}
    chain.commit([chain.sign("aurora-admin", [("token.issue", issue)])])
    for _ in range(BLOCKS - 1):
        transfer = ("token.transfer", {"program": "miles", "to": address_of("bea"), "amount": 3})
        chain.commit([chain.sign("aurora-admin", [transfer])])
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    chain.store.close()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "killed").rename(tmp_path / "data")
    (tmp_path / "genesis.json").write_text(chain.genesis.to_json())
    return chain


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def block_in_log(data: Path, height: int) -> int:
    """Return where in the engine's log the head of a height is written."""
    return only(data, "*.log").read_bytes().index(at_height(HEAD, height))


def flip(file: Path, offset: int) -> None:
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.write_bytes(content)


def into_tables(data: Path) -> Path:
    """Move everything from the engine's log into one table, as a later start does, and return the table."""
    Store.open(data).close()
    return only(data, "*" + unchanging_suffix(data))


def test_a_flipped_bit_in_the_log_is_refused_with_file_and_height(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    log = only(data, "*.log")
    flip(log, block_in_log(data, 5))
    with pytest.raises(StoreCorrupt, match=log.name):
        Store.open(data)
    checked = check_store(tmp_path, chain.genesis)
    assert (checked.verified, checked.first_bad_height) == (4, 5)
    assert log.name in (checked.problem or "")
    flip(log, log.read_bytes().index(b"entente-store/"))
    assert check_store(tmp_path, chain.genesis).first_bad_height == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("data.")] == []


def test_a_torn_end_of_the_log_is_no_damage(chain: LocalChain, tmp_path: Path) -> None:
    """What kill −9 or a full disk leaves behind was never acknowledged."""
    log = only(tmp_path / "data", "*.log")
    log.write_bytes(log.read_bytes()[:-100])
    store = Store.open(tmp_path / "data")
    assert store.head.height == BLOCKS - 1
    store.close()
    assert check_store(tmp_path, chain.genesis) == Checked(BLOCKS - 1, BLOCKS - 1, None, None)


def test_a_changed_byte_in_a_table_is_never_served(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    table = into_tables(data)
    store = Store.open(data)
    block = store.block_bytes(6)
    assert block is not None
    store.close()
    flip(table, table.read_bytes().index(block) + len(block) // 2)  # of a family that opening does not read
    store = Store.open(data)
    told: list[StoreCorrupt] = []
    store.watch(told.append)
    with pytest.raises(StoreCorrupt, match=table.name):
        store.block_bytes(6)
    with pytest.raises(StoreCorrupt, match="is damaged"), store.snapshot() as records:
        list(records)
    assert len(told) == 2
    store.close()
    checked = check_store(tmp_path, chain.genesis)
    assert checked.first_bad_height is not None
    assert checked.first_bad_height <= 6
    assert checked.verified == checked.first_bad_height - 1
    assert table.name in (checked.problem or "")


def test_a_store_with_damage_is_not_opened_again_until_it_is_found_whole(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    table = into_tables(data)
    at = table.read_bytes().index(b"entente-store/")
    flip(table, at)
    with pytest.raises(StoreCorrupt):
        Store.open(data)
    flip(table, at)  # as if it had been the machine's memory
    with pytest.raises(StoreCorrupt, match=NAME):
        Store.open(data)
    assert check_store(tmp_path, chain.genesis) == Checked(BLOCKS, BLOCKS, None, None)
    Store.open(data).close()


def put(data: Path, key: bytes, value: bytes | None) -> None:
    database = Database(str(data), 1 << 20, 1 << 20, create=False)
    batch = database.batch()
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
    database.write(batch)
    database.close()


def test_a_height_that_is_missing_below_the_head_is_refused(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    put(data, at_height(HEAD, 3), None)
    with pytest.raises(StoreCorrupt, match="block 3 is missing, below the head 8"):
        Store.open(data)


def test_the_head_that_the_store_names_must_be_the_last(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    database = Database(str(data), 1 << 20, 1 << 20, create=False)
    other = database.get(at_height(HEAD, 7))
    database.close()
    put(data, at_height(HEAD, 8), other)
    with pytest.raises(StoreCorrupt, match="block 8 is not the head"):
        Store.open(data)


def test_pruned_heights_are_no_gap(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for height in range(1, 4):
        put(data, at_height(HEAD, height), None)
    put(data, OLDEST_BLOCK_KEY, number(4))
    Store.open(data).close()


@pytest.mark.parametrize(
    ("key", "value", "height", "problem"),
    [
        (at_height(BLOCK, 5), None, 5, "height 5"),
        (at_height(RECEIPTS, 5), b"\x90", 5, "receipts of block 5"),
        (at_height(HEAD, 2), b"other", 2, "record h 0000000000000002"),
        (STATE + bytes(32), b"\0\0\0\1kv", None, "does not stand where its key belongs"),
    ],
)
def test_the_check_names_the_first_bad_height(
    chain: LocalChain, tmp_path: Path, key: bytes, value: bytes | None, height: int | None, problem: str
) -> None:
    put(tmp_path / "data", key, value)
    checked = check_store(tmp_path, chain.genesis)
    assert checked.first_bad_height == height
    assert checked.verified == (BLOCKS if height is None else height - 1)
    assert checked.problem is not None
    assert problem in checked.problem


def test_pruned_and_restored_stores_are_whole(chain: LocalChain, tmp_path: Path) -> None:
    again = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    again.commit(time=again.ledger.head_time + 60_000)
    pruner = Pruner(again.ledger, BlockFeed(again.store), 3)
    while asyncio.run(pruner.prune_one()):
        pass
    assert again.store.oldest_block > 1
    write_file(tmp_path / "backup", frames(again.store, again.genesis.chain, 0))
    height = again.height
    again.close()
    assert check_store(tmp_path, chain.genesis) == Checked(height, height, None, None)
    restore_backup(tmp_path / "backup", tmp_path / "restored", chain.genesis, free_mib=0)
    assert check_store(tmp_path / "restored", chain.genesis) == Checked(height, height, None, None)


def test_the_check_compares_where_transactions_are(chain: LocalChain, tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = Store.open(data, StoreOptions())
    with store.snapshot() as records:
        key = next(key for key, _ in records if key[:1] == TRANSACTION)
        at = store.find_transaction(key[1:])
    store.close()
    put(data, key, number(1) + b"\0\0\0\7")
    checked = check_store(tmp_path, chain.genesis)
    assert at is not None
    assert checked.first_bad_height == at[0]


def test_the_command_tells_the_height_and_how_to_heal(chain: LocalChain, tmp_path: Path) -> None:
    command = ["node", "check", "--home", str(tmp_path), "--json"]
    whole = CliRunner().invoke(main, command)
    assert whole.exit_code == 0
    assert json.loads(whole.output)["verified_up_to"] == BLOCKS
    put(tmp_path / "data", at_height(BLOCK, 5), None)
    damaged = CliRunner().invoke(main, command)
    assert damaged.exit_code == 1
    told = json.loads(damaged.output)
    assert told["first_bad_height"] == 5
    assert f"move {tmp_path}/data away" in told["what_to_do"]


def test_a_running_node_is_not_checked(chain: LocalChain, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    result = CliRunner().invoke(main, ["node", "check", "--home", str(tmp_path)])
    store.close()
    assert result.exit_code == 1
    assert "stop the node first" in result.output
